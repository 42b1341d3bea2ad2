"""Records summed up: one matrix of specs by checks, the totals, the worst errors and the failures, smallest first.

The terminal table, the HTML page and the Markdown summary are three drawings of what this file counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from refops.parity.record import Finding, Record

# Order of the columns; a check not named here comes after these, by name.
COLUMNS = (
    "value", "gradient", "double_backward", "jacobian", "shape", "dtype", "modes", "buffers", "randomness", "seeded",
    "state", "copy", "fresh", "layout", "inputs", "views", "determinism", "results", "surroundings", "uninitialised",
    "limits", "unseen", "frozen", "grad_modes", "refusals", "laws", "compile", "autocast", "vmap", "functional_call",
    "init", "repr", "primitives", "by_hand", "exceptions", "trajectory", "gradients", "sparse", "complex",
    "groups", "schedulers", "closure", "hooks", "keys", "exchange", "resume", "copies", "repeatable", "precision",
    "refused", "memory", "primitive_steps",
)  # fmt: skip
SEVERITY = ("skipped", "passed", "failed", "error")  # a cell shows the worst of its records


@dataclass
class Cell:
    """All records of one row and one check, over dtypes and devices."""

    records: list[Record] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The worst outcome."""
        return max((r.outcome for r in self.records), key=SEVERITY.index)

    @property
    def cases(self) -> int:
        """How many cases ran."""
        return sum(r.cases for r in self.records)

    @property
    def failing(self) -> int:
        """How many records did not pass."""
        return sum(r.outcome in ("failed", "error") for r in self.records)

    @property
    def title(self) -> str:
        """One line per record, for a tooltip."""
        return "\n".join(f"{r.dtype} {r.device}: {r.outcome}, {r.cases} cases {r.reason}".strip() for r in self.records)


@dataclass(frozen=True)
class Matrix:
    """Rows, columns and what stands where they meet; an absent cell means the check does not apply."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


@dataclass(frozen=True)
class Totals:
    """Counts over a run."""

    items: int
    specs: int
    cases: int
    evidence: int
    passed: int
    failed: int
    errors: int
    skipped: int
    seconds: float

    def __str__(self) -> str:
        parts = [f"{self.failed} failed"] * bool(self.failed) + [_count(self.errors, "error")] * bool(self.errors)
        parts += [f"{self.passed} passed"] + [f"{self.skipped} skipped"] * bool(self.skipped)
        what = f"{_count(self.items, 'check')} of {_count(self.specs, 'spec')} on {_count(self.cases, 'case')}"
        return f"{what}: {', '.join(parts)}"


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def label(record: Record) -> str:
    """The row a record stands in: its spec, or `subject as spec` where a foreign subject was judged."""
    foreign = record.subject and not record.subject.startswith(("refops ", "refops."))
    return f"{record.subject} as {record.spec}" if foreign else record.spec


def matrix(records: Iterable[Record]) -> Matrix:
    """The records as rows by columns.

    Example:
        >>> matrix([Record("Linear", "value", "float32", "cpu"), Record("Linear", "repr", "", "cpu")]).columns
        ('value', 'repr')
    """
    cells: dict[tuple[str, str], Cell] = {}
    for record in records:
        cells.setdefault((label(record), record.check), Cell()).records.append(record)
    checks = {check for _, check in cells}
    columns = [c for c in COLUMNS if c in checks] + sorted(checks.difference(COLUMNS))
    return Matrix(tuple(sorted({row for row, _ in cells})), tuple(columns), cells)


def matrices(records: Iterable[Record]) -> list[Matrix]:
    """One matrix for layers and functions, one for optimizers, since they share hardly a check; none that is empty."""
    parts: tuple[list[Record], list[Record]] = ([], [])
    for record in records:
        parts[record.spec.startswith("optim.")].append(record)
    return [matrix(part) for part in parts if part]


def totals(records: Sequence[Record]) -> Totals:
    """Counts over the records; `seconds` is the sum over items, so more than the clock's with several workers."""
    count = {outcome: sum(r.outcome == outcome for r in records) for outcome in SEVERITY}
    return Totals(
        items=len(records),
        specs=len({label(r) for r in records}),
        cases=sum(r.cases for r in records),
        evidence=sum(r.evidence for r in records),
        passed=count["passed"],
        failed=count["failed"],
        errors=count["error"],
        skipped=count["skipped"],
        seconds=sum(r.seconds for r in records),
    )


def exit_code(records: Sequence[Record]) -> int:
    """0 if everything passed, 1 if something failed, 5 (pytest's number) if nothing ran."""
    ran = [r for r in records if r.outcome != "skipped"]
    if not ran:
        return 5
    return int(any(r.outcome != "passed" for r in ran))


def failures(records: Iterable[Record]) -> list[tuple[Record, list[Finding]]]:
    """Failing records, each with its findings, the smallest case first."""
    bad = [r for r in records if r.outcome in ("failed", "error")]
    bad.sort(key=lambda r: (label(r), COLUMNS.index(r.check) if r.check in COLUMNS else len(COLUMNS), r.dtype))
    return [(r, sorted(r.findings, key=lambda f: len(f.case))) for r in bad]


def worst(records: Iterable[Record], count: int = 20) -> list[Record]:
    """Records with the largest error over native's own, then the largest error in ulp."""
    measured = [r for r in records if r.ratio_max is not None or r.ulp_max is not None]
    measured.sort(key=lambda r: (r.ratio_max or 0.0, r.ulp_max or 0.0), reverse=True)
    return measured[:count]
