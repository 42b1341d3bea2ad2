"""Views of another shape, read in the same order: which strides say it, and where none do a copy is needed.

Legend: *A, *B any axes, S size of an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from refops.tensor.strides import Geometry, Ints, axis_of, given_sizes, numel, relabel, row_major

__all__ = [
    "flatten",
    "reshape",
    "view",
    "view_strides",
]


def view_strides(size: Sequence[int], stride: Sequence[int], new: Sequence[int]) -> Ints | None:
    """The strides under which the same storage reads as `new`; None where no strides do, and a copy is needed.

    Axes that lie without a gap inside one another form a run. Every run must be split by axes of its own: none of the
    new axes may reach from one run into the next.

    Example:
        >>> view_strides((4, 6), (6, 1), (2, 2, 6)), view_strides((4, 6), (1, 4), (24,))
        ((12, 6, 1), None)
    """
    if numel(size) == 0:
        return tuple(stride) if tuple(size) == tuple(new) else row_major(new)
    strides: list[int] = []
    left = list(new)  # axes still to be laid out, from the last one on
    for run, step in _runs(size, stride):
        taken = 1
        while left and (taken < run or left[-1] == 1):
            strides.append(taken * step)
            taken *= left.pop()
        if taken != run:
            return None
    return tuple(reversed(strides))


def _runs(size: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    """How many numbers lie evenly spaced, and how far apart, from the last axis to the first."""
    if not size:
        return [(1, 1)]
    runs = [(size[-1], stride[-1])]
    for n, s in zip(reversed(size[:-1]), reversed(stride[:-1]), strict=True):
        count, step = runs[-1]
        if n == 1 or s == count * step:
            runs[-1] = (count * n, step)
        else:
            runs.append((n, s))
    return runs


def view(input: Tensor, *shape: Any) -> Tensor:
    """The same storage read in another shape.

    Native: `torch.Tensor.view` with a shape; `view(dtype)` is not offered.

    Args:
        input: the tensor.
        shape: the sizes, one of which may be -1 and is then found by division; as one sequence or one by one.

    Shape:
        (*A) -> `shape`, with the same product.

    Raises:
        RuntimeError: if the product differs, or `input` does not lie in memory so that strides can say it.
        TypeError: if `shape` holds something else than ints.

    Trap: a view never moves a number, so it cannot transpose: `view(x, 3, 2)` of a (2, 3) tensor reads on in the same
        order.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html

    Example:
        >>> import torch
        >>> view(torch.arange(6), 2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    size = _inferred(tuple(input.shape), given_sizes(shape, "shape"))
    if view_strides(input.shape, input.stride(), size) is None:
        raise RuntimeError(
            f"shape must be one that strides can say, got {size} for size {tuple(input.shape)} with strides "
            f"{input.stride()}: use reshape, which copies"
        )
    return _viewed(input, size)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The numbers of `input` in reading order, in another shape: a view where strides can say it, else a copy.

    Native: `torch.reshape`.

    Shape:
        (*A) -> `shape`, with the same product; one size may be -1.

    Raises:
        RuntimeError: if the product differs, or more than one size is -1.
        TypeError: if `shape` holds something else than ints.

    Trap: whether the result shares memory hangs on how `input` lies: of a transpose it is a copy. Write into neither.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.reshape.html

    Example:
        >>> import torch
        >>> reshape(torch.tensor([[0, 1], [2, 3]]), (-1,))
        tensor([0, 1, 2, 3])
    """
    if not isinstance(shape, Sequence):
        raise TypeError(f"shape must be a sequence of ints, got {shape!r}")
    size = _inferred(tuple(input.shape), given_sizes((shape,), "shape"))
    if view_strides(input.shape, input.stride(), size) is None:
        input = input.clone(memory_format=torch.contiguous_format)
    return _viewed(input, size)


def _viewed(input: Tensor, new: Ints) -> Tensor:
    def rule(size: Ints, stride: Ints) -> Geometry:
        return new, view_strides(size, stride, new) or (), ()

    return relabel(input, rule)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes `start_dim` to `end_dim`, both included, into one.

    Native: `torch.flatten`.

    Shape:
        (*A, *S, *B) -> (*A, prod(S), *B); a tensor without axes becomes (1).

    Raises:
        IndexError: if `start_dim` or `end_dim` is no axis of `input`.
        RuntimeError: if `start_dim` comes after `end_dim`.

    Trap: one axis merged with itself is `input`, not a view of it.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.flatten.html

    Example:
        >>> import torch
        >>> flatten(torch.arange(1, 9).view(2, 2, 2), start_dim=1)
        tensor([[1, 2, 3, 4],
                [5, 6, 7, 8]])
    """
    first, last = (axis_of(input.dim(), d, n) for d, n in ((start_dim, "start_dim"), (end_dim, "end_dim")))
    if first > last:
        raise RuntimeError(f"start_dim must not come after end_dim, got {start_dim} and {end_dim}")
    if first == last and input.dim() > 0:
        return input
    merged = numel(input.shape[first : last + 1])
    return reshape(input, (*input.shape[:first], merged, *input.shape[last + 1 :]))


def _inferred(old: Ints, shape: Ints) -> Ints:
    """`shape` with its -1 found by division."""
    count, known = numel(old), numel([n for n in shape if n != -1])
    open_sizes = len([n for n in shape if n == -1])
    if open_sizes > 1 or any(n < -1 for n in shape):
        raise RuntimeError(f"shape must hold sizes and at most one -1, got {shape}")
    if open_sizes and known == 0:
        raise RuntimeError(f"shape must leave no doubt what -1 stands for, got {shape} for size {old}")
    size = tuple(count // known if n == -1 else n for n in shape)
    if numel(size) != count:
        raise RuntimeError(f"shape must have the {count} elements of size {old}, got {shape}")
    return size
