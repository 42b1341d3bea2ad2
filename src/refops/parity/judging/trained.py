"""Causes for optimizers: whole runs of training are compared, with a hypothesis in native's place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.optim import Optimizer

from refops.parity.case import Case
from refops.parity.hypotheses import Hypothesis, hypotheses_of
from refops.parity.judging.scenarios import Scenario, by_closure, expanded, nudged, plain, regrouped, scheduled
from refops.parity.judging.sight import Supposed
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
    wrong = [run for run in _runs(trial, failing) if _off(own, run, None)]
    if not wrong:
        return ""
    rows = [row.but(regime=row.regime if row.regime in trial.spec.regimes else "random") for row in own.rows(None)]
    untried: list[Run] = [(row, plain) for row in rows]
    beside = [run for run in untried if run not in wrong][:BESIDE]
    for candidates in (hypotheses_of(trial.spec), ignored(trial.spec, [case for case, _ in wrong])):
        found = [h for h in candidates if _behaves(own, h, wrong, beside)]
        if found:
            return found[0].name if len(found) == 1 else ""
    return ""


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


def _off(trial: Trial, run: Run, target: Callable[..., Any] | None) -> bool:
    """Whether the subject, or another target, leaves the budget of the trial's truth in this run; not if it raises."""
    training = Training(trial, *run)
    try:
        got = training.run(target)
    except Exception:  # then it has no numbers to compare
        return False
    return any(training.compare(got))


def _behaves(trial: Trial, hypothesis: Hypothesis, wrong: list[Run], beside: list[Run]) -> bool:
    supposed = Supposed(trial, hypothesis, trial.device)
    try:
        fits = all(not any(_compared(supposed, run)) for run in (*wrong, *beside))
    except Exception:  # a hypothesis that cannot be run there has nothing to say
        return False
    return fits and all(_off(trial, run, hypothesis.operator) for run in wrong)


def _compared(supposed: Supposed, run: Run) -> Iterator[Any]:
    training = Training(supposed, *run)
    yield from training.compare(training.run())


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
