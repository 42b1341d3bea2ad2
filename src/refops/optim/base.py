"""What every optimizer here shares: a rule that sees one parameter at a time, and two ways of carrying it out.

A rule is written twice. `adam_step` is the equation: tensors in, new tensors out, so gradients flow through it.
`adam_step_` does the same in place, which is what makes it fast. The class picks one and keeps the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["Group", "PerParameter", "Scalar", "check_betas", "check_flags", "check_non_negative", "check_one_element"]

Group: TypeAlias = dict[str, Any]
Scalar: TypeAlias = float | Tensor


class PerParameter(Optimizer):
    """An optimizer whose rule looks at one parameter, its gradient and its state at a time.

    A subclass writes `update`. Parameters without a gradient are skipped; `p.grad` is only read.
    """

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Call the closure, with gradients enabled, then update every parameter that has a gradient."""
        loss = None
        with torch.set_grad_enabled(self.defaults.get("differentiable", False)):
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        self.update(param, param.grad, group)
        return loss

    def update(self, param: Tensor, grad: Tensor, group: Group) -> None:
        """Change `param` and its state in place. Hyperparameters are those `group` has now: schedulers write there."""
        raise NotImplementedError


def carry_out(
    rule: Callable[..., Sequence[Tensor]],
    rule_: Callable[..., None],
    tensors: Sequence[Tensor],
    group: Group,
    **options: Any,
) -> None:
    """Update `tensors` (parameter, gradient, state) by `rule_` in place, or by `rule` and a copy.

    The copy where a graph must stay whole: under `differentiable`, `capturable` and `torch.compile`. Hyperparameters
    that are tensors stay so in the graph; in place they are Python numbers, as `alpha=` and `value=` require. Complex
    tensors are seen as pairs of reals, (*S) as (*S, 2).
    """
    if tensors[0].is_complex():
        tensors = [torch.view_as_real(t) for t in tensors]
    if group.get("differentiable") or group.get("capturable") or torch.compiler.is_compiling():
        # clones, because what backward needs must survive the copies below, the next step and a scheduler's fill_
        options = {k: v.squeeze().clone() if isinstance(v, Tensor) else v for k, v in options.items()}
        old = [t.clone() for t in tensors]
        param, _, *state = tensors
        for target, new in zip((param, *state), rule(*old, **options), strict=True):
            target.copy_(new)
    else:
        rule_(*tensors, **{k: v.item() if isinstance(v, Tensor) else v for k, v in options.items()})


def new_counter(param: Tensor, group: Group) -> Tensor:
    """Steps seen so far, 0: a tensor as in native state, on the CPU unless the parameter's device needs it at hand."""
    beside = group.get("capturable") or group.get("fused")
    wide = not beside and torch.get_default_dtype() == torch.float64
    return torch.zeros((), dtype=torch.float64 if wide else torch.float32, device=param.device if beside else "cpu")


def start_moments(state: dict[str, Any], param: Tensor, group: Group, names: Sequence[str]) -> list[Tensor]:
    """Count one more step of `param` and return its running moments, zeros before the first step."""
    if not state:
        state["step"] = new_counter(param, group)
        state |= {name: torch.zeros_like(param) for name in names}
    state["step"] += 1
    return [state[name] for name in names]


def count(state: dict[str, Any]) -> Tensor:
    """The step number in float64: 1 - beta^t cancels, in float32 it would keep half of its digits."""
    step: Tensor = state["step"]
    return step.double()


def check_one_element(**values: Scalar) -> None:
    """Refuse a tensor of several elements where one number is meant."""
    for name, value in values.items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"{name} must be a number or a tensor of 1 element, got shape {tuple(value.shape)}")


def check_non_negative(**values: Scalar) -> None:
    """Refuse negative hyperparameters, and nan."""
    for name, value in values.items():
        if not value >= 0.0:
            raise ValueError(f"{name} must be >= 0, got {value}")


def check_betas(betas: tuple[Scalar, Scalar]) -> None:
    """Refuse decay rates outside [0, 1), and anything but two floats or two tensors."""
    for i, beta in enumerate(betas):
        check_one_element(**{f"betas[{i}]": beta})
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"betas[{i}] must be in [0, 1), got {beta}")
    if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, Tensor)):
        raise ValueError(f"betas must be two floats or two tensors, got {betas}")


def check_flags(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Refuse `fused` together with `foreach` or `differentiable`."""
    if fused and differentiable:
        raise RuntimeError("fused must not be True where differentiable is True, got both")
    if fused and foreach:
        raise RuntimeError("fused must not be True where foreach is True, got both")
