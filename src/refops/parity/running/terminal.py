"""What a run shows in a terminal: a bar while it runs, then a table, what is wrong with its script, and a last line.

One subject is told check by check and concluded by its verdict's sentence; many are told family by family.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from refops.parity.record import Record
from refops.parity.running.families import Family, families
from refops.parity.running.kinds import Kind
from refops.parity.running.matrix import count, totals
from refops.parity.running.rows import SIGNS, grade_of
from refops.parity.running.verdict import Verdict, exit_code, verdicts

# grade: sign where there is only ASCII, style, and the word the bar counts it under
STYLES = {
    "right": (".", "green", "passed"),
    "wrong": ("F", "bold red", "wrong"),
    "not judged": ("E", "bold magenta", "not judged"),
    "differs": ("d", "yellow", "differ"),
    "less accurate": ("a", "cyan", "less accurate"),
    "accepted": ("o", "green", "accepted"),
    "skipped": ("s", "dim", "skipped"),
}
WIDTH_OF_A_FILE = 200  # where the output is no terminal


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console that keeps whole rows when the output is a file or a pipe."""
    made = Console(file=file, stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(file=file, stderr=stderr, highlight=False, width=WIDTH_OF_A_FILE)


class Progress:
    """A bar with counts per grade; where there is no terminal, one line for every tenth of the way.

    Example:
        >>> import sys
        >>> progress = Progress(file=sys.stdout)
        >>> progress.start(1)
        >>> progress.update(Record("Linear", "value", "float32", "cpu"))
        1/1 checks  1 passed  0 wrong
        >>> progress.finish()
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self.console = console(file)
        self.total = self.done = 0
        self.grades: Counter[str] = Counter()
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
        self._task = self._bar.add_task(self.coloured, total=total)
        self._bar.start()

    def update(self, record: Record) -> None:
        """Count one record."""
        self.done += 1
        self.grades[grade_of(record)] += 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=self.coloured)
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
        """How many records of each grade so far."""
        return "  ".join(f"{n} {STYLES[grade][2]}" for grade, n in self._counted())

    @property
    def coloured(self) -> str:
        """The same with the colours of the table."""
        return "  ".join(
            f"[{STYLES[grade][1] if n else 'dim'}]{n} {STYLES[grade][2]}[/]" for grade, n in self._counted()
        )

    def _counted(self) -> list[tuple[str, int]]:
        return [(grade, self.grades[grade]) for grade in STYLES if self.grades[grade] or grade in ("right", "wrong")]


def conclude(
    records: Sequence[Record],
    *,
    seconds: float,
    file: IO[str] | None = None,
    show: int = 10,
    accepted: Mapping[str, str] | None = None,
    strict: bool = False,
    left: str = "",
) -> int:
    """Print what was found and the closing line.

    Args:
        records: all of the run.
        seconds: how long it took.
        file: where to print, else to standard output.
        show: how many kinds of wrong are shown with their example.
        accepted: kinds to reasons, see `verdict`.
        strict: whether differences fail a foreign subject too.
        left: one line on what was not asked at this level, and how to ask it.

    Returns:
        The exit code: 0 passed, 1 failed, 5 nothing ran.
    """
    out = console(file)
    found = verdicts(records, accepted, strict)
    code = exit_code(found)
    closing = f"{totals(records)} in {seconds:.0f} s"
    if len(found) == 1:
        _one(out, found[0], show)
    else:
        _many(out, found, show)
    if left:
        out.print(escape(left), style="dim", soft_wrap=True)
    if len(found) == 1:
        out.print(closing, style="dim", soft_wrap=True)
        closing = found[0].sentence
    out.print(escape(closing), style="bold red" if code else "bold green", soft_wrap=True)
    return code


def _one(out: Console, verdict: Verdict, show: int) -> None:
    """One subject: the table of checks, what is wrong, and a line for everything else."""
    out.print(f"[bold]{escape(verdict.name)}[/]\n", soft_wrap=True)
    out.print(table(verdict, ascii_only=_ascii(out)))
    for row in verdict.rows:
        if row.grade == "skipped" and row.reason:
            out.print(escape(f"{row.check} skipped: {row.reason}"), style="dim", soft_wrap=True)
    out.print()
    _details(out, verdict, show)


def _many(out: Console, found: Sequence[Verdict], show: int) -> None:
    """Many subjects: a line for each family, and everything that is to be told of those that are not right."""
    out.print(overview(families(found), ascii_only=_ascii(out)))
    out.print()
    for verdict in found:
        if not verdict.passed or verdict.notes:
            style = STYLES[verdict.grade][1]
            out.print(f"[bold]{escape(verdict.name)}[/]  [{style}]{escape(verdict.sentence)}[/]", soft_wrap=True)
            _details(out, verdict, show)
            show = max(0, show - len(verdict.failing))


def table(verdict: Verdict, *, ascii_only: bool = False) -> Table:
    """One subject's checks in rows: grade, in how many of its cases, and a sign for each dtype."""
    drawn = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for head in ("check", "verdict", "cases"):
        drawn.add_column(head, no_wrap=True, justify="right" if head == "cases" else "left")
    for dtype in verdict.dtypes:
        drawn.add_column(dtype, justify="center", no_wrap=True)
    for row in verdict.rows:
        signs = [_sign(row.dtypes[dtype], ascii_only) if dtype in row.dtypes else "" for dtype in verdict.dtypes]
        drawn.add_row(escape(row.check), _sign(row.grade, ascii_only, row.grade), row.counted, *signs)
    return drawn


def overview(found: Sequence[Family], *, ascii_only: bool = False) -> Table:
    """A row for each family; below it one for each of its specs that is not right."""
    drawn = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for justify in ("left", "right", "right", "left"):
        drawn.add_column(justify=justify, no_wrap=justify == "right")
    for family in found:
        counts = (count(len(family.verdicts), "spec"), count(family.checks, "check"))
        drawn.add_row(escape(family.name), *counts, _sign(family.grade, ascii_only))
        for verdict in family.verdicts:
            if verdict.grade != "right":
                said = _sign(verdict.grade, ascii_only, escape(verdict.sentence))
                drawn.add_row(f"  {escape(verdict.name)}", "", count(verdict.checks, "check"), said)
    return drawn


def _details(out: Console, verdict: Verdict, show: int) -> None:
    """Each kind it fails for with its example, then one line for each other thing."""
    told: set[str] = set()
    for kind in verdict.failing[:show]:
        cause = kind.cause or f"{kind.grade}:{kind.name}"
        _kind(out, kind, scripted=cause not in told and len(told) < SCRIPTS)
        told.add(cause)
    if len(verdict.failing) > show:
        out.print(f"... and {count(len(verdict.failing) - show, 'more kind')} of finding for which it fails\n")
    for grade, line in verdict.notes:
        out.print(escape(line), style=STYLES[grade][1], soft_wrap=True)
    if verdict.notes:
        out.print()


SCRIPTS = 3  # so many ways of failing are shown with a script; the page has them all


def _kind(out: Console, kind: Kind, scripted: bool) -> None:
    out.print(f"[{STYLES[kind.grade][1]}]{kind.grade.upper()}[/] {escape(str(kind))}", soft_wrap=True)
    if kind.cause:
        out.print(f"  behaves like: [bold]{escape(kind.cause)}[/]", soft_wrap=True)
    if kind.example is not None and kind.example.case:
        for line in filter(None, (f"{kind.example.case}  ({kind.key})", kind.example.numbers)):
            out.print(f"  {escape(line)}", soft_wrap=True)
    if kind.script and scripted:
        other = f"# this reproduces {kind.scripted}\n" if kind.scripted else ""
        text = "\n".join(f"    {line}" for line in f"{other}{kind.script}".strip().splitlines())
        out.print(f"\n{escape(text)}", style="cyan", soft_wrap=True)
    out.print()


def _sign(grade: str, ascii_only: bool, text: str = "") -> str:
    ascii_sign, style, _ = STYLES[grade]
    return f"[{style}]{ascii_sign if ascii_only else SIGNS[grade]}{f' {text}' if text else ''}[/]"


def _ascii(out: Console) -> bool:
    return not (out.encoding or "").lower().startswith("utf")
