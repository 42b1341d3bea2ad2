"""Reductions: one idea, adding up by halves, carries sum, mean and variance; one search carries max and min.

The second half is added to the first until one number is left: log2(S) vectorised additions, and a rounding error that
grows with log2(S) where that of one running sum grows with S. Half precision is added in float32 and rounded once.

Legend: *A axes kept, S size of what is summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from refops.hand_derived import HandDerived, call
from refops.tensor.axes import expand, narrow, permute, select, unsqueeze
from refops.tensor.strides import axis_of, numel
from refops.tensor.views import flatten, reshape

__all__ = ["Extremum", "max", "mean", "min", "sum", "var"]

Dims = int | Sequence[int] | None


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """Add up along some axes, or all.

    Native: `torch.sum`.

    Shape:
        (*A with S) -> (*A), or with 1 in place of S if `keepdim`.

    Raises:
        IndexError: if `dim` names an axis that is not there.
        RuntimeError: if it names one twice.

    Trap: `dim=()` means all axes, not none. Integers and booleans add up in int64.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.sum.html

    Example:
        >>> import torch
        >>> sum(torch.arange(4 * 5 * 6).view(4, 5, 6), (2, 1))
        tensor([ 435, 1335, 2235, 3135])
    """
    exact = input.is_floating_point() or input.is_complex()
    wanted = dtype or (input.dtype if exact else torch.int64)
    wide = torch.float32 if wanted in (torch.float16, torch.bfloat16) else wanted
    axes = _axes(input, dim)
    total: Tensor = call(Total, _last(input.to(wide), axes))
    return _with_ones(total.to(wanted), axes, input.dim(), keepdim)


class Total(HandDerived):
    """The sum over the last axis: (*A, S) to (*A). Every summand has the gradient of the sum."""

    @staticmethod
    def forward(input: Tensor) -> Tensor:
        """Add the second half to the first; of an odd number the last waits for the next round."""
        left = input.shape[-1]
        if left == 0:
            return input.new_zeros(input.shape[:-1])
        while left > 1:
            half = left // 2
            paired = narrow(input, -1, 0, half) + narrow(input, -1, half, half)
            if left % 2:
                narrow(paired, -1, 0, 1).add_(narrow(input, -1, left - 1, 1))
            input, left = paired, half
        return select(input, -1, 0).clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """The number of summands is all that must be kept."""
        ctx.size = inputs[0].shape[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """(*A) to (*A, S)."""
        return expand(unsqueeze(gradient, -1), *gradient.shape, ctx.size)

    @staticmethod
    def tangent(ctx: Any, t: Tensor) -> Tensor:
        """The sum of the directions."""
        total: Tensor = call(Total, t)
        return total


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The sum divided by the number of summands: mean = sum(x) / S.

    Native: `torch.mean`.

    Shape:
        As `sum`.

    Raises:
        RuntimeError: if `input` is neither floating nor complex and `dtype` does not make it so, or `dim` names an
            axis twice.
        IndexError: if `dim` names an axis that is not there.

    Trap: the mean of nothing is NaN, where the sum is 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mean.html

    Example:
        >>> import torch
        >>> mean(torch.tensor([[1.0, 2.0], [3.0, 5.0]]), 1, keepdim=True)
        tensor([[1.5000],
                [4.0000]])
    """
    wanted = dtype or input.dtype
    if not (wanted.is_floating_point or wanted.is_complex):
        raise RuntimeError(f"input must be floating or complex to have a mean, got {wanted}")
    wide = torch.float32 if wanted in (torch.float16, torch.bfloat16) else wanted
    total = sum(input.to(wanted), dim, keepdim, dtype=wide)
    return (total / _count(input, dim)).to(wanted)


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Mean squared distance from the mean: var = sum((x - mean(x))^2) / (S - correction).

    Native: `torch.var`, in all its overloads.

    Args:
        input: the numbers.
        dim: the axes; a bool in its place is `unbiased`.
        unbiased: the older name of `correction`: True is 1, False is 0.
        keepdim: leave axes of size 1.
        correction: what is taken off the count; 1 where nothing is said.

    Shape:
        As `sum`.

    Raises:
        RuntimeError: if `input` holds integers or booleans, or `dim` names an axis twice.
        IndexError: if `dim` names an axis that is not there.
        TypeError: if both `unbiased` and `correction` are given.

    Trap: the divisor is S - 1 where nothing is said (Bessel), while normalization layers divide by S. The mean is taken
        off first: E[x^2] - E[x]^2 loses every digit where the mean is large.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.var.html

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
        >>> var(x, 1), var(x, 1, correction=0)
        (tensor([4.6667]), tensor([3.5000]))
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"unbiased and correction must not both be given, got {unbiased} and {correction}")
    if input.is_complex():  # the distance in the plane
        parts = (var(part, dim, unbiased, keepdim, correction=correction) for part in (input.real, input.imag))
        return next(parts) + next(parts)
    if not input.is_floating_point():
        raise RuntimeError(f"input must be floating or complex to have a variance, got {input.dtype}")
    taken = correction if correction is not None else 1 if unbiased is None else int(unbiased)
    x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    off = x - mean(x, dim, keepdim=True)
    divisor = _count(input, dim) - taken
    total = sum(off * off, dim, keepdim)
    return (total / (divisor if divisor > 0 else 0.0)).to(input.dtype)


class Extremum(NamedTuple):
    """What `max` and `min` give along an axis."""

    values: Tensor
    indices: Tensor


def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | Extremum:
    """The largest number of all, or along an axis, there with its index.

    Native: `torch.max` of one tensor; of two it is `maximum`.

    Shape:
        (*A with S) -> () without `dim`; else twice (*A), with 1 in place of S if `keepdim`.

    Raises:
        IndexError: if `dim` is no axis of `input`, or one of size 0.
        RuntimeError: if `input` has no numbers and no `dim` is given, or is complex.
        TypeError: if `dim` is no int.

    Trap: among equals the first along `dim` is the one and gets the whole gradient; without `dim` all equals share it,
        as they do in `amax`. NaN is larger than anything.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.max.html

    Example:
        >>> import torch
        >>> max(torch.tensor([[1, 5, 5], [4, 2, 0]]), 1)
        Extremum(values=tensor([5, 4]), indices=tensor([1, 0]))
    """
    return _extremum(input, dim, keepdim, largest=True)


def min(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | Extremum:
    """The smallest number of all, or along an axis, there with its index.

    Native: `torch.min` of one tensor; of two it is `minimum`.

    Shape:
        As `max`.

    Raises:
        As `max`.

    Trap: as `max`; NaN is smaller than anything too.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.min.html

    Example:
        >>> import torch
        >>> min(torch.tensor([3.0, float("nan"), 1.0]), 0).indices
        tensor(1)
    """
    return _extremum(input, dim, keepdim, largest=False)


def _extremum(input: Tensor, dim: int | None, keepdim: bool, largest: bool) -> Tensor | Extremum:
    if input.is_complex():
        kind = NotImplementedError if dim is None else RuntimeError
        raise kind(f"input must be real to have an order, got {input.dtype}")
    if dim is None:
        if input.numel() == 0:
            raise RuntimeError(f"input must hold a number, got size {tuple(input.shape)}")
        return input.amax(tuple(range(input.dim()))) if largest else input.amin(tuple(range(input.dim())))
    axis = axis_of(input.dim(), dim)
    if input.dim() and input.shape[axis] == 0:
        raise IndexError(f"dim must be an axis that is not empty, got {dim} of size {tuple(input.shape)}")
    numbers = input.detach().to(torch.uint8) if input.dtype == torch.bool else input.detach()
    if not largest:  # mirrored, the smallest is the largest; the smallest integer has no negative
        numbers = -numbers if numbers.is_floating_point() else ~numbers
    places = numbers.argmax(axis, keepdim=True)
    values = input.gather(axis, places)
    if keepdim or not input.dim():
        return Extremum(values, places)
    return Extremum(select(values, axis, 0), select(places, axis, 0))


def _axes(input: Tensor, dim: Dims) -> list[int]:
    """The axes to sum over, in order; none named are all."""
    named = [] if dim is None else list(dim) if isinstance(dim, Sequence) else [dim]
    axes = sorted(axis_of(input.dim(), d) for d in named)
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"dim must name every axis once, got {dim}")
    return axes if axes and input.dim() else list(range(input.dim()))


def _last(input: Tensor, axes: list[int]) -> Tensor:
    """The axes behind all others and merged: (*A, S)."""
    kept = [axis for axis in range(input.dim()) if axis not in axes]
    if not axes:
        return unsqueeze(input, -1)
    return flatten(permute(input, kept + axes), len(kept))


def _with_ones(reduced: Tensor, axes: list[int], rank: int, keepdim: bool) -> Tensor:
    """The axes that were summed over put back with size 1."""
    if not keepdim:
        return reduced
    kept = iter(reduced.shape)
    return reshape(reduced, [1 if axis in axes else next(kept) for axis in range(rank)])


def _count(input: Tensor, dim: Dims) -> int:
    return numel([input.shape[axis] for axis in _axes(input, dim)])
