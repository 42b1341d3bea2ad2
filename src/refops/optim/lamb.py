"""LAMB: Adam's direction, rescaled for every parameter so that the step is a fixed fraction of the weights' length.

Legend: x parameter, g gradient, m first moment, v second moment, all of one shape; t steps taken, from 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from refops.optim.base import (
    Group,
    PerParameter,
    Scalar,
    carry_out,
    check_betas,
    check_non_negative,
    check_one_element,
    count,
    start_moments,
)

__all__ = ["LAMB", "lamb_step", "lamb_step_", "length", "trust_ratio"]


BLOCK = 2**18  # numbers, 1 MiB in float32


def wide(x: Tensor) -> Tensor:
    """Half precision as float32, anything else as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def length(x: Tensor) -> Tensor:
    """Euclidean length sqrt(sum x^2) as a scalar, in float32 at least.

    The squares are made a block at a time: fresh memory for all of them costs more than the arithmetic. A dot product
    would need none, but adds one by one: of 4 million equal numbers its float32 length was off by 4e-4.

    Example:
        >>> import torch
        >>> length(torch.tensor([3.0, 4.0]))
        tensor(5.)
    """
    return torch.stack([block.square().sum() for block in wide(x).flatten().split(BLOCK)]).sum().sqrt()


def trust_ratio(param: Tensor, update: Tensor) -> Tensor:
    """|x| / |update|, and 1 where either is 0: a fresh zero bias must be able to move.

    Example:
        >>> import torch
        >>> trust_ratio(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0]))
        tensor(2.5000)
        >>> trust_ratio(torch.zeros(2), torch.tensor([0.0, 2.0]))
        tensor(1.)
    """
    weight_norm, update_norm = length(param), length(update)
    usable = (weight_norm > 0) & (update_norm > 0)
    return torch.where(usable, weight_norm / torch.where(usable, update_norm, 1.0), 1.0)


def lamb_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    *,
    step: Scalar,
    lr: Scalar,
    beta1: Scalar = 0.9,
    beta2: Scalar = 0.999,
    eps: float = 1e-6,
    weight_decay: Scalar = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of LAMB: the new parameter, first and second moment.

    r = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps);  u = r + weight_decay * x;  x = x - lr * |x| / |u| * u

    `step` is t, 1 at the first step.

    Example:
        >>> import torch
        >>> zeros = torch.zeros(2)
        >>> lamb_step(torch.tensor([3.0, 4.0]), torch.tensor([0.1, 0.2]), zeros, zeros, step=1, lr=0.1)[0]
        tensor([2.6464, 3.6464])
    """
    g = -grad if maximize else grad
    m = beta1 * exp_avg + (1 - beta1) * g
    v = beta2 * exp_avg_sq + (1 - beta2) * g * g
    r = wide(m) / (1 - beta1**step) / ((wide(v) / (1 - beta2**step)).sqrt() + eps)
    u = r + weight_decay * param
    return (param - lr * trust_ratio(param, u) * u).to(param.dtype), m, v


def lamb_step_(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    *,
    step: float,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> None:
    """`lamb_step` in place on everything but `grad`, with one temporary: fresh memory costs more than arithmetic."""
    g = -grad if maximize else grad
    exp_avg.lerp_(g, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    root = (1 - beta2**step) ** 0.5  # taken out of the fraction m / (sqrt(v) / root + eps): a pass over v less
    u = wide(exp_avg_sq).sqrt().add_(eps * root)
    u = torch.div(wide(exp_avg), u, out=u).mul_(root / (1 - beta1**step)).add_(param, alpha=weight_decay)
    param.addcmul_(u, trust_ratio(param, u), value=-lr)


class LAMB(PerParameter):
    """Layer-wise adaptive moments: Adam for large batches; the rule is `lamb_step`.

    Native: none. This is one text, arXiv 1904.00962 version 5, Algorithm 2, read as follows: both moments are
    bias-corrected, weight decay is added to Adam's direction (decoupled, inside the trust ratio), phi is the identity,
    a "layer" is one parameter tensor, and the trust ratio is 1 where the weights or the direction have length 0.

    Args:
        params: parameters, named parameters or parameter groups.
        lr: step size, a number or a tensor of 1 element.
        betas: decay rates of the moments.
        eps: added to the root of the second moment.
        weight_decay: decoupled decay.
        maximize: go uphill.

    Raises:
        ValueError: if lr, eps or weight_decay is negative, or a beta is outside [0, 1).
        RuntimeError: at the step, if a gradient is sparse.

    Trap: adding the decay to the *gradient* before the moments is another algorithm; so is clamping the ratio, or
        leaving the decay out of its denominator. lr is not bias-corrected a second time.

    Source: You et al., arXiv 1904.00962 v5, Algorithm 2.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> optimizer = LAMB([weight], lr=0.1, weight_decay=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()  # moves by lr * |weight| = 0.5
        >>> weight.data
        tensor([2.6464, 3.6464])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
    ) -> None:
        check_one_element(lr=lr)
        check_non_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def update(self, param: Tensor, grad: Tensor, group: Group) -> None:
        """Apply `lamb_step`; the state is `step` and the two moments."""
        if grad.is_sparse:
            raise RuntimeError("grad must be dense for LAMB, got a sparse gradient")
        state = self.state[param]
        tensors = [param, grad, *start_moments(state, param, group, ("exp_avg", "exp_avg_sq"))]
        beta1, beta2 = group["betas"]
        options = {name: group[name] for name in ("lr", "eps", "weight_decay", "maximize")}
        carry_out(lamb_step, lamb_step_, tensors, group, step=count(state), beta1=beta1, beta2=beta2, **options)
