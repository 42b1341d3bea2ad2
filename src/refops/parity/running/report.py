"""A run made readable: one self-contained HTML page, and a Markdown summary for a CI step.

Both are views of the records a run wrote; a run that was interrupted is readable as far as it got.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refops.parity.record import Record, read_records
from refops.parity.running.matrix import COLUMNS, failures, matrices, totals, worst

BEGIN, END = "<!-- table: begin, made by python -m refops.parity.running.report -->", "<!-- table: end -->"
MARKDOWN_FAILURES = 20  # a CI step's summary is read at a glance; the page has them all


@dataclass(frozen=True)
class Run:
    """The records of one run and the facts that stood beside them (torch version, device, date ...)."""

    records: tuple[Record, ...]
    about: dict[str, str] = field(default_factory=dict)


def read_run(path: Path) -> Run:
    """Read what a run wrote, finished or interrupted.

    Raises:
        ValueError: if there is no record in the file.
        OSError: if it cannot be read.
    """
    about: dict[str, Any] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        about = json.loads("\n".join(lines))
        if "records" not in about:
            about = {}
    except json.JSONDecodeError:
        about = {"interrupted": "yes, this is what it had found"}
        if lines and lines[0].startswith("{") and not lines[0].startswith('{"spec"'):
            about = _object(lines[0]) | about
    except TypeError as error:
        raise ValueError(f"path must hold records of a refops run, got {path}") from error
    records = []
    try:
        for record in read_records(path):
            records.append(record)
    except json.JSONDecodeError:  # a torn last line: what came before it is kept
        if not records:
            raise ValueError(f"path must hold records of a refops run, got {path}: no whole record in it") from None
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"path must hold records of a refops run, got {path}") from error
    facts = {k: v for k, v in about.items() if k not in ("records", "spec")}
    return Run(tuple(records), {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()})


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def html(run: Run) -> str:
    """The whole run as one page that needs no other file."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2").render(
        about=run.about,
        totals=totals(run.records),
        matrices=matrices(run.records),
        worst=worst(run.records),
        failures=failures(run.records),
        skipped=[r for r in run.records if r.outcome == "skipped"],
    )


def markdown(run: Run) -> str:
    """A summary fit for a CI step: the closing line, a table per check, then the failures with their scripts."""
    sums = totals(run.records)
    sign = "❌" if sums.failed or sums.errors else "✅"
    lines = [f"## {sign} refops check", "", f"{sums}", ""]
    if run.about:
        lines += ["· ".join(f"{key} `{value}` " for key, value in run.about.items()).strip(), ""]
    lines += ["| check | passed | failed | skipped | cases |", "| --- | ---: | ---: | ---: | ---: |"]
    for check in dict.fromkeys(column for view in matrices(run.records) for column in view.columns):
        part = totals([r for r in run.records if r.check == check])
        bad = part.failed + part.errors
        lines.append(f"| {check} | {part.passed} | {f'**{bad}**' if bad else 0} | {part.skipped} | {part.cases} |")
    lines += _markdown_failures(run.records)
    largest = [r for r in worst(run.records, 5) if r.ratio_max is not None]
    if largest:
        lines += ["", "| largest error | over native's | ulp | case |", "| --- | ---: | ---: | --- |"]
        for r in largest:
            case = f"`{_cell(r.worst_case)}`" if r.worst_case else ""
            lines.append(f"| {r.key} | {number(r.ratio_max)} | {number(r.ulp_max)} | {case} |")
    return "\n".join(lines) + "\n"


def _markdown_failures(records: Sequence[Record]) -> list[str]:
    bad = failures(records)
    lines = ["", "### Failing"] if bad else []
    for record, findings in bad[:MARKDOWN_FAILURES]:
        text = record.reason or (findings[0].message if findings else record.outcome)
        lines += ["", f"<details><summary><b>{_escaped(record.key)}</b> {_escaped(text.splitlines()[0])}</summary>", ""]
        for finding in findings[:1]:
            lines += ["```text", str(finding), "```"]
            lines += ["```python", finding.script.strip(), "```"] if finding.script else []
        lines += ["", "</details>"]
    if len(bad) > MARKDOWN_FAILURES:
        lines += ["", f"... and {len(bad) - MARKDOWN_FAILURES} more."]
    return lines


def number(value: float | None) -> str:
    """A number as a table shows it.

    Example:
        >>> number(1234.5678), number(None)
        ('1235', '')
    """
    return "" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def write(run: Run, *, html_file: Path | None = None, markdown_file: Path | None = None) -> None:
    """Write the page, the summary, or both."""
    if html_file is not None:
        html_file.write_text(html(run), encoding="utf-8")
    if markdown_file is not None:
        markdown_file.write_text(markdown(run), encoding="utf-8")


def readme_table() -> str:
    """The README's table: torch name, refops name, file; made from the specs, one row for each file."""
    from refops.parity.running.describe import file_of, native_name, reference_name
    from refops.parity.specs import all_specs

    order = {"module": 0, "function": 1, "optimizer": 2}
    rows: dict[tuple[int, str, bool], list[tuple[str, str]]] = {}
    for spec in sorted(all_specs(), key=lambda s: s.name):
        key = (order[spec.kind], file_of(spec), spec.native is None)
        rows.setdefault(key, []).append((native_name(spec), reference_name(spec)))
    lines = ["| torch | refops | file |", "| --- | --- | --- |"]
    for (_, file, lacking), names in sorted(rows.items()):
        native = "none" if lacking else _short([n for n, _ in names])
        lines.append(f"| {native} | {_short([r for _, r in names])} | [{file}](src/refops/{file}) |")
    return "\n".join(lines)


def _short(names: Sequence[str]) -> str:
    """The first name in full, the others without what stands before the last dot."""
    return ", ".join([f"`{names[0]}`", *(f"`{n.rpartition('.')[2]}`" for n in names[1:])])


def checks_table() -> str:
    """The table of checks in docs/kit.md: name, what it is for, whom it binds, what it asks."""
    from refops.parity.checks import all_checks

    binds = {"behaviour": "every subject", "drop-in": "with `--drop-in`", "reference": "the references"}
    binds |= {"by-hand": "with `--by-hand`"}
    lines = ["| check | binds | asks |", "| --- | --- | --- |"]
    known = all_checks()
    order = [c for c in COLUMNS if c in known] + sorted(set(known).difference(COLUMNS))
    for check in map(known.__getitem__, order):
        level = "" if check.level == "quick" else ", `--level full`"
        lines.append(f"| {check.name} | {binds[check.contract]}{level} | {check.summary} |")
    return "\n".join(lines)


PAGES = {"README.md": readme_table, "docs/kit.md": checks_table}


def refreshed(text: str, table: str) -> str:
    """A page with this table between its markers.

    Raises:
        ValueError: if the markers are not there.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"text must hold {BEGIN} and {END}")
    return f"{head}{begin}\n{table}\n{end}{tail}"


__all__ = ["PAGES", "Run", "checks_table", "html", "markdown", "read_run", "readme_table", "refreshed", "write"]

if __name__ == "__main__":
    for name, make in PAGES.items():
        Path(name).write_text(refreshed(Path(name).read_text(encoding="utf-8"), make()), encoding="utf-8")
