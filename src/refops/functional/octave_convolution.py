"""Octave convolution: the channels are split into a map of full size and one of half the size, and both see both.

The low map holds what changes slowly, at a quarter of the cost. One ordinary kernel is cut into four: from each kind of
channel to each kind.

    y_high = f(x_high; W_hh) + up(f(x_low; W_lh))        y_low = f(x_low; W_ll) + f(pool(x_high); W_hl)

Legend: N batch, C and O channels in and out, of both maps together, G groups, H W height and width of the high map;
the low one has floor(H / 2) and floor(W / 2), rounded like this in one place only, the pooling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from refops.functional.autocast import autocasting, without_autocast
from refops.functional.convolution import Size, _lowered, convolve
from refops.functional.derivative import widened
from refops.functional.pooling import avg_pool2d

__all__ = ["low_channels", "octave_conv2d"]

Maps = tuple[Tensor | None, Tensor | None]


def low_channels(alpha: float, channels: int, name: str = "alpha") -> int:
    """How many of the channels are low: floor(alpha * channels), after rounding the product to six digits.

    Raises:
        ValueError: if `alpha` is outside [0, 1].

    Trap: 0.29 * 100 is 28.999999999999996 and 10 * (1 - 0.9) is 0.9999999999999998, and `int` cuts both to one less.

    Example:
        >>> low_channels(0.29, 100), 10 - low_channels(0.9, 10)
        (29, 1)
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"{name} must be a ratio, between 0 and 1, got {alpha}")
    return math.floor(round(alpha * channels, 6))


def octave_conv2d(
    high: Tensor | None,
    low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    alpha_in: float = 0.5,
    alpha_out: float = 0.5,
    stride: int = 1,
    dilation: Size = 1,
    groups: int = 1,
) -> Maps:
    """Convolve a pair of maps, one of full and one of half the size, into such a pair.

    The kernels stand in one `weight`, high channels before low ones on both axes: [[W_hh, W_lh], [W_hl, W_ll]]. f is
    a convolution that keeps the size ('same', zeros outside); `pool` averages 2 x 2 cells; `up` repeats the nearest
    number.

    Native: none.

    Of the input channels a share of `alpha_in` is low (see `low_channels`), of the output `alpha_out`. With
    `alpha_in=0`, as in a first layer, `low` is None, with 1 `high` is; with `alpha_out=0`, as in a last layer, the
    second map returned is None. A `stride` of 2 halves both maps by pooling them first; what goes from low to high then
    fits as it is.

    Shape:
        high (N, C_h, H, W), low (N, C_l, H // 2, W // 2), weight (O, C / G, kh, kw), bias (O) -> high
        (N, O_h, H, W), low (N, O_l, H // 2, W // 2), or halved by the stride, rounded down. All without N too. From
        `low` alone comes a high map of twice its size.

    Raises:
        ValueError: if `alpha_in` or `alpha_out` is outside [0, 1].
        RuntimeError: if a map is missing or not expected, ranks, sizes, channels, groups or dtypes do not fit, nothing
            is left to pool, or `stride` is not 1 or 2.

    Trap: odd sizes. Of 9 rows the last has no cell of its own, and the low map has 4: a convolution with stride 2 in
        place of the pooling makes 5, and shifts the maps by half a pixel. Upwards, row i of 9 shows row floor(4 i / 9)
        of 4, as `torch.nn.functional.interpolate` has it with `mode="nearest"`; of even sizes, row i // 2. There is no
        `padding`: maps that lose k - 1 each are not halves of one another any more.

    Source: arXiv 1904.05049, equations 2-4, sections 3.2 and 3.3.

    Example:
        >>> high, low = octave_conv2d(torch.ones(1, 5, 5), torch.ones(1, 2, 2), torch.ones(2, 2, 1, 1))
        >>> high.shape, low
        (torch.Size([1, 5, 5]), tensor([[[2., 2.],
                 [2., 2.]]]))
    """
    if autocasting(weight):
        dtype = torch.get_autocast_dtype(weight.device.type)
        x, y, bias = (None if tensor is None else _lowered(tensor, dtype) for tensor in (high, low, bias))
        with without_autocast(weight):
            return octave_conv2d(x, y, _lowered(weight, dtype), bias, alpha_in, alpha_out, stride, dilation, groups)
    c, o = _require_channels(weight, bias, alpha_in, alpha_out, groups)  # C_h and O_h
    _require_map("high", high, weight, c)
    _require_map("low", low, weight, weight.shape[1] * groups - c)
    _require_halves(high, low, stride)
    kernel, c = widened(weight), c // groups
    w_hh, w_lh, w_hl, w_ll = kernel[:o, :c], kernel[:o, c:], kernel[o:, :c], kernel[o:, c:]
    f = partial(_keeping_size, dilation=dilation, groups=groups)
    to_high, to_low = [], []
    if high is not None:
        fine = widened(high) if stride == 1 else _pooled("high", widened(high))
        to_high += [f(fine, w_hh)] if len(w_hh) else []
        to_low += [f(_pooled("high", fine), w_hl)] if len(w_hl) else []
    if low is not None:
        coarse = widened(low)
        size = [2 * s // stride for s in low.shape[-2:]] if high is None else [s // stride for s in high.shape[-2:]]
        to_high += [_enlarged(f(coarse, w_lh), size)] if len(w_lh) else []
        to_low += [f(coarse if stride == 1 else _pooled("low", coarse), w_ll)] if len(w_ll) else []
    return _finished(to_high, bias, slice(o), weight.dtype), _finished(to_low, bias, slice(o, None), weight.dtype)


def _keeping_size(x: Tensor, kernel: Tensor, dilation: Size, groups: int) -> Tensor:
    return convolve(2, x, kernel, None, 1, "same", dilation, groups)


def _pooled(name: str, x: Tensor) -> Tensor:
    """The mean of every 2 x 2 cell; a last row or column without a partner is left out."""
    if min(x.shape[-2:]) < 2:
        raise RuntimeError(f"{name} must have rows and columns to pool, two of each at least, got {tuple(x.shape)}")
    return avg_pool2d(x, 2)


def _enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    """Repeat rows and columns until there are so many: row i shows row floor(i * old / new)."""
    for axis, new in zip((-2, -1), size, strict=True):
        old = x.shape[axis]
        x = x if new == old else x.index_select(axis, torch.arange(new, device=x.device) * old // new)
    return x


def _finished(terms: list[Tensor], bias: Tensor | None, part: slice, dtype: torch.dtype) -> Tensor | None:
    """Sum and bias of one map, rounded once; None where it has no channels."""
    if not terms:
        return None
    total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    return (total if bias is None else total + widened(bias)[part, None, None]).to(dtype)


def _require_channels(
    weight: Tensor, bias: Tensor | None, alpha_in: float, alpha_out: float, groups: int
) -> tuple[int, int]:
    """How many input and output channels are high."""
    if weight.dim() != 4:
        raise RuntimeError(f"weight must have shape (out, in / groups, kh, kw), got {tuple(weight.shape)}")
    if groups < 1:
        raise RuntimeError(f"groups must be positive, got {groups}")
    outputs, inputs = len(weight), weight.shape[1] * groups
    low_in, low_out = low_channels(alpha_in, inputs, "alpha_in"), low_channels(alpha_out, outputs, "alpha_out")
    if min(inputs, outputs) < 1 or any(n % groups for n in (low_in, low_out, outputs)):
        raise RuntimeError(
            f"weight must have high and low channels divisible by groups = {groups}, got {low_in} low of {inputs} "
            f"inputs and {low_out} low of {outputs} outputs"
        )
    if bias is not None and (tuple(bias.shape) != (outputs,) or bias.dtype != weight.dtype):
        raise RuntimeError(f"bias must have shape ({outputs},) and dtype {weight.dtype}, got {bias.dtype} {bias.shape}")
    return inputs - low_in, outputs - low_out


def _require_map(name: str, x: Tensor | None, weight: Tensor, channels: int) -> None:
    """A map of this many channels, and none where there are none."""
    if x is None or not channels:
        if (x is None) != (not channels):
            given = "None" if x is None else f"a tensor of shape {tuple(x.shape)}"
            raise RuntimeError(
                f"{name} must {'have ' if channels else 'be None, with '}{channels} channels, got {given}"
            )
    elif x.dim() not in (3, 4) or x.shape[-3] != channels:
        raise RuntimeError(f"{name} must have shape (N, {channels}, *, *) or ({channels}, *, *), got {tuple(x.shape)}")
    elif x.dtype != weight.dtype:
        raise RuntimeError(f"{name} must have the dtype of weight, {weight.dtype}, got {x.dtype}")


def _require_halves(high: Tensor | None, low: Tensor | None, stride: int) -> None:
    """Two maps of one batch, the low one half as large; a stride that pooling can make."""
    if stride not in (1, 2):
        raise RuntimeError(f"stride must be 1 or 2, got {stride}")
    if high is not None and low is not None:
        wanted = (*high.shape[:-3], low.shape[-3], *(s // 2 for s in high.shape[-2:]))
        if tuple(low.shape) != wanted:
            raise RuntimeError(
                f"low must have shape {wanted}, half of high {tuple(high.shape)} rounded down, got {tuple(low.shape)}"
            )
