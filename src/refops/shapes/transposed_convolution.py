"""Output shapes of transposed convolution, of convolution as a matrix, and of the depthwise separable layer.

S = (P - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1

Legend: N batch, P size of a spatial axis of the input, S of the output, K size of the kernel there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from refops.shapes.convolution import _conv as conv
from refops.shapes.convolution import _each, _require_channels, conv2d

__all__ = [
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution_matrix",
    "depthwise_separable_conv2d",
]

Size = int | Sequence[int]


def conv_transpose1d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    in_channels: int | None = None,
    output_size: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, P) -> (N, out_channels, S), or both without N. Raises as `conv_transpose2d`.

    Example:
        >>> conv_transpose1d((20, 16, 50), 33, 3, stride=2)
        (20, 33, 101)
    """
    return _transposed(
        1, input, out_channels, kernel_size, stride, padding, output_padding, groups, dilation, in_channels, output_size
    )


def conv_transpose2d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    in_channels: int | None = None,
    output_size: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, H, W) -> (N, out_channels, *S), or both without N.

    `output_size`, the spatial axes that are wanted or the whole shape, takes the place of `output_padding`.

    Raises:
        ValueError: if rank or channels of `input` do not fit, nothing of the output is left, `output_size` cannot be
            reached, or an argument is one that native refuses.

    Example:
        >>> conv_transpose2d((20, 16, 50, 100), 33, (3, 5), stride=(2, 1), padding=(4, 2))
        (20, 33, 93, 100)
        >>> conv_transpose2d((1, 16, 6, 6), 16, 3, stride=2, padding=1, output_size=(12, 12))
        (1, 16, 12, 12)
    """
    return _transposed(
        2, input, out_channels, kernel_size, stride, padding, output_padding, groups, dilation, in_channels, output_size
    )


def conv_transpose3d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    in_channels: int | None = None,
    output_size: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, D, H, W) -> (N, out_channels, *S), or both without N. Raises as `conv_transpose2d`.

    Example:
        >>> conv_transpose3d((2, 4, 5, 6, 7), 8, 2, stride=2)
        (2, 8, 10, 12, 14)
    """
    return _transposed(
        3, input, out_channels, kernel_size, stride, padding, output_padding, groups, dilation, in_channels, output_size
    )


def convolution_matrix(
    weight: Sequence[int],
    input_size: Sequence[int],
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[int, int]:
    """(O, C / G, *K) -> (O * |P|, C * |S|): outputs by inputs of the convolution.

    Raises:
        ValueError: if weight and input_size differ in their number of axes, or as `conv2d`.

    Example:
        >>> convolution_matrix((1, 1, 3, 3), (4, 4))
        (4, 16)
    """
    n = len(input_size)
    if len(weight) != n + 2:
        raise ValueError(f"weight must have {n + 2} axes for input_size {tuple(input_size)}, got {tuple(weight)}")
    image = (weight[1] * groups, *input_size)
    convolved = conv(n, image, weight[0], weight[2:], stride, padding, dilation, groups, "zeros", None)
    return math.prod(convolved), math.prod(image)


def depthwise_separable_conv2d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Size | str = "same",
    dilation: Size = 1,
    padding_mode: str = "zeros",
    in_channels: int | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, H, W) -> (N, out_channels, *P), or both without N; *P is that of the depthwise `conv2d`.

    Raises:
        ValueError: as `conv2d`, and if there are no channels.

    Example:
        >>> depthwise_separable_conv2d((1, 16, 10, 10), 32, 4)
        (1, 32, 10, 10)
    """
    if in_channels == 0:
        raise ValueError("in_channels must be positive, got 0")
    return conv2d(input, out_channels, kernel_size, stride, padding, dilation, 1, padding_mode, in_channels)


def _transposed(
    n: int,
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
    in_channels: int | None,
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    if isinstance(padding, str):
        raise ValueError(f"padding must be an int or a tuple of ints, got {padding!r}")
    kernel, steps = _each(n, kernel_size, "kernel_size", least=1), _each(n, stride, "stride", least=1)
    gaps, cut = _each(n, dilation, "dilation", least=1), _each(n, padding, "padding", least=0)
    _require_channels(n, input, out_channels, groups, in_channels)
    if input[-n - 1] < 1 or 0 in input[-n:]:
        raise ValueError(f"input must have no empty axis but the batch, got {tuple(input)}")
    axes = zip(input[-n:], kernel, steps, cut, gaps, strict=True)
    least = [(p - 1) * s - 2 * c + d * (k - 1) + 1 for p, k, s, c, d in axes]
    if output_size is not None:
        return (*input[: -n - 1], out_channels, *_reached(n, input, output_size, least, steps))
    extra = _each(n, output_padding, "output_padding", least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, gaps, strict=True)):
        raise ValueError(f"output_padding must be smaller than stride or dilation, got {output_padding}")
    sizes = [size + e for size, e in zip(least, extra, strict=True)]
    if min(sizes) < 1:
        raise ValueError(f"padding must leave some of the output, got {padding}, which leaves {sizes}")
    return (*input[: -n - 1], out_channels, *sizes)


def _reached(
    n: int, input: Sequence[int], output_size: Sequence[int], least: Sequence[int], stride: Sequence[int]
) -> tuple[int, ...]:
    """The spatial part of `output_size`, if a transposed convolution of this stride can give it."""
    if len(output_size) not in (n, len(input)):
        raise ValueError(f"output_size must have {n} or {len(input)} entries, got {tuple(output_size)}")
    sizes = tuple(output_size[-n:])
    if min(sizes) < 1 or any(not low <= size < low + s for size, low, s in zip(sizes, least, stride, strict=True)):
        raise ValueError(f"output_size must lie from {list(least)}, less than a stride above, got {sizes}")
    return sizes
