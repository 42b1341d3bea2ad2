"""Basic indexing: ints, slices, None and Ellipsis, every one a change of start, size and stride."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.tensor.strides import Geometry, Ints, relabel

__all__ = ["slicing"]


def slicing(input: Tensor, *slices: Any) -> Tensor:
    """`input[slices]`: start moves by start * s, size becomes ceil((stop - start) / step), stride becomes s * step.

    Native: `torch.Tensor.__getitem__` with ints, slices, `None` and `...`; index tensors, lists and booleans are
    advanced indexing, which gathers copies, and no matter of strides.

    Args:
        input: the tensor.
        slices: for every axis in turn an int, which drops it, or a slice, which keeps a part; `None` inserts an axis
            of size 1, `...` stands for all axes not named.

    Shape:
        (S, *B) -> (*B) by an int, (ceil((stop - start) / step), *B) by a slice, (1, S, *B) by None.

    Raises:
        IndexError: if there are more entries than axes, an int lies outside of its axis.
        ValueError: if a step is not positive.
        TypeError: if a bound is no int, or an entry none of these.

    Trap: the result is a view: writing into it changes `input`. A slice beyond the end is cut, an int beyond it
        refused. Steps cannot be negative: no strides of torch are; `flip` copies.

    Source: https://docs.pytorch.org/docs/stable/tensor_view.html

    Example:
        >>> import torch
        >>> slicing(torch.arange(1, 11), slice(1, 9, 2))
        tensor([2, 4, 6, 8])
        >>> slicing(torch.arange(6).view(2, 3), ..., -1)
        tensor([2, 5])
    """
    entries = _for_every_axis(input.dim(), slices)

    def rule(size: Ints, stride: Ints) -> Geometry:
        sizes, strides, first = [], [], []
        axis = 0
        for entry in entries:
            if entry is None:
                sizes.append(1)
                strides.append(size[axis] * stride[axis] if axis < len(size) else 1)  # as unsqueeze has it
                continue
            if isinstance(entry, slice):
                start, count, step = _part(entry, size[axis])
                sizes.append(count)
                strides.append(stride[axis] * step)
            else:
                start = _place(entry, size[axis], axis)
            first.append(start)
            axis += 1
        return tuple(sizes), tuple(strides), tuple(first)

    return relabel(input, rule)


def _for_every_axis(rank: int, slices: tuple[Any, ...]) -> list[Any]:
    """The entries with `...` written out: an int or slice per axis, None in between."""
    for entry in slices:
        known = entry is None or entry is Ellipsis or isinstance(entry, int | slice | torch.SymInt)
        if not known or isinstance(entry, bool):
            raise TypeError(f"slices must hold ints, slices, None and ..., got {entry!r}")
    named = sum(entry is not None and entry is not Ellipsis for entry in slices)
    rest = [slice(None)] * (rank - named)
    while slices and slices[-1] is Ellipsis:  # what is not named stays anyway
        slices = slices[:-1]
    dots = slices if Ellipsis in slices else (*slices, Ellipsis)
    entries = [part for entry in dots for part in (rest if entry is Ellipsis else [entry])]
    if len([entry for entry in entries if entry is not None]) > rank:
        raise IndexError(f"slices must name {rank} axes at most, got {slices}")
    return entries


def _part(entry: slice, whole: int) -> tuple[int, int, int]:
    """First index, count and step of a slice of an axis of `whole`."""
    step = 1 if entry.step is None else entry.step
    bounds = (0 if entry.start is None else entry.start, whole if entry.stop is None else entry.stop)
    if any(not isinstance(n, int | torch.SymInt) for n in (*bounds, step)):
        raise TypeError(f"slices must be bounded by ints, got {entry}")
    if step <= 0:
        raise ValueError(f"slices must have a positive step, got {step}")
    start, stop = (min(max(n + whole if n < 0 else n, 0), whole) for n in bounds)
    return start, max(0, -(-(stop - start) // step)), step


def _place(index: int, whole: int, axis: int) -> int:
    """An index counted from the front."""
    if not -whole <= index < whole:
        raise IndexError(f"slices must hold an index in [{-whole}, {whole - 1}] for axis {axis}, got {index}")
    return index % whole
