"""Causes: where a subject's numbers are wrong, what it behaves like: "eps outside the root", "argument p is ignored".

Every supposition is run on the failing cases' very numbers. It is named only if the subject agrees with it, within its
own budget, on all cases looked at, failing or not, it is told apart from the truth on all that fail, and no other does
as much. A false cause is worse than none.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence

import torch

from refops.parity.case import Case
from refops.parity.hypotheses import Hypothesis, hypotheses_of
from refops.parity.judging.diagnoses import arithmetic, by_grad_mode, patterns
from refops.parity.judging.draw import numbers
from refops.parity.judging.presumed import presumed
from refops.parity.judging.shrink import numbers_in
from refops.parity.judging.sight import Sight, Supposed, differs, fits, judged, look
from refops.parity.judging.trained import trained_cause
from refops.parity.judging.trial import Trial

LOOKED = 6  # failing cases looked at
BESIDE = 4  # and rows beside them, whether they fail or not
MOST = 40  # rows on which what fitted so far is confirmed
LARGEST = 20_000  # numbers in a case worth the time
FEW = 40  # failing cases to choose from

Failing = Sequence[tuple[str, Case]]

# checks whose cases hold no numbers to compare, or no case of the spec
WITHOUT_NUMBERS = ("refusals", "exceptions", "refused", "laws", "keys", "init", "repr", "primitives", "randomness")


def cause_of(trial: Trial, failing: Failing) -> str:
    """What a wrong subject behaves like, in the words of the author who wrote it so; empty if nothing fits.

    Args:
        trial: whose subject is wrong; its statistics are left alone.
        failing: the name of a check with a case that failed it, as many as there are.
    """
    told = [(name, trial.subject.settled(case)) for name, case in failing if name not in WITHOUT_NUMBERS]
    if not told:
        return ""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        if trial.spec.kind == "optimizer":
            return trained_cause(trial, told)
        return _cause(trial, told)


def _cause(trial: Trial, failing: Failing) -> str:
    plain = Trial(trial.spec, trial.subject, _usual(trial), trial.device, trial.level)
    remembering = any(name == "buffers" for name, _ in failing)
    chosen = _chosen(plain, (case.but(dtype=plain.dtype) for _, case in failing))
    sights = list(_sights(plain, chosen, remembering))
    wrong = [s for s in sights if s.failing]
    said = arithmetic(trial, failing, plain, wrong)
    if said or not wrong:
        return said or by_grad_mode(plain, sights)
    known, whole = {repr(s.case) for s in sights}, not any(_floating(s.case) for s in wrong)
    beside = [row for row in _beside(plain) if repr(row) not in known and (_floating(row) or whole)]
    sights += _sights(plain, beside[:BESIDE], remembering)
    more: list[Sight] = []
    for candidates in (hypotheses_of(plain.spec), presumed(plain.spec, [s.case for s in wrong])):
        found = _named(plain, candidates, wrong, sights)
        if found:
            more = more or list(_sights(plain, beside[BESIDE:MOST], remembering))
            found = [h for h in found if all(fits(Supposed(plain, h), s) for s in more)]
        if found:
            return found[0].name if len(found) == 1 else ""
    return patterns(plain, wrong)


def _usual(trial: Trial) -> str:
    """The dtype in which formulas are told apart: float32, where the spec has it."""
    return "float32" if "float32" in trial.spec.dtypes else trial.dtype


def _chosen(trial: Trial, cases: Iterable[Case]) -> list[Case]:
    """A few cases of many regimes, modes and arguments, small ones first."""
    pool = list(dict.fromkeys(c for c in cases if numbers_in(c) <= LARGEST and trial.deterministic(c)))
    pool = sorted(pool[:FEW], key=numbers_in)
    chosen: list[Case] = []

    def sameness(case: Case) -> int:
        alike = [(c.regime == case.regime) + (c.call == case.call) + (c.init == case.init) for c in chosen]
        return sum(alike)

    while pool and len(chosen) < LOOKED:
        best = min(pool, key=sameness)
        chosen.append(best)
        pool.remove(best)
    return chosen


def _beside(trial: Trial) -> list[Case]:
    """The spec's own rows, small ones first."""
    rows = (row for row in trial.rows(None) if trial.deterministic(row) and numbers_in(row) <= LARGEST)
    return sorted(rows, key=numbers_in)


def _floating(case: Case) -> bool:
    """Whether it is given floating numbers: what is right on whole ones may still be wrong on these."""
    return any(numbers(case, draw, 0).is_floating_point() for draw in case.call.draws() if draw.kind != "flag")


def _sights(trial: Trial, cases: Iterable[Case], remembering: bool) -> Iterator[Sight]:
    """What the subject gives in each, held against the truth; cases in which it raises are left out."""
    for case in cases:
        sight = look(trial, case)
        if sight is None:
            continue
        sight.buffers = sight.buffers if remembering else {}
        try:
            sight.failing = any(judged(trial, sight))
        except Exception:  # native refuses the case
            continue
        yield sight


def _named(trial: Trial, candidates: Iterable[Hypothesis], wrong: list[Sight], sights: list[Sight]) -> list[Hypothesis]:
    """The hypotheses that the subject agrees with everywhere, and the truth nowhere it fails."""
    found = []
    for hypothesis in candidates:
        supposed = Supposed(trial, hypothesis)
        if all(fits(supposed, s) for s in sights) and all(differs(supposed, s) for s in wrong):
            found.append(hypothesis)
    return found
