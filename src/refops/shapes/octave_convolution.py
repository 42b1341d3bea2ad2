"""Output shapes of octave convolution: two maps, the low one half as large, each side rounded down.

Legend: N batch, H W height and width of the high map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["octave_conv2d"]

Shape = tuple[int, ...]


def octave_conv2d(
    high: Sequence[int] | None,
    low: Sequence[int] | None,
    out_channels: int,
    kernel_size: int | Sequence[int] = 3,
    alpha_in: float = 0.5,
    alpha_out: float = 0.5,
    stride: int = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    in_channels: int | None = None,
) -> tuple[Shape | None, Shape | None]:
    """(N, C_h, H, W) and (N, C_l, H // 2, W // 2) -> (N, O_h, H, W) and (N, O_l, H // 2, W // 2), halved by a stride 2.

    A map without channels is None: `low` where alpha_in is 0, the second result where alpha_out is. All without N too.

    Raises:
        ValueError: if an alpha is outside [0, 1], a map is missing or not expected, channels do not split as the alphas
            and `groups` ask, `low` is not half of `high`, an axis is too small to be pooled, a kernel or dilation is
            not positive, or `stride` is not 1 or 2.

    Example:
        >>> octave_conv2d((1, 8, 9, 7), (1, 8, 4, 3), 32, alpha_out=0.25)
        ((1, 24, 9, 7), (1, 8, 4, 3))
    """
    _require_sizes(kernel_size, dilation, stride)
    first = high if high is not None else low
    if first is None:
        raise ValueError("high and low must not both be None")
    given = sum(shape[-3] if len(shape) in (3, 4) else 0 for shape in (high, low) if shape is not None)
    into = given if in_channels is None else in_channels
    low_in, low_out = _low(alpha_in, into, "alpha_in"), _low(alpha_out, out_channels, "alpha_out")
    if groups < 1 or min(into, out_channels) < 1 or any(n % groups for n in (into, low_in, out_channels, low_out)):
        raise ValueError(
            f"groups must divide high and low channels, got groups = {groups}, {low_in} low of {into} in_channels and "
            f"{low_out} low of {out_channels} out_channels"
        )
    _require_map("high", high, into - low_in)
    _require_map("low", low, low_in)
    batch, size = tuple(first[:-3]), tuple(first[-2:])
    if high is None:
        size = (2 * size[0], 2 * size[1])
    if high is not None and low is not None and tuple(low) != (*batch, low_in, *_half(size)):
        raise ValueError(f"low must have shape {(*batch, low_in, *_half(size))}, half of high, got {tuple(low)}")
    least = 1 if high is None else 2 ** (stride - 1) * (2 if low_out else 1)
    if low is not None:
        least = max(least, 2 if high is None else 1, 4 if stride == 2 and low_out else 1)
    if min(size) < least or (low is not None and min(low[-2:]) < 1):
        raise ValueError(f"high must have at least {least} rows and columns to be pooled, got {size}")
    size = size if stride == 1 else _half(size)
    outputs = ((*batch, out_channels - low_out, *size), (*batch, low_out, *_half(size)))
    return outputs[0] if low_out < out_channels else None, outputs[1] if low_out else None


def _low(alpha: float, channels: int, name: str) -> int:
    if not 0 <= alpha <= 1:
        raise ValueError(f"{name} must be a ratio, between 0 and 1, got {alpha}")
    return math.floor(round(alpha * channels, 6))


def _half(size: Sequence[int]) -> Shape:
    return tuple(s // 2 for s in size)


def _require_sizes(kernel_size: int | Sequence[int], dilation: int | Sequence[int], stride: int) -> None:
    for name, value in (("kernel_size", kernel_size), ("dilation", dilation)):
        values = (value,) if isinstance(value, int) else tuple(value)
        if len(values) not in (1, 2) or min(values) < 1:
            raise ValueError(f"{name} must be a positive int or a pair of them, got {value}")
    if stride not in (1, 2):
        raise ValueError(f"stride must be 1 or 2, got {stride}")


def _require_map(name: str, shape: Sequence[int] | None, channels: int) -> None:
    if (shape is None) != (not channels):
        raise ValueError(f"{name} must {'have' if channels else 'be None, with'} {channels} channels, got {shape}")
    if shape is not None and (len(shape) not in (3, 4) or shape[-3] != channels):
        raise ValueError(f"{name} must have {channels} channels and 3 or 4 axes, got {tuple(shape)}")
