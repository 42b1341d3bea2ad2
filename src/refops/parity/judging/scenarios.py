"""Optimizers in motion: the gradients they are fed, and the runs that native, truth and subject all go through alike.

An optimizer needs no model: gradients are drawn, a *stream* of them, one per parameter and step. A `Scenario` trains
with some optimizer and returns the parameters after every step; the same function runs native in float64 (the truth),
native in the dtype (the yardstick of the budget) and the subject, so they cannot be treated differently.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer, lr_scheduler

from refops.parity.binding import Binding
from refops.parity.case import Arguments, Case, dtype_of, fill
from refops.parity.spec import Spec
from refops.parity.subject import Operator

# One expression each, over z (standard normal), u (uniform), t (steps so far) and info (torch.finfo of the dtype).
STREAMS: dict[str, str] = {
    "random": "z",
    "sparse": "z * (u < 0.1)",
    "zero": "0 * z",
    "tiny": "z * max(10.0 ** (-3 - t % 6), info.tiny ** 0.25)",  # near every eps in use; its square is not yet zero
    "huge": "z * info.max ** 0.25",  # its square is still finite
    "missing": "z",  # and none at all for some parameters in some steps
    "fading": "z * max(4.0 ** -t, info.tiny ** 0.25)",  # the largest second moment lies far back
}
STEPS = 11
HALFWAY = 6  # not a multiple of Lookahead's k
PATHS = ("foreach", "fused", "capturable")
OTHERS = {"lr": 0.05, "weight_decay": 0.25}  # hyperparameters of the second parameter group

Gradients: TypeAlias = list[list[Tensor | None]]
Make: TypeAlias = Callable[[Any], Optimizer]
Scenario: TypeAlias = Callable[[Make, list[Tensor], Gradients], list[Tensor]]


def gradient_seed(case: Case, step: int, position: int) -> int:
    """The seed of this parameter's gradient in this step."""
    return 100_000 * (case.seed + 1) + 100 * step + position


def expression(case: Case, shape: Sequence[int], step: int, position: int) -> str:
    """The one-line expression of a gradient in float64."""
    make = f"g := torch.Generator().manual_seed({gradient_seed(case, step, position)})"
    named = [
        f"{n} := torch.{f}({tuple(shape)}, generator=g, dtype=torch.float64)"
        for n, f in (("z", "randn"), ("u", "rand"))
    ]
    return f"[{make}, {', '.join(named)}, t := {step}, {STREAMS[case.regime]}][-1]"


def absent(stream: str, step: int, position: int) -> bool:
    """Whether this parameter has no gradient in this step."""
    return stream == "missing" and (step + position) % 3 == 1


@lru_cache(maxsize=500)
def gradients(case: Case, shapes: tuple[torch.Size, ...]) -> Gradients:
    """All gradients of a run, in float64 but rounded to the case's dtype. Not to be written to: they are kept."""
    dtype = dtype_of(case.dtype)
    scope = {"torch": torch, "math": math, "info": torch.finfo(dtype)}

    def one(step: int, position: int) -> Tensor | None:
        if absent(case.regime, step, position):
            return None
        value: Tensor = eval(expression(case, shapes[position], step, position), scope)
        return value.to(dtype).double()

    return [[one(t, i) for i in range(len(shapes))] for t in range(STEPS)]


_ABSENT: set[str] = set()  # what the subject being judged does not offer
_OWN: dict[str, str] = {}  # and what it calls otherwise: native's name to its own


@contextmanager
def offering(subject: Operator) -> Iterator[None]:
    """While this subject is judged, its second group, and native's, has only hyperparameters that it offers."""
    binding = subject.construction() if subject.kind == "optimizer" else None
    absent = set() if binding is None else {*binding.missing(), *binding.domain.without, *binding.settled()}
    own = {} if binding is None else {**binding.places, **binding.domain.arguments}
    before, called = set(_ABSENT), dict(_OWN)
    _ABSENT.update(absent & OTHERS.keys())
    _OWN.update({name: own[name] for name in OTHERS if own.get(name, name) != name})
    try:
        yield
    finally:
        _ABSENT.clear()
        _ABSENT.update(before)
        _OWN.clear()
        _OWN.update(called)


def key(group: Mapping[str, Any], name: str) -> str:
    """What this parameter group calls a hyperparameter: native's name, unless it has the subject's own."""
    return name if name in group else _OWN.get(name, name)


def spoken(group: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """A group to be given to an optimizer, in the words of one that it has."""
    return {key(like, name) if name in OTHERS else name: value for name, value in group.items()}


def in_own_words(make: Make) -> Make:
    """The same optimizer, given groups in native's words: what it calls their hyperparameters is asked of one."""
    if not _OWN:
        return make

    def made(params: Any) -> Optimizer:
        if not (isinstance(params, list) and params and isinstance(params[0], dict)):
            return make(params)
        like = make([Parameter(torch.zeros(1))]).param_groups[0]
        return make([spoken(group, like) for group in params])

    return made


def others() -> dict[str, float]:
    """The hyperparameters of the second parameter group."""
    return {name: value for name, value in OTHERS.items() if name not in _ABSENT}


def grouped(params: Sequence[Any]) -> list[dict[str, Any]]:
    """Two parameter groups with different hyperparameters, or one where there is but one parameter."""
    half = (len(params) + 1) // 2
    groups = [{"params": list(params[:half])}]
    return groups + ([{"params": list(params[half:]), **others()}] if params[half:] else [])


class Oracle(Optimizer):
    """A NumPy oracle driven like any optimizer: it moves float64 parameters, and `lr` is read from the groups."""

    def __init__(self, groups: Any, oracle: Callable[..., Any], **options: Any) -> None:
        self.oracle, self.options, self.prefix = oracle, options, "base_" if "base" in options else ""
        self.rules: list[Any] = []
        super().__init__(groups, {"lr": options.get(f"{self.prefix}lr", 1e-3)})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Every group has a rule of its own, built from the case's options and the group's."""
        own = {f"{self.prefix}{name}": value for name, value in param_group.items() if name in OTHERS}
        super().add_param_group(param_group)
        self.rules.append(self.oracle(**{**self.options, **own}))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step of every rule on its own group."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group, rule in zip(self.param_groups, self.rules, strict=True):
            rule.lr = group["lr"]
            grads = [None if p.grad is None else p.grad.numpy() for p in group["params"]]
            rule.step([p.detach().numpy() for p in group["params"]], grads)
        return loss


def maker(
    target: Callable[..., Any], case: Case, tensors: Sequence[Tensor] = (), binding: Binding | None = None
) -> Make:
    """How to construct this optimizer for any parameters, with the case's arguments, by its own names for them.

    Where they include `base="SGD"`, the target wraps torch's optimizer of that name, built with the `base_` arguments.
    """
    if case.init is None:
        raise ValueError(f"case must give constructor arguments with built(...), got {case!r}")
    args, kwargs = fill(case.init, iter(tensors))
    if "base" not in kwargs:
        args, kwargs = (args, kwargs) if binding is None else binding.bind(args, kwargs)

        def make(params: Any) -> Optimizer:
            optimizer: Optimizer = target(params, *args, **kwargs)
            return optimizer

        return make if binding is None else in_own_words(make)
    inner = {name.removeprefix("base_"): value for name, value in kwargs.items() if name.startswith("base_")}
    outer = {name: value for name, value in kwargs.items() if not name.startswith("base")}
    args, outer = (args, outer) if binding is None else binding.bind(args, outer)
    base = getattr(torch.optim, kwargs["base"])
    return lambda params: target(base(params, **inner), *args, **outer)


def plainly(case: Case) -> Case:
    """The same case without the switch to another path: whoever is the measure goes the plain one.

    Native's fused steps on the CPU are wrong where gradient and parameter are laid out otherwise (docs/found.md); as
    truth and yardstick they would excuse that very fault.
    """
    if case.init is None:
        return case
    kept = tuple((name, value) for name, value in case.init.kwargs if name not in PATHS)
    return case.but(init=Arguments(case.init.args, kept))


def truth_maker(spec: Spec, case: Case, tensors: Sequence[Tensor] = ()) -> Make:
    """The truth as an optimizer for float64 parameters: the spec's oracle, or native."""
    if spec.oracle is None:
        if spec.native is None:
            raise ValueError(f"spec must have a native or an oracle, got {spec.name} with neither")
        return maker(spec.native, plainly(case), tensors)
    args, kwargs = fill(case.init, iter(tensors)) if case.init else ((), {})
    names = list(inspect.signature(spec.reference).parameters)[1:]
    options = dict(zip(names, args, strict=False)) | kwargs
    oracle = spec.oracle
    return lambda params: Oracle(params, oracle, **options)


def snapshot(params: Sequence[Tensor]) -> list[Tensor]:
    """Copies of the parameters as they are."""
    return [p.detach().clone() for p in params]


def feed(params: Sequence[Tensor], grads: Sequence[Tensor | None]) -> None:
    """Give every parameter its gradient, a fresh tensor in its own dtype, or none."""
    for param, grad in zip(params, grads, strict=True):
        param.grad = None if grad is None else grad.to(param, copy=True)


def train(optimizer: Optimizer, params: Sequence[Tensor], grads: Gradients) -> list[Tensor]:
    """A step per gradient; the parameters after each."""
    after = []
    for now in grads:
        feed(params, now)
        optimizer.step()
        after += snapshot(params)
    return after


# -- scenarios ---------------------------------------------------------------------------------------------------------


def plain(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """The scenario of most checks: two groups, a step per gradient."""
    return train(make(grouped(params)), params, grads)


def ungrouped(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training of a plain list of parameters."""
    return train(make(params), params, grads)


def generated(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training of parameters that can be gone through only once, as `model.parameters()` can."""
    return train(make(p for p in params), params, grads)


def regrouped(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training in which the second group comes later, by `add_param_group`."""
    before, *later = grouped(params)
    optimizer, after = make([before]), []
    for t, now in enumerate(grads):
        if t == 5:  # when Lookahead with k = 5 or 1 has just synchronised, whichever way it counts
            for group in later:
                optimizer.add_param_group(spoken(group, optimizer.param_groups[0]))
        feed(params, now)
        optimizer.step()
        after += snapshot(params)
    return after


def scheduled(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training under two schedulers, one after the other, and a change by hand.

    Schedulers know the learning rate as `lr`: where a group calls it otherwise, it is handed on.
    """
    optimizer, after = make(grouped(params)), []
    named = {id(group): key(group, "lr") for group in optimizer.param_groups}
    for group in optimizer.param_groups:
        group["lr"] = group[named[id(group)]]
    steps = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    for t, now in enumerate(grads):
        feed(params, now)
        optimizer.step()
        after += snapshot(params)
        if t < HALFWAY:
            steps.step()
        elif t == HALFWAY:
            slopes = lr_scheduler.LambdaLR(optimizer, lambda epoch: 2.0 / (1 + epoch))
        elif t < STEPS - 2:
            slopes.step()
        else:
            for group in optimizer.param_groups:
                group["lr"] = 4 * group["lr"]
        for group in optimizer.param_groups:
            group[named[id(group)]] = group["lr"]
    return after


def expanded(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training on gradients whose elements all lie in one place of memory."""
    optimizer, after = make(grouped(params)), []
    for now in grads:
        for param, grad in zip(params, now, strict=True):
            param.grad = None if grad is None else grad.to(param, copy=True).flatten()[:1].sum().expand(param.shape)
        optimizer.step()
        after += snapshot(params)
    return after


def nudged(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training in which somebody else changes the parameters too: loads a model, clips or ties weights."""
    optimizer, after = make(grouped(params)), []
    for t, now in enumerate(grads):
        if t == 4:
            with torch.no_grad():
                for param in params:
                    param.mul_(-0.5)
        after += train(optimizer, params, [now])
    return after


def by_closure(make: Make, params: list[Tensor], grads: Gradients) -> list[Tensor]:
    """Training in which `step` calls a closure that computes the gradients."""
    optimizer, after = make(grouped(params)), []
    for t, now in enumerate(grads):
        calls: list[bool] = []

        def closure(now: list[Tensor | None] = now, calls: list[bool] = calls, t: int = t) -> Any:
            calls.append(torch.is_grad_enabled())
            optimizer.zero_grad()
            if not calls[-1]:
                raise RuntimeError("step must call the closure with gradients enabled, they were disabled")
            products = [(p * g.to(p)).sum() for p, g in zip(params, now, strict=True) if g is not None]
            torch.stack(products).sum().backward()
            return torch.tensor(t)

        got = optimizer.step(closure)
        if calls != [True]:
            raise RuntimeError(f"step must call the closure once, got {len(calls)} calls")
        if got is None or float(got) != t:
            raise RuntimeError(f"step must return what the closure returned, {t}, got {got}")
        after += snapshot(params)
    return after
