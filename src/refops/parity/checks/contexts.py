"""Checks of the contexts torch puts an operator in: compiled, under autocast, vmapped, with replaced parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Case, fill
from refops.parity.checks import check, differs
from refops.parity.judging.budget import Budget, budgets
from refops.parity.judging.draw import seed_global
from refops.parity.judging.trial import Trial, flatten
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.subject import Instance


def shortened(error: Exception) -> str:
    """An error's message on one line."""
    return " ".join(str(error).split())[:160]


def few(trial: Trial) -> Iterator[Case]:
    """The first two deterministic rows; all of them at the full level."""
    yield from trial.certain if trial.full else trial.certain[:2]


def one(trial: Trial) -> Iterator[Case]:
    """The first deterministic row."""
    yield from islice(few(trial), 1)


@check(cases=one)
def compile_(trial: Trial, case: Case) -> Iterator[Finding]:
    """Under `torch.compile` outputs and gradients stay within the budget; `inductor` at the full level."""
    expected = trial.expected(case)
    subject = trial.build_subject(case)
    torch._dynamo.reset()
    compiled: Any = torch.compile(subject.function, backend=_backend(trial), dynamic=False)
    directions = trial.cotangents(case, [b.truth.to(b.dtype) if not b.exact else b.truth for b in expected.outputs])
    outputs, got = trial.run(subject, case, trial.inputs(case), directions, through=compiled)
    yield from trial.judge(case, outputs, got, "compiled, ")


def _backend(trial: Trial) -> str:
    """At the quick level a foreign subject's graphs are captured forward and back, a reference's forward alone."""
    if trial.full:
        declared = trial.subject.reference and any(difference.inductor for difference in trial.spec.differences)
        return "aot_eager" if declared else "inductor"
    return "eager" if trial.subject.reference else "aot_eager"


@check(cases=few)
def autocast(trial: Trial, case: Case) -> Iterator[Finding]:
    """Under autocast to bfloat16 the output has native's dtype and is as near to the truth as that allows."""
    native, subject = trial.build_native(case), trial.build_subject(case)

    def run(instance: Instance) -> list[Tensor]:
        with torch.no_grad(), torch.autocast(trial.device.partition(":")[0], torch.bfloat16):
            return trial.call(instance, case, trial.inputs(case))

    wanted, got = run(native), run(subject)
    for i, (w, g) in enumerate(zip(wanted, got, strict=False)):
        if w.dtype != g.dtype:
            if not trial.spec.own:  # what autocast does to it is no convention of a reference's to impose
                message = f"under autocast output[{i}] must be {w.dtype}, got {g.dtype}"
                yield differs(case, "promotes-autocast", message)
            return
    if not wanted or not wanted[0].is_floating_point() or wanted[0].dtype == torch.float32:
        return
    held = {k: v.detach().clone() for k, v in native.own_state().items()}
    exact_case = case.but(dtype="float64")
    exact = matched(trial.oracle, trial.oracle.build(exact_case, trial.drawn(case)[0]), native.own_state())

    def truth(flat: list[Tensor]) -> list[Tensor | None]:
        exact.load(held)
        with torch.no_grad():
            return [*trial.call(exact, exact_case, trial.inputs(exact_case, flat, "cpu"))]

    made = budgets(
        truth,
        lambda flat: [*wanted],
        trial.drawn(case)[1],
        [f"output[{i}]" for i in range(len(wanted))],
        wanted[0].dtype,
    )
    yield from trial.compare(case, made, [*got], "under autocast ")


@check(cases=few)
def vmap(trial: Trial, case: Case) -> Iterator[Finding]:
    """`torch.func.vmap` over the inputs, and over each parameter, gives what separate calls of native give."""
    native, subject = trial.build_native(case), trial.build_subject(case)
    inputs = [t.detach() for t in trial.inputs(case)]
    stacked = [torch.stack([t, t.flip(0) if t.dim() else t]) for t in inputs]
    where = [0 if d.floating else None for d in case.call.draws()]
    given = [s if w == 0 else t for s, t, w in zip(stacked, inputs, where, strict=True)]
    if 0 in where:
        yield from _mapped(trial, case, native, subject, given, tuple(where), {}, "the inputs")
    for name, parameter in native.parameters().items():
        both = {name: torch.stack([parameter.detach(), parameter.detach() * 2])}
        yield from _mapped(trial, case, native, subject, inputs, (None,) * len(inputs), both, name)


def _mapped(
    trial: Trial, case: Case, native: Instance, subject: Instance, given: list[Tensor], where: tuple[int | None, ...],
    replaced: dict[str, Tensor], what: str,
) -> Iterator[Finding]:  # fmt: skip
    def over(instance: Instance) -> Callable[..., Any]:
        def function(parameters: dict[str, Tensor], *tensors: Tensor) -> Any:
            args, kwargs = fill(case.call, iter(tensors))
            own = {instance.names[k]: v for k, v in parameters.items()}
            args, kwargs = instance.bound(args, kwargs)
            result = (
                torch.func.functional_call(instance.module, own, args, kwargs)
                if instance.module is not None
                else instance.function(*args, **kwargs)
            )
            return tuple(flatten(result))

        return function

    in_dims = (dict.fromkeys(replaced, 0), *where)
    try:
        seed_global(case.seed)
        torch.func.vmap(over(native), in_dims=in_dims)(replaced, *given)
    except (RuntimeError, ValueError, NotImplementedError):
        return  # native itself cannot be mapped here
    singles, own = ([over(o)(*_entry(replaced, given, where, i)) for i in range(2)] for o in (native, subject))
    if replaced and not all(
        near(trial, case, a, b) for s, t in zip(singles, own, strict=True) for a, b in zip(s, t, strict=True)
    ):
        return  # replaced parameters are not used at all: what functional_call looks at
    try:
        got = torch.func.vmap(over(subject), in_dims=in_dims)(replaced, *given)
    except Exception as error:
        if "NYI" in str(error):
            return  # torch's own word for what vmap does not know yet
        message = f"vmap over {what} must work as {trial.them}'s does, got {type(error).__name__}: {shortened(error)}"
        yield differs(case, "refuses-vmap", message)
        return
    for i, one_call in enumerate(singles):
        for wanted, result in zip(one_call, got, strict=True):
            if not near(trial, case, wanted.detach(), result[i].detach()):
                yield Finding(repr(case), f"vmap over {what} must give what separate calls give, entry {i} differs")
                return


def _entry(replaced: dict[str, Tensor], given: list[Tensor], where: tuple[int | None, ...], i: int) -> tuple[Any, ...]:
    """The i-th of the calls that are mapped over."""
    tensors = [t if w is None else t[i] for t, w in zip(given, where, strict=True)]
    return ({k: v[i] for k, v in replaced.items()}, *tensors)


def near(trial: Trial, case: Case, wanted: Tensor, got: Tensor) -> bool:
    """Whether two results of equal arithmetic agree, to the largest allowance this case has anywhere."""
    wanted, got = wanted.detach(), got.detach()
    if wanted.shape != got.shape:
        return False
    if not wanted.is_floating_point():
        return torch.equal(wanted, got)
    if not wanted.numel():
        return True
    share = [_share(b) for b in trial.expected(case).outputs if b.truth.numel() and not b.exact]
    wanted, got = wanted.double(), got.double()
    alike = (wanted == got) | (wanted.isnan() & got.isnan())
    error = torch.where(alike, 0.0, (wanted - got).abs()).nan_to_num(math.inf)
    scale = torch.where(wanted.isfinite(), wanted, 0.0).abs().max()
    return bool((error <= 4 * max(share, default=0.0) * scale).all())


def _share(budget: Budget) -> float:
    """The largest allowance of an output, as a share of its largest number."""
    finite = budget.truth.isfinite() & budget.allowed.isfinite()
    largest = torch.where(finite, budget.truth, 0.0).abs().max().clamp(min=1e-30)
    return float(torch.where(finite, budget.allowed, 0.0).max() / largest)


@check(cases=few, kinds=("module",))
def functional_call(trial: Trial, case: Case) -> Iterator[Finding]:
    """Parameters replaced through `torch.func.functional_call` are the ones used."""
    native, subject = trial.build_native(case), trial.build_subject(case)
    other = case.but(seed=case.seed + 1)
    replaced = {k: v.detach().clone() for k, v in trial.build_native(other).parameters().items()}
    if not replaced or subject.module is None:
        return
    subject.load({k: torch.zeros_like(v) for k, v in replaced.items()})
    args, kwargs = subject.bound(*fill(case.call, iter([t.detach() for t in trial.inputs(case)])))
    own = {subject.names[k]: subject.own(k, v) for k, v in replaced.items() if k in subject.names}
    got = flatten(torch.func.functional_call(subject.module, own, args, kwargs))
    native.load(replaced)
    wanted = trial.call(native, case, [t.detach() for t in trial.inputs(case)])
    if any(not near(trial, case, w.detach(), g.detach()) for w, g in zip(wanted, got, strict=True)):
        yield Finding(
            repr(case), "functional_call must use the parameters it is given, the output differs from native's"
        )
