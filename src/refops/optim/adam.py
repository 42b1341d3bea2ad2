"""Adam: divide a running mean of the gradient by the root of a running mean of its square.

Legend: theta parameter, g gradient, m first moment, v second moment, all of one shape; t steps taken, from 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from refops.optim.base import (
    Group,
    PerParameter,
    Scalar,
    carry_out,
    check_betas,
    check_flags,
    check_non_negative,
    check_one_element,
    count,
    new_counter,
    start_moments,
)

__all__ = ["Adam", "adam_step", "adam_step_"]


def adam_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    max_exp_avg_sq: Tensor | None = None,
    *,
    step: Scalar,
    lr: Scalar,
    beta1: Scalar = 0.9,
    beta2: Scalar = 0.999,
    eps: float = 1e-8,
    weight_decay: Scalar = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of Adam: the new parameter, first and second moment, and the largest one where one was given (AMSGrad).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  theta = theta - lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)

    `step` is t, 1 at the first step. `max_exp_avg_sq`, the largest v so far, takes v's place in the denominator.

    Example:
        >>> import torch
        >>> zero = torch.tensor(0.0)
        >>> adam_step(torch.tensor(1.0), torch.tensor(0.5), zero, zero, step=1, lr=0.1)
        (tensor(0.9000), tensor(0.0500), tensor(0.0003))
    """
    g = -grad if maximize else grad
    if decoupled_weight_decay:
        param = param - lr * weight_decay * param
    else:
        g = g + weight_decay * param
    m = beta1 * exp_avg + (1 - beta1) * g
    v = beta2 * exp_avg_sq + (1 - beta2) * g * g
    v_max = v if max_exp_avg_sq is None else torch.maximum(max_exp_avg_sq, v)
    m_hat = m / (1 - beta1**step)
    v_hat = v_max / (1 - beta2**step)
    param = param - lr * m_hat / (v_hat.sqrt() + eps)
    return (param, m, v) if max_exp_avg_sq is None else (param, m, v, v_max)


def adam_step_(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    max_exp_avg_sq: Tensor | None = None,
    *,
    step: float,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> None:
    """`adam_step` in place on everything but `grad`, with one temporary tensor."""
    g = -grad if maximize else grad
    if weight_decay != 0 and decoupled_weight_decay:
        param.mul_(1 - lr * weight_decay)
    elif weight_decay != 0:
        g = g.add(param, alpha=weight_decay)  # not add_: the gradient is the caller's
    exp_avg.lerp_(g, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    if max_exp_avg_sq is not None:
        exp_avg_sq = torch.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    denominator = exp_avg_sq.sqrt().div_((1 - beta2**step) ** 0.5).add_(eps)
    param.addcdiv_(exp_avg, denominator, value=-lr / (1 - beta1**step))


class Adam(PerParameter):
    """Adam, optionally with AMSGrad or decoupled weight decay; the rule is `adam_step`.

    Native: `torch.optim.Adam`; states are exchangeable in mid-training.

    Args:
        foreach: accepted; the parameters are updated one by one and in place whatever it says.
        fused: likewise; native's fused step is another kernel of the same rule.
        capturable: the step counter lives on the parameter's device and nothing is read back from it.

    Raises:
        ValueError: if lr, eps or weight_decay is negative, a beta is outside [0, 1), a tensor among them has several
            elements, betas mix a float and a tensor, or tensors go with foreach=True and capturable=False.
        RuntimeError: if fused is True together with foreach or differentiable; at the step, if a gradient is sparse.

    Trap: eps stands outside the root and after the bias correction. AMSGrad keeps the largest *uncorrected* v. t counts
        the steps of each parameter: one whose gradient was missing lags behind. Complex numbers are pairs of reals:
        g^2 is taken of each part, not of the complex number. In float16 the default eps rounds to 0.

    Source: Kingma & Ba, arXiv 1412.6980, Algorithm 1; Reddi et al., ICLR 2018 (AMSGrad).

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = Adam([weight], lr=0.1)
        >>> weight.square().sum().backward()
        >>> optimizer.step()
        >>> weight.data
        tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_one_element(lr=lr)
        check_non_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        if foreach and not capturable and any(isinstance(value, Tensor) for value in (lr, *betas)):
            raise ValueError("lr and betas must be floats where foreach=True and capturable=False, got a tensor")
        beta1, beta2 = (beta.squeeze() if isinstance(beta, Tensor) else beta for beta in betas)
        defaults = {
            "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)
        check_flags(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state over; what older checkpoints lack gets native's defaults, step counts become tensors."""
        super().__setstate__(state)
        later = {"amsgrad": False, "maximize": False, "foreach": None, "capturable": False, "differentiable": False}
        later |= {"decoupled_weight_decay": False, "fused": None}
        for group in self.param_groups:
            group |= {name: value for name, value in later.items() if name not in group}
            for param in group["params"]:
                own = self.state.get(param)
                if own and not isinstance(own["step"], Tensor):
                    own["step"] = new_counter(param, group) + own["step"]

    def update(self, param: Tensor, grad: Tensor, group: Group) -> None:
        """Apply `adam_step`; the state is `step`, the moments and, under AMSGrad, the largest second moment."""
        if grad.is_sparse:
            raise RuntimeError("grad must be dense for Adam, got a sparse gradient: use torch.optim.SparseAdam")
        names = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if group["amsgrad"] else [])
        state = self.state[param]
        tensors = [param, grad, *start_moments(state, param, group, names)]
        beta1, beta2 = group["betas"]
        options = {name: group[name] for name in ("lr", "eps", "weight_decay", "decoupled_weight_decay", "maximize")}
        carry_out(adam_step, adam_step_, tensors, group, step=count(state), beta1=beta1, beta2=beta2, **options)
