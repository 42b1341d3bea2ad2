"""The verdict on one subject: what is wrong, what differs, what was accepted, and one sentence its author acts on.

A pure function of records. Only `wrong` fails a subject; `strict`, which binds references and drop-ins, fails it on
`differs` too; and who refused most of what was asked has not been judged, so does not pass. Cases that were left out,
because they need what the subject does not offer, were not asked: they are told, and the sentence says where they are
most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from refops.parity.record import GRADES, Record
from refops.parity.running.kinds import Excused, Kind, graded, kinds, refuses, unique
from refops.parity.running.matrix import count, foreign, grouped, label
from refops.parity.running.rows import PASSING, Row, grade_of, rows, unjudged

NOTHING_RAN = 5  # pytest's number
DECLARED = "declared"  # so begin the reasons for leaving cases out that a declared domain gives
SLOW = "too slow"  # and those for what would take too long
NAMED = 3  # kinds a sentence names
FOLLOWS = {
    "value": (
        "gradient", "double_backward", "jacobian", "modes", "layout", "laws", "compile", "dynamic", "autocast", "vmap",
        "functional_call", "forward_mode", "export", "checkpoint", "distributed", "frozen",
        "left-out", "grad-mode", "uninitialised-memory", "stale-state", "remembered-answer", "unforeseen", "inputs",
        "buffers", "seeded",
    ),
    "gradient": ("double_backward", "jacobian", "compile", "forward_mode", "checkpoint", "frozen", "distributed"),
    "trajectory": ("groups", "schedulers", "closure", "memory", "sparse", "complex", "exchange", "gradients"),
}  # fmt: skip
"""Kinds that are wrong where the first one is, for no reason of their own: whoever mends it sees what is left."""


@dataclass(frozen=True)
class Verdict:
    """What is said of one subject; `accepted` kinds count for nothing, `unmet` names those that no longer occur."""

    name: str
    spec: str
    wrong: tuple[Kind, ...] = ()
    follows: tuple[Kind, ...] = ()
    differs: tuple[Kind, ...] = ()
    less_accurate: tuple[Kind, ...] = ()
    accepted: tuple[Kind, ...] = ()
    unmet: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    records: tuple[Record, ...] = ()
    checks: int = 0
    passing: int = 0
    asked: int = 0
    answered: int = 0
    strict: bool = False

    @property
    def too_little(self) -> bool:
        """Whether fewer than half of the cases were answered, or none of those that were left to ask."""
        return 2 * self.answered < self.asked or (self.asked == 0 and any(refuses(k.name) for k in self.accepted))

    @property
    def exit_code(self) -> int:
        """0 passed, 1 not, 5 nothing ran."""
        if not self.checks:
            return NOTHING_RAN
        return int(bool(self.wrong or self.unjudged or self.too_little or (self.strict and self.differs)))

    @property
    def passed(self) -> bool:
        """Whether something ran and it passed."""
        return self.exit_code == 0

    @property
    def grade(self) -> str:
        """In one word or two: wrong, not judged, differs, accepted, less accurate, right, or skipped."""
        if not self.checks:
            return "skipped"
        found = {
            "wrong": bool(self.wrong),
            "not judged": self.too_little or bool(self.unjudged),
            "differs": self.strict and bool(self.differs),
            "accepted": any(kind.grade == "wrong" for kind in self.accepted),
            "less accurate": bool(self.less_accurate),
        }
        return next((grade for grade, is_so in found.items() if is_so), "right")

    @property
    def sentence(self) -> str:
        """The verdict in one sentence: `wrong: eps outside the root · 2 differences · 27 checks passed`."""
        if not self.checks:
            return "nothing ran" + "".join(f": {row.reason}" for row in self.rows[:1] if row.reason)
        parts = [self._head(), *[_too_little(self)] * (self.too_little and self.grade == "wrong")]
        parts += [count(len(self.differs), "difference")] * bool(self.differs and self.grade != "differs")
        out = sum(kind.cases for kind in self.differs if kind.left_out)
        parts += [f"{out} of {count(out + self.asked, 'case')} left out"] * (out > self.asked)
        passed = f"{count(self.passing, 'check')} passed"
        return f"right: {passed}" if parts == ["right"] else " · ".join([*parts, passed])

    def _head(self) -> str:
        grade = self.grade
        if grade == "wrong":
            return "wrong: " + _listed(unique(kind.cause or kind.name for kind in self.wrong))
        if grade == "not judged":
            return _too_little(self) if self.too_little else f"not judged: {self.unjudged[0]}"
        if grade == "differs":
            return "differs: " + _listed([kind.name for kind in self.differs])
        if grade == "accepted":
            return "accepted, wrong: " + _listed([kind.name for kind in self.accepted if kind.grade == "wrong"])
        if grade == "less accurate":
            return "less accurate: " + _listed([*map(_less, self.less_accurate)])
        return "right"

    @property
    def failing(self) -> tuple[Kind, ...]:
        """The kinds for which it does not pass."""
        return (*self.wrong, *self.differs) if self.strict else self.wrong

    @property
    def quiet(self) -> tuple[Kind, ...]:
        """The kinds for which it does not fail, as far as there is an example to show."""
        differs = () if self.strict else self.differs
        shown = (*differs, *self.less_accurate, *self.accepted)
        return tuple(kind for kind in shown if kind.example is not None and kind.example.case)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes it was asked in."""
        return unique(dtype for row in self.rows for dtype in row.dtypes)

    @property
    def tags(self) -> tuple[str, ...]:
        """Every grade met in it, its own first."""
        met = [grade for grade in GRADES if any(k.grade == grade for k in (*self.wrong, *self.differs))]
        return unique([self.grade, *met, *["accepted"] * bool(self.accepted)])

    @property
    def notes(self) -> list[tuple[str, str]]:
        """Everything that is not among `failing`, one line each, with its grade."""
        lines = [("wrong", f"wrong as well, as follows: {', '.join(k.name for k in self.follows)}")] * bool(
            self.follows
        )
        lines += [("differs", f"differs: {kind}") for kind in self.differs if not self.strict]
        if self.grade != "less accurate" or len(self.less_accurate) > NAMED:  # else the sentence says it
            lines += [("less accurate", f"less accurate: {_less(kind)}") for kind in self.less_accurate]
        for kind in self.accepted:
            wrong = kind.grade == "wrong"
            word, grade = ("ACCEPTED, WRONG", "wrong") if wrong else ("accepted", "accepted")
            what = str(kind) if wrong or kind.left_out else kind.name
            lines.append((grade, f"{word}: {what} — {kind.reason or 'no reason was given'}"))
        lines += [("accepted", f"accepted, but no longer met: {name}") for name in self.unmet]
        return lines + [("not judged", f"not judged: {reason}") for reason in self.unjudged]


def _listed(names: Sequence[str]) -> str:
    """The first few; a sentence is not a list."""
    return ", ".join(names[:NAMED]) + f" and {len(names) - NAMED} more" * (len(names) > NAMED)


def _too_little(verdict: Verdict) -> str:
    return f"too little was judged: {verdict.answered} of {count(verdict.asked, 'case')} answered"


def _less(kind: Kind) -> str:
    """`1.4 x native's error in bfloat16: rounds twice`."""
    head, colon, cause = kind.message.partition(": ")
    dtypes = [] if any(dtype in kind.message for dtype in kind.dtypes) else [", ".join(kind.dtypes)]
    return " in ".join([head, *filter(None, dtypes)]) + (colon + cause or (f": {kind.cause}" if kind.cause else ""))


def verdict(records: Sequence[Record], accepted: Mapping[str, str] | None = None, strict: bool = False) -> Verdict:
    """The verdict on the one subject that these records are about.

    Args:
        records: all records of one subject and one spec.
        accepted: kinds to reasons: a declared domain. A kind that is wrong, `wrong:value` or `value`, is accepted only
            with a reason.
        strict: fail it on differences too.

    Example:
        >>> verdict([Record("Linear", "value", "float32", "cpu", cases=4)]).sentence
        'right: 1 check passed'
    """
    accepted = accepted or {}
    found = [(kind, _reason(kind, accepted)) for kind in kinds(records)]
    granted = [kind.accepted(reason) for kind, reason in found if reason is not None]
    counted = [_told(kind, accepted) for kind, reason in found if reason is None]
    met = {name for kind, _ in found for name in kind.names}
    excused = frozenset((kind.grade, kind.name) for kind in granted)
    ran = [r for r in records if r.outcome != "skipped"]
    asked, answered = _answered(records, excused)
    follows = [kind for kind in counted if kind.grade == "wrong" and _follows(kind, counted)]
    by_grade = [tuple(kind for kind in counted if kind.grade == grade) for grade in GRADES]
    return Verdict(
        name=next((label(r) for r in records if r.subject), label(records[0]) if records else ""),
        spec=records[0].spec if records else "",
        wrong=tuple(kind for kind in by_grade[0] if kind not in follows),
        follows=tuple(follows),
        differs=by_grade[1],
        less_accurate=by_grade[2],
        accepted=tuple(granted),
        unmet=tuple(name for name in accepted if name not in met),
        unjudged=unique(map(unjudged, ran)),
        rows=rows(records, excused),
        records=tuple(records),
        checks=len(ran),
        passing=sum(grade_of(r, excused) in PASSING for r in ran),
        asked=asked,
        answered=answered,
        strict=strict,
    )


def verdicts(
    records: Iterable[Record], accepted: Mapping[str, str] | None = None, strict: bool = False
) -> list[Verdict]:
    """A verdict for every subject; references, which claim to be native's equal, are judged strictly."""
    groups = grouped(records)
    return [verdict(group, accepted, strict or not any(map(foreign, group))) for group in groups.values()]


def exit_code(found: Sequence[Verdict]) -> int:
    """Of several verdicts: 1 if one failed, 5 if nothing ran in any, else 0."""
    codes = {v.exit_code for v in found}
    return 1 if 1 in codes else 0 if 0 in codes else NOTHING_RAN


def _follows(kind: Kind, counted: Sequence[Kind]) -> bool:
    """Whether another kind is wrong, in the same dtypes at least, of which this one is but a consequence."""
    return any(
        other.grade == "wrong" and kind.name in FOLLOWS.get(other.name, ()) and set(kind.dtypes) <= set(other.dtypes)
        for other in counted
    )


def _reason(kind: Kind, accepted: Mapping[str, str]) -> str | None:
    """Why it is accepted; None where it is not."""
    if kind.left_out and kind.message.startswith(DECLARED):
        return "its author says so"
    if kind.left_out and kind.message.startswith(SLOW):
        return "to be slow is no fault"
    reasons = [accepted[name].strip() for name in kind.names if name in accepted]
    reason = next((r for r in reasons if r), "")
    return reason if reasons and (reason or kind.grade != "wrong") else None


def _told(kind: Kind, accepted: Mapping[str, str]) -> Kind:
    """A kind that was to be accepted without a reason says so."""
    if not any(name in accepted for name in kind.names):
        return kind
    return replace(kind, message=f"{kind.message}; not accepted, no reason was given")


def _answered(records: Sequence[Record], excused: Excused) -> tuple[int, int]:
    """How many cases were asked, less what is accepted as refused, and how many of them were answered."""
    asked = answered = 0
    for record in records:
        refused: dict[str, bool] = {}  # case: whether that is accepted
        for grade, name, finding in graded(record):
            if refuses(name):
                refused[finding.case] = (grade, name) in excused
        cases = max(record.cases, len(refused))
        asked += cases - sum(refused.values())
        answered += cases - len(refused)
    return asked, answered
