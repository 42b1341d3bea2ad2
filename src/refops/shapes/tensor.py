"""Output shapes of tensor operations: axes reordered, merged, repeated, joined, cut, summed over, contracted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

__all__ = [
    "broadcast_shape",
    "cat",
    "chunk",
    "expand",
    "max",
    "mean",
    "min",
    "narrow",
    "permute",
    "reshape",
    "select",
    "slicing",
    "split",
    "squeeze",
    "stack",
    "sum",
    "transpose",
    "unsqueeze",
    "var",
    "view",
]

Shape = tuple[int, ...]
Dims = int | Sequence[int] | None


def reshape(input: Sequence[int], shape: Sequence[int]) -> Shape:
    """`shape`, its -1 found by division.

    Raises:
        ValueError: if `shape` holds another number of elements, or leaves in doubt what -1 stands for.

    Example:
        >>> reshape((4, 4), (-1, 8))
        (2, 8)
    """
    known, numel = math.prod(n for n in shape if n != -1), math.prod(input)
    left_open = [n for n in shape if n == -1]
    if len(left_open) > 1 or any(n < -1 for n in shape) or (left_open and known == 0):
        raise ValueError(f"shape must hold sizes and at most one clear -1, got {tuple(shape)} for {tuple(input)}")
    size = tuple(numel // known if n == -1 else n for n in shape)
    if math.prod(size) != numel:
        raise ValueError(f"shape must hold the {numel} elements of {tuple(input)}, got {tuple(shape)}")
    return size


def view(input: Sequence[int], shape: Sequence[int]) -> Shape:
    """As `reshape`; whether strides can say it is no matter of shapes.

    Example:
        >>> view((4, 4), (16,))
        (16,)
    """
    return reshape(input, shape)


def transpose(input: Sequence[int], dim0: int, dim1: int) -> Shape:
    """Two axes exchanged.

    Raises:
        ValueError: if `dim0` or `dim1` is no axis.

    Example:
        >>> transpose((2, 3), 0, 1)
        (3, 2)
    """
    sizes = list(input)
    first, second = _axis(len(sizes), dim0, "dim0"), _axis(len(sizes), dim1, "dim1")
    if sizes:
        sizes[first], sizes[second] = sizes[second], sizes[first]
    return tuple(sizes)


def permute(input: Sequence[int], dims: Sequence[int]) -> Shape:
    """Axis i of the result is axis `dims[i]`.

    Raises:
        ValueError: if `dims` does not name every axis once.

    Example:
        >>> permute((2, 3, 5), (2, 0, 1))
        (5, 2, 3)
    """
    axes = [_axis(len(input), dim, "dims") for dim in dims]
    if len(axes) != len(input) or len(set(axes)) != len(axes):
        raise ValueError(f"dims must name each of {len(input)} axes once, got {tuple(dims)}")
    return tuple(input[axis] for axis in axes)


def squeeze(input: Sequence[int], dim: Dims = None) -> Shape:
    """Axes of size 1 dropped: all, or those named.

    Raises:
        ValueError: if `dim` names an axis twice or one that is not there.

    Example:
        >>> squeeze((2, 1, 3, 1))
        (2, 3)
    """
    axes = list(range(len(input))) if dim is None else _axes(len(input), dim)
    return tuple(n for axis, n in enumerate(input) if n != 1 or axis not in axes)


def unsqueeze(input: Sequence[int], dim: int) -> Shape:
    """An axis of size 1 inserted.

    Raises:
        ValueError: if `dim` is no axis of the result.

    Example:
        >>> unsqueeze((2, 3), 1)
        (2, 1, 3)
    """
    axis = _axis(len(input) + 1, dim, "dim")
    return (*input[:axis], 1, *input[axis:])


def expand(input: Sequence[int], sizes: Sequence[int]) -> Shape:
    """Axes of size 1 repeated, new ones in front, -1 where an axis stays.

    Raises:
        ValueError: if an axis that is not 1 is given another size, a new one is negative, or there are too few sizes.

    Example:
        >>> expand((3, 1), (-1, 4))
        (3, 4)
    """
    new = len(sizes) - len(input)
    old = (1,) * new + tuple(input)
    fits = (o in (1, n) if n >= 0 else n == -1 and i >= new for i, (o, n) in enumerate(zip(old, sizes, strict=False)))
    if new < 0 or not all(fits):
        raise ValueError(f"sizes must keep every axis of {tuple(input)} that is not 1, got {tuple(sizes)}")
    return tuple(o if n == -1 else n for o, n in zip(old, sizes, strict=True))


def narrow(input: Sequence[int], dim: int, start: int, length: int) -> Shape:
    """One axis cut to `length`.

    Raises:
        ValueError: if `dim` is no axis, or the part does not lie within it.

    Example:
        >>> narrow((10, 3), 0, 2, 5)
        (5, 3)
    """
    if not input:
        raise ValueError("input must have an axis to narrow, got ()")
    axis = _axis(len(input), dim, "dim")
    whole = input[axis]
    if not -whole <= start <= whole or length < 0 or start % (whole + (start >= 0)) + length > whole:
        raise ValueError(f"start and length must lie within {whole}, got {start} and {length}")
    return (*input[:axis], length, *input[axis + 1 :])


def select(input: Sequence[int], dim: int, index: int) -> Shape:
    """One axis dropped.

    Raises:
        ValueError: if `dim` is no axis, or `index` lies outside of it.

    Example:
        >>> select((4, 5, 6), 1, -1)
        (4, 6)
    """
    if not input:
        raise ValueError("input must have an axis to select from, got ()")
    axis = _axis(len(input), dim, "dim")
    if not -input[axis] <= index < input[axis]:
        raise ValueError(f"index must lie within an axis of {input[axis]}, got {index}")
    return (*input[:axis], *input[axis + 1 :])


def slicing(input: Sequence[int], slices: Sequence[Any]) -> Shape:
    """ceil((stop - start) / step) along a sliced axis; an int drops one, None adds one, ... stands for the rest.

    Raises:
        ValueError: if there are too many entries, an int lies outside of its axis, or a step is not positive.

    Example:
        >>> slicing((10, 5), (slice(1, 9, 2), None, 0))
        (4, 1)
    """
    named = len([s for s in slices if s is not None and s is not Ellipsis])
    if named > len(input):
        raise ValueError(f"slices must name {len(input)} axes at most, got {slices}")
    sizes, left = [], list(input)
    for entry in slices if Ellipsis in slices else (*slices, Ellipsis):
        if entry is None:
            sizes.append(1)
        elif entry is Ellipsis:
            sizes += left[: len(input) - named]
            del left[: len(input) - named]
        elif isinstance(entry, slice):
            if entry.step is not None and entry.step < 1:
                raise ValueError(f"slices must have a positive step, got {entry}")
            sizes.append(len(range(left.pop(0))[entry]))
        elif not -left[0] <= entry < left.pop(0):
            raise ValueError(f"slices must lie within their axes, got {entry} for {tuple(input)}")
    return tuple(sizes)


def broadcast_shape(*shapes: Sequence[int]) -> Shape:
    """From the right: 1, or an axis that is missing, takes the other's size.

    Raises:
        ValueError: if two sizes differ and neither is 1.

    Example:
        >>> broadcast_shape((3, 1), (4,))
        (3, 4)
    """
    result: list[int] = []
    for shape in shapes:
        longer, shorter = sorted((result, list(shape)), key=len, reverse=True)
        shorter = [1] * (len(longer) - len(shorter)) + shorter
        if any(a != b and 1 not in (a, b) for a, b in zip(longer, shorter, strict=True)):
            raise ValueError(f"shapes must agree in every axis that is not 1, got {[tuple(s) for s in shapes]}")
        result = [b if a == 1 else a for a, b in zip(longer, shorter, strict=True)]
    return tuple(result)


def cat(tensors: Sequence[Sequence[int]], dim: int = 0) -> Shape:
    """Sizes along `dim` added up.

    Raises:
        ValueError: if `tensors` is empty, one has no axes, or other sizes differ.

    Example:
        >>> cat([(2, 3), (2, 3), (2, 3)], 1)
        (2, 9)
    """
    if not tensors or not all(tensors):
        raise ValueError(f"tensors must each have an axis to join, got {[tuple(t) for t in tensors]}")
    kept = [tuple(t) for t in tensors if tuple(t) != (0,)]
    if not kept:
        return (0,)
    axis = _axis(len(kept[0]), dim, "dim")
    if len({len(t) for t in kept}) > 1 or len({(*t[:axis], *t[axis + 1 :]) for t in kept}) > 1:
        raise ValueError(f"tensors must have equal sizes but along dim {dim}, got {kept}")
    total = itertools.accumulate(t[axis] for t in kept)
    return (*kept[0][:axis], [*total][-1], *kept[0][axis + 1 :])


def stack(tensors: Sequence[Sequence[int]], dim: int = 0) -> Shape:
    """A new axis as long as there are tensors.

    Raises:
        ValueError: if `tensors` is empty, or the shapes differ.

    Example:
        >>> stack([(2, 3), (2, 3)], 1)
        (2, 2, 3)
    """
    if len({tuple(t) for t in tensors}) != 1:
        raise ValueError(f"tensors must have one shape, got {[tuple(t) for t in tensors]}")
    return cat([unsqueeze(t, dim) for t in tensors], dim)


def split(tensor: Sequence[int], split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Shape, ...]:
    """Pieces of one size, the last one perhaps smaller, or of the sizes given.

    Raises:
        ValueError: if a size is negative, sections do not add up, or pieces of 0 leave something over.

    Example:
        >>> split((5, 2), 2), split((5, 2), [1, 4])
        (((2, 2), (2, 2), (1, 2)), ((1, 2), (4, 2)))
    """
    if not tensor:
        raise ValueError("tensor must have an axis to split, got ()")
    axis, sizes = _axis(len(tensor), dim, "dim"), split_size_or_sections
    whole = tensor[axis]
    if isinstance(sizes, int):
        if sizes < 0 or (sizes == 0 and whole):
            raise ValueError(f"split_size_or_sections must be positive, got {sizes}")
        pieces = [len(range(whole)[start : start + sizes]) for start in range(0, whole, sizes or 1)] or [0]
    else:
        pieces = list(sizes)
        if any(n < 0 for n in pieces) or math.fsum(pieces) != whole:
            raise ValueError(f"split_size_or_sections must add up to {whole}, got {tuple(pieces)}")
    return tuple((*tensor[:axis], n, *tensor[axis + 1 :]) for n in pieces)


def chunk(input: Sequence[int], chunks: int, dim: int = 0) -> tuple[Shape, ...]:
    """Pieces of ceil(S / chunks), as many as there are.

    Raises:
        ValueError: if `chunks` is not positive, or `dim` is no axis.

    Example:
        >>> chunk((5,), 4)
        ((2,), (2,), (1,))
    """
    if chunks < 1:
        raise ValueError(f"chunks must be positive, got {chunks}")
    whole = input[_axis(len(input), dim, "dim")] if input else 0
    return split(input, -(-whole // chunks) if whole else [0] * chunks, dim)


def sum(input: Sequence[int], dim: Dims = None, keepdim: bool = False) -> Shape:
    """The axes named, or all, dropped or left with size 1.

    Raises:
        ValueError: if `dim` names an axis twice or one that is not there.

    Example:
        >>> sum((4, 5, 6), (2, 1)), sum((4, 4), 1, keepdim=True)
        ((4,), (4, 1))
    """
    axes = _axes(len(input), () if dim is None else dim) or list(range(len(input)))
    return tuple(1 if axis in axes else n for axis, n in enumerate(input) if keepdim or axis not in axes)


def mean(input: Sequence[int], dim: Dims = None, keepdim: bool = False) -> Shape:
    """As `sum`.

    Example:
        >>> mean((4, 4), 1)
        (4,)
    """
    return sum(input, dim, keepdim)


def var(input: Sequence[int], dim: Dims = None, keepdim: bool = False) -> Shape:
    """As `sum`; a bool in place of `dim` is `unbiased`.

    Example:
        >>> var((4, 4), 1, keepdim=True)
        (4, 1)
    """
    return sum(input, None if isinstance(dim, bool) else dim, keepdim)


def max(input: Sequence[int], dim: int | None = None, keepdim: bool = False) -> Shape | tuple[Shape, Shape]:
    """() of all; along an axis two shapes, of values and indices.

    Raises:
        ValueError: if what is looked through is empty, or `dim` no axis.

    Example:
        >>> max((4, 4)), max((4, 5), 1)
        ((), ((4,), (4,)))
    """
    if dim is None:
        if 0 in input:
            raise ValueError(f"input must hold a number, got {tuple(input)}")
        return ()
    reduced = sum(input, dim, keepdim)
    if input and input[_axis(len(input), dim, "dim")] == 0:
        raise ValueError(f"dim must be an axis that is not empty, got {dim} of {tuple(input)}")
    return reduced, reduced


def min(input: Sequence[int], dim: int | None = None, keepdim: bool = False) -> Shape | tuple[Shape, Shape]:
    """As `max`.

    Example:
        >>> min((4, 4), 1)
        ((4,), (4,))
    """
    return max(input, dim, keepdim)


def _axis(rank: int, dim: int, name: str) -> int:
    axes = rank or 1
    if not -axes <= dim < axes:
        raise ValueError(f"{name} must be in [{-axes}, {axes - 1}] for {rank} axes, got {dim}")
    return dim % axes


def _axes(rank: int, dim: int | Sequence[int]) -> list[int]:
    axes = [_axis(rank, d, "dim") for d in ([dim] if isinstance(dim, int) else dim)]
    if len(set(axes)) != len(axes):
        raise ValueError(f"dim must name every axis once, got {dim}")
    return axes
