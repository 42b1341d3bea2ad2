"""Kinds of findings: all findings of one grade and kind as one line, with the example that tells most.

A subject that is wrong in one way fails in hundreds of cases. What its author needs is each way once, and of its cases
the one that shows it in the fewest numbers that mean something.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from refops.parity.case import Case
from refops.parity.record import GRADES, Finding, Record
from refops.parity.running.matrix import COLUMNS, count, in_order

HUNG, DIED, VACUOUS = "hung", "died", "vacuous"
Excused = frozenset[tuple[str, str]]  # grades and kinds that are accepted
UNJUDGED = "unjudged"  # the kind of a finding that says so of the case, not of the subject
REFUSING = ("refuse", "raise", "lacks", "absent")  # kinds that say a case was not answered begin so


@dataclass(frozen=True)
class Kind:
    """All findings of one grade and kind.

    Args:
        grade, name: of `GRADES`, and the slug.
        message: what the example says.
        cases: how many cases say so.
        dtypes, checks: in which.
        cause: what the subject behaves like, where that is known.
        example: the finding that tells most; None where cases were left out.
        key: the record it is from.
        script: that reproduces it, or another of this kind, `scripted`.
        picture: the finding to plot, the one with the most elements: a pattern needs more of them than an example.
        reason: why it is accepted; empty where it is not.
        left_out: whether these cases were not asked at all.
    """

    grade: str
    name: str
    message: str
    cases: int
    dtypes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    cause: str = ""
    example: Finding | None = None
    key: str = ""
    script: str = ""
    scripted: str = ""
    picture: Finding | None = None
    reason: str = ""
    left_out: bool = False

    def __str__(self) -> str:
        """One line: `accepts-int64: int64 input is accepted, native refuses it (27 cases, 4 dtypes)`."""
        if self.left_out:
            return f"{self.message} ({count(self.cases, 'case')} left out)"
        parts = [count(self.cases, "case")] * bool(self.cases)
        parts += [count(len(self.dtypes), "dtype") if len(self.dtypes) > 1 else d for d in self.dtypes[:1]]
        return f"{self.name}: {self.message}" + (f" ({', '.join(parts)})" if parts else "")

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which it may be accepted."""
        return (self.name, f"{self.grade}:{self.name}", *[self.message] * self.left_out)

    def accepted(self, reason: str) -> Kind:
        """The same kind, accepted for this reason."""
        return replace(self, reason=reason)


def graded(record: Record) -> list[tuple[str, str, Finding]]:
    """Grade, kind and finding of all a record found, also where its process died before it could say anything."""
    if not record.findings and record.outcome in ("failed", "error"):
        for kind in (HUNG, DIED, VACUOUS):
            if kind in record.reason:
                return [("wrong", kind, Finding("", record.reason))]
        if record.outcome == "failed":
            return [("wrong", record.check, Finding("", record.reason or "failed, no reason was given"))]
    judged = [f for f in record.findings if f.kind != UNJUDGED]
    return [(f.grade if f.grade in GRADES else "wrong", _name(record, f), f) for f in judged]


def _name(record: Record, finding: Finding) -> str:
    return finding.kind or ("raises" if finding.message.startswith("raised ") else record.check)


def refuses(kind: str) -> bool:
    """Whether findings of this kind say that a case was not answered."""
    return kind.startswith(REFUSING)


def kinds(records: Sequence[Record]) -> list[Kind]:
    """One `Kind` for every grade and kind that was found, in the order they are told in."""
    found: dict[tuple[str, str], list[tuple[Record, Finding]]] = {}
    for record in records:
        for grade, name, finding in graded(record):
            found.setdefault((grade, name), []).append((record, finding))
    out = left_out(records)
    told = {kind.name for kind in out}  # an argument that is not offered is told with the cases it costs
    made = [_kind(grade, name, pairs) for (grade, name), pairs in found.items() if name not in told]
    return sorted(made + out, key=_order)


def _order(kind: Kind) -> tuple[int, bool, int, int, str]:
    """Gravest first, what was not asked last; then as the checks stand, since values tell more than what follows."""
    first = in_order(kind.checks)[:1]
    place = COLUMNS.index(first[0]) if first and first[0] in COLUMNS else len(COLUMNS)
    return (GRADES.index(kind.grade), kind.left_out, place, -kind.cases, kind.name)


def _kind(grade: str, name: str, pairs: list[tuple[Record, Finding]]) -> Kind:
    record, example = min(pairs, key=lambda pair: rank(pair[1]))
    with_script = [f for _, f in pairs if f.script]
    scripted = example if example.script else min(with_script, key=rank, default=None)
    return Kind(
        grade=grade,
        name=name,
        message=example.message,
        cases=len({f.case for _, f in pairs if f.case}),
        dtypes=unique(r.dtype for r, _ in pairs),
        checks=unique(r.check for r, _ in pairs),
        cause=", ".join(unique(getattr(r, "cause", "") for r, _ in pairs)) if grade != "differs" else "",
        example=example,
        key=record.key,
        script=scripted.script if scripted else "",
        scripted=scripted.case if scripted and scripted is not example else "",
        picture=min((f for _, f in pairs if f.series), key=_pictured, default=None),
    )


def _pictured(finding: Finding) -> tuple[bool, int, int]:
    return (not _meant(finding.expected), -len(finding.series.get("expected", ())), rank(finding)[3])


def left_out(records: Sequence[Record]) -> list[Kind]:
    """One `Kind` for every reason for which cases were not asked."""
    sums: dict[str, list[Record]] = {}
    cases: dict[str, int] = {}
    for record in records:
        for reason, n in getattr(record, "left_out", {}).items():
            sums.setdefault(reason, []).append(record)
            cases[reason] = cases.get(reason, 0) + n
    made = []
    for reason, asked in sums.items():
        dtypes, checks = unique(r.dtype for r in asked), unique(r.check for r in asked)
        made.append(Kind("differs", _slug(reason), reason, cases[reason], dtypes, checks, left_out=True))
    return made


def _slug(text: str) -> str:
    words = "".join(c if c.isalnum() or c in "_." else " " for c in text).split()
    return "-".join(words)


def unique(words: Iterable[str]) -> tuple[str, ...]:
    """Words without the empty ones, each once, in their order."""
    return tuple(dict.fromkeys(word for word in words if word))


def rank(finding: Finding) -> tuple[int, bool, bool, int, int]:
    """A key that puts first what tells most: a truth that is a number, no row of one element, a script, few numbers."""
    size, alone = _extent(finding.case)
    worth = 1 if not finding.expected else 0 if _meant(finding.expected) else 2
    return (worth, alone, not finding.script, size, len(finding.case))


def _meant(expected: str) -> bool:
    """Whether the truth is a number that trivial answers would not hit."""
    try:
        value = complex(expected)
    except ValueError:
        return True
    return bool(value) and math.isfinite(abs(value))


def _extent(text: str) -> tuple[int, bool]:
    """How many numbers a case draws, and whether its data stand in rows of one."""
    try:
        draws = list(Case.parse(text).draws())
    except (ValueError, TypeError, RecursionError):
        return (len(text), False)
    rows = [d.shape for d in draws if d.kind == "real"]
    return (sum(math.prod(d.shape) for d in draws), any(shape[-1:] in ((), (1,)) for shape in rows))
