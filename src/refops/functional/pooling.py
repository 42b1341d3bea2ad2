"""Pooling in one, two and three dimensions: names and arguments; the arithmetic stands once in `pooling_axes`.

Legend: N batch, C channels, L, H, W, D spatial sizes, O windows along an axis, *O windows along each.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.memory_format import following
from refops.functional.pooling_axes import Size, find_max, flat_index, mean
from refops.functional.window import tuple_of

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest element of every window: out[o] = max over k of input[o * stride + k * dilation - padding].

    Native: `torch.nn.functional.max_pool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O), O as in `refops.shapes.max_pool1d`; with `return_indices` a pair
        of that shape.

    Raises:
        RuntimeError: on another rank, empty axes but the batch, a kernel, stride or dilation below 1, a padding over
            half of the kernel, or where no window fits.
        NotImplementedError: on complex and boolean input; in one dimension without indices on integers too.

    Trap: padding is -inf, not zero: the maximum of negative numbers stays negative.

    Source: torch.nn.MaxPool1d, documentation.

    Example:
        >>> import torch
        >>> max_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2, stride=1)
        tensor([[5., 5., 4.]])
    """
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating where no indices are asked for, got {input.dtype}")
    return find_max(1, input, kernel_size, stride, padding, dilation, ceil_mode)[0]


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest element of every window of H x W.

    Native: `torch.nn.functional.max_pool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W. Indices are flat in H x W of one channel, and do not
        count padding.

    Raises:
        As `max_pool1d`.

    Trap: among equals the first in row-major order is *the* maximum: the index names it and it gets the whole
        gradient, where `amax` shares it out. NaN beats everything; of several NaN the last is named.

    Trap: with `ceil_mode` a window that would start in the right padding is dropped: rounding up alone is one too many.

    Source: torch.nn.MaxPool2d, documentation.

    Example:
        >>> import torch
        >>> max_pool2d(torch.tensor([[[1.0, 3.0], [3.0, 2.0]]]), 2, return_indices=True)
        (tensor([[[3.]]]), tensor([[[1]]]))
    """
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return find_max(2, input, kernel_size, stride, padding, dilation, ceil_mode)[0]


def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest element of every window of D x H x W.

    Native: `torch.nn.functional.max_pool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        As `max_pool1d`.

    Example:
        >>> import torch
        >>> max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        tensor([[[[7.]]]])
    """
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return find_max(3, input, kernel_size, stride, padding, dilation, ceil_mode)[0]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` and the places of the maxima, whatever `return_indices` says.

    Native: `torch.nn.functional.max_pool1d_with_indices`.

    Shape:
        As `max_pool1d`, twice; the indices are int64.

    Raises:
        As `max_pool1d`.

    Example:
        >>> import torch
        >>> max_pool1d_with_indices(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
        (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    values, places, axes = find_max(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return values, following(flat_index(places, axes), input)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` and the places of the maxima, whatever `return_indices` says.

    Native: `torch.nn.functional.max_pool2d_with_indices`.

    Shape:
        As `max_pool2d`, twice; the indices are int64.

    Raises:
        As `max_pool1d`.

    Example:
        >>> import torch
        >>> max_pool2d_with_indices(torch.arange(6.0).reshape(1, 2, 3), 2)
        (tensor([[[4.]]]), tensor([[[4]]]))
    """
    values, places, axes = find_max(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return values, following(flat_index(places, axes), input)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` and the places of the maxima, whatever `return_indices` says.

    Native: `torch.nn.functional.max_pool3d_with_indices`.

    Shape:
        As `max_pool3d`, twice; the indices are int64.

    Raises:
        As `max_pool1d`.

    Example:
        >>> import torch
        >>> max_pool3d_with_indices(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        (tensor([[[[7.]]]]), tensor([[[[7]]]]))
    """
    values, places, axes = find_max(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return values, following(flat_index(places, axes), input)


def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of every window: out[o] = sum over k of input[o * stride + k - padding] / divisor.

    Native: `torch.nn.functional.avg_pool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O), O as in `refops.shapes.avg_pool1d`.

    Raises:
        RuntimeError: on another rank, empty axes but the batch, a kernel or stride below 1, a padding over half of the
            kernel, or where no window fits.
        NotImplementedError: on dtypes other than the floating ones and int64 (which is divided towards zero).

    Trap: half precision is summed in float32 and rounded once; summed in float16, four times 60000 is inf.

    Source: torch.nn.AvgPool1d, documentation.

    Example:
        >>> import torch
        >>> avg_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
        tensor([[3., 3.]])
    """
    return mean(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of every window of H x W.

    Native: `torch.nn.functional.avg_pool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W.

    Raises:
        What `avg_pool1d` raises, and
        RuntimeError: on a `divisor_override` of 0.
        TypeError: on a `divisor_override` that is no int.

    Trap: padding counts in the divisor unless `count_include_pad=False`, but what `ceil_mode` adds on the right never
        does, so with `ceil_mode` the divisor differs from window to window either way.

    Source: torch.nn.AvgPool2d, documentation.

    Example:
        >>> import torch
        >>> avg_pool2d(torch.ones(1, 2, 2), 2, padding=1, count_include_pad=False)
        tensor([[[1., 1.],
                 [1., 1.]]])
    """
    return mean(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of every window of D x H x W.

    Native: `torch.nn.functional.avg_pool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        What `avg_pool2d` raises, and
        RuntimeError: on a kernel larger than the input, though padding would make it fit: only in three dimensions.

    Example:
        >>> import torch
        >>> avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        tensor([[[[3.5000]]]])
    """
    kernels = tuple_of(3, kernel_size, "kernel_size")
    if any(0 < size < k for k, size in zip(kernels, input.shape[-3:], strict=False)):
        raise RuntimeError(f"kernel_size must not exceed the input, got {kernels} for shape {tuple(input.shape)}")
    return mean(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
