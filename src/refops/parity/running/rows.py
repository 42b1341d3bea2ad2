"""What one record, and one check over its dtypes, comes to: its worst grade, kinds that are accepted not counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from refops.parity.record import Record
from refops.parity.running.kinds import UNJUDGED, Excused, graded
from refops.parity.running.matrix import in_order

# every grade a record, check or subject can have, the gravest first, with its sign
SIGNS = {
    "wrong": "✗", "not judged": "!", "differs": "≠", "less accurate": "≈", "accepted": "○", "right": "✓",
    "skipped": "–",
}  # fmt: skip
GRAVEST = tuple(SIGNS)
PASSING = ("less accurate", "accepted", "right")
NOTHING: Excused = frozenset()


@dataclass(frozen=True)
class Row:
    """One check of one subject: of `GRAVEST` the worst, in all and for each dtype, and of how many cases how many."""

    check: str
    grade: str
    failing: int
    cases: int
    dtypes: dict[str, str]
    reason: str = ""

    @property
    def counted(self) -> str:
        """In how many cases something was found, of how many."""
        if not self.failing:
            return str(self.cases or "")
        return f"{min(self.failing, self.cases)} of {self.cases}"  # a case made smaller was not one of them


def unjudged(record: Record) -> str:
    """Why a record, or some case of it, could not be judged; empty where all was."""
    for finding in record.findings:
        if finding.kind == UNJUDGED:
            return f"{record.key}: {finding.message}"
    silent = record.outcome == "error" and not graded(record)
    return f"{record.key}: {record.reason or 'no reason was given'}" if silent else ""


def grade_of(record: Record, excused: Excused = NOTHING) -> str:
    """The worst grade of a record.

    Example:
        >>> grade_of(Record("Linear", "value", "float32", "cpu"))
        'right'
    """
    if record.outcome == "skipped":
        return "skipped"
    found = [(grade, (grade, name) in excused) for grade, name, _ in graded(record)]
    left = [grade for grade, is_excused in found if not is_excused] + ["not judged"] * bool(unjudged(record))
    return gravest(left) if left else "accepted" if found else "right"


def rows(records: Sequence[Record], excused: Excused = NOTHING) -> tuple[Row, ...]:
    """One row for each check, in the kit's order."""
    checks: dict[str, list[Record]] = {}
    for record in records:
        checks.setdefault(record.check, []).append(record)
    return tuple(_row(check, checks[check], excused) for check in in_order(checks))


def _row(check: str, records: Sequence[Record], excused: Excused) -> Row:
    dtypes: dict[str, str] = {}
    for record in records:
        dtypes[record.dtype] = gravest([dtypes.get(record.dtype, "skipped"), grade_of(record, excused)])
    worst = gravest(dtypes.values())
    reason = next((r.reason for r in records if r.reason and worst in ("skipped", "not judged")), "")
    return Row(check, worst, sum(_failing(r, excused) for r in records), sum(r.cases for r in records), dtypes, reason)


def gravest(grades: Iterable[str]) -> str:
    """The gravest of some grades; `skipped` of none."""
    return min(grades, key=GRAVEST.index, default="skipped")


def _failing(record: Record, excused: Excused) -> int:
    """In how many cases something is found that is not accepted."""
    return len({f.case for grade, name, f in graded(record) if (grade, name) not in excused and f.case})
