"""The one idea of pooling: a box is pooled along one axis after the other.

The sum over a box is the sum of the sums over its rows, and its maximum the maximum of their maxima. Along one axis,
*tap* j is the strided slice that holds element j of every window: k taps pool a window of k elements, and no window is
ever copied.

Legend: N batch, C channels, *S spatial sizes, *E the same with padding, *O windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor

from refops.functional.memory_format import following
from refops.functional.padding import pad
from refops.functional.window import tuple_of

__all__ = ["Axis", "Size", "find_max", "flat_index", "mean"]

Size = int | Sequence[int]


class Axis(NamedTuple):
    """One spatial axis: `size` elements seen through `out` windows."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    out: int

    @property
    def span(self) -> int:
        """Elements from the first to the last of a window."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def extent(self) -> int:
        """Elements with padding: on the left as asked, on the right as far as the last window reaches."""
        return max(self.padding + self.size, self.stride * (self.out - 1) + self.span)


def _axes(
    n: int, input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> list[Axis]:
    """The last `n` axes of the input with their windows; everything native refuses is refused here.

    O = floor((S + 2 * padding - span) / stride) + 1. With `ceil_mode` the division rounds up, but a last window that
    would start beyond input and left padding is dropped.
    """
    if input.dim() not in (n + 1, n + 2) or 0 in input.shape[-(n + 1) :]:
        raise RuntimeError(
            f"input must have {n + 1} or {n + 2} axes, none empty but the batch, got shape {tuple(input.shape)}"
        )
    kernels = tuple_of(n, kernel_size, "kernel_size")
    strides = kernels if stride is None or stride == () else tuple_of(n, stride, "stride")
    paddings, dilations = tuple_of(n, padding, "padding"), tuple_of(n, dilation, "dilation")
    for name, given in (("kernel_size", kernels), ("stride", strides), ("dilation", dilations)):
        if min(given) < 1:
            raise RuntimeError(f"{name} must be greater than zero, got {given}")
    if any(p < 0 or 2 * p > k for p, k in zip(paddings, kernels, strict=True)):
        raise RuntimeError(f"padding must be between 0 and half of kernel_size {kernels}, got {paddings}")

    axes = []
    for size, k, s, p, d in zip(input.shape[-n:], kernels, strides, paddings, dilations, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        out = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (out - 1) * s >= size + p:
            out -= 1
        if out < 1:
            raise RuntimeError(
                f"kernel_size must fit into the padded input, got kernel_size {kernels} with dilation {dilations} "
                f"for sizes {tuple(input.shape[-n:])} with padding {paddings}"
            )
        axes.append(Axis(size, k, s, p, d, out))
    return axes


def _padded(input: Tensor, axes: Sequence[Axis], value: float) -> Tensor:
    """The input with `value` around it: (..., *S) to (..., *E)."""
    widths = [width for a in reversed(axes) for width in (a.padding, a.extent - a.padding - a.size)]
    return pad(input, widths, value=value) if any(widths) else input


def _taps(input: Tensor, dim: int, axis: Axis) -> list[Tensor]:
    """Element 0 of every window along `dim` (counted from the end), then element 1, ...: views, E becomes O."""
    later = (slice(None),) * (-1 - dim)
    reach = axis.stride * (axis.out - 1) + 1
    taps: list[Any] = [(..., slice(j, j + reach, axis.stride), *later) for j in range(0, axis.span, axis.dilation)]
    return [input[tap] for tap in taps]


def find_max(
    n: int, input: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> tuple[Tensor, list[Tensor], list[Axis]]:
    """Find where each maximum stands, then gather it: its gradient goes to that one element, also among equals.

    Returns the maxima, their places along each axis (last axis first), and the axes.
    """
    if input.is_complex() or input.dtype == torch.bool:
        raise NotImplementedError(f"input must be of a floating or an integer dtype, got {input.dtype}")
    axes = _axes(n, input, kernel_size, stride, padding, dilation, ceil_mode)
    values = _padded(input, axes, -torch.inf if input.is_floating_point() else torch.iinfo(input.dtype).min)
    places: list[Tensor] = []
    for dim in range(-1, -n - 1, -1):  # the last axis first: among equals, row-major order decides
        places.append(_place_of_max(values.detach(), dim, axes[dim]))
        values = values.gather(dim, places[-1])  # (N, C, *E) to (N, C, *O), axis after axis
    return following(values, input), places, axes


def _place_of_max(values: Tensor, dim: int, axis: Axis) -> Tensor:
    """Where the maximum of every window along `dim` stands: the first of equals, the last of several NaN."""
    best, *others = _taps(values, dim, axis)
    start = (torch.arange(axis.out, device=values.device) * axis.stride).reshape(-1, *(1,) * (-1 - dim))
    ahead = (axis.padding - start).clamp(min=0)  # left padding in a window: not its maximum, even where all is -inf
    number = (ahead + axis.dilation - 1) // axis.dilation
    number = number.to(torch.uint8 if axis.kernel <= 256 else torch.int64).expand_as(best)  # bytes are light to compare
    for j, tap in enumerate(others, start=1):
        wins = (tap > best) | (tap != tap)
        best = torch.maximum(best, tap)  # NaN stays
        number = torch.maximum(number, wins.to(number.dtype) * j)
    return torch.add(start, number, alpha=axis.dilation)


def flat_index(places: Sequence[Tensor], axes: Sequence[Axis]) -> Tensor:
    """Places along each axis (last axis first) as positions in the flattened plane *S, padding not counted."""
    at, step = places[0] - axes[-1].padding, axes[-1].size
    for dim, place in enumerate(places[1:], start=2):
        axis = axes[-dim]
        at = at.gather(-dim, place) + (place - axis.padding) * step
        step *= axis.size
    return at


def mean(
    n: int,
    input: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    """Sum of every window, axis after axis, over the number of elements that count."""
    if not input.is_floating_point() and input.dtype != torch.int64:
        raise NotImplementedError(f"input must be floating or int64, got {input.dtype}")
    if not isinstance(divisor_override, int | None):
        raise TypeError(f"divisor_override must be an int or None, got {divisor_override!r}")
    if divisor_override == 0:
        raise RuntimeError("divisor_override must not be zero, got 0")
    axes = _axes(n, input, kernel_size, stride, padding, 1, ceil_mode)

    half = input.dtype in (torch.float16, torch.bfloat16)
    total = _padded(input.float() if half else input, axes, 0)  # (N, C, *E)
    for dim in range(-n, 0):  # the first axis first: its taps are whole rows
        total = reduce(torch.add, _taps(total, dim, axes[dim]))  # (N, C, *O) in the end

    divisor: int | Tensor = math.prod([a.kernel for a in axes])
    if divisor_override is not None:
        divisor = divisor_override
    elif ceil_mode or not count_include_pad:
        divisor = _window_sizes(axes, count_include_pad, input.device)  # (*O)
    output = torch.div(total, divisor, rounding_mode=None if input.is_floating_point() else "trunc").to(input.dtype)
    return following(output, input) if n == 2 else output.contiguous()


def _window_sizes(axes: Sequence[Axis], count_include_pad: bool, device: torch.device) -> Tensor:
    """How many elements of every window count: those of the input, and padding as far as it was asked for.

    What `ceil_mode` lets a last window overhang beyond input and padding never counts.
    """
    sizes = torch.ones((), dtype=torch.int64, device=device)
    for a in axes:
        first = torch.arange(a.out, device=device) * a.stride - a.padding
        around = a.padding if count_include_pad else 0
        sizes = sizes[..., None] * ((first + a.kernel).clamp(max=a.size + around) - first.clamp(min=-around))
    return sizes
