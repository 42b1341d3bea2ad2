"""Stochastic gradient descent: go downhill, with a running sum of gradients as momentum.

Legend: theta parameter, g gradient, b momentum buffer, all of one shape.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from refops.optim.base import Group, PerParameter, Scalar, carry_out, check_flags, check_non_negative, check_one_element

__all__ = ["SGD", "sgd_step", "sgd_step_"]


def sgd_step(
    param: Tensor,
    grad: Tensor,
    momentum_buffer: Tensor | None = None,
    *,
    lr: Scalar,
    momentum: Scalar = 0.0,
    dampening: Scalar = 0.0,
    weight_decay: Scalar = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of SGD: the new parameter, and the new momentum buffer where one was given.

    g = grad + weight_decay * theta;  b = momentum * b + (1 - dampening) * g;  theta = theta - lr * b

    At the first step the buffer is zeros and `dampening` is 0: torch starts with b = g.

    Example:
        >>> import torch
        >>> param, buffer = sgd_step(torch.tensor(1.0), torch.tensor(0.5), torch.tensor(0.0), lr=0.1, momentum=0.9)
        >>> param, buffer
        (tensor(0.9500), tensor(0.5000))
        >>> sgd_step(param, torch.tensor(0.5), buffer, lr=0.1, momentum=0.9)
        (tensor(0.8550), tensor(0.9500))
    """
    g = (-grad if maximize else grad) + weight_decay * param
    if momentum_buffer is None:
        return (param - lr * g,)
    b = momentum * momentum_buffer + (1 - dampening) * g
    return param - lr * (g + momentum * b if nesterov else b), b


def sgd_step_(
    param: Tensor,
    grad: Tensor,
    momentum_buffer: Tensor | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> None:
    """`sgd_step` in place on `param` and `momentum_buffer`; `grad` is only read, and may be sparse."""
    g = -grad if maximize else grad
    if weight_decay != 0:
        g = g.add(param, alpha=weight_decay)  # not add_: the gradient is the caller's
    if momentum_buffer is not None:
        b = momentum_buffer.mul_(momentum).add_(g, alpha=1 - dampening)
        g = g.add(b, alpha=momentum) if nesterov else b
    param.add_(g, alpha=-lr)


class SGD(PerParameter):
    """Stochastic gradient descent, optionally with (Nesterov) momentum; the rule is `sgd_step`.

    Native: `torch.optim.SGD`; states are exchangeable in mid-training.

    Args:
        foreach: accepted; the parameters are updated one by one and in place whatever it says.
        fused: likewise.

    Raises:
        ValueError: if lr, momentum or weight_decay is negative, a tensor lr has several elements, or nesterov is asked
            for without momentum or with dampening.
        RuntimeError: if fused is True together with foreach or differentiable.

    Trap: dampening does not touch the first step, where the buffer is the gradient itself; starting it from
        (1 - dampening) * g makes every later step too small. Nesterov looks ahead with the *new* buffer.

    Source: torch documentation of SGD; Sutskever et al., ICML 2013 (Nesterov form, there with lr inside the buffer).

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = SGD([weight], lr=0.1, momentum=0.9)
        >>> weight.square().sum().backward()
        >>> optimizer.step()
        >>> weight.data
        tensor([0.8000, 1.6000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Scalar = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element(lr=lr)
        check_non_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"nesterov must go with momentum > 0 and dampening 0, got momentum={momentum}, dampening={dampening}"
            )
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        check_flags(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state over; what older checkpoints lack gets native's defaults."""
        super().__setstate__(state)
        later = {"nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False}
        for group in self.param_groups:
            group |= {name: value for name, value in later.items() if name not in group}

    def update(self, param: Tensor, grad: Tensor, group: Group) -> None:
        """Apply `sgd_step`; the state is the momentum buffer, absent without momentum."""
        names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
        options = {name: group[name] for name in names}
        tensors = [param, grad]
        if group["momentum"] != 0:
            state = self.state[param]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(grad)
                options["dampening"] = 0.0  # the first buffer is the gradient itself
            tensors.append(state["momentum_buffer"])
        carry_out(sgd_step, sgd_step_, tensors, group, **options)
