"""Checks of optimizers: the numbers of whole runs. What an optimizer does around its steps is in `optimizer_habits`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from refops.parity.binding import NotOfferedError
from refops.parity.case import Arguments, Case
from refops.parity.checks import check, differs
from refops.parity.judging.scenarios import (
    Gradients,
    by_closure,
    expanded,
    generated,
    grouped,
    key,
    nudged,
    others,
    regrouped,
    scheduled,
    train,
    ungrouped,
)
from refops.parity.judging.training import Training
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding

OPTIMIZER = ("optimizer",)

# -- cases -----------------------------------------------------------------------------------------------------------


def rows(trial: Trial) -> Iterator[Case]:
    """Every row, on the stream it names or on random gradients."""
    for case in trial.rows(None):
        yield case if case.regime in trial.spec.regimes else case.but(regime="random")


def first(trial: Trial) -> Iterator[Case]:
    """The first row that the subject is made for, of parameters enough for two groups, on random gradients."""
    every = list(rows(trial))
    asked = (case for case in every if len([*case.call.draws()]) > 1 and _offered(trial, case))
    yield next(asked, every[0])


def _offered(trial: Trial, case: Case) -> bool:
    """Whether the subject has every argument of the case."""
    binding, case = trial.subject.construction(), trial.subject.settled(case)
    if binding is None or case.init is None:
        return True
    try:
        binding.bind(case.init.args, case.init.keywords)
    except NotOfferedError:
        return False
    return True


def streams(trial: Trial) -> Iterator[Case]:
    """The first row on every stream, then all others; outside float32 fewer, unless the level is full."""
    thorough = trial.full or trial.dtype == "float32"
    every, (lead,) = list(rows(trial)), first(trial)
    for stream in trial.spec.regimes if thorough else ("random", "tiny"):
        yield lead.but(regime=stream)
    yield from (case for case in every if case != lead) if thorough else every[3:5]


# -- numbers of a run --------------------------------------------------------------------------------------------------


@check(cases=streams, kinds=OPTIMIZER, dtypes=None)
def trajectory(trial: Trial, case: Case) -> Iterator[Finding]:
    """After every step, every parameter is as near to the float64 truth as native's rounding excuses."""
    training = Training(trial, case)
    yield from training.compare(training.run())


@check(cases=first, kinds=OPTIMIZER)
def groups(trial: Trial, case: Case) -> Iterator[Finding]:
    """Parameter groups: added later, with hyperparameters of their own, from a generator, refused if met twice."""
    for scenario in (regrouped, generated):
        training = Training(trial, case, scenario)
        yield from training.compare(training.run())
    params = training.params()
    optimizer = training.make()(grouped(params))
    last = optimizer.param_groups[-1]
    hyperparameters = {name: last.get(key(last, name)) for name in others()}
    if hyperparameters != others():
        yield Finding(repr(case), f"param_groups[-1] must keep the group's own {others()}, got {hyperparameters}")
    missing = {k for g in optimizer.param_groups for k in g} - set(last)
    if missing:
        message = f"every group must hold every hyperparameter, got one without {sorted(missing)}"
        yield differs(case, "groups", message)
    try:
        optimizer.add_param_group({"params": params[:1]})
        yield differs(case, "accepts-twice", "add_param_group must refuse a parameter that is in another group")
    except ValueError:
        pass


@check(cases=first, kinds=OPTIMIZER)
def schedulers(trial: Trial, case: Case) -> Iterator[Finding]:
    """The learning rate used is the one in `param_groups` now, set by a scheduler or by hand."""
    training = Training(trial, case, scheduled)
    yield from training.compare(training.run())
    (group, *_) = training.make()(grouped(training.params())).param_groups
    if "lr" not in group:
        message = f"param_groups call the learning rate {key(group, 'lr')!r}: torch's schedulers look for 'lr'"
        yield differs(case, "refuses-schedulers", message)


@check(cases=first, kinds=OPTIMIZER)
def closure(trial: Trial, case: Case) -> Iterator[Finding]:
    """A closure is called once, with gradients enabled, and first; its gradients are used, its value is returned."""
    training = Training(trial, case, by_closure)
    try:
        yield from training.compare(training.run())
    except RuntimeError as error:
        yield Finding(repr(case), str(error))


@check(cases=first, kinds=OPTIMIZER)
def memory(trial: Trial, case: Case) -> Iterator[Finding]:
    """Parameters change in place, where the model and its views see it, whatever the memory layout of all."""
    for layout in ("transposed", "strided"):
        training = Training(trial, case.but(layout=layout))
        yield from training.compare(training.run())
    for scenario in (expanded, nudged):
        training = Training(trial, case, scenario)
        yield from training.compare(training.run())
    training = Training(trial, case)
    params = training.params()
    views = [p.detach() for p in params]
    train(training.make()(grouped(params)), params, training.grads)
    for i, (param, view) in enumerate(zip(params, views, strict=True)):
        if not torch.equal(param.detach(), view):
            yield Finding(repr(case), f"parameter {i} must be changed in place, a view of it did not see the steps")
        if not (param.requires_grad and param.is_leaf):
            yield Finding(repr(case), f"parameter {i} must stay a leaf that requires a gradient after a step")


@check(cases=first, kinds=OPTIMIZER)
def complex_(trial: Trial, case: Case) -> Iterator[Finding]:
    """Complex parameters train as the pairs of real numbers they are; only a drop-in may not refuse them."""
    pairs = tuple(replace(draw, shape=(*draw.shape, 2)) for draw in case.call.draws())
    training = Training(trial, case.but(call=Arguments(pairs)))
    params: list[Tensor] = [Parameter(torch.view_as_complex(p.detach())) for p in training.params()]
    grads: Gradients = [[None if g is None else torch.view_as_complex(g) for g in now] for now in training.grads]
    after = _accepted(trial, lambda: train(training.make()(grouped(params)), params, grads), native_accepts=True)
    if isinstance(after, str):
        yield differs(case, "refuses-complex", f"complex parameters must be accepted as by native, got {after}")
    elif after:
        for finding in training.compare([torch.view_as_real(p) for p in after]):
            finding.message = f"complex parameters are not trained as pairs of real numbers: {finding.message}"
            finding.grade, finding.kind = "differs", "complex"
            yield finding


@check(cases=rows, kinds=OPTIMIZER)
def sparse(trial: Trial, case: Case) -> Iterator[Finding]:
    """Sparse gradients move parameters as dense ones do, or are refused; by a drop-in exactly where native refuses."""
    training = Training(trial, case.but(regime="sparse"), ungrouped)
    grads: Gradients = [[None if g is None else g.to_sparse() for g in now] for now in training.grads]

    def run(target: Any = None) -> list[Tensor]:
        params = training.params()
        return train(training.make(target)(params), params, grads)

    accepts = trial.spec.native is not None and not isinstance(
        _accepted(trial, lambda: run(trial.spec.native), True), str
    )
    after = _accepted(trial, run, accepts)
    if isinstance(after, str):
        yield differs(case, "refuses-sparse", f"sparse gradients must be accepted as by native, got {after}")
    elif after and trial.subject.drop_in and trial.spec.native is not None and not accepts:
        yield differs(case, "accepts-sparse", "sparse gradients must be refused as by native, no error was raised")
    elif after:
        yield from training.compare(after)


def _accepted(trial: Trial, run: Callable[[], list[Tensor]], native_accepts: bool) -> list[Tensor] | str:
    """What a run gives; where it is refused nothing, or the error if that is none of a drop-in's rights."""
    try:
        return run()
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}" if native_accepts and trial.subject.drop_in else []
