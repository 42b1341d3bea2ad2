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
from refops.parity.running.matrix import in_order, number, totals, worst
from refops.parity.running.verdict import Verdict, exit_code, verdicts

BEGIN, END = "<!-- table: begin, made by python -m refops.parity.running.report -->", "<!-- table: end -->"
MARKDOWN_VERDICTS = 30
MARKDOWN_FAILURES = 20  # a CI step's summary is read at a glance; the page has them all


@dataclass(frozen=True)
class Run:
    """The records of one run, the facts that stood beside them (torch version, device ...), and how it was judged."""

    records: tuple[Record, ...]
    about: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    strict: bool = False


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
    accepted, strict = about.get("accepted") or {}, bool(about.get("strict"))
    facts = {k: v for k, v in about.items() if k not in ("records", "spec", "accepted", "strict")}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
    return Run(tuple(records), texts, {str(k): str(v) for k, v in accepted.items()}, strict)


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def html(run: Run) -> str:
    """The whole run as one page that needs no other file."""
    from refops.parity.running.page import page

    return page(run.records, run.about, run.accepted, run.strict)


def markdown(run: Run) -> str:
    """A summary fit for a CI step: the closing line, the verdicts, a table per check, and what failed with scripts."""
    found = verdicts(run.records, run.accepted, run.strict)
    sums = totals(run.records)
    sign = "❌" if exit_code(found) == 1 else "✅"
    lines = [f"## {sign} refops check", "", f"{sums}", ""]
    if run.about:
        lines += ["· ".join(f"{key} `{value}` " for key, value in run.about.items()).strip(), ""]
    lines += _verdicts(found)
    lines += ["| check | passed | differ | failed | skipped | cases |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for check in in_order(r.check for r in run.records):
        part = totals([r for r in run.records if r.check == check])
        bad = part.failed + part.errors
        counts = [part.passed, part.differ, f"**{bad}**" if bad else 0, part.skipped, part.cases]
        lines.append(f"| {check} | {' | '.join(map(str, counts))} |")
    lines += _failing(found)
    largest = [r for r in worst(run.records, 5) if r.ratio_max is not None]
    if largest:
        lines += ["", "| largest error | over native's | ulp | case |", "| --- | ---: | ---: | --- |"]
        for r in largest:
            case = f"`{_cell(r.worst_case)}`" if r.worst_case else ""
            lines.append(f"| {r.key} | {number(r.ratio_max)} | {number(r.ulp_max)} | {case} |")
    return "\n".join(lines) + "\n"


def _verdicts(found: Sequence[Verdict]) -> list[str]:
    """A line for each subject of which there is more to say than that it is right."""
    told = [v for v in found if len(found) == 1 or v.grade != "right" or v.notes]
    lines = [f"- **{_escaped(v.name)}**: {_escaped(v.sentence)}" for v in told[:MARKDOWN_VERDICTS]]
    lines += [f"- ... and {len(told) - MARKDOWN_VERDICTS} more"] * (len(told) > MARKDOWN_VERDICTS)
    return [*lines, ""] if lines else []


def _failing(found: Sequence[Verdict]) -> list[str]:
    """What fails, kind by kind, and a line for everything else."""
    kinds = [(v, kind) for v in found for kind in v.failing]
    lines = ["", "### Failing"] if kinds else []
    for verdict, kind in kinds[:MARKDOWN_FAILURES]:
        head = f"<b>{_escaped(verdict.name)}</b> {kind.grade}: {_escaped(str(kind).splitlines()[0])}"
        lines += ["", f"<details><summary>{head}</summary>", ""]
        lines += [f"behaves like: {_escaped(kind.cause)}", ""] if kind.cause else []
        if kind.example is not None and kind.example.case:
            lines += ["```text", str(kind.example), "```"]
        lines += ["```python", kind.script.strip(), "```"] if kind.script else []
        lines += ["", "</details>"]
    if len(kinds) > MARKDOWN_FAILURES:
        lines += ["", f"... and {len(kinds) - MARKDOWN_FAILURES} more."]
    notes = [f"- {_escaped(v.name)}: {_escaped(line)}" for v in found for _, line in v.notes]
    more = [f"- ... and {len(notes) - MARKDOWN_FAILURES} more"] * (len(notes) > MARKDOWN_FAILURES)
    return [*lines, "", "### Also told", "", *notes[:MARKDOWN_FAILURES], *more] if notes else lines


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


def names_table() -> str:
    """The table in docs/names.md: torch name, refops name, file; made from the specs, one row for each file."""
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
        lines.append(f"| {native} | {_short([r for _, r in names])} | [{file}](../src/refops/{file}) |")
    return "\n".join(lines)


def _short(names: Sequence[str]) -> str:
    """The first name in full, the others without what stands before the last dot."""
    return ", ".join([f"`{names[0]}`", *(f"`{n.rpartition('.')[2]}`" for n in names[1:])])


def checks_table() -> str:
    """The table of checks in docs/kit.md: name, what it is for, whom it binds, what it asks."""
    from refops.parity.checks import all_checks

    whom = {"drop-in": "with `--drop-in`", "by-hand": "with `--by-hand`", "reference": "the references"}
    lines = ["| check | binds | asks |", "| --- | --- | --- |"]
    known = all_checks()
    for check in map(known.__getitem__, in_order(known)):
        level = "" if check.level == "quick" else ", `--level full`"
        bound = whom.get(check.contract, "every subject")
        lines.append(f"| {check.name} | {bound}{level} | {check.summary} |")
    return "\n".join(lines)


PAGES = {"docs/names.md": names_table, "docs/kit.md": checks_table}


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


__all__ = ["PAGES", "Run", "checks_table", "html", "markdown", "names_table", "read_run", "refreshed", "write"]

if __name__ == "__main__":
    for name, make in PAGES.items():
        Path(name).write_text(refreshed(Path(name).read_text(encoding="utf-8"), make()), encoding="utf-8")
