"""Activations: a function of each number, and its derivative written beside it.

The softmaxes stand in a file of their own, `softmax.py`, and are reached from here too.

Legend: x input, y output, g incoming gradient, *S any shape.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from refops.functional.derivative import FromInput, FromOutput, applied, floating, overwritten, saved
from refops.functional.softmax import log_softmax, softmax
from refops.hand_derived import call

__all__ = ["gelu", "leaky_relu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "tanh"]


class _ReLU(FromOutput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        y = saved(ctx)
        return torch.where(y <= 0, 0, g)  # not g * (y > 0): 0 * inf would be nan, and y = nan passes g on


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Negative numbers become 0: y = max(x, 0).

    Native: `torch.nn.functional.relu`.

    Shape: (*S) to (*S).

    Raises:
        RuntimeError: if the input is boolean, or with `inplace` a leaf that requires a gradient or an expanded view.

    Trap: the derivative at 0 is 0; `torch.maximum(x, 0)` halves it, `clamp` gives 1. nan stays nan, -0.0 stays -0.0.

    Example:
        >>> relu(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """
    if torch.is_complex(input):
        raise NotImplementedError(f"input of relu must be real, got {input.dtype}")
    if input.dtype == torch.bool:
        raise RuntimeError("input of relu must be numbers, got booleans")
    if inplace:
        return overwritten(input, relu)
    output: Tensor = call(_ReLU, input)
    return output


class _LeakyReLU(FromInput):
    @staticmethod
    def forward(x: Tensor, negative_slope: float) -> Tensor:
        return x.clamp(min=0).add_(x.clamp(max=0), alpha=negative_slope)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        positive = saved(ctx).sign().clamp(min=0)  # 1 or 0, by arithmetic: where() is 6 times slower
        return g * (1 - positive).mul_(ctx.constants[0]).add_(positive), None


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Negative numbers are scaled down: y = max(x, 0) + negative_slope * min(x, 0).

    Native: `torch.nn.functional.leaky_relu`; here `inplace` also has a gradient where the slope is negative.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Trap: max(x, slope * x) is the same only for slopes up to 1. The derivative at 0 is the slope.

    Example:
        >>> leaky_relu(torch.tensor([-1.0, 0.0, 2.0]), 0.25)
        tensor([-0.2500,  0.0000,  2.0000])
    """
    if negative_slope is None or isinstance(negative_slope, str):
        raise TypeError(f"negative_slope must be a number, got {negative_slope!r}")
    if inplace:
        return overwritten(input, leaky_relu, negative_slope)
    return applied(_LeakyReLU, floating(input, "leaky_relu"), float(negative_slope))


def _promoted(input: Tensor, function: str) -> Tensor:
    """Integers and booleans become the default floating dtype."""
    if torch.is_complex(input):
        raise NotImplementedError(f"input of {function} must be real, got {input.dtype}")
    return input if torch.is_floating_point(input) else input.to(torch.get_default_dtype())


class _Sigmoid(FromOutput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.neg().exp_().add_(1).reciprocal_()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        y = saved(ctx)
        return g * (1 - y).mul_(y)


def sigmoid(input: Tensor) -> Tensor:
    """Squash to (0, 1): y = 1 / (1 + e^-x), with y' = y (1 - y).

    Native: `torch.nn.functional.sigmoid`; complex numbers are refused here.

    Shape: (*S) to (*S). Integers give the default floating dtype.

    Raises:
        NotImplementedError: if the input is complex.

    Trap: e^-x is inf from x = -89 down (float32). The answer 1 / inf is right, but the gradient of the single steps
        is 0 * inf = nan; written from y it is not. y (1 - y) is also right where 1 / (1 + e)^2 has underflowed.

    Example:
        >>> sigmoid(torch.tensor([-200.0, 0.0, 2.0]))
        tensor([0.0000, 0.5000, 0.8808])
    """
    return applied(_Sigmoid, _promoted(input, "sigmoid"))


class _Tanh(FromInput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        t = x.clamp(-20, 20).abs_().mul_(2).expm1_()  # e^2|x| - 1, exact near 0; from 20 on tanh is 1 in float64 too
        return (t / (t + 2)).copysign_(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        e = saved(ctx).abs().mul_(-2).exp_()
        share = (1 + e).reciprocal_()
        return g * (share * share).mul_(e).mul_(4)  # 1 - y^2 without its cancellation


def tanh(input: Tensor) -> Tensor:
    """Squash to (-1, 1): y = (e^x - e^-x) / (e^x + e^-x) = t / (t + 2) with t = e^2x - 1.

    y' = 1 - y^2 = 4 e / (1 + e)^2 with e = e^-2|x|.

    Native: `torch.nn.functional.tanh`; complex numbers are refused here.

    Shape: (*S) to (*S). Integers give the default floating dtype.

    Raises:
        NotImplementedError: if the input is complex.

    Trap: the first form is inf / inf = nan from 89 on and loses every digit near 0, where tanh(x) = x.

    Example:
        >>> tanh(torch.tensor([-100.0, 1e-30, 1.0]))
        tensor([-1.0000e+00,  1.0000e-30,  7.6159e-01])
    """
    return applied(_Tanh, _promoted(input, "tanh"))


def _normal_cdf(x: Tensor) -> Tensor:
    return (x * -math.sqrt(0.5)).erfc_().mul_(0.5)  # 1 + erf would cancel in the lower tail


class _GELU(FromInput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _normal_cdf(x).mul_(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x = saved(ctx)
        density = (x * x).mul_(-0.5).sub_(0.5 * math.log(2 * math.pi)).exp_()
        return g * (x * density).add_(_normal_cdf(x))


def _share(x: Tensor) -> Tensor:
    """(1 + tanh u) / 2 = 1 / (1 + e^-2u): the second form keeps its digits where the first is 1 - 1."""
    inner = (x * x).mul_(0.044715).add_(1).mul_(x).mul_(2 * math.sqrt(2 / math.pi))
    share: Tensor = call(_Sigmoid, inner)
    return share


class _TanhGELU(FromInput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _share(x).mul_(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x = saved(ctx)
        share = _share(x)
        bend = (1 - share).mul_(share).mul_(x)  # x goes in one at a time: x^2 alone overflows where bend is already 0
        steepness = (bend * x).mul_(x).mul_(3 * 0.044715).add_(bend).mul_(2 * math.sqrt(2 / math.pi))
        return g * steepness.add_(share)


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """Each number times the share of a normal distribution below it: y = x P(X <= x) = x (1 + erf(x / sqrt(2))) / 2.

    `approximate="tanh"`: y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Native: `torch.nn.functional.gelu`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: if `approximate` is neither.

    Trap: the two forms differ by up to 5e-4; torch's default is the exact one. x^3 overflows in half precision.

    Source: Hendrycks & Gimpel, arXiv 1606.08415.

    Example:
        >>> gelu(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([-0.1587,  0.0000,  1.9545])
    """
    if not isinstance(approximate, str):
        raise TypeError(f"approximate must be a str, got {type(approximate).__name__}")
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return applied(_GELU if approximate == "none" else _TanhGELU, floating(input, "gelu"))


class _SiLU(FromInput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x / x.neg().exp_().add_(1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x = saved(ctx)
        s: Tensor = call(_Sigmoid, x)
        return g * (1 - s).mul_(x).add_(1).mul_(s)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Each number times its own sigmoid: y = x / (1 + e^-x). Also known as swish.

    Native: `torch.nn.functional.silu`; complex numbers are refused here.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Trap: it dips below 0: the minimum is -0.2785 at -1.2785.

    Source: Elfwing et al., arXiv 1702.03118.

    Example:
        >>> silu(torch.tensor([-1.2785, 0.0, 2.0]))
        tensor([-0.2785,  0.0000,  1.7616])
    """
    if inplace:
        return overwritten(input, silu)
    return applied(_SiLU, floating(input, "silu"))
