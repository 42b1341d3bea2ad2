"""Verdicts by family, and the error of every spec in every dtype: what the table and the page are drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from refops.parity.record import Record
from refops.parity.running.matrix import in_order
from refops.parity.running.rows import Row, grade_of, gravest
from refops.parity.running.verdict import Verdict
from refops.parity.spec import FLOATS

OTHER = "other"  # where a run's spec is not known here


@dataclass(frozen=True)
class Family:
    """The verdicts on the specs of one family."""

    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def checks(self) -> int:
        """How many checks ran."""
        return sum(v.checks for v in self.verdicts)

    @property
    def grade(self) -> str:
        """The gravest of its verdicts."""
        return gravest(v.grade for v in self.verdicts)

    @property
    def columns(self) -> list[str]:
        """Every check that any of them has, in the kit's order."""
        return in_order(row.check for v in self.verdicts for row in v.rows)

    def cell(self, verdict: Verdict, check: str) -> Row | None:
        """What a verdict says of a check; None where it does not apply."""
        return next((row for row in verdict.rows if row.check == check), None)


@dataclass(frozen=True)
class Heat:
    """The largest errors of one subject in one dtype: over native's own, and in ulp; None where not measured."""

    ratio: float | None
    ulp: float | None
    case: str = ""
    wrong: bool = False  # whether any of it was over budget


@cache
def _families() -> dict[str, str]:
    from refops.parity.specs import all_specs

    return {spec.name: spec.family for spec in all_specs()}


def families(verdicts: Iterable[Verdict]) -> list[Family]:
    """Verdicts by the family of their spec, both in the order of their names."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(_families().get(verdict.spec, OTHER), []).append(verdict)
    return [Family(name, tuple(found[name])) for name in sorted(found, key=lambda name: (name == OTHER, name))]


def heat(verdicts: Sequence[Verdict]) -> tuple[list[str], dict[str, dict[str, Heat]]]:
    """The dtypes, and for every subject that was measured its largest errors in each."""
    measured: dict[str, dict[str, list[Record]]] = {}
    for verdict in verdicts:
        for record in verdict.records:
            if record.ratio_max is not None or record.ulp_max is not None:
                measured.setdefault(verdict.name, {}).setdefault(record.dtype, []).append(record)
    met = {dtype for dtypes in measured.values() for dtype in dtypes}
    order = [d for d in FLOATS if d in met] + sorted(met.difference(FLOATS))
    return order, {name: {d: _heat(records) for d, records in dtypes.items()} for name, dtypes in measured.items()}


def _heat(records: Sequence[Record]) -> Heat:
    # a ratio of 0 where there was an error says that native's own is not known
    ratios = [r.ratio_max for r in records if r.ratio_max is not None and (r.ratio_max or not r.ulp_max)]
    worst = max(records, key=lambda r: -math.inf if r.ulp_max is None else r.ulp_max)
    return Heat(
        max(ratios, default=None), worst.ulp_max, worst.worst_case, any(grade_of(r) == "wrong" for r in records)
    )
