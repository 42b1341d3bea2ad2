"""Sights: what a subject gives in one case, seen once and held against the truth and against any supposition.

A `Supposed` trial has a wrong implementation in native's place: its budgets say what agrees with *that* one, with its
own rounding as the yardstick, so that its distance from the truth never becomes an allowance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from refops.parity.binding import NotOfferedError
from refops.parity.case import Case, dtype_of
from refops.parity.hypotheses import Hypothesis
from refops.parity.judging.budget import MANY_PROBES, PROBES, SLACK, Budget, ulp
from refops.parity.judging.trial import Trial
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.subject import Instance

COARSE = 0.02  # of the largest number: what is farther off needs no budget to be told apart
NOISE = 1e-5  # what sums that cancel may leave
BORDERLINE = 8.0  # times the budget: what is farther off is not measured with more care


@dataclass
class Sight:
    """Outputs, gradients and floating buffers after one call of the subject in one case."""

    case: Case
    outputs: list[Tensor]
    gradients: list[Tensor | None]
    buffers: dict[str, Tensor]
    silent: list[Tensor]  # the outputs of a call without gradients
    failing: bool = False  # whether the truth's budget refuses any of it


class Supposed(Trial):
    """A trial in which a hypothesis stands for native and truth alike; the state drawn is the real native's.

    It runs on the CPU, wherever the subject did: hypotheses are written for it.
    """

    def __init__(self, trial: Trial, hypothesis: Hypothesis, device: str = "cpu"):
        name = f"{trial.spec.name} with {hypothesis.name}"
        spec = replace(trial.spec, name=name, native=hypothesis.operator, oracle=None)
        super().__init__(spec, trial.subject, trial.dtype, device, trial.level)
        self.actual, self.hypothesis = trial, hypothesis
        self._exact: dict[str, Sight | None] = {}

    def build_native(self, case: Case, device: str | None = None) -> Instance:
        """The hypothesis, built for the case, holding what native would hold."""
        instance = super().build_native(case, device)
        instance.load(self.actual.build_native(case, device or self.device).own_state())
        return instance

    def _vacuous(self, *_: Any) -> tuple[str, ...]:
        """Nobody asks."""
        return ()

    def agrees(self, sight: Sight) -> bool:
        """Whether outputs and gradients are within the hypothesis's budget, measured with care where it is close."""
        for probes in (PROBES, MANY_PROBES):
            expected, self.excess = self.expected(sight.case, probes), 0.0
            wanted, got = [*expected.outputs, *expected.gradients], [*sight.outputs, *sight.gradients]
            if any(w is None and g is not None and bool((g != 0).any()) for w, g in zip(wanted, got, strict=False)):
                return False  # a gradient where it would have none
            if not any(self.compare(sight.case, wanted, got)):
                return True
            if not 0 < self.excess < BORDERLINE:
                return False
        return False

    def exact(self, case: Case) -> Sight | None:
        """What the hypothesis gives in float64 at the case's very numbers; None where it cannot run."""
        key = repr(case)
        if key not in self._exact:
            self._exact[key] = look(self, case, build=self.build_native, dtype="float64")
        return self._exact[key]


def look(trial: Trial, case: Case, build: Callable[[Case], Instance] | None = None, dtype: str = "") -> Sight | None:
    """What the subject, or what `build` builds, gives in a case, computed in `dtype`; None where it raises."""
    try:
        return _look(trial, case, build or trial.build_subject, dtype or case.dtype)
    except (Exception, NotOfferedError):  # whatever it raises, there are no numbers to look at
        return None


def _look(trial: Trial, case: Case, build: Callable[[Case], Instance], dtype: str) -> Sight:
    at, drawn = case.but(dtype=dtype), trial.drawn(case)[1]
    held = {k: v.detach().double() for k, v in trial.build_native(case).own_state().items()}

    def fresh() -> Instance:
        instance = build(at)
        instance.load(held)
        return instance

    with torch.no_grad():
        silent = trial.call(fresh(), at, trial.inputs(at, drawn))
    wanted = dtype_of(case.dtype)
    directions = trial.cotangents(case, [o.to(wanted) if o.is_floating_point() else o for o in silent])
    instance = fresh()
    outputs, gradients = trial.run(instance, at, trial.inputs(at, drawn), directions)
    return Sight(case, [o.detach() for o in outputs], gradients, _buffers(instance), silent)


def _buffers(instance: Instance) -> dict[str, Tensor]:
    parameters = instance.parameters()
    return {k: v for k, v in instance.values().items() if k not in parameters and v.is_floating_point()}


def judged(trial: Trial, sight: Sight) -> Iterator[Finding]:
    """Findings against the trial's truth in outputs, gradients and, where they are looked at, buffers."""
    yield from trial.judge(sight.case, sight.outputs, sight.gradients)
    yield from held(trial, sight)


def held(trial: Trial, sight: Sight) -> Iterator[Finding]:
    """Findings in the buffers that are looked at."""
    expected = _held(trial, sight.case) if sight.buffers else {}
    for name, budget in expected.items():
        got = sight.buffers.get(name)
        yield from trial.compare(sight.case, [budget], [None if got is None else got.to(budget.dtype)])


def _held(trial: Trial, case: Case) -> dict[str, Budget]:
    """A budget for every floating buffer after one call: a batch's rounding, or native's error where that is more."""
    theirs = look(trial, case, build=trial.build_native)
    exact = look(trial, case, build=lambda at: _oracle(trial, at), dtype="float64")
    if theirs is None or exact is None:
        return {}
    budgets = {}
    for name, truth in exact.buffers.items():
        native, dtype = theirs.buffers[name].cpu(), theirs.buffers[name].dtype
        truth = truth.double().cpu()
        unit = ulp(truth.abs().clamp(min=float(truth.abs().max()) / 16 if truth.numel() else 0.0), dtype) * 2
        units = ((native.double() - truth).abs() / unit).clamp(min=1)
        budgets[name] = Budget(name, dtype, truth, SLACK * unit * units, native, units)
    return budgets


def _oracle(trial: Trial, at: Case) -> Instance:
    instance = trial.oracle.build(at, trial.initial(at))
    return matched(trial.oracle, instance, trial.build_native(at).own_state())


def fits(supposed: Supposed, sight: Sight) -> bool:
    """Whether the subject gave in this case what the hypothesis says, in every output, gradient and buffer."""
    exact = supposed.exact(sight.case)
    return (
        exact is not None
        and _near(exact, sight)
        and _quiet(lambda: supposed.agrees(sight) and not any(held(supposed, sight)))
    )


def differs(supposed: Supposed, sight: Sight) -> bool:
    """Whether in this case the hypothesis is told apart from the truth."""
    exact = supposed.exact(sight.case)
    if exact is None:
        return False
    exact = replace(exact, buffers=exact.buffers if sight.buffers else {})
    return _quiet(lambda: any(judged(supposed.actual, exact)))


def _quiet(action: Callable[[], bool]) -> bool:
    try:
        return action()
    except Exception:  # a hypothesis that cannot be run there has nothing to say
        return False


def _near(exact: Sight, sight: Sight) -> bool:
    """A quick look before any budget is measured."""
    pairs: list[tuple[Any, Any]] = list(zip(exact.outputs, sight.outputs, strict=False))
    pairs += zip(exact.gradients, sight.gradients, strict=False)
    if len(exact.outputs) != len(sight.outputs):
        return False
    return all(_alike(theirs, ours) for theirs, ours in pairs if theirs is not None)


def _alike(theirs: Tensor, ours: Tensor | None) -> bool:
    ours = torch.zeros_like(theirs) if ours is None else ours
    if theirs.shape != ours.shape:
        return False
    a, b = theirs.double().cpu(), ours.double().cpu()
    known = a.isfinite()
    if not bool(known.any()):
        return True
    off = (a - b)[known].abs()
    return bool((off <= COARSE * a[known].abs().max() + NOISE).all())
