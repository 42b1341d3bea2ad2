"""Pointwise operations: the rule by which shapes meet, then one number with one number.

Shapes are set under one another from the right; an axis of size 1, or one that is missing, is repeated with stride 0.

Legend: *A, *B any axes, *S the shape both are expanded to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.hand_derived import HandDerived, call, keep
from refops.tensor.axes import select, unsqueeze
from refops.tensor.broadcasting import broadcast_shape, broadcast_tensors, expanded
from refops.tensor.joining import stack
from refops.tensor.strides import laid_like

__all__ = ["add", "broadcast_shape", "broadcast_tensors", "div", "maximum", "minimum", "mul", "sqrt", "sub", "where"]

Number = int | float | bool | complex
HALF = (torch.float16, torch.bfloat16)


def add(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """Sum: input + alpha * other.

    Native: `torch.add`.

    Shape:
        (*A), (*B) -> (*S).

    Raises:
        RuntimeError: if the shapes do not meet, or `alpha` does not fit the dtype.
        TypeError: if one is neither tensor nor number.

    Trap: (N,) and (N, 1) give (N, N) without a word: the loss of a prediction against its targets so shaped is a
        matrix.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.add.html

    Example:
        >>> import torch
        >>> add(torch.tensor([[1.0], [2.0], [3.0]]), torch.arange(4.0), alpha=10)
        tensor([[ 1., 11., 21., 31.],
                [ 2., 12., 22., 32.],
                [ 3., 13., 23., 33.]])
    """
    return _scaled_sum(input, other, alpha, 1)


def sub(input: Any, other: Any, *, alpha: Number = 1) -> Tensor:
    """Difference: input - alpha * other.

    Native: `torch.sub`.

    Shape:
        (*A), (*B) -> (*S).

    Raises:
        As `add`; also RuntimeError on booleans.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.sub.html

    Example:
        >>> import torch
        >>> sub(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0]), alpha=2)
        tensor([-5., -8.])
    """
    if any(isinstance(t, Tensor) and t.dtype == torch.bool for t in (input, other)):
        raise RuntimeError("other and input must not be boolean to be subtracted: use logical_xor")
    return _scaled_sum(input, other, alpha, -1)


def _scaled_sum(input: Any, other: Any, alpha: Number, sign: int) -> Tensor:
    x, y, dtype = _meet(input, other)
    if isinstance(alpha, bool) and dtype != torch.bool:
        raise RuntimeError(f"alpha must not be a bool for results of {dtype}, got {alpha}")
    if isinstance(alpha, float) and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"alpha must be an int for results of {dtype}, got {alpha}")
    if alpha != 1:
        if dtype in HALF:  # rounded once
            x, y = (t.float() if isinstance(t, Tensor) else t for t in (x, y))
        y = alpha * y
    result: Tensor = x + y if sign == 1 else x - y
    return result.to(dtype)


def mul(input: Any, other: Any) -> Tensor:
    """Product: input * other.

    Native: `torch.mul`.

    Shape:
        (*A), (*B) -> (*S).

    Raises:
        As `add`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mul.html

    Example:
        >>> import torch
        >>> mul(torch.tensor([[1], [2]]), torch.tensor([3, 4]))
        tensor([[3, 4],
                [6, 8]])
    """
    x, y, _ = _meet(input, other)
    product: Tensor = x * y
    return product


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient: input / other, perhaps rounded towards zero ("trunc") or down ("floor").

    Native: `torch.div`.

    Shape:
        (*A), (*B) -> (*S).

    Raises:
        RuntimeError: if the shapes do not meet, `rounding_mode` is no such word, or integers are divided by zero and
            rounded.
        TypeError: if one is neither tensor nor number.

    Trap: without rounding integers give a floating result. Rounded down is not the quotient rounded down: 1 / 0.1 is
        10.0 after rounding, but the largest whole number of 0.1 in 1 is 9 since 0.1 is a little more than a tenth.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.div.html

    Example:
        >>> import torch
        >>> div(torch.tensor([-7, 7]), 2, rounding_mode="floor"), div(torch.tensor([-7, 7]), 2, rounding_mode="trunc")
        (tensor([-4,  3]), tensor([-3,  3]))
    """
    if rounding_mode not in (None, "trunc", "floor"):
        raise RuntimeError(f"rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    x, y, dtype = _meet(input, other, floating=rounding_mode is None)
    if rounding_mode is None:
        x = x if isinstance(x, Tensor) else y.new_full((), x, dtype=dtype)  # a number / y is its product with 1 / y
        quotient: Tensor = x / y
        return quotient
    if not dtype.is_floating_point:
        left = x.remainder(y) if rounding_mode == "floor" else x.abs().remainder(abs(y)) * x.sign()
        return torch.floor_divide(x - left, y)  # without what is left over it is exact
    at = x.device if isinstance(x, Tensor) else y.device
    x, y = (t.to(dtype) if isinstance(t, Tensor) else torch.scalar_tensor(t, dtype=dtype, device=at) for t in (x, y))
    rounded: Tensor = call(Quotient, *broadcast_tensors(x, y), rounding_mode == "floor")
    return rounded


class Quotient(HandDerived):
    """A rounded quotient of floating numbers: constant but for its jumps, so its gradient is 0."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, down: bool) -> Tensor:
        """Down by the remainder, which is exact, where the quotient itself is already rounded."""
        a, b = (x.float(), y.float()) if x.dtype in HALF else (x, y)
        quotient = a / b
        if not down:
            return quotient.abs().floor().copysign(quotient).to(x.dtype)
        left = a.abs().remainder(b.abs()).copysign(a)
        below = (left != 0) & ((left < 0) != (b < 0))
        whole = ((a - left) / b - below.to(a.dtype)).round()
        return whole.where(b != 0, quotient).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing must be kept."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Zeros."""
        return gradient * 0, gradient * 0, None

    @staticmethod
    def tangent(ctx: Any, a: Tensor | None, b: Tensor | None, _: None) -> Tensor:
        """Zeros."""
        return torch.zeros_like(b if a is None else a)  # type: ignore[arg-type]  # one of them is there


def sqrt(input: Tensor) -> Tensor:
    """The number whose square is `input`: input^(1/2).

    Native: `torch.sqrt`.

    Shape:
        (*A) -> (*A). Integers give a floating result.

    Raises:
        TypeError: if `input` is no tensor.

    Trap: below zero NaN, and at zero the slope is infinite: 0 times it, from a sum of squares of zeros, is a NaN
        gradient.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.sqrt.html

    Example:
        >>> import torch
        >>> sqrt(torch.tensor([4.0, 0.0, -1.0]))
        tensor([2., 0., nan])
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"input must be a tensor, got {type(input).__name__}")
    return input.sqrt()  # an operation of the processor, as + and * are


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of two numbers, place by place.

    Native: `torch.maximum`.

    Shape:
        (*A), (*B) -> (*S).

    Raises:
        RuntimeError: if the shapes do not meet, or one is complex.
        TypeError: if one is no tensor.

    Trap: equals share the gradient, half each: `maximum(x, 0)` is relu but for its gradient at 0, which is 1/2. NaN
        wins.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.maximum.html

    Example:
        >>> import torch
        >>> maximum(torch.tensor([[1], [5]]), torch.tensor([3, 4]))
        tensor([[3, 4],
                [5, 5]])
    """
    return _larger(input, other, 1)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of two numbers, place by place.

    Native: `torch.minimum`.

    Shape:
        (*A), (*B) -> (*S).

    Raises:
        As `maximum`.

    Trap: as `maximum`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.minimum.html

    Example:
        >>> import torch
        >>> minimum(torch.tensor([1.0, 5.0]), torch.tensor([3.0, float("nan")]))
        tensor([1., nan])
    """
    return _larger(input, other, -1)


def _larger(input: Any, other: Any, sign: int) -> Tensor:
    for value, name in ((input, "input"), (other, "other")):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
        if value.is_complex():
            raise RuntimeError(f"{name} must be real to have an order, got {value.dtype}")
    x, y, dtype = _meet(input, other)
    result: Tensor = call(Larger, x.to(dtype), y.to(dtype), sign)
    return result


class Larger(HandDerived):
    """The larger of x and y, or the smaller if `sign` is -1. One shape and dtype."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, sign: int) -> Tensor:
        """Whichever is NaN is taken; else the comparison decides."""
        takes_x = (x > y if sign == 1 else x < y) | (x != x)
        return x.where(takes_x, y)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Both, to compare again."""
        x, y, ctx.sign = inputs
        keep(ctx, x, y)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """The larger takes all, equals a half each; where NaN leaves it open both take all, as in torch."""
        x, y = ctx.saved_tensors
        first, second = (x > y, x < y) if ctx.sign == 1 else (x < y, x > y)
        shared = (gradient / 2).where(x == y, gradient)
        zero = gradient.new_zeros(())
        return zero.where(second, shared), zero.where(first, shared), None

    @staticmethod
    def tangent(ctx: Any, a: Tensor | None, b: Tensor | None, _: None) -> Tensor:
        """That of the larger, between equals the mean; where NaN leaves it open that of y, as in torch."""
        x, y = ctx.saved_tensors
        a = torch.zeros_like(x) if a is None else a
        b = torch.zeros_like(y) if b is None else b
        mean = (a + b) / 2
        return a.where(x > y if ctx.sign == 1 else x < y, mean.where(x == y, b))


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """`input` where the condition holds, `other` elsewhere: the condition is an index into the pair (other, input).

    Native: `torch.where` with three arguments.

    Shape:
        (*A), (*B), (*C) -> (*S).

    Raises:
        RuntimeError: if the shapes do not meet, or `condition` is neither boolean nor uint8.
        TypeError: if `condition` is no tensor.

    Trap: what is not taken has gradient 0, but inf and NaN inside it come back through 0 * inf of its own derivative:
        `where(x > 0, sqrt(x), 0)` has a NaN gradient at 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.where.html

    Example:
        >>> import torch
        >>> where(torch.tensor([[True], [False]]), torch.tensor([1, 2]), 0)
        tensor([[1, 2],
                [0, 0]])
    """
    if not isinstance(condition, Tensor):
        raise TypeError(f"condition must be a tensor, got {type(condition).__name__}")
    if condition.dtype not in (torch.bool, torch.uint8):
        raise RuntimeError(f"condition must be boolean, got {condition.dtype}")
    dtype = _common_dtype(input, other)
    x, y = (
        t if isinstance(t, Tensor) else torch.scalar_tensor(t, dtype=dtype, device=condition.device)
        for t in (input, other)
    )
    given = condition, x.to(dtype), y.to(dtype)
    taken, x, y = expanded("condition, input and other", *given)
    pair = stack([y, x], -1)  # (*S, 2)
    return laid_like(select(pair.gather(-1, unsqueeze(taken.to(torch.int64), -1)), -1, 0), *given)


def _meet(input: Any, other: Any, floating: bool = False) -> tuple[Any, Any, torch.dtype]:
    """Both in the shape and dtype they have in common, a floating one if asked for; a number stays a number."""
    for value, name in ((input, "input"), (other, "other")):
        if not isinstance(value, Tensor | Number):
            raise TypeError(f"{name} must be a tensor or a number, got {type(value).__name__}")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = torch.tensor(input)
    dtype = _common_dtype(input, other)  # before expanding: a tensor without axes counts less than one with
    if floating and not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    if isinstance(input, Tensor) and isinstance(other, Tensor):
        input, other = expanded("input and other", input.to(dtype), other.to(dtype))
    return input, other, dtype


def _common_dtype(input: Any, other: Any) -> torch.dtype:
    """The dtype of a sum; a tensor with axes counts more than one without, and that more than a number."""
    first, second = (t.new_zeros((1,) * min(t.dim(), 1)) if isinstance(t, Tensor) else t for t in (input, other))
    return ((first if isinstance(first, Tensor) else torch.tensor(first)) + second).dtype
