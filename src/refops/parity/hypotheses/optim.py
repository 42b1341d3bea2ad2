"""What goes wrong in optimizers: eps, decay, corrections, trust ratios, and which group's numbers are used.

`_Rule` is an optimizer whose step is a chain of small methods, all right; each hypothesis replaces one of them.

Legend: m, v the first and second moment, t the step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from refops.parity.hypotheses import Hypothesis

Group = dict[str, Any]


class Stepping(Optimizer):
    """One `update` per parameter that has a gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One `update` for every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, -p.grad if group.get("maximize") else p.grad, self.group(group))
        return loss

    def group(self, group: Group) -> Group:
        """The hyperparameters used for a group."""
        return group

    def update(self, p: Tensor, g: Tensor, group: Group) -> None:
        """Move one parameter."""
        raise NotImplementedError


class _SGD(Stepping, SGD):
    """SGD in steps."""

    def update(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.add_(self.direction(p, self.decayed(p, g, group), group), alpha=-float(group["lr"]))

    def decayed(self, p: Tensor, g: Tensor, group: Group) -> Any:
        return g + group["weight_decay"] * p

    def first(self, g: Tensor, group: Group) -> Tensor:
        return g.clone()

    def buffer(self, b: Tensor, g: Tensor, group: Group) -> Any:
        return group["momentum"] * b + (1 - group["dampening"]) * g

    def direction(self, p: Tensor, g: Tensor, group: Group) -> Tensor:
        if not group["momentum"]:
            return g
        old = self.state[p].get("b")
        b = self.state[p]["b"] = self.first(g, group) if old is None else self.buffer(old, g, group)
        return self.ahead(b, b if old is None else old, g, group) if group["nesterov"] else b

    def ahead(self, b: Tensor, old: Tensor, g: Tensor, group: Group) -> Any:
        return g + group["momentum"] * b


def first_rate(self: Any, group: Group) -> Group:
    """The learning rate of the first group in place of the group's own."""
    return {**group, "lr": self.param_groups[0]["lr"]}


def _first_group(self: Any, group: Group) -> Group:
    return {**self.param_groups[0], "params": group["params"]}


def _default_decay(self: Any, group: Group) -> Group:
    return {**group, "weight_decay": self.defaults["weight_decay"]}


def _decoupled(self: Any, p: Tensor, g: Tensor, group: Group) -> Tensor:
    p.mul_(1 - float(group["lr"]) * group["weight_decay"])
    return g


def _decay_maximized(self: Any, p: Tensor, g: Tensor, group: Group) -> Any:
    return g - group["weight_decay"] * p if group["maximize"] else g + group["weight_decay"] * p


def _vectors_undecayed(self: Any, p: Tensor, g: Tensor, group: Group) -> Tensor:
    return g + group["weight_decay"] * p if p.dim() > 1 else g


def _all_zero(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step in which a missing gradient counts as zero."""

    def stepped(self: Any, closure: Any = None) -> Any:
        missing = [p for group in self.param_groups for p in group["params"] if p.grad is None]
        for p in missing:
            p.grad = torch.zeros_like(p)
        loss = step(self, closure)
        for p in missing:
            p.grad = None
        return loss

    return stepped


def spoiled(base: type[Any], **methods: Any) -> type[Any]:
    """The optimizer with other methods."""
    return type(base.__name__.strip("_"), (base,), methods)


_SGDS: dict[str, type[Any]] = {
    "the momentum buffer starts from zeros": spoiled(_SGD, first=lambda s, g, group: (1 - group["dampening"]) * g),
    "Nesterov looks ahead with the old buffer": spoiled(
        _SGD, ahead=lambda s, b, old, g, group: g + group["momentum"] * old
    ),
    "momentum weighs the gradient by 1 - momentum": spoiled(
        _SGD, buffer=lambda s, b, g, group: group["momentum"] * b + (1 - group["momentum"]) * g
    ),
    "momentum weighs the gradient by 1 - momentum, from zeros on": spoiled(
        _SGD,
        buffer=lambda s, b, g, group: group["momentum"] * b + (1 - group["momentum"]) * g,
        first=lambda s, g, group: (1 - group["momentum"]) * g,
    ),
    "dampening is ignored": spoiled(_SGD, buffer=lambda s, b, g, group: group["momentum"] * b + g),
    "weight decay is decoupled from the gradient": spoiled(_SGD, decayed=_decoupled),
    "decay has the wrong sign when maximizing": spoiled(_SGD, decayed=_decay_maximized),
    "maximize is ignored": spoiled(
        _SGD, group=lambda s, group: group, update=lambda s, p, g, group: _SGD.update(s, p, p.grad, group)
    ),
    "vectors are never decayed": spoiled(_SGD, decayed=_vectors_undecayed),
    "the learning rate of the first group is used for all": spoiled(_SGD, group=first_rate),
    "hyperparameters of the first group are used for all": spoiled(_SGD, group=_first_group),
    "a missing gradient counts as zero": spoiled(_SGD, step=_all_zero(_SGD.step)),
}

# -- Adam --------------------------------------------------------------------------------------------------------------


class _Adam(Stepping, Adam):
    """Adam in steps."""

    def update(self, p: Tensor, g: Tensor, group: Group) -> None:
        state, (b1, b2), lr = self.state[p], group["betas"], float(group["lr"])
        if not state:
            state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p), largest=torch.zeros_like(p))
        state["t"] = t = self.count(state)
        g = self.decayed(p, g, group)
        self.moments(state["m"], state["v"], g, b1, b2)
        p.sub_(lr * self.change(state["m"], self.second(state, b2, t, group), b1, b2, t, group["eps"]))
        self.finish(p, group)

    def count(self, state: Any) -> int:
        return int(state["t"]) + 1

    def decayed(self, p: Tensor, g: Tensor, group: Group) -> Any:
        if group["decoupled_weight_decay"]:
            p.mul_(1 - float(group["lr"]) * group["weight_decay"])
            return g
        return g + group["weight_decay"] * p

    def moments(self, m: Tensor, v: Tensor, g: Tensor, b1: float, b2: float) -> None:
        m.mul_(b1).add_(g, alpha=1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)

    def second(self, state: Any, b2: float, t: int, group: Group) -> Tensor:
        if group["amsgrad"]:
            return torch.maximum(state["largest"], state["v"], out=state["largest"])
        return state["v"]  # type: ignore[no-any-return]

    def change(self, m: Tensor, v: Tensor, b1: float, b2: float, t: int, eps: float) -> Tensor:
        return m / (1 - b1**t) / self.root(v, b2, t, eps)

    def root(self, v: Tensor, b2: float, t: int, eps: float) -> Tensor:
        return (v / (1 - b2**t)).sqrt() + eps

    def finish(self, p: Tensor, group: Group) -> None:
        """Nothing is left to do."""


def _uncorrected(self: Any, m: Tensor, v: Tensor, b1: float, b2: float, t: int, eps: float) -> Tensor:
    return m / (v.sqrt() + eps)


def _surprise(self: Any, m: Tensor, v: Tensor, g: Tensor, b1: float, b2: float) -> None:
    m.lerp_(g, 1 - b1)
    v.mul_(b2).addcmul_(g - m, g - m, value=1 - b2)


def _largest_corrected(self: Any, state: Any, b2: float, t: int, group: Group) -> Any:
    if not group["amsgrad"]:
        return state["v"]
    return torch.maximum(state["largest"], state["v"] / (1 - b2**t), out=state["largest"]) * (1 - b2**t)


def _clipped(self: Any, p: Tensor, g: Tensor, group: Group) -> Any:
    return _Adam.decayed(self, p, g / max(1.0, g.norm().item()), group)


def _one_count(self: Any, closure: Any = None) -> Any:
    loss = _Adam.step(self, closure)
    most = max((s["t"] for s in self.state.values()), default=0)
    for state in self.state.values():
        state["t"] = most
    return loss


def _counted_by_parameter(self: Any, state: Any) -> int:
    self.total = getattr(self, "total", 0) + 1
    return int(self.total)


def _swapped(self: Any, group: Group) -> Group:
    return {**group, "betas": group["betas"][::-1]}


_ADAM_STEPS: dict[str, dict[str, Any]] = {
    "eps inside the root": {"root": lambda s, v, b2, t, eps: (v / (1 - b2**t) + eps).sqrt()},
    "eps is added before the bias correction": {"root": lambda s, v, b2, t, eps: (v.sqrt() + eps) / (1 - b2**t) ** 0.5},
    "eps is left out": {"root": lambda s, v, b2, t, eps: (v / (1 - b2**t)).sqrt().clamp(min=1e-300)},
    "no bias correction": {"change": _uncorrected},
    "the second moment is not bias-corrected": {"root": lambda s, v, b2, t, eps: v.sqrt() + eps},
    "the first moment is not bias-corrected": {"change": lambda s, m, v, b1, b2, t, eps: m / s.root(v, b2, t, eps)},
    "the step count starts from 2": {
        "change": lambda s, m, v, b1, b2, t, eps: _Adam.change(s, m, v, b1, b2, t + 1, eps)
    },
    "betas are swapped": {"group": _swapped},
    "the second moment is of the distance from the mean, as in AdaBelief": {"moments": _surprise},
    "one step count for all parameters": {"step": _one_count},
    "the step count goes up with every parameter": {"count": _counted_by_parameter},
    "amsgrad keeps the largest corrected second moment": {"second": _largest_corrected},
    "amsgrad is ignored": {"second": lambda s, state, b2, t, group: state["v"]},
    "gradients are clipped to length 1": {"decayed": _clipped},
    "maximize is ignored": {"update": lambda s, p, g, group: _Adam.update(s, p, p.grad, group)},
    "the learning rate of the first group is used for all": {"group": first_rate},
    "the decay of the constructor is used for every group": {"group": _default_decay},
    "a missing gradient counts as zero": {"step": _all_zero(_Adam.step)},
    "the square root is missing": {"root": lambda s, v, b2, t, eps: v / (1 - b2**t) + eps},
}


def coupled(self: Any, p: Tensor, g: Tensor, group: Group) -> Any:
    """Weight decay as part of the gradient."""
    return g + group["weight_decay"] * p


def _without_rate(self: Any, p: Tensor, g: Tensor, group: Group) -> Tensor:
    p.mul_(1 - group["weight_decay"])
    return g


def _decays_late(self: Any, p: Tensor, group: Group) -> None:
    p.mul_(1 - float(group["lr"]) * group["weight_decay"])


class _AdamW(_Adam):
    """AdamW by Adam."""

    def __init__(self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, **options: Any) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, **options)


_ADAMW_STEPS = _ADAM_STEPS | {
    "the decay is added to the gradient, as in Adam": {"decayed": coupled},
    "the decay is not multiplied by the learning rate": {"decayed": _without_rate},
    "the decay comes after the step": {"decayed": lambda s, p, g, group: g, "finish": _decays_late},
}


def defaulting(name: str, native: Any, **defaults: Any) -> Hypothesis:
    """The optimizer with other defaults."""
    names = list(inspect.signature(native).parameters)[1:]

    def make(params: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        return native(params, **{**defaults, **given})

    return Hypothesis(name, make)


_DECOUPLED_ADAM = spoiled(_Adam, decayed=_decoupled)


def of(base: type[Any], table: dict[str, dict[str, Any]]) -> tuple[Hypothesis, ...]:
    """A hypothesis for each row of a table: its name, and the methods that are wrong."""
    return tuple(Hypothesis(name, spoiled(base, **steps)) for name, steps in table.items())


HYPOTHESES = {
    "optim.SGD": tuple(Hypothesis(name, made) for name, made in _SGDS.items()),
    "optim.Adam": (
        *of(_Adam, _ADAM_STEPS),
        defaulting("eps defaults to 1e-7", Adam, eps=1e-7),
        defaulting("eps defaults to 1e-6", Adam, eps=1e-6),
        Hypothesis("the decay is decoupled, as in AdamW", _DECOUPLED_ADAM),
    ),
    "optim.AdamW": (
        *of(_AdamW, _ADAMW_STEPS),
        defaulting("weight_decay defaults to 0", AdamW, weight_decay=0.0),
    ),
}
