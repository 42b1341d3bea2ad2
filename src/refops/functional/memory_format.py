"""How a result lies in memory: torch's kernels answer with channels last where their input lies so, else row by row.

Row by row the last axis is the fastest. With channels last the C numbers of one position stand side by side: axis 1 is
the fastest, though the shape is still (N, C, *S). What is computed here axis by axis comes out in whatever order the
steps left it; `following` brings it into the one native gives, so that `view` works on both results or on neither.

Legend: N batch, C channels, *S two or three spatial axes.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["channels_last", "following"]


def channels_last(input: Tensor) -> bool:
    """Whether a tensor (N, C, *S) lies with channels last: strides that grow in the order C, *S from its end, N.

    Where axes of size 1 leave both open, the strides of those decide, and all being alike, it lies row by row.

    Example:
        >>> import torch
        >>> channels_last(torch.ones(2, 3, 4, 5)), channels_last(torch.ones(2, 4, 5, 3).movedim(-1, 1))
        (False, True)
    """
    n, shape, stride = input.dim(), input.shape, input.stride()
    if n not in (4, 5) or stride[1] == 0 or stride[1] > stride[-1]:
        return False
    least = 0
    for axis in (1, *range(n - 1, 1, -1), 0):
        if shape[axis] == 0 or stride[axis] < least or (axis == 0 and least == stride[1]):
            return False
        least = stride[axis] * shape[axis]
    return True


def following(output: Tensor, *inputs: Tensor) -> Tensor:
    """The output with channels last if one of the inputs lies so, else row by row; copied only where it lies otherwise.

    Example:
        >>> import torch
        >>> image = torch.ones(2, 4, 5, 3).movedim(-1, 1)
        >>> following(torch.ones(2, 3, 2, 2), image).stride()
        (12, 1, 6, 3)
    """
    if any(map(channels_last, inputs)):
        return output.movedim(1, -1).contiguous().movedim(-1, 1)
    return output.contiguous()
