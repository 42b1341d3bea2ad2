"""Softmax and its logarithm: shift by the maximum, so that no exponential overflows, then normalise.

Legend: x input, y output, g incoming gradient, m maximum along the axis, *S any shape.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from refops.functional.derivative import HALF, FromOutput, applied, floating, saved

__all__ = ["log_softmax", "softmax"]


def _axis(input: Tensor, dim: int | None, function: str, stacklevel: int) -> int:
    """The axis to normalise, checked; a missing one is chosen as native's deprecated rule does."""
    if dim is None:
        axis = 0 if input.dim() in (0, 1, 3) else 1
        message = f"Implicit dimension choice for {function} is deprecated, please write dim={axis}"
        warnings.warn(message, stacklevel=stacklevel)
        return axis
    if isinstance(dim, bool | float | str):
        raise TypeError(f"dim of {function} must be an int, got {dim!r}")
    axes = max(input.dim(), 1)
    if not -axes <= dim < axes:
        raise IndexError(f"dim of {function} must lie in [{-axes}, {axes - 1}] for {input.dim()} axes, got {dim}")
    return dim


def _cast(input: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The input in the dtype asked for; autocast on CUDA asks for float32."""
    if dtype is None and input.is_cuda and input.dtype in HALF and torch.is_autocast_enabled("cuda"):
        dtype = torch.float32
    return input if dtype is None else input.to(dtype)


class _Softmax(FromOutput):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        e = (x - x.amax(dim, keepdim=True)).exp_()  # the largest exponent is 0: nothing overflows
        return e.div_(e.sum(dim, keepdim=True))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        y = saved(ctx)
        return (g - (g * y).sum(ctx.constants[0], keepdim=True)).mul_(y), None


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """Positive numbers that sum to 1 along `dim`: y_i = e^(x_i - m) / sum_j e^(x_j - m), m the maximum.

    Native: `torch.nn.functional.softmax`; the input is cast to `dtype`, if given, before all else.

    Shape: (*S) to (*S).

    Raises:
        IndexError: if there is no such `dim`.
        NotImplementedError: if the input, after the cast, is not floating.

    Trap: without the shift by m, 1000 gives inf / inf = nan. A row of nothing but -inf is nan.

    Example:
        >>> softmax(torch.tensor([1.0, 2.0, 1000.0]), dim=0)
        tensor([0., 0., 1.])
    """
    axis = _axis(input, dim, "softmax", _stacklevel)
    input = floating(_cast(input, dtype), "softmax")
    return applied(_Softmax, input.contiguous(), axis) if input.numel() else input.clone()


class _LogSoftmax(FromOutput):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        shifted = x - x.amax(dim, keepdim=True)
        return shifted.sub_(shifted.exp().sum(dim, keepdim=True).log_())

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        y = saved(ctx)
        return torch.addcmul(g, y.exp(), g.sum(ctx.constants[0], keepdim=True), value=-1), None  # g - e^y sum(g)

    @classmethod
    def tangent(cls, ctx: Any, t: Tensor, *_: None) -> Tensor:
        return t - (saved(ctx).exp() * t).sum(ctx.constants[0], keepdim=True)  # the transpose of the above


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """The logarithm of softmax along `dim`: y_i = (x_i - m) - log sum_j e^(x_j - m), m the maximum.

    Native: `torch.nn.functional.log_softmax`; the input is cast to `dtype`, if given, before all else.

    Shape: (*S) to (*S).

    Raises:
        IndexError: if there is no such `dim`.
        NotImplementedError: if the input, after the cast, is not floating.

    Trap: log(softmax(x)) is -inf wherever the probability underflows. Subtract m first and the logarithm after: m + log
        as one number loses the digits of a small difference between large logits.

    Example:
        >>> log_softmax(torch.tensor([0.0, 1000.0]), dim=0)
        tensor([-1000.,     0.])
    """
    axis = _axis(input, dim, "log_softmax", _stacklevel)
    input = floating(_cast(input, dtype), "log_softmax")
    return applied(_LogSoftmax, input.contiguous(), axis) if input.numel() else input.clone()
