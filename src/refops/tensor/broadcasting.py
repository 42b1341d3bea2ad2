"""Broadcasting: shapes are aligned from the right, and an axis of size 1 is repeated without being copied."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from refops.tensor.axes import expand
from refops.tensor.strides import Ints


def broadcast_shape(*shapes: Sequence[int]) -> Ints:
    """The shape that all are expanded to.

    Native: `torch.broadcast_shapes`.

    Shape:
        From the right: 1 and n give n, n and n give n, a missing axis and n give n.

    Raises:
        RuntimeError: if two sizes differ and neither is 1.

    Trap: (3,) and (3, 1) meet as (3, 3): a missing axis is always one on the left.

    Source: https://docs.pytorch.org/docs/stable/notes/broadcasting.html

    Example:
        >>> broadcast_shape((3, 1), (4,)), broadcast_shape((5, 1, 4), (3, 1), ())
        ((3, 4), (5, 3, 4))
    """
    rank = max([0, *[len(shape) for shape in shapes]])
    result = [1] * rank
    for shape in shapes:
        for axis, n in enumerate(shape, start=rank - len(shape)):
            if n != 1 and result[axis] not in (1, n):
                raise RuntimeError(f"shapes must agree in every axis that is not 1, got {[tuple(s) for s in shapes]}")
            result[axis] = result[axis] if n == 1 else n
    return tuple(result)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Every tensor expanded to the shape they have in common.

    Native: `torch.broadcast_tensors`.

    Shape:
        (*A), (*B), ... -> (*S) each.

    Raises:
        RuntimeError: if two sizes differ and neither is 1.

    Trap: the results are views in which one number stands at many places.

    Example:
        >>> import torch
        >>> [t.tolist() for t in broadcast_tensors(torch.tensor([1, 2]), torch.tensor([[3], [4]]))]
        [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    return expanded("tensors", *tensors)


def expanded(names: str, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in their common shape; an error calls them by these names."""
    try:
        size = broadcast_shape(*(t.shape for t in tensors))
    except RuntimeError as error:
        raise RuntimeError(f"{names} must have shapes that meet: {error}") from error
    return tuple(expand(t, *size) if size else t for t in tensors)
