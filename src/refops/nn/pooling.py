"""Pooling layers: no parameters, only how the windows lie.

Legend: N batch, C channels, L, H, W, D spatial sizes, *O windows along each.
"""

from __future__ import annotations

from torch import Tensor, nn

from refops.functional.pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from refops.functional.pooling_axes import Size

__all__ = ["AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d"]


class _MaxPool(nn.Module):
    """What the three maxima share: their arguments."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
            f", dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Largest element of every window of L, with `return_indices` also where it stands.

    Native: `torch.nn.MaxPool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O).

    Raises:
        When called, as `refops.functional.max_pool1d`.

    Example:
        >>> import torch
        >>> MaxPool1d(3, stride=2)(torch.randn(20, 16, 50)).shape
        torch.Size([20, 16, 24])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last axis."""
        return max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool2d(_MaxPool):
    """Largest element of every window of H x W, with `return_indices` also where it stands.

    Native: `torch.nn.MaxPool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W.

    Raises:
        When called, as `refops.functional.max_pool2d`.

    Trap: `stride` defaults to the kernel size, not to 1; `padding` is -inf, not zero.

    Example:
        >>> import torch
        >>> MaxPool2d((3, 2), stride=(2, 1))(torch.randn(20, 16, 50, 32)).shape
        torch.Size([20, 16, 24, 31])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last 2 axes."""
        return max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool3d(_MaxPool):
    """Largest element of every window of D x H x W, with `return_indices` also where it stands.

    Native: `torch.nn.MaxPool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        When called, as `refops.functional.max_pool3d`.

    Example:
        >>> import torch
        >>> MaxPool3d(2)(torch.randn(2, 16, 5, 8, 8)).shape
        torch.Size([2, 16, 2, 4, 4])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the last 3 axes."""
        return max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class _AvgPool(nn.Module):
    """What the three means share: their arguments but the divisor."""

    def __init__(
        self, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool, count_include_pad: bool
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """Mean of every window of L.

    Native: `torch.nn.AvgPool1d`, which keeps its numbers as tuples of one and has no `divisor_override`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O).

    Raises:
        When called, as `refops.functional.avg_pool1d`.

    Example:
        >>> import torch
        >>> AvgPool1d(3, stride=2)(torch.tensor([[1.0, 2, 3, 4, 5, 6, 7]]))
        tensor([[2., 4., 6.]])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        stride = kernel_size if stride is None else stride
        super().__init__(_single(kernel_size), _single(stride), _single(padding), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last axis."""
        return avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


def _single(value: Size) -> Size:
    return (value,) if isinstance(value, int) else tuple(value)


class AvgPool2d(_AvgPool):
    """Mean of every window of H x W: sum over the elements that count, or over `divisor_override`.

    Native: `torch.nn.AvgPool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W.

    Raises:
        When called, as `refops.functional.avg_pool2d`.

    Example:
        >>> import torch
        >>> AvgPool2d(3, stride=2)(torch.randn(20, 16, 50, 32)).shape
        torch.Size([20, 16, 24, 15])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last 2 axes."""
        return avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPool):
    """Mean of every window of D x H x W: sum over the elements that count, or over `divisor_override`.

    Native: `torch.nn.AvgPool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        When called, as `refops.functional.avg_pool3d`.

    Example:
        >>> import torch
        >>> AvgPool3d(2)(torch.randn(2, 16, 5, 8, 8)).shape
        torch.Size([2, 16, 2, 4, 4])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool the last 3 axes."""
        return avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
