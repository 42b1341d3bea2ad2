"""Records put in order and summed up: whose they are, in which order checks stand, the totals, the largest errors.

The terminal, the HTML page and the Markdown summary are three drawings of what this file and the verdicts count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from refops.parity.record import OUTCOMES, Record

# Order of the columns; a check not named here comes after these, by name.
COLUMNS = (
    "value", "gradient", "double_backward", "jacobian", "forward_mode", "limits", "unseen", "shape", "dtype", "modes",
    "buffers", "randomness", "seeded", "state", "copy", "fresh", "frozen", "grad_modes", "layout", "strides", "inputs",
    "views", "determinism", "results", "surroundings", "uninitialised", "by_hand", "refusals", "laws", "meta",
    "compile", "dynamic", "export", "autocast", "vmap", "functional_call", "checkpoint", "distributed", "signature",
    "init", "repr", "primitives", "exceptions", "trajectory", "gradients", "sparse", "complex", "groups", "schedulers",
    "closure", "hooks", "keys", "exchange", "resume", "copies", "repeatable", "precision", "refused", "memory",
    "primitive_steps",
)  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """Counts over a run."""

    items: int
    specs: int
    cases: int
    evidence: int
    passed: int
    failed: int
    differ: int
    errors: int
    skipped: int
    seconds: float

    def __str__(self) -> str:
        parts = [f"{self.failed} failed"] * bool(self.failed) + [count(self.errors, "error")] * bool(self.errors)
        parts += [f"{self.differ} differ" + "s" * (self.differ == 1)] * bool(self.differ)
        parts += [f"{self.passed} passed"] + [f"{self.skipped} skipped"] * bool(self.skipped)
        what = f"{count(self.items, 'check')} of {count(self.specs, 'spec')} on {count(self.cases, 'case')}"
        return f"{what}: {', '.join(parts)}"


def count(n: int, word: str) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "case"), count(2, "case")
        ('1 case', '2 cases')
    """
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def number(value: float | None) -> str:
    """A number as a table shows it.

    Example:
        >>> number(1234.5678), number(None)
        ('1235', '')
    """
    return "" if value is None else f"{value:.4g}"


def label(record: Record) -> str:
    """The row a record stands in: its spec, or `subject as spec` where a foreign subject was judged."""
    return f"{record.subject} as {record.spec}" if foreign(record) else record.spec


def foreign(record: Record) -> bool:
    """Whether somebody else's implementation was judged, not a reference.

    Example:
        >>> foreign(Record("GELU", "value", "float32", "cpu", subject="mine:Gelu"))
        True
    """
    return bool(record.subject) and not record.subject.startswith(("refops ", "refops."))


def in_order(checks: Iterable[str]) -> list[str]:
    """Names of checks in the order of the columns, each once.

    Example:
        >>> in_order(["zebra", "gradient", "value", "value"])
        ['value', 'gradient', 'zebra']
    """
    names = set(checks)
    return [c for c in COLUMNS if c in names] + sorted(names.difference(COLUMNS))


def grouped(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of every subject under its label, sorted.

    A record without a subject, because the process died before it could say whose it was, goes to the one subject
    that was judged by its spec.
    """
    found: dict[str, list[Record]] = {}
    records = list(records)
    named: dict[str, set[str]] = {}
    for record in records:
        if record.subject:
            named.setdefault(record.spec, set()).add(label(record))
    for record in records:
        owners = named.get(record.spec, set()) if not record.subject else set()
        found.setdefault(owners.copy().pop() if len(owners) == 1 else label(record), []).append(record)
    return dict(sorted(found.items()))


def totals(records: Sequence[Record]) -> Totals:
    """Counts over the records; `seconds` is the sum over items, so more than the clock's with several workers."""
    outcomes = {outcome: sum(r.outcome == outcome for r in records) for outcome in OUTCOMES}
    return Totals(
        items=len(records),
        specs=len(grouped(records)),
        cases=sum(r.cases for r in records),
        evidence=sum(r.evidence for r in records),
        passed=outcomes["passed"],
        failed=outcomes["failed"],
        differ=outcomes["differs"],
        errors=outcomes["error"],
        skipped=outcomes["skipped"],
        seconds=sum(r.seconds for r in records),
    )


def worst(records: Iterable[Record], most: int = 20) -> list[Record]:
    """Records with the largest error over native's own, then the largest error in ulp."""
    measured = [r for r in records if r.ratio_max is not None or r.ulp_max is not None]
    measured.sort(key=lambda r: (r.ratio_max or 0.0, r.ulp_max or 0.0), reverse=True)
    return measured[:most]
