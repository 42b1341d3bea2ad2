"""Joining and parting: `cat` copies tensors side by side, `split` gives views that lie side by side.

Each undoes the other, and is the other's gradient.

Legend: *A axes before and *B axes after the one that is joined or split, S its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor

from refops.hand_derived import HandDerived, call
from refops.tensor.axes import narrow, unsqueeze
from refops.tensor.strides import axis_of

__all__ = ["cat", "chunk", "split", "stack"]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Lay tensors one after another along an axis they have.

    Native: `torch.cat`.

    Shape:
        (*A, S1, *B), (*A, S2, *B), ... -> (*A, S1 + S2 + ..., *B). An empty tensor of one axis is passed over.

    Raises:
        ValueError: if `tensors` is empty.
        RuntimeError: if the other axes differ, or one of the tensors has no axes.
        IndexError: if `dim` is no axis.
        TypeError: if `tensors` holds something else than tensors.

    Trap: the result is a copy, and its dtype is the one all are promoted to.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cat.html

    Example:
        >>> import torch
        >>> cat([torch.tensor([[1, 2]]), torch.tensor([[3, 4], [5, 6]])])
        tensor([[1, 2],
                [3, 4],
                [5, 6]])
    """
    _require_tensors(tensors)
    for i, tensor in enumerate(tensors):
        if tensor.dim() == 0:
            raise RuntimeError(f"tensors must have the axis to join, got none in tensors[{i}]: use stack")
    kept = [t for t in tensors if tuple(t.shape) != (0,)] or list(tensors[:1])
    first = kept[0]
    axis = axis_of(first.dim(), dim) if tuple(first.shape) != (0,) else 0
    for tensor in kept:
        if tensor.dim() != first.dim() or any(
            a != b for i, (a, b) in enumerate(zip(tensor.shape, first.shape, strict=True)) if i != axis
        ):
            shapes = [tuple(t.shape) for t in tensors]
            raise RuntimeError(f"tensors must have equal sizes but along dim {axis}, got {shapes}")
    join = Joined.forward if torch.compiler.is_compiling() else partial(call, Joined)  # a compiler needs no help
    joined: Tensor = join(axis, _common(tensors), *kept)
    return joined


def _common(tensors: Sequence[Tensor]) -> Tensor:
    """A zero of each, summed: it has the dtype that all are promoted to, and under vmap the batch of any."""
    return reduce(torch.add, [t.detach().new_zeros(()) for t in tensors])


class Joined(HandDerived):
    """Side by side in one piece of memory; the gradient is parted in the same places."""

    @staticmethod
    def forward(axis: int, common: Tensor, *tensors: Tensor) -> Tensor:
        """Copy each into its place."""
        size = list(tensors[0].shape)
        size[axis] = sum(t.shape[axis] for t in tensors)
        joined = common.new_empty(size)
        start = 0
        for tensor in tensors:
            joined.narrow(axis, start, tensor.shape[axis]).copy_(tensor)  # torch's: compilers follow writes into it
            start += tensor.shape[axis]
        return joined

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Only sizes must be kept."""
        ctx.axis, _, *tensors = inputs
        ctx.sections = [t.shape[ctx.axis] for t in tensors]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Every tensor gets its part."""
        return (None, None, *split(gradient, ctx.sections, ctx.axis))

    @staticmethod
    def tangent(ctx: Any, _: None, common: Any, *tangents: Any) -> Tensor:
        """Directions lie as the tensors do; whole numbers have none, and stand still."""
        some = next(t for t in tangents if t is not None)
        sizes = [(*some.shape[: ctx.axis], n, *some.shape[ctx.axis + 1 :]) for n in ctx.sections]
        given = [some.new_zeros(size) if t is None else t for t, size in zip(tangents, sizes, strict=True)]
        joined: Tensor = call(Joined, ctx.axis, _common(given), *given)
        return joined


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Lay tensors of one shape one after another along a new axis.

    Native: `torch.stack`.

    Shape:
        n times (*A, *B) -> (*A, n, *B).

    Raises:
        RuntimeError: if `tensors` is empty, or the shapes differ.
        IndexError: if `dim` is no axis of the result.
        TypeError: if `tensors` holds something else than tensors.

    Trap: the result has an axis more than its parts; `cat` has as many.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.stack.html

    Example:
        >>> import torch
        >>> stack([torch.tensor([1, 2]), torch.tensor([3, 4])], dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    _require_tensors(tensors, RuntimeError)
    axis = axis_of(tensors[0].dim() + 1, dim)
    if any(t.shape != tensors[0].shape for t in tensors):
        raise RuntimeError(f"tensors must have one shape, got {[tuple(t.shape) for t in tensors]}")
    return cat([unsqueeze(t, axis) for t in tensors], axis)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Cut an axis into pieces of one size, the last one perhaps smaller, or of the sizes given.

    Native: `torch.split`.

    Shape:
        (*A, S, *B) -> (*A, S1, *B), (*A, S2, *B), ...

    Raises:
        RuntimeError: if a size is negative, sections do not add up to S, or pieces of size 0 leave something over.
        IndexError: if `dim` is no axis of `tensor`.
        TypeError: if the sizes are no ints.

    Trap: an int is the size of the pieces, not their number; that is `chunk`. Every piece is a view: writing into one
        changes `tensor`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.split.html

    Example:
        >>> import torch
        >>> split(torch.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if tensor.dim() == 0:
        raise RuntimeError("tensor must have an axis to split, got a tensor without axes")
    axis = axis_of(tensor.dim(), dim)
    pieces, starts = _sections(tensor.shape[axis], split_size_or_sections), [0]
    for n in pieces:
        starts.append(starts[-1] + n)
    return tuple(narrow(tensor, axis, start, n) for start, n in zip(starts, pieces, strict=False))


def _sections(whole: int, sizes: int | Sequence[int]) -> list[int]:
    """The size of every piece."""
    name = "split_size_or_sections"
    each = [sizes] if isinstance(sizes, int | torch.SymInt) else list(sizes) if isinstance(sizes, Sequence) else [None]
    if any(not isinstance(n, int | torch.SymInt) for n in each):
        raise TypeError(f"{name} must be an int or a sequence of ints, got {sizes!r}")
    if any(n < 0 for n in each):
        raise RuntimeError(f"{name} must not be negative, got {sizes}")
    if isinstance(sizes, Sequence):
        if sum(each) != whole:
            raise RuntimeError(f"{name} must add up to {whole}, got {tuple(sizes)}")
        return each
    if sizes == 0 and whole > 0:
        raise RuntimeError(f"{name} must be positive for an axis of {whole}, got 0")
    return [min(sizes, whole - start) for start in range(0, whole, sizes)] if whole else [0]


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut an axis into `chunks` pieces of one size, ceil(S / chunks), the last one perhaps smaller.

    Native: `torch.chunk`.

    Shape:
        (*A, S, *B) -> at most `chunks` times (*A, ceil(S / chunks), *B).

    Raises:
        RuntimeError: if `chunks` is not positive, or `input` has no axes.
        IndexError: if `dim` is no axis of `input`.
        TypeError: if one is no int.

    Trap: there may be fewer pieces than asked for: 5 in 4 chunks are 2, 2 and 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.chunk.html

    Example:
        >>> import torch
        >>> chunk(torch.arange(5), 4)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if not isinstance(chunks, int):
        raise TypeError(f"chunks must be an int, got {chunks!r}")
    if input.dim() == 0:
        raise RuntimeError("input must have an axis to cut, got a tensor without axes")
    if chunks < 1:
        raise RuntimeError(f"chunks must be positive, got {chunks}")
    whole = input.shape[axis_of(input.dim(), dim)]
    return split(input, -(-whole // chunks), dim) if whole else split(input, [0] * chunks, dim)


def _require_tensors(tensors: Any, empty: type[Exception] = ValueError) -> None:
    if not isinstance(tensors, Sequence) or not all(isinstance(t, Tensor) for t in tensors):
        raise TypeError(f"tensors must be a sequence of tensors, got {type(tensors).__name__}")
    if not tensors:
        raise empty("tensors must hold one tensor at least, got none")
