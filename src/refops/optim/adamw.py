"""AdamW: Adam whose weight decay pulls on the parameter itself and never enters the moments.

Legend: theta parameter, g gradient, m first moment, v second moment, all of one shape; t steps taken, from 1.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from refops.optim.adam import Adam, adam_step
from refops.optim.base import Scalar

__all__ = ["AdamW", "adamw_step"]


def adamw_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    max_exp_avg_sq: Tensor | None = None,
    *,
    weight_decay: Scalar = 1e-2,
    **options: Any,
) -> tuple[Tensor, ...]:
    """One step of AdamW: `adam_step` of the plain gradient, from a parameter that has shrunk first.

    theta = theta - lr * weight_decay * theta;  then theta = theta - lr * m_hat / (sqrt(v_hat) + eps), g without decay

    The options are `step`, `lr`, `beta1`, `beta2`, `eps` and `maximize` of `adam_step`.

    Example:
        >>> import torch
        >>> zero = torch.tensor(0.0)
        >>> adamw_step(torch.tensor(1.0), torch.tensor(0.0), zero, zero, step=1, lr=0.1, weight_decay=0.5)[0]
        tensor(0.9500)
    """
    tensors = (param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    return adam_step(*tensors, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


class AdamW(Adam):
    """Adam with decoupled weight decay; the rule is `adamw_step`.

    Native: `torch.optim.AdamW`; states are exchangeable in mid-training.

    Args:
        foreach: accepted, as in `Adam`.
        fused: likewise.

    Raises:
        ValueError: as in `Adam`.
        RuntimeError: as in `Adam`.

    Trap: adding weight_decay * theta to the gradient (Adam's form) divides the decay by sqrt(v): weights with large
        gradients then hardly decay. The decay is scaled by lr, the scheduled one.

    Source: Loshchilov & Hutter, arXiv 1711.05101, Algorithm 2; with lr as torch has it, in place of the paper's eta.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = AdamW([weight], lr=0.1, weight_decay=0.5)
        >>> weight.square().sum().backward()
        >>> optimizer.step()
        >>> weight.data
        tensor([ 0.8500, -1.8000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state over; the decay stays decoupled even if the state is Adam's."""
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
