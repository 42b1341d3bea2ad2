"""Smooth activations made of a logarithm of an exponential: softplus, and mish, which is gated by it.

Both are written so that no exponential of a large number is taken, forward or backward.

Legend: x input, y output, g incoming gradient, w = e^x, *S any shape.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.functional.derivative import FromInput, applied, floating, overwritten, saved

__all__ = ["mish", "softplus"]


class _Softplus(FromInput):
    @staticmethod
    def forward(x: Tensor, beta: float, threshold: float) -> Tensor:
        z = x * beta
        bent = (
            z.abs().neg_().exp_().log1p_().add_(z.clamp(min=0)).div_(beta)
        )  # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)
        return torch.where(z > threshold, x, bent)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        beta, threshold = ctx.constants
        z = saved(ctx) * beta
        w = z.clamp(max=80).exp_()  # w / (w + 1) is sigmoid(z), in its lower tail too, and 1 from 80 on
        return torch.where(z > threshold, g, g * (w / (w + 1))), None, None


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A smooth ReLU: y = log(1 + e^(beta x)) / beta, and y = x where beta x > threshold; y' = sigmoid(beta x).

    Native: `torch.nn.functional.softplus`, which is inf where `threshold` lets e^(beta x) overflow; here it is not.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.

    Trap: the threshold is a shortcut, not a fix: it is compared with beta x, not with x, and y jumps there by
        e^-threshold / beta. The written-out logarithm is inf from 89 on (float32).

    Source: Dugas et al., NIPS 2000.

    Example:
        >>> softplus(torch.tensor([-10.0, 0.0, 100.0]))
        tensor([4.5399e-05, 6.9315e-01, 1.0000e+02])
        >>> softplus(torch.tensor([0.0, 100.0]), beta=2.0, threshold=1000.0)
        tensor([  0.3466, 100.0000])
    """
    for name, value in (("beta", beta), ("threshold", threshold)):
        if not isinstance(value, bool | int | float):
            raise TypeError(f"{name} must be a number, got {value!r}")
    return applied(_Softplus, floating(input, "softplus"), float(beta), float(threshold))


LEVEL = 25.0  # from here on the gate is 1 in float64 too, and e^2x is still far from overflow in float32


class _Mish(FromInput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        w = x.clamp(max=LEVEL).exp_()
        n = (w + 2).mul_(w)
        return n.div_(n + 2).mul_(x)  # not 1 - 2 / (n + 2): that has no digits left for negative x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x = saved(ctx).clamp(max=LEVEL)
        w = x.exp()
        n = (w + 2).mul_(w)
        share = (n + 2).reciprocal_()
        bend = (w + 1).mul_(w).mul_(share).mul_(x).mul_(4)  # x (1 - tanh^2) sigmoid, but for one more share
        return g * bend.add_(n).mul_(share)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Each number times the tanh of its softplus: y = x tanh(log(1 + e^x)) = x n / (n + 2) with n = w (w + 2), w = e^x.

    y' = n / (n + 2) + 4 x w (1 + w) / (n + 2)^2.

    Native: `torch.nn.functional.mish`; its derivative at inf is nan, here it is 1, the limit.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Trap: it is not monotonic: the minimum is -0.3088 at -1.1924. (1 + e^x)^2 overflows from 45 on (float32).

    Source: Misra, arXiv 1908.08681.

    Example:
        >>> mish(torch.tensor([-1.1924, 0.0, 2.0]))
        tensor([-0.3088,  0.0000,  1.9440])
    """
    if inplace:
        return overwritten(input, mish)
    return applied(_Mish, floating(input, "mish"))
