"""The check of forward-mode derivatives: how the outputs move when inputs and parameters move along one direction.

torch computes them beside the outputs, in one forward pass, with numbers that carry a tangent (dual numbers). An
operator made of torch's own differentiable operations has them for nothing; a gradient derived by hand needs a second
rule, and writing into `.data` or through numpy loses the tangent without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from refops.parity.case import Case, dtype_of
from refops.parity.checks import check
from refops.parity.checks.contexts import few, shortened
from refops.parity.judging.budget import MANY_PROBES, PROBES, Budget, budgets
from refops.parity.judging.trial import Trial
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.subject import Instance

REFUSING = (RuntimeError, NotImplementedError)  # what torch raises where an operation has no such derivative


@check(cases=few)
def forward_mode(trial: Trial, case: Case) -> Iterator[Finding]:
    """Forward-mode derivatives along a random direction of every input and parameter are the truth's."""
    native, subject, exact = trial.build_native(case), trial.build_subject(case), case.but(dtype="float64")
    true = matched(trial.oracle, trial.oracle.build(exact, trial.drawn(case)[0]), native.own_state())
    moving = [k for k in native.parameters() if k in subject.state() and not _remade(subject, k)]
    values = _values(trial, case, native, moving)
    known, at = (native, case) if trial.spec.native else (true, exact)
    try:
        outputs = len(_pushed(trial, known, at, values, moving))
    except REFUSING:
        return  # native itself has no such derivative here

    def expected(probes: int) -> list[Budget | None]:
        return budgets(
            lambda flat: _pushed(trial, true, exact, flat, moving, "cpu"),
            (lambda flat: _pushed(trial, native, case, flat, moving)) if trial.spec.native else None,
            values, [f"tangent of output[{i}]" for i in range(outputs)], dtype_of(case.dtype),
            probes=probes, mixing=True, passes=[2] * outputs,
        )  # fmt: skip

    try:
        got = _pushed(trial, subject, case, values, moving)
    except REFUSING as error:
        message = f"must have a forward-mode derivative like native, got {type(error).__name__}: {shortened(error)}"
        yield Finding(repr(case), message, grade="differs", kind="forward-mode")
        return
    if list(trial.compare(case, expected(PROBES), got)):  # with more care before accusing
        yield from trial.compare(case, expected(MANY_PROBES), got)


def _remade(subject: Instance, name: str) -> bool:
    """Whether the subject keeps this parameter of native's in another form, so that no direction can be given to it."""
    return name in subject.changes or subject.derived(name)


def _values(trial: Trial, case: Case, native: Instance, moving: list[str]) -> list[Tensor]:
    """What the tangents hang on: the call's tensors, native's state, then a direction for each that moves."""
    drawn = trial.drawn(case)[1]
    held = [v.detach().double().cpu() for v in native.own_state().values() if v.is_floating_point()]
    along = [t for t, draw in zip(drawn, case.call.draws(), strict=True) if draw.differentiable]
    along += [native.state()[k].detach() for k in moving]
    like = [torch.empty(t.shape, dtype=dtype_of(case.dtype)) for t in along]
    return [*drawn, *held, *trial.cotangents(case.but(seed=case.seed + 1), like)]


def _pushed(
    trial: Trial, instance: Instance, at: Case, flat: list[Tensor], moving: list[str], device: str | None = None
) -> list[Tensor | None]:
    """The tangent of every output; None where an output has none."""
    given = trial.inputs(at, flat[: len(list(at.call.draws()))], device)
    state = {k: v for k, v in trial.build_native(at).own_state().items() if v.is_floating_point()}
    instance.load(dict(zip(state, flat[len(given) :], strict=False)))
    ways = iter(flat[len(given) + len(state) :])
    with forward_ad.dual_level():
        inputs = [forward_ad.make_dual(t.detach(), next(ways).to(t)) if t.requires_grad else t for t in given]
        own = {instance.names[k]: instance.state()[k].detach() for k in moving}
        moved = {k: forward_ad.make_dual(p, next(ways).to(p)) for k, p in own.items()}

        def through(*args: Any, **kwargs: Any) -> Any:
            if instance.module is None:
                return instance.function(*args, **kwargs)
            return torch.func.functional_call(instance.module, moved, args, kwargs)

        outputs = trial.call(instance, at, inputs, through)
        found = [forward_ad.unpack_dual(o).tangent if o.is_floating_point() else None for o in outputs]
        return [None if t is None else t.detach().clone() for t in found]
