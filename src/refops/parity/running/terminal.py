"""What a run shows in a terminal: a bar while it runs, then one table of specs by checks and one closing line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from refops.parity.record import Record
from refops.parity.running.matrix import Matrix, exit_code, failures, matrices, totals

SYMBOLS = {"passed": ("✓", ".", "green"), "failed": ("✗", "F", "bold red"), "error": ("!", "E", "bold magenta"),
           "skipped": ("–", "s", "dim")}  # fmt: skip
WIDTH_OF_A_FILE = 200  # where the output is no terminal


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console that keeps whole rows when the output is a file or a pipe."""
    made = Console(file=file, stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(file=file, stderr=stderr, highlight=False, width=WIDTH_OF_A_FILE)


class Progress:
    """A bar with counts; where there is no terminal, one line for every tenth of the way.

    Example:
        >>> import sys
        >>> progress = Progress(file=sys.stdout)
        >>> progress.start(1)
        >>> progress.update(Record("Linear", "value", "float32", "cpu"))
        1/1 checks  1 passed  0 failed
        >>> progress.finish()
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self.console = console(file)
        self.total = self.done = self.failed = self.skipped = 0
        self._told = 0
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def start(self, total: int) -> None:
        """Begin, with this many records to come."""
        self.total = total
        if not self.console.is_terminal:
            return
        clock = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), *clock)
        self._bar = Bar(*columns, console=self.console, transient=True)
        self._task = self._bar.add_task(self.counts, total=total)
        self._bar.start()

    def update(self, record: Record) -> None:
        """Count one record."""
        self.done += 1
        self.failed += record.outcome in ("failed", "error")
        self.skipped += record.outcome == "skipped"
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=self.counts)
        elif self.total and (tenth := 10 * self.done // self.total) > self._told:
            self._told = tenth
            self.console.print(f"{self.done}/{self.total} checks  {self.counts}")

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def counts(self) -> str:
        """Passed, failed and skipped so far."""
        passed = self.done - self.failed - self.skipped
        return f"{passed} passed  {self.failed} failed" + (f"  {self.skipped} skipped" if self.skipped else "")


WIDTH = 80  # of the narrowest terminal the table is to fit into


def table(view: Matrix, *, ascii_only: bool = False) -> Table:
    """Specs by checks: one sign per cell, the worst over dtypes; blank where the check does not apply."""
    longest = max(map(len, view.rows), default=0)
    gap = int(longest + 2 * len(view.columns) <= WIDTH)  # signs stand close where there are many
    drawn = Table(box=None, padding=(0, gap, 0, 0), header_style="bold", pad_edge=False)
    drawn.add_column("", no_wrap=True, vertical="bottom", min_width=longest + 1)
    for check in view.columns:
        drawn.add_column("\n".join(check.replace("_", " ")), justify="center", vertical="bottom", no_wrap=True, width=1)
    for row in view.rows:
        signs = []
        for check in view.columns:
            cell = view.cells.get((row, check))
            unicode_sign, ascii_sign, style = SYMBOLS[cell.outcome] if cell else ("", "", "default")
            signs.append(f"[{style}]{ascii_sign if ascii_only else unicode_sign}[/]")
        drawn.add_row(escape(row), *signs)
    return drawn


def conclude(records: Sequence[Record], *, seconds: float, file: IO[str] | None = None, show: int = 10) -> int:
    """Print the failures (at most `show` of them, smallest case first), the table and the closing line.

    Returns:
        The exit code: 0 all passed, 1 something failed, 5 nothing ran.
    """
    out = console(file)
    bad = failures(records)
    for record, findings in bad[:show]:
        style = SYMBOLS[record.outcome][2]
        title = escape(f"{record.key}  {record.subject}".rstrip())
        out.print(f"[{style}]{record.outcome.upper()}[/] {title}", soft_wrap=True)
        if record.reason:
            out.print(escape(record.reason), soft_wrap=True)
        for finding in findings[:1]:
            out.print(escape(str(finding)), soft_wrap=True)
            if finding.script:
                out.print("\n" + escape(_indented(finding.script)), style="cyan", soft_wrap=True)
        if len(findings) > 1:
            out.print(f"  and {len(findings) - 1} more failing cases")
        out.print()
    if len(bad) > show:
        out.print(f"... and {len(bad) - show} more failing checks\n")
    for view in matrices(records):
        out.print(table(view, ascii_only=not (out.encoding or "").lower().startswith("utf")))
        out.print()
    code = exit_code(records)
    out.print(f"[bold {'red' if code else 'green'}]{totals(records)} in {seconds:.0f} s[/]", soft_wrap=True)
    return code


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
