"""Convolution is a matrix product, and the matrix is mostly zeros: row = output, column = input, entry = kernel weight.

Between one axis' output p and input s the matrix shows the kernel entry k with stride p + dilation k - padding = s,
and 0 where there is none. Its transpose is transposed convolution; it is not its inverse.

Legend: C input channels, O output channels, G groups, *S spatial axes of the input, *P of the output, *K kernel
offsets; |S| and |P| are their products.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from refops.functional.convolution import _positions, _widths
from refops.functional.window import tuple_of

__all__ = ["convolution_matrix"]

Size = int | Sequence[int]


def convolution_matrix(
    weight: Tensor,
    input_size: Sequence[int],
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The matrix K whose product with an image is the image's convolution.

    K @ x.flatten() = conv(x, weight).flatten() and K.T @ y.flatten() = conv_transpose(y, weight).flatten()

    Native: none; `torch.nn.functional.conv2d` of every unit image gives its columns.

    Args:
        weight: as a convolution takes it.
        input_size: the spatial axes *S of the image, as many as the kernel has.
        stride: of the convolution, as the next three.
        padding: a number, one per axis, 'same' or 'valid'.
        dilation: the distance of kernel entries.
        groups: G.

    Shape:
        weight (O, C / G, *K) -> (O * |P|, C * |S|): 4 x 16 for a 4 x 4 image and a 3 x 3 kernel.

    Raises:
        RuntimeError: if weight and input_size differ in their number of axes, or as a convolution of that image.

    Trap: `K.T @ K` is not the identity: a transposed convolution gives the shape back, not the image.

    Source: Dumoulin & Visin, arXiv 1603.07285, sections 4.1 and 4.2.

    Example:
        >>> convolution_matrix(torch.tensor([[[1.0, 2.0]]]), (4,))
        tensor([[1., 2., 0., 0.],
                [0., 1., 2., 0.],
                [0., 0., 1., 2.]])
        >>> convolution_matrix(torch.ones(1, 1, 3, 3), (4, 4)).shape
        torch.Size([4, 16])
    """
    n = len(input_size)
    if weight.dim() != n + 2:
        raise RuntimeError(
            f"weight must have {n + 2} axes, (out_channels, in_channels / groups, *kernel_size), for input_size "
            f"{tuple(input_size)}, got {tuple(weight.shape)}"
        )
    if groups < 1 or weight.shape[0] < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"groups must be positive and divide out_channels, got {groups} for {tuple(weight.shape)}")
    kernel_size = tuple(weight.shape[2:])
    stride, dilation = tuple_of(n, stride, "stride"), tuple_of(n, dilation, "dilation")
    widths = _widths(n, padding, kernel_size, stride, dilation)
    positions = _positions(input_size, kernel_size, widths, stride, dilation)
    matrix = _block_diagonal(weight, groups)  # (O, C, *K)
    for axis, (p, s) in enumerate(zip(positions, input_size, strict=True)):
        outputs, inputs = torch.arange(p, device=weight.device), torch.arange(s, device=weight.device)
        distance = inputs + widths[axis][0] - stride[axis] * outputs[:, None]  # (P, S), dilation k where k is seen
        matrix = _spread(matrix, 2 + 2 * axis, distance, dilation[axis])
    order = [0, *range(2, 2 + 2 * n, 2), 1, *range(3, 3 + 2 * n, 2)]
    return matrix.permute(order).flatten(n + 1).flatten(0, n)  # (O, *P, C, *S) as rows and columns


def _spread(weight: Tensor, axis: int, distance: Tensor, dilation: int) -> Tensor:
    """The kernel axis (K) becomes (P, S): the entry at that distance, 0 where the distance has none."""
    size = weight.shape[axis]
    seen = (distance % dilation == 0) & (distance >= 0) & (distance <= dilation * (size - 1))
    entry = torch.where(seen, distance, 0).flatten() // dilation
    spread = weight.index_select(axis, entry).unflatten(axis, distance.shape)
    return torch.where(seen.view(*seen.shape, *(1,) * (spread.dim() - axis - 2)), spread, 0)


def _block_diagonal(weight: Tensor, groups: int) -> Tensor:
    """(O, C / G, *K) to (O, C, *K): 0 between channels of different groups."""
    if groups == 1:
        return weight
    out, each = weight.shape[0] // groups, weight.shape[1]
    group = torch.arange(groups, device=weight.device)
    same = group.view(-1, 1, 1, 1) == group.view(1, 1, -1, 1)  # (G, 1, G, 1)
    split = weight.unflatten(0, (groups, out)).unsqueeze(2)  # (G, O / G, 1, C / G, *K)
    blocks = torch.where(same.view(*same.shape, *(1,) * (weight.dim() - 2)), split, 0)
    return blocks.reshape(groups * out, groups * each, *weight.shape[2:])
