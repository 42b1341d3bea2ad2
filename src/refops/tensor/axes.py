"""Views that rearrange axes or cut along them, each a rule for sizes and strides (see `refops.tensor.strides`).

Legend: *A, *B any axes, S size of an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from refops.tensor.strides import Geometry, Ints, axis_of, given_sizes, relabel, require_int

__all__ = ["expand", "narrow", "permute", "select", "squeeze", "transpose", "unsqueeze"]


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes.

    Native: `torch.transpose`.

    Shape:
        (*A) -> (*A) with the sizes of `dim0` and `dim1` exchanged.

    Raises:
        IndexError: if `dim0` or `dim1` is no axis of `input`.
        TypeError: if one is no int.

    Trap: the result is a view that no longer lies in reading order: `view` may refuse it, `reshape` copies it.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.transpose.html

    Example:
        >>> import torch
        >>> transpose(torch.tensor([[1, 2, 3], [4, 5, 6]]), 0, 1)
        tensor([[1, 4],
                [2, 5],
                [3, 6]])
    """
    order = list(range(input.dim()))
    first, second = axis_of(input.dim(), dim0, "dim0"), axis_of(input.dim(), dim1, "dim1")
    if order:
        order[first], order[second] = second, first
    return permute(input, order)


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Put the axes into another order: axis i of the result is axis `dims[i]` of `input`.

    Native: `torch.permute`.

    Shape:
        (*A) -> (A[dims[0]], A[dims[1]], ...).

    Raises:
        RuntimeError: if `dims` does not name every axis once.
        IndexError: if it names an axis that is not there.
        TypeError: if it is no sequence of ints.

    Trap: `dims` says where each axis comes *from*. Undoing (2, 0, 1) takes (1, 2, 0).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.permute.html

    Example:
        >>> import torch
        >>> permute(torch.zeros(2, 3, 5), (2, 0, 1)).shape
        torch.Size([5, 2, 3])
    """
    if not isinstance(dims, Sequence) or isinstance(dims, str):
        raise TypeError(f"dims must be a sequence of ints, got {dims!r}")
    if len(dims) != input.dim():
        raise RuntimeError(f"dims must name each of {input.dim()} axes, got {tuple(dims)}")
    order = [axis_of(input.dim(), dim, "dims") for dim in dims]
    if len(set(order)) != len(order):
        raise RuntimeError(f"dims must name every axis once, got {tuple(dims)}")

    def rule(size: Ints, stride: Ints) -> Geometry:
        return tuple(size[axis] for axis in order), tuple(stride[axis] for axis in order), ()

    return relabel(input, rule)


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drop axes of size 1: all of them, or those named.

    Native: `torch.squeeze`.

    Shape:
        (*A, 1, *B) -> (*A, *B); a named axis of another size stays.

    Raises:
        IndexError: if `dim` names an axis that is not there.
        RuntimeError: if it names one twice.

    Trap: without `dim` a batch of one loses its batch axis too.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.squeeze.html

    Example:
        >>> import torch
        >>> squeeze(torch.zeros(2, 1, 3, 1)).shape, squeeze(torch.zeros(2, 1, 3, 1), 1).shape
        (torch.Size([2, 3]), torch.Size([2, 3, 1]))
    """
    named = range(input.dim()) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    axes = [axis_of(input.dim(), d) for d in named]
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"dim must name every axis once, got {dim}")

    def rule(size: Ints, stride: Ints) -> Geometry:
        kept = [axis for axis in range(len(size)) if axis not in axes or size[axis] != 1]
        return tuple(size[axis] for axis in kept), tuple(stride[axis] for axis in kept), ()

    return relabel(input, rule)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert an axis of size 1 at `dim`.

    Native: `torch.unsqueeze`.

    Shape:
        (*A, *B) -> (*A, 1, *B).

    Raises:
        IndexError: if `dim` is no axis of the result.
        TypeError: if it is no int.

    Trap: negative `dim` counts in the result: -1 appends an axis.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.unsqueeze.html

    Example:
        >>> import torch
        >>> unsqueeze(torch.zeros(2, 3), 1).shape
        torch.Size([2, 1, 3])
    """
    axis = axis_of(input.dim() + 1, dim)

    def rule(size: Ints, stride: Ints) -> Geometry:
        step = size[axis] * stride[axis] if axis < len(size) else 1
        return (*size[:axis], 1, *size[axis:]), (*stride[:axis], step, *stride[axis:]), ()

    return relabel(input, rule)


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Repeat axes of size 1 without copying: their stride becomes 0.

    Native: `torch.Tensor.expand`.

    Args:
        input: the tensor.
        sizes: the wanted sizes, -1 where an axis stays; as one sequence or one by one. More sizes than axes put new
            axes in front.

    Shape:
        (*A) -> (*B, *A) with any size in place of a 1.

    Raises:
        RuntimeError: if an axis that is not 1 is given another size, a new one is -1, or there are fewer sizes than
            axes.
        TypeError: if `sizes` holds something else than ints.

    Trap: many indices name one number: writing into the result is refused, or writes to all of them.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html

    Example:
        >>> import torch
        >>> expand(torch.tensor([[1], [2]]), -1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    wanted = given_sizes(sizes, "sizes")
    new = len(wanted) - input.dim()
    if new < 0:
        raise RuntimeError(f"sizes must have one entry per axis of {tuple(input.shape)} at least, got {wanted}")
    for i, n in enumerate(wanted):
        old = input.shape[i - new] if i >= new else 1
        if (n < 0 and (n != -1 or i < new)) or (n >= 0 and old not in (1, n)):
            raise RuntimeError(f"sizes must keep every axis of {tuple(input.shape)} that is not 1, got {wanted}")

    def rule(size: Ints, stride: Ints) -> Geometry:
        sizes, strides = list(wanted), [0] * len(wanted)
        for i in reversed(range(len(wanted))):
            if i >= new:
                old, step = size[i - new], stride[i - new]
            else:
                old, step = 1, sizes[i + 1] * strides[i + 1] if i + 1 < len(wanted) else 1
            sizes[i] = old if wanted[i] == -1 else wanted[i]
            strides[i] = step if sizes[i] == old and size else 0
        return tuple(sizes), tuple(strides), ()

    return relabel(input, rule)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The indices `start` to `start + length` of one axis.

    Native: `torch.narrow` with an int `start`.

    Shape:
        (*A, S, *B) -> (*A, length, *B).

    Raises:
        IndexError: if `dim` is no axis of `input`, or `start` lies outside of it.
        RuntimeError: if `length` is negative or reaches beyond the end, or `input` has no axes.
        TypeError: if one is no int.

    Trap: the third number is a length, where a slice has an end.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.narrow.html

    Example:
        >>> import torch
        >>> narrow(torch.arange(10), 0, 2, 3)
        tensor([2, 3, 4])
    """
    if input.dim() == 0:
        raise RuntimeError("input must have an axis to narrow, got a tensor without axes")
    for value, name in ((start, "start"), (length, "length")):
        require_int(value, name)
    axis = axis_of(input.dim(), dim)
    whole = input.shape[axis]
    if length < 0:
        raise RuntimeError(f"length must not be negative, got {length}")
    if not -whole <= start <= whole:
        raise IndexError(f"start must be in [{-whole}, {whole}], got {start}")
    begin = start + whole if start < 0 else start
    if begin + length > whole:
        raise RuntimeError(f"length must not reach beyond the end, got start {start}, length {length} of {whole}")

    def rule(size: Ints, stride: Ints) -> Geometry:
        first = tuple(begin if i == axis else 0 for i in range(len(size)))
        return (*size[:axis], length, *size[axis + 1 :]), stride, first

    return relabel(input, rule)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One index of one axis, which is dropped.

    Native: `torch.select`.

    Shape:
        (*A, S, *B) -> (*A, *B).

    Raises:
        IndexError: if `dim` is no axis of `input`, or `index` lies outside of it.
        TypeError: if one is no int.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.select.html

    Example:
        >>> import torch
        >>> select(torch.tensor([[1, 2], [3, 4]]), 1, -1)
        tensor([2, 4])
    """
    if input.dim() == 0:
        raise IndexError("input must have an axis to select from, got a tensor without axes")
    require_int(index, "index")
    axis = axis_of(input.dim(), dim)
    whole = input.shape[axis]
    if not -whole <= index < whole:
        raise IndexError(f"index must be in [{-whole}, {whole - 1}], got {index}")
    at = index % whole

    def rule(size: Ints, stride: Ints) -> Geometry:
        first = tuple(at if i == axis else 0 for i in range(len(size)))
        return size[:axis] + size[axis + 1 :], stride[:axis] + stride[axis + 1 :], first

    return relabel(input, rule)
