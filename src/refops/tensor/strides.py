"""The one idea of tensor views: a tensor is a start, a size and a stride per axis; a view changes these, no number.

The number at index (i, j, ...) lies at start + i * stride[0] + j * stride[1] + ... in the storage. So a view is a
*rule* from (size, stride) to (size, stride, shift): transposing swaps two entries, expanding sets a stride to 0,
slicing shifts the start. The same rule applied to row-major strides says which number of the input, counted in reading
order, every number of the view is: that is all its gradient needs.

Legend: S size and s stride of an axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from refops.hand_derived import HandDerived, call

__all__ = [
    "Geometry",
    "Rule",
    "axis_of",
    "given_sizes",
    "laid_like",
    "numel",
    "overlaps",
    "relabel",
    "require_int",
    "row_major",
]

Ints = tuple[int, ...]
Geometry = tuple[Ints, Ints, Ints]  # size, stride, and the first index taken along each axis of the input
Rule = Callable[[Ints, Ints], Geometry]


def relabel(input: Tensor, rule: Rule) -> Tensor:
    """The view of `input` that `rule` describes: the same storage, other labels.

    Example:
        >>> import torch
        >>> relabel(torch.arange(6).view(2, 3), lambda size, stride: (size[::-1], stride[::-1], ()))
        tensor([[0, 3],
                [1, 4],
                [2, 5]])
    """
    size, stride, first = rule(tuple(input.shape), input.stride())
    if input.requires_grad and (overlaps(input.shape, input.stride()) or overlaps(size, stride)):
        view: Tensor = call(Relabelled, input, rule)
        return view
    return _view(input, size, stride, first)


class Relabelled(HandDerived):
    """A view in which several indices name one number, or of such a view.

    The gradient that torch knows for `as_strided` is that of the storage; here every index is a variable of its own.
    """

    @staticmethod
    def forward(input: Tensor, rule: Rule) -> Tensor:
        """The view."""
        return _view(input, *rule(tuple(input.shape), input.stride()))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """The shape is all that must be kept."""
        input, ctx.rule = inputs
        ctx.shape = tuple(input.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Numbers read several times collect a sum; then each is written to where it came from."""
        size, stride, first = ctx.rule(ctx.shape, row_major(ctx.shape))
        repeated = [axis for axis, (n, s) in enumerate(zip(size, stride, strict=True)) if s == 0 and n != 1]
        if repeated:
            gradient = gradient.sum(repeated, keepdim=True)
            size = tuple(1 if axis in repeated else n for axis, n in enumerate(size))
        result = gradient.new_zeros(ctx.shape)
        _view(result, size, stride, first).copy_(gradient)
        return result, None

    @staticmethod
    def tangent(ctx: Any, t: Tensor, _: None) -> Tensor:
        """The same view of the direction."""
        return relabel(t, ctx.rule)


def _view(input: Tensor, size: Ints, stride: Ints, first: Ints) -> Tensor:
    if any(first) and torch.compiler.is_compiling():  # the start is the one number a compiler does not read
        for axis, index in enumerate(first):
            input = torch.ops.aten.slice.Tensor(input, axis, index)
        return input.as_strided(size, stride)
    if not any(first):
        return input.as_strided(size, stride)
    shift = sum(index * s for index, s in zip(first, input.stride(), strict=True))
    return input.as_strided(size, stride, input.storage_offset() + shift)


def row_major(size: Sequence[int]) -> Ints:
    """The strides of a tensor that lies in reading order: s[i] = S[i+1] * S[i+2] * ...

    Example:
        >>> row_major((2, 3, 4))
        (12, 4, 1)
    """
    strides = [1]
    for n in reversed(size[1:]):
        strides.append(strides[-1] * max(n, 1))
    return tuple(reversed(strides[: len(size)]))


def overlaps(size: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether two indices may name one place: some stride does not step over all that the smaller ones reach.

    Example:
        >>> overlaps((3, 4), (4, 1)), overlaps((3, 4), (0, 1)), overlaps((3, 4), (2, 1))
        (False, True, True)
    """
    if numel(size) == 0:
        return False
    axes = [(s, n) for s, n in zip(stride, size, strict=True) if n != 1]
    for i, (s, _) in enumerate(axes):
        below = [t * (n - 1) for j, (t, n) in enumerate(axes) if t < s or (t == s and j < i)]
        if s <= sum(below):
            return True
    return False


def laid_like(result: Tensor, *operands: Tensor) -> Tensor:
    """The result without gaps, in the order of axes in which torch answers for operands that were broadcast to it.

    Example:
        >>> import torch
        >>> laid_like(torch.ones(3, 4), torch.ones(3, 1), torch.ones(4, 3).t()).stride()
        (1, 3)
    """
    order = _slowest_first(result.shape, [_steps(result.shape, t) for t in operands])
    return result.permute(order).contiguous().permute([order.index(axis) for axis in range(len(order))])


def _steps(size: Sequence[int], operand: Tensor) -> Ints:
    """The strides of an operand over a size it is broadcast to: 0 where it is repeated."""
    missing = len(size) - operand.dim()
    axes = zip(size[missing:], operand.shape, operand.stride(), strict=True)
    return (0,) * missing + tuple(0 if m == 1 != n else s for n, m, s in axes)


def _slowest_first(size: Sequence[int], strides: Sequence[Sequence[int]]) -> list[int]:
    """The first operand that steps along both of two axes says which is slower; where none does, the axes stay.

    An axis along which an operand is repeated has stride 0 and says nothing.
    """

    def slower(i: int, j: int) -> int:
        for stride in strides:
            if stride[i] and stride[j] and (stride[i], size[i]) > (stride[j], size[j]):
                return 1
            if stride[i] and stride[j] and stride[i] < stride[j]:
                return -1
        return 0

    order = list(reversed(range(len(size))))  # fastest first, while it is sorted
    for place in range(1, len(order)):
        for before in reversed(range(place)):
            decided = slower(order[before], order[place])
            if decided < 0:
                break
            if decided > 0:
                order[before], order[place] = order[place], order[before]
                place = before
    return order[::-1]


def numel(size: Sequence[int]) -> int:
    """How many numbers a tensor of this size holds.

    Example:
        >>> numel((2, 3)), numel(())
        (6, 1)
    """
    count = 1
    for n in size:
        count *= n
    return count


def axis_of(rank: int, dim: Any, name: str = "dim") -> int:
    """The axis that `dim` names, counted from the front; a tensor without axes is given one.

    Raises:
        IndexError: if there is no such axis.
        TypeError: if it is no int.

    Example:
        >>> axis_of(3, -1)
        2
    """
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise TypeError(f"{name} must be an int, got {dim!r}")
    axes = max(rank, 1)
    if not -axes <= dim < axes:
        raise IndexError(f"{name} must be in [{-axes}, {axes - 1}] for a tensor of {rank} axes, got {dim}")
    return dim % axes


def given_sizes(shape: tuple[Any, ...], name: str) -> Ints:
    """Sizes given as one sequence or one by one.

    Raises:
        TypeError: if one of them is no int.
    """
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    if isinstance(sizes, str):
        raise TypeError(f"{name} must hold ints, got {sizes!r}")
    for n in sizes:
        require_int(n, name)
    return tuple(sizes)


def require_int(value: Any, name: str) -> None:
    """Refuse what is no int, booleans included.

    Raises:
        TypeError: naming the argument.
    """
    if not isinstance(value, int | torch.SymInt) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got {value!r}")
