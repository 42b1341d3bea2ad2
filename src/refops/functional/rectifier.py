"""Rectifiers: the identity above a threshold, and below it a line, an exponential or a limit.

What tells them apart is the slope on the other side, and whose it is: fixed, learned (prelu) or drawn (rrelu).

Legend: x input, y output, g incoming gradient, w learned slope, N batch, C channels, *S any shape.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from refops.functional.activation import leaky_relu
from refops.functional.autocast import autocasting
from refops.functional.derivative import FromInput, FromOutput, applied, floating, overwritten, saved, widened
from refops.hand_derived import HandDerived, call, keep

__all__ = ["elu", "hardswish", "hardtanh", "prelu", "relu6", "rrelu"]


def _number(value: Any, name: str) -> float:
    """The value, if it is a number."""
    if not isinstance(value, bool | int | float):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return float(value)


class _PReLU(HandDerived):
    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:
        return torch.where(x > 0, x, w * x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        keep(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        positive = x > 0
        return torch.where(positive, g, g * w), torch.where(positive, 0, g * x)

    @staticmethod
    def tangent(ctx: Any, t: Tensor, u: Tensor) -> Tensor:
        x, w = ctx.saved_tensors
        return torch.where(x > 0, t, w * t + u * x)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Negative numbers are scaled by a learned slope: y = x where x > 0, else weight * x.

    Native: `torch.nn.functional.prelu`.

    Args:
        input: of any shape.
        weight: one slope for all, or one for each channel.

    Shape: (*S) and () or (1) to (*S); (N, C, *S) and (C) to (N, C, *S).

    Raises:
        RuntimeError: if there is neither one slope nor one for each channel, or the dtypes differ.

    Trap: channels are axis 1, whatever the number of axes. The derivative at 0 is the slope. A slope of its own is
        seldom worth weight decay, which draws it to 0 and makes a ReLU of it.

    Source: He et al., arXiv 1502.01852.

    Example:
        >>> prelu(torch.tensor([[-4.0, -4.0], [4.0, 4.0]]), torch.tensor([0.5, 0.25]))
        tensor([[-2., -1.],
                [ 4.,  4.]])
    """
    if not isinstance(weight, Tensor):
        raise TypeError(f"weight must be a tensor, got {weight!r}")
    input, weight = _autocast(input, weight)
    if input.dtype != weight.dtype:
        raise RuntimeError(f"weight must have the dtype of input, {input.dtype}, got {weight.dtype}")
    slope = widened(_slope_by_channel(floating(input, "prelu"), weight))
    output: Tensor = call(_PReLU, widened(input), slope.expand(input.shape))
    return output.to(input.dtype)


def _autocast(input: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Autocast runs prelu in half precision."""
    if not autocasting(input) or input.dtype == torch.float64:
        return input, weight
    dtype = torch.get_autocast_dtype(input.device.type)
    return input.to(dtype), weight.to(dtype)


def _slope_by_channel(input: Tensor, weight: Tensor) -> Tensor:
    """The slopes, laid along axis 1 of the input."""
    if weight.dim() > 1:
        raise RuntimeError(f"weight must have no axis or one, got shape {tuple(weight.shape)}")
    channels = input.shape[1] if input.dim() > 1 else 1
    if weight.dim() == 1 and weight.shape[0] not in (1, channels):
        raise RuntimeError(f"weight must have 1 or {channels} slopes for input {tuple(input.shape)}, got {len(weight)}")
    if input.dim() < 2:
        return weight.view(())
    return weight.view(weight.numel(), *(1,) * (input.dim() - 2))  # (C, 1, 1)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Negative numbers are scaled by a slope: in training each by one drawn from U(lower, upper), else by their mean.

    Native: `torch.nn.functional.rrelu`; on the CPU one seed gives native's own slopes.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: if a bound is not finite or `lower` > `upper`; with `inplace`, for a leaf that requires a
            gradient or an expanded view.

    Trap: `training` is off by default here, unlike in the module. Each number has a slope of its own. The drawn slope
        is the derivative too.

    Source: Xu et al., arXiv 1505.00853.

    Example:
        >>> rrelu(torch.tensor([-24.0, 0.0, 2.0]))
        tensor([-5.5000,  0.0000,  2.0000])
    """
    lower, upper = _number(lower, "lower"), _number(upper, "upper")
    for name, bound in (("lower", lower), ("upper", upper)):
        if not math.isfinite(bound):
            raise RuntimeError(f"{name} must be finite, got {bound}")
    if lower > upper:
        raise RuntimeError(f"lower must be at most upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input if inplace else input.contiguous(), (lower + upper) / 2, inplace)
    if inplace:
        return overwritten(input, rrelu, lower, upper, training)
    x = widened(floating(input, "rrelu")).contiguous()
    return (x * _drawn_slopes(x.detach(), lower, upper)).to(input.dtype)


def _drawn_slopes(x: Tensor, lower: float, upper: float) -> Tensor:
    """1 above 0, else drawn; in eager mode on the CPU as many are drawn as there are places for, like native."""
    down = x <= 0
    if not x.is_cpu or torch.compiler.is_compiling():
        return torch.where(down, torch.rand_like(x).mul_(upper - lower).add_(lower), 1)
    low, high = (torch.tensor(bound, dtype=x.dtype).double() for bound in (lower, upper))  # rounded as native's are
    drawn = torch.rand(int(down.sum()), dtype=torch.float64).mul_(high - low).add_(low)
    slopes = torch.ones_like(x, memory_format=torch.contiguous_format)
    slopes[down] = drawn.to(x.dtype)
    return slopes


class _ELU(FromInput):
    @staticmethod
    def forward(x: Tensor, alpha: float) -> Tensor:
        return x.clamp(max=0).expm1_().mul_(alpha).add_(x.clamp(min=0))  # never the exponential of a large number

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        x = saved(ctx)
        return g * torch.where(x <= 0, x.clamp(max=0).exp_() * ctx.constants[0], 1), None


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Negative numbers level off at -alpha: y = x where x > 0, else alpha * (e^x - 1).

    Native: `torch.nn.functional.elu`; here `inplace` also has a gradient where alpha is negative.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Trap: `where(x > 0, x, e^x - 1)` takes the exponential of large x too, and 0 * inf makes their gradient nan;
        e^x - 1 has no digits left near 0, where expm1 has all. The derivative at 0 is alpha.

    Source: Clevert et al., arXiv 1511.07289.

    Example:
        >>> elu(torch.tensor([-100.0, -1e-8, 0.0, 100.0]))
        tensor([-1.0000e+00, -1.0000e-08,  0.0000e+00,  1.0000e+02])
    """
    alpha = _number(alpha, "alpha")
    if inplace:
        return overwritten(input, elu, alpha)
    return applied(_ELU, floating(input, "elu"), alpha)


class _Hardtanh(FromInput):
    @staticmethod
    def forward(x: Tensor, low: float, high: float) -> Tensor:
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        x, (low, high) = saved(ctx), ctx.constants
        return torch.where((x <= low) | (x >= high), 0, g), None, None


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Numbers outside [min_val, max_val] become the nearer of the two: y = min(max(x, min_val), max_val).

    Native: `torch.nn.functional.hardtanh`.

    Shape: (*S) to (*S).

    Raises:
        ValueError: if `min_val` > `max_val`.
        RuntimeError: if the input is boolean, or unsigned and a limit is negative; with `inplace`, for a leaf that
            requires a gradient or an expanded view.

    Trap: at the limits themselves the derivative is 0; that of `clamp` is 1 there.

    Example:
        >>> hardtanh(torch.tensor([-3.0, 0.5, 3.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    min_val, max_val = _number(min_val, "min_val"), _number(max_val, "max_val")
    if min_val > max_val:
        raise ValueError(f"min_val must be at most max_val, got {min_val} and {max_val}")
    if torch.is_complex(input):
        raise NotImplementedError(f"input of hardtanh must be real, got {input.dtype}")
    if input.dtype == torch.bool:
        raise RuntimeError("input of hardtanh must be numbers, got booleans")
    if inplace:
        return overwritten(input, hardtanh, min_val, max_val)
    if torch.is_floating_point(input):
        return applied(_Hardtanh, input, min_val, max_val)
    if not input.dtype.is_signed and min(min_val, max_val) < 0:
        raise RuntimeError(f"input must be signed where a limit is negative, got {input.dtype} and {min_val}")
    return input.clamp(int(min_val), int(max_val))


class _ReLU6(FromOutput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        y = saved(ctx)
        return torch.where((y <= 0) | (y >= 6), 0, g)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Negative numbers become 0, those above 6 become 6: y = min(max(x, 0), 6).

    Native: `torch.nn.functional.relu6`.

    Shape: (*S) to (*S).

    Raises:
        RuntimeError: if the input is boolean, or with `inplace` a leaf that requires a gradient or an expanded view.

    Trap: the derivative is 0 at 0 and at 6.

    Example:
        >>> relu6(torch.tensor([-1.0, 3.0, 7.0]))
        tensor([0., 3., 6.])
    """
    if not torch.is_floating_point(input) or inplace:
        return hardtanh(input, 0.0, 6.0, inplace)
    output: Tensor = call(_ReLU6, input)
    return output


class _Hardswish(FromInput):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (x + 3).clamp_(0, 6).div_(6).mul_(x)  # divided first: x * 6 overflows in half precision

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x = saved(ctx)
        slope = (x / 3).add_(0.5)
        return g * slope.masked_fill_(x <= -3, 0).masked_fill_((x < 3).logical_not_(), 1)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Each number times a sigmoid made of straight pieces: y = x * relu6(x + 3) / 6.

    Native: `torch.nn.functional.hardswish`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Trap: the gate is piecewise linear, the product is not: between -3 and 3 it is a parabola. x * relu6(x + 3), divided
        by 6 only then, is inf in float16 from 10920 on. Its slope jumps: from 0 to -1/2 at -3, from 3/2 to 1 at 3.

    Source: Howard et al., arXiv 1905.02244.

    Example:
        >>> hardswish(torch.tensor([-4.0, -1.5, 0.0, 1.5, 4.0]))
        tensor([-0.0000, -0.3750,  0.0000,  1.1250,  4.0000])
    """
    if inplace:
        return overwritten(input, hardswish)
    return applied(_Hardswish, floating(input, "hardswish"))
