"""Output shapes of pooling: each spatial axis by itself, S elements to O windows.

O = floor((S + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1; with `ceil_mode` the division rounds up,
and a last window that would start beyond input and left padding is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"]

Size = int | Sequence[int]
Shape = tuple[int, ...]


def max_pool1d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    return_indices: bool = False,
    ceil_mode: bool = False,
) -> Shape | tuple[Shape, Shape]:
    """(N, C, L) or (C, L) -> the same with O for L; with `return_indices` twice.

    Raises:
        ValueError: for what `torch.nn.MaxPool1d` refuses.

    Example:
        >>> max_pool1d((20, 16, 50), 3, stride=2)
        (20, 16, 24)
    """
    output = _pooled(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return (output, output) if return_indices else output


def max_pool2d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    return_indices: bool = False,
    ceil_mode: bool = False,
) -> Shape | tuple[Shape, Shape]:
    """(N, C, H, W) or (C, H, W) -> the same with O for each of H, W; with `return_indices` twice.

    Raises:
        ValueError: for what `torch.nn.MaxPool2d` refuses.

    Example:
        >>> max_pool2d((20, 16, 50, 32), (3, 2), stride=(2, 1))
        (20, 16, 24, 31)
    """
    output = _pooled(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return (output, output) if return_indices else output


def max_pool3d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    return_indices: bool = False,
    ceil_mode: bool = False,
) -> Shape | tuple[Shape, Shape]:
    """(N, C, D, H, W) or (C, D, H, W) -> the same with O for each of D, H, W; with `return_indices` twice.

    Raises:
        ValueError: for what `torch.nn.MaxPool3d` refuses.

    Example:
        >>> max_pool3d((20, 16, 50, 44, 31), 3, stride=2)
        (20, 16, 24, 21, 15)
    """
    output = _pooled(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return (output, output) if return_indices else output


def avg_pool1d(
    input: Sequence[int], kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False
) -> Shape:
    """(N, C, L) or (C, L) -> the same with O for L.

    Raises:
        ValueError: for what `torch.nn.AvgPool1d` refuses.

    Example:
        >>> avg_pool1d((20, 16, 50), 3, stride=2)
        (20, 16, 24)
    """
    return _pooled(1, input, kernel_size, stride, padding, 1, ceil_mode)


def avg_pool2d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    divisor_override: int | None = None,
) -> Shape:
    """(N, C, H, W) or (C, H, W) -> the same with O for each of H, W.

    Raises:
        ValueError: for what `torch.nn.AvgPool2d` refuses.

    Example:
        >>> avg_pool2d((20, 16, 50, 32), (3, 2), stride=(2, 1))
        (20, 16, 24, 31)
    """
    _require_divisor(divisor_override)
    return _pooled(2, input, kernel_size, stride, padding, 1, ceil_mode)


def avg_pool3d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    divisor_override: int | None = None,
) -> Shape:
    """(N, C, D, H, W) or (C, D, H, W) -> the same with O for each of D, H, W.

    Raises:
        ValueError: for what `torch.nn.AvgPool3d` refuses; a kernel larger than the input is, though padding would fill
            it up.

    Example:
        >>> avg_pool3d((20, 16, 50, 44, 31), 3, stride=2)
        (20, 16, 24, 21, 15)
    """
    _require_divisor(divisor_override)
    kernels = _spread(3, kernel_size, "kernel_size")
    if any(0 < size < k for k, size in zip(kernels, input[-3:], strict=False)):
        raise ValueError(f"kernel_size must not exceed the input, got {kernels} for {tuple(input)}")
    return _pooled(3, input, kernel_size, stride, padding, 1, ceil_mode)


def _pooled(
    n: int,
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> Shape:
    if len(input) not in (n + 1, n + 2) or 0 in input[-(n + 1) :]:
        raise ValueError(f"input must have {n + 1} or {n + 2} axes, none empty but the batch, got {tuple(input)}")
    kernels = _spread(n, kernel_size, "kernel_size", least=1)
    strides = kernels if stride is None or stride == () else _spread(n, stride, "stride", least=1)
    paddings = _spread(n, padding, "padding", least=0)
    dilations = _spread(n, dilation, "dilation", least=1)
    if any(2 * p > k for p, k in zip(paddings, kernels, strict=True)):
        raise ValueError(f"padding must be at most half of kernel_size {kernels}, got {paddings}")
    spatial = tuple(map(_count, input[-n:], kernels, strides, paddings, dilations, (ceil_mode,) * n))
    if min(spatial) < 1:
        raise ValueError(f"kernel_size must fit into the padded input, got {kernels} for {tuple(input)}: {spatial}")
    return (*input[:-n], *spatial)


def _count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows one axis holds; not positive where none fits."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def _spread(n: int, value: Size, name: str, least: int | None = None) -> Shape:
    """`value` for each of `n` axes, none below `least`."""
    values = (value,) * n if isinstance(value, int) else tuple(value)
    values = values * n if len(values) == 1 else values
    if len(values) != n:
        raise ValueError(f"{name} must be an int or have {n} entries, got {values}")
    if least is not None and min(values) < least:
        raise ValueError(f"{name} must be at least {least}, got {values}")
    return values


def _require_divisor(divisor_override: int | None) -> None:
    if divisor_override == 0:
        raise ValueError("divisor_override must not be zero, got 0")
