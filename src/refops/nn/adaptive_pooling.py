"""Adaptive pooling layers: no parameters, only the output's size.

Legend: N batch, C channels, L, H, W, D spatial sizes, *S any of them, *O bins along each.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from refops.functional.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    global_average_pool,
)

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "GlobalAveragePool",
]

Size = int | Sequence[int | None]


class _AdaptiveAvgPool(nn.Module):
    """What the three means share: the output's size."""

    def __init__(self, output_size: Size) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Mean of every bin of L.

    Native: `torch.nn.AdaptiveAvgPool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O).

    Raises:
        When called, as `refops.functional.adaptive_avg_pool1d`.

    Example:
        >>> import torch
        >>> AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]))
        tensor([[2., 4.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last axis."""
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Mean of every bin of H x W.

    Native: `torch.nn.AdaptiveAvgPool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W.

    Raises:
        When called, as `refops.functional.adaptive_avg_pool2d`.

    Trap: bins overlap where the sizes do not divide; only at size 1 is it global average pooling.

    Example:
        >>> import torch
        >>> AdaptiveAvgPool2d((None, 7))(torch.randn(1, 64, 10, 9)).shape
        torch.Size([1, 64, 10, 7])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last 2 axes."""
        return adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Mean of every bin of D x H x W.

    Native: `torch.nn.AdaptiveAvgPool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        When called, as `refops.functional.adaptive_avg_pool3d`.

    Example:
        >>> import torch
        >>> AdaptiveAvgPool3d((5, 7, 9))(torch.randn(1, 64, 8, 9, 10)).shape
        torch.Size([1, 64, 5, 7, 9])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last 3 axes."""
        return adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(nn.Module):
    """What the three maxima share: the output's size, and whether places are asked for."""

    def __init__(self, output_size: Size, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest element of every bin of L, with `return_indices` also where it stands.

    Native: `torch.nn.AdaptiveMaxPool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O).

    Raises:
        When called, as `refops.functional.adaptive_max_pool1d`.

    Example:
        >>> import torch
        >>> AdaptiveMaxPool1d(2, return_indices=True)(torch.tensor([[1.0, 5.0, 2.0, 4.0, 3.0]]))
        (tensor([[5., 4.]]), tensor([[1, 3]]))
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last axis."""
        return adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest element of every bin of H x W, with `return_indices` also where it stands.

    Native: `torch.nn.AdaptiveMaxPool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W.

    Raises:
        When called, as `refops.functional.adaptive_max_pool2d`.

    Example:
        >>> import torch
        >>> AdaptiveMaxPool2d((5, 7))(torch.randn(1, 64, 8, 9)).shape
        torch.Size([1, 64, 5, 7])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last 2 axes."""
        return adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest element of every bin of D x H x W, with `return_indices` also where it stands.

    Native: `torch.nn.AdaptiveMaxPool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        When called, as `refops.functional.adaptive_max_pool3d`.

    Example:
        >>> import torch
        >>> AdaptiveMaxPool3d((7, None, None))(torch.randn(1, 8, 10, 9, 8)).shape
        torch.Size([1, 8, 7, 9, 8])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last 3 axes."""
        return adaptive_max_pool3d(input, self.output_size, self.return_indices)


class GlobalAveragePool(nn.Module):
    """Mean of all positions of each channel, whatever their number.

    Native: none; see `refops.functional.global_average_pool`.

    Args:
        keepdim: leave every spatial axis in place, with size 1.

    Shape:
        (N, C, *S) -> (N, C), or (N, C, 1, ...) with `keepdim`.

    Raises:
        When called, as `refops.functional.global_average_pool`.

    Example:
        >>> import torch
        >>> GlobalAveragePool()(torch.randn(2, 512, 7, 5)).shape
        torch.Size([2, 512])
    """

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, input: Tensor) -> Tensor:
        """Pool every axis after the second."""
        return global_average_pool(input, self.keepdim)

    def extra_repr(self) -> str:
        """The constructor's argument."""
        return f"keepdim={self.keepdim}"
