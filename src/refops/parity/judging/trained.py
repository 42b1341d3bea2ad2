"""Causes for optimizers: whole runs of training are compared, with a hypothesis in native's place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from refops.parity.binding import NotOfferedError
from refops.parity.case import Case
from refops.parity.hypotheses import Hypothesis, hypotheses_of
from refops.parity.judging.scenarios import Scenario, by_closure, expanded, nudged, plain, regrouped, scheduled
from refops.parity.judging.sight import COARSE, NOISE, Supposed
from refops.parity.judging.training import Training
from refops.parity.judging.trial import Trial
from refops.parity.spec import Spec

LOOKED = 4  # runs of training looked at
BESIDE = 3  # and further rows, whether they fail or not

# the scenario in which a check trains; the others train plainly
SCENARIOS: dict[str, tuple[Scenario, ...]] = {
    "groups": (regrouped,), "schedulers": (scheduled,), "closure": (by_closure,), "memory": (nudged, expanded),
}  # fmt: skip

Run = tuple[Case, Scenario]


def trained_cause(trial: Trial, failing: Sequence[tuple[str, Case]]) -> str:
    """What an optimizer behaves like; empty if nothing fits."""
    own = Trial(trial.spec, trial.subject, "float32", trial.device, trial.level)
    wrong = [seen for run in _runs(trial, failing) if (seen := _seen(own, run)) is not None and _off(own, seen)]
    if not wrong:
        return ""
    rows = [row.but(regime=row.regime if row.regime in trial.spec.regimes else "random") for row in own.rows(None)]
    failed = {seen.case for seen in wrong}
    beside = [_seen(own, (row, plain)) for row in rows if row not in failed][:BESIDE]
    every = [*wrong, *(seen for seen in beside if seen is not None)]
    for candidates in (hypotheses_of(trial.spec), ignored(trial.spec, [seen.case for seen in wrong])):
        found = [h for h in candidates if _behaves(own, h, wrong, every)]
        if found:
            return found[0].name if len(found) == 1 else ""
    return ""


@dataclass
class Seen:
    """What a subject's parameters were after every step of a run."""

    case: Case
    scenario: Scenario
    after: list[Tensor]


def _seen(trial: Trial, run: Run) -> Seen | None:
    """One run of the subject; None where it raises."""
    try:
        return Seen(*run, Training(trial, *run).run())
    except (Exception, NotOfferedError):  # then it has no numbers to compare
        return None


def _runs(trial: Trial, failing: Sequence[tuple[str, Case]]) -> list[Run]:
    """A few failing runs of several streams and hyperparameters."""
    pool: list[Run] = []
    for name, case in failing:
        regime = case.regime if case.regime in trial.spec.regimes else "random"
        pool += [(case.but(dtype="float32", regime=regime), s) for s in SCENARIOS.get(name, (plain,))]
    pool = list(dict.fromkeys(pool))
    chosen: list[Run] = []
    while pool and len(chosen) < LOOKED:
        best = min(pool, key=lambda run: sum((c.regime == run[0].regime) + (c.init == run[0].init) for c, _ in chosen))
        chosen.append(best)
        pool.remove(best)
    return chosen


def _off(trial: Trial, seen: Seen) -> bool:
    """Whether a run leaves the budget of the trial's truth."""
    return any(Training(trial, seen.case, seen.scenario).compare(seen.after))


def _behaves(trial: Trial, hypothesis: Hypothesis, wrong: list[Seen], every: list[Seen]) -> bool:
    """Whether the hypothesis trains as the subject did in every run, and not as the truth in those that are wrong."""
    supposed = Supposed(trial, hypothesis, trial.device)
    try:
        exact = [_exact(trial, hypothesis, seen) for seen in every]
        if not all(_near(trial, seen, e) for seen, e in zip(every, exact, strict=True)):
            return False
        return not any(_off(supposed, seen) for seen in every) and all(
            _off(trial, e) for e, _ in zip(exact, wrong, strict=False)
        )
    except Exception:  # a hypothesis that cannot be run there has nothing to say
        return False


def _exact(trial: Trial, hypothesis: Hypothesis, seen: Seen) -> Seen:
    """The same run by the hypothesis in float64."""
    training = Training(trial, seen.case, seen.scenario)
    make = training.make(hypothesis.operator)
    return replace(seen, after=seen.scenario(make, training.params("float64", "cpu"), training.grads))


def _near(trial: Trial, seen: Seen, exact: Seen) -> bool:
    """A quick look before any budget is measured: every parameter has moved about as far."""
    start = Training(trial, seen.case, seen.scenario).start
    for i, (a, b) in enumerate(zip(exact.after, seen.after, strict=True)):
        moved = (a - start[i % len(start)]).abs()
        if bool(((a - b.double().cpu()).abs() > COARSE * moved.max() + NOISE * a.abs().max()).any()):
            return False
    return True


def ignored(spec: Spec, cases: list[Case]) -> Iterator[Hypothesis]:
    """Native, one hyperparameter left at its default in every group."""
    parameters = inspect.signature(spec.reference).parameters
    names = {name: None for case in cases if case.init is not None for name in case.init.keywords}
    for name in (*names, "weight_decay"):
        base = f"{name}".removeprefix("base_")
        if name in parameters and base == name:
            yield Hypothesis(f"argument {name} is ignored", _without(spec, name, parameters[name].default))


def _without(spec: Spec, name: str, default: Any) -> Callable[..., Optimizer]:
    native: Any = spec.native or spec.reference

    def make(params: Any, *args: Any, **kwargs: Any) -> Optimizer:
        optimizer: Optimizer = native(params, *args, **kwargs)
        for group in optimizer.param_groups:
            if name in group:
                group[name] = default
        optimizer.defaults[name] = default
        return optimizer

    return make
