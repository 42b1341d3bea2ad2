"""Unpooling layers: no parameters, only how the windows lay.

Legend: N batch, C channels, *O windows, L, H, W, D sizes of what was pooled.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from refops.functional.unpooling import Size, max_unpool1d, max_unpool2d, max_unpool3d

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]


class _MaxUnpool(nn.Module):
    """What the three share: their arguments, kept as tuples of `spatial_axes` entries."""

    spatial_axes: int

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = self._entries(kernel_size)
        self.stride = self._entries(kernel_size if stride is None else stride)
        self.padding = self._entries(padding)

    def _entries(self, value: Size) -> tuple[int, ...]:
        return (value,) * self.spatial_axes if isinstance(value, int) else tuple(value)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Put the maxima that `MaxPool1d` found back to their places in L, zeros elsewhere.

    Native: `torch.nn.MaxUnpool1d`.

    Shape:
        (N, C, O) or (C, O) -> the same with L for O, or `output_size`; `indices` as the input.

    Raises:
        When called, as `refops.functional.max_unpool1d`.

    Example:
        >>> import torch
        >>> pooled, indices = torch.nn.MaxPool1d(2, return_indices=True)(torch.tensor([[1.0, 5.0, 2.0, 4.0, 9.0]]))
        >>> MaxUnpool1d(2)(pooled, indices, output_size=(5,))
        tensor([[0., 5., 0., 4., 0.]])
    """

    spatial_axes = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """From windows to L."""
        return max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Put the maxima that `MaxPool2d` found back to their places in H x W, zeros elsewhere.

    Native: `torch.nn.MaxUnpool2d`.

    Shape:
        (N, C, *O) or (C, *O) -> the same with H, W for *O, or `output_size`; `indices` as the input.

    Raises:
        When called, as `refops.functional.max_unpool2d`.

    Trap: pass `output_size=image.shape` unless the windows filled the image exactly: the indices count its rows.

    Example:
        >>> import torch
        >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> pooled, indices = torch.nn.MaxPool2d((2, 2), stride=(2, 2), return_indices=True)(image)
        >>> MaxUnpool2d((2, 2), stride=(2, 2))(pooled, indices)
        tensor([[[[ 0.,  0.,  0.,  0.],
                  [ 0.,  5.,  0.,  7.],
                  [ 0.,  0.,  0.,  0.],
                  [ 0., 13.,  0., 15.]]]])
    """

    spatial_axes = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """From windows to H x W."""
        return max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Put the maxima that `MaxPool3d` found back to their places in D x H x W, zeros elsewhere.

    Native: `torch.nn.MaxUnpool3d`.

    Shape:
        (N, C, *O) or (C, *O) -> the same with D, H, W for *O, or `output_size`; `indices` as the input.

    Raises:
        When called, as `refops.functional.max_unpool3d`.

    Example:
        >>> import torch
        >>> pooled, indices = torch.nn.MaxPool3d(3, stride=2, return_indices=True)(torch.randn(2, 3, 7, 9, 5))
        >>> MaxUnpool3d(3, stride=2)(pooled, indices).shape
        torch.Size([2, 3, 7, 9, 5])
    """

    spatial_axes = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """From windows to D x H x W."""
        return max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
