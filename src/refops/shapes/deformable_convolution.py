"""Output shapes of deformable convolution: those of convolution, and one pair of offsets for each tap of each window.

Legend: N batch, K taps of the kernel (kh * kw), D groups of channels that share offsets, P number of windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.convolution import conv2d

__all__ = ["deform_conv2d", "deformable_conv2d"]

Size = int | Sequence[int]


def deform_conv2d(
    input: Sequence[int],
    offset: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    mask: Sequence[int] | None = None,
    in_channels: int | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, H, W) and offsets (N, 2DK, *P) -> (N, out_channels, *P).

    Raises:
        ValueError: as `conv2d`, if `input` has no batch, or `offset` or `mask` has another shape.

    Example:
        >>> deform_conv2d((4, 3, 10, 10), (4, 18, 8, 8), 5, 3, mask=(4, 9, 8, 8))
        (4, 5, 8, 8)
    """
    if len(input) != 4:
        raise ValueError(f"input must have 4 axes, got {tuple(input)}")
    if isinstance(padding, str):
        raise ValueError(f"padding must be an int or a pair of ints, got {padding!r}")
    output = conv2d(input, out_channels, kernel_size, stride, padding, dilation, groups, in_channels=in_channels)
    taps = _taps(kernel_size)
    shared = offset[1] // (2 * taps) if len(offset) == 4 else 0
    if shared < 1 or input[1] % shared or tuple(offset) != (input[0], 2 * shared * taps, *output[2:]):
        raise ValueError(
            f"offset must have shape ({input[0]}, 2 * D * {taps}, {output[2]}, {output[3]}), D dividing the "
            f"{input[1]} channels of input, got {tuple(offset)}"
        )
    if mask is not None and tuple(mask) != (input[0], shared * taps, *output[2:]):
        raise ValueError(f"mask must have shape {(input[0], shared * taps, *output[2:])}, got {tuple(mask)}")
    return output


def deformable_conv2d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size = 3,
    stride: Size = 1,
    padding: Size | str = "same",
    dilation: Size = 1,
    groups: int = 1,
    offset_groups: int = 1,
    in_channels: int | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, H, W) -> (N, out_channels, *P), or both without N: that of `conv2d`.

    Raises:
        ValueError: as `conv2d`, or if `offset_groups` does not divide the input channels.

    Example:
        >>> deformable_conv2d((1, 16, 8, 8), 32, 2)
        (1, 32, 8, 8)
    """
    output = conv2d(input, out_channels, kernel_size, stride, padding, dilation, groups, in_channels=in_channels)
    if offset_groups < 1 or input[-3] < 1 or input[-3] % offset_groups:
        raise ValueError(f"offset_groups must be positive and divide the {input[-3]} channels, got {offset_groups}")
    return output


def _taps(kernel_size: Size) -> int:
    height, width = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size) * (3 - len(kernel_size))
    return height * width
