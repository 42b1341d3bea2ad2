"""Deformable convolution: every tap of every window looks where its own offset sends it.

Sampling and summing are kept apart. Sampling moves each tap by (dy, dx) and reads the image between its pixels, zero
outside; the samples are then weighted and summed by an ordinary convolution, whose window is all taps of one position.

Legend: N batch, C input channels, O output channels, G groups of channels in the kernel, D groups of channels that
share offsets, K taps of the kernel (kh * kw), P window positions (oh * ow).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from refops.functional.activation import sigmoid
from refops.functional.autocast import autocasting, without_autocast
from refops.functional.convolution import _padded, _positions, _widths, conv2d, convolve
from refops.functional.derivative import widened
from refops.functional.padding import pad
from refops.functional.window import tuple_of

__all__ = ["deform_conv2d", "deformable_conv2d"]

Size = int | Sequence[int]


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolve with taps that are moved by given offsets (v1) and weighted by a given mask (v2).

    y[n, o, p] = bias[o] + sum over c, k of weight[o, c, k] * m[n, k, p] * x[n, c](stride p + dilation k - padding + d)

    where d = offset[n, k, p] is a pair (dy, dx) and m = `mask`, 1 without one. x(q) between pixels is bilinear:
    sum over pixels r of max(0, 1 - |q_y - r_y|) max(0, 1 - |q_x - r_x|) x[r], so beyond the edge it falls to zero.

    Native: none in torch; names, order of arguments and layouts are those of `torchvision.ops.deform_conv2d`.

    Channels of `offset`: for each of D groups, for each tap in row-major order, dy and then dx; `mask` has one factor
    where `offset` has a pair. G = C / weight.shape[1] and D = offset.shape[1] / 2K follow from the shapes.

    Shape:
        input (N, C, H, W), offset (N, 2DK, oh, ow), weight (O, C / G, kh, kw), mask (N, DK, oh, ow) ->
        (N, O, oh, ow) with oh, ow as in `conv2d`.

    Raises:
        RuntimeError: if ranks, sizes or dtypes do not fit, C is not divisible by weight.shape[1] or D, O not by G, no
            window fits, stride or dilation is not positive or padding negative.

    Trap: dy comes before dx, and the pair is the innermost index: (D, kh, kw, 2), not (2, D, kh, kw). Outside is
        zero: clamping to the edge repeats it. On a grid line the slope is the one to the right of it.

    Memory: four arrays of N * C * K * P numbers are kept for the backward pass, one for each neighbour of a sample.
        Half precision is computed in float32, also under autocast.

    Source: arXiv 1703.06211 (v1, equations 2-4), arXiv 1811.11168 (v2, equation 1).

    Example:
        >>> offset = torch.tensor([0.0, 0.5]).view(1, 2, 1, 1).expand(1, 2, 1, 3)  # half a pixel to the right
        >>> deform_conv2d(torch.tensor([[[[1.0, 2.0, 4.0]]]]), offset, torch.ones(1, 1, 1, 1))
        tensor([[[[1.5000, 3.0000, 2.0000]]]])
    """
    if autocasting(input):
        with without_autocast(input):
            x, moves, kernel, shift, factor = map(_single, (input, offset, weight, bias, mask))
            return deform_conv2d(x, moves, kernel, shift, stride, padding, dilation, factor).to(input.dtype)
    _require_kernel(input, offset, weight, bias, mask)
    size, taps = tuple(input.shape[2:]), tuple(weight.shape[2:])
    steps, gaps = tuple_of(2, stride, "stride"), tuple_of(2, dilation, "dilation")
    widths = tuple_of(2, padding, "padding")
    places = _positions(size, taps, [(w, w) for w in widths], steps, gaps)
    sharing = _require_offsets(input, offset, mask, taps, places)
    exact, kernel = widened(input), widened(weight).flatten(2)[..., None]  # (O, C / G, K, 1)
    starts = [
        exact.new_tensor(range(k))[:, None] * d + exact.new_tensor(range(p)) * s - w
        for k, d, p, s, w in zip(taps, gaps, places, steps, widths, strict=True)
    ]  # (kh, oh) and (kw, ow): where a tap looks that is not moved
    moves = widened(offset).reshape(len(input), sharing, *taps, 2, *places)
    factor = None if mask is None else widened(mask).reshape(len(input), sharing, *taps, *places)
    samples = _sampled(exact, moves, factor, starts[0][:, None, :, None], starts[1][:, None])  # (N, C, K, P)
    groups = input.shape[1] // weight.shape[1]
    output = convolve(2, samples, kernel, None if bias is None else widened(bias), 1, 0, 1, groups)  # (N, O, 1, P)
    return output.reshape(len(input), len(weight), *places).to(input.dtype)


def deformable_conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    offset_weight: Tensor,
    offset_bias: Tensor | None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    modulated: bool = False,
) -> Tensor:
    """Deformable convolution whose offsets, and mask if `modulated`, a convolution of the same windows predicts.

    y = deform_conv2d(x, d, weight, bias, mask=sigmoid(z)),  (d, z) = conv2d(x, offset_weight, offset_bias)

    Native: none.

    The first 2DK outputs of `offset_weight` are d, another DK are z; `padding` may be a word, as for `conv2d`.

    Shape:
        input (N, C, H, W) or (C, H, W), weight (O, C / G, kh, kw), offset_weight (2DK or 3DK, C, kh, kw) ->
        (N, O, oh, ow) or (O, oh, ow).

    Raises:
        RuntimeError: as `conv2d` and `deform_conv2d`, or if `offset_weight` does not have 2DK or 3DK outputs.

    Trap: the mask is a sigmoid: at the start, where the prediction is zero, it is 1/2. In bfloat16 an offset of 5
        pixels is known to 1/32 only: all is computed in float32 and rounded once.

    Source: arXiv 1703.06211 (figure 2), arXiv 1811.11168 (section 3.2).

    Example:
        >>> none = torch.zeros(2 * 9, 1, 3, 3)
        >>> deformable_conv2d(torch.ones(1, 4, 4), torch.ones(1, 1, 3, 3), None, none, None)
        tensor([[[9., 9.],
                 [9., 9.]]])
    """
    if autocasting(input):
        with without_autocast(input):
            x, kernel, shift, predictor, start = map(_single, (input, weight, bias, offset_weight, offset_bias))
            output = deformable_conv2d(x, kernel, shift, predictor, start, stride, padding, dilation, modulated)
            return output.to(input.dtype)
    given = {"weight": weight, "bias": bias, "offset_weight": offset_weight, "offset_bias": offset_bias}
    _require_dtype(input, given)
    batch = widened(input if input.dim() == 4 else input[None])  # (N, C, H, W)
    taps = tuple(weight.shape[2:])
    shares = math.prod(taps) * (3 if modulated else 2)
    if offset_weight.shape[2:] != weight.shape[2:] or not shares or len(offset_weight) % shares:
        raise RuntimeError(
            f"offset_weight must have the kernel of weight, {tuple(weight.shape)}, and a multiple of {shares} outputs, "
            f"got {tuple(offset_weight.shape)}"
        )
    if isinstance(padding, str):
        steps, gaps = tuple_of(2, stride, "stride"), tuple_of(2, dilation, "dilation")
        batch, padding = _padded(batch, _widths(2, padding, taps, steps, gaps), "constant"), 0
    start = None if offset_bias is None else widened(offset_bias)
    predicted = conv2d(batch, widened(offset_weight), start, stride, padding, dilation)
    pairs = len(offset_weight) // shares * 2 * math.prod(taps)
    mask = sigmoid(predicted[:, pairs:]) if modulated else None
    shift = None if bias is None else widened(bias)
    output = deform_conv2d(batch, predicted[:, :pairs], widened(weight), shift, stride, padding, dilation, mask)
    output = output.to(input.dtype)
    return output if input.dim() == 4 else output[0]


def _single(tensor: Tensor | None) -> Any:
    """What autocast makes of operands that need their digits: float32, but float64 and integers are left alone."""
    halved = tensor is not None and tensor.is_floating_point() and tensor.dtype != torch.float64
    return tensor.float() if tensor is not None and halved else tensor


def _sampled(input: Tensor, moves: Tensor, mask: Tensor | None, rows: Tensor, columns: Tensor) -> Tensor:
    """The image at every moved tap, as a weighted sum of its four neighbours: (N, C, H, W) to (N, C, K, P).

    `moves` (N, D, kh, kw, 2, oh, ow), `mask` (N, D, kh, kw, oh, ow), `rows` and `columns` broadcast to the latter.
    """
    n, channels, height, width = input.shape
    top, down = _between(moves[:, :, :, :, 0], rows, height)  # (N, D, kh, kw, oh, ow)
    left, right = _between(moves[:, :, :, :, 1], columns, width)
    by_row = (1 - down, down) if mask is None else (mask * (1 - down), mask * down)
    by_column = (1 - right, right)
    framed = pad(input, (1, 2, 1, 2))  # with zeros, so that every neighbour can be read
    planes = framed.reshape(
        n, top.shape[1], channels // top.shape[1], (height + 3) * (width + 3)
    )  # (N, D, C / D, (H + 3)(W + 3))
    parts = []
    for i, j in product((0, 1), (0, 1)):
        at = ((top + i) * (width + 3) + left + j).flatten(2)[:, :, None]  # (N, D, 1, K P)
        share = (by_row[i] * by_column[j]).flatten(2)[:, :, None]
        parts.append(planes.gather(3, at.expand(-1, -1, planes.shape[2], -1)) * share)
    kernel, places = top.shape[2:4], top.shape[4:]
    return (parts[0] + parts[1] + parts[2] + parts[3]).reshape(n, channels, math.prod(kernel), math.prod(places))


def _between(move: Tensor, start: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Which pixel of the framed axis start + move lies on or behind, and how far behind.

    The start is whole, so the distance is that of the move alone and keeps all its digits wherever the window stands.
    From one pixel outside on there is nothing left to see: moves end there, and with them their slope.
    """
    move = move.clamp(-1 - start, size - start)
    whole = move.detach().floor()
    pixel = (start + whole).long().clamp(-1, size)  # clamped again because nan, too, must have a pixel
    return pixel + 1, move - whole


def _require_dtype(input: Tensor, given: dict[str, Tensor | None]) -> None:
    for name, tensor in given.items():
        if tensor is not None and tensor.dtype != input.dtype:
            raise RuntimeError(f"{name} must have the dtype of input, {input.dtype}, got {tensor.dtype}")


def _require_kernel(input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None) -> None:
    """Ranks and dtypes of all, channels of the kernel."""
    given = {"input": input, "offset": offset, "weight": weight, "mask": mask}
    for name, tensor in given.items():
        if tensor is not None and tensor.dim() != 4:
            raise RuntimeError(f"{name} must have 4 axes, got {tuple(tensor.shape)}")
    _require_dtype(input, {**given, "bias": bias})
    if weight.shape[1] < 1 or input.shape[1] < 1 or input.shape[1] % weight.shape[1]:
        raise RuntimeError(
            f"input must have a multiple of {weight.shape[1]} channels for weight {tuple(weight.shape)}, got "
            f"{tuple(input.shape)}"
        )
    groups = input.shape[1] // weight.shape[1]
    if len(weight) < 1 or len(weight) % groups:
        raise RuntimeError(
            f"weight must have out_channels divisible by the {groups} groups that {input.shape[1]} channels of input "
            f"make, got {tuple(weight.shape)}"
        )
    if bias is not None and tuple(bias.shape) != (len(weight),):
        raise RuntimeError(f"bias must have shape ({len(weight)},), one per output channel, got {tuple(bias.shape)}")


def _require_offsets(
    input: Tensor, offset: Tensor, mask: Tensor | None, taps: tuple[int, ...], places: tuple[int, ...]
) -> int:
    """D, how many groups of channels have offsets of their own; an error where offset or mask has another shape."""
    kernel = math.prod(taps)
    sharing = offset.shape[1] // (2 * kernel)
    if sharing < 1 or input.shape[1] % sharing:
        raise RuntimeError(
            f"offset must have 2 * D * {kernel} channels, D dividing the {input.shape[1]} of input, got "
            f"{tuple(offset.shape)}"
        )
    for name, tensor, channels in (("offset", offset, 2 * sharing * kernel), ("mask", mask, sharing * kernel)):
        wanted = (len(input), channels, *places)
        if tensor is not None and tuple(tensor.shape) != wanted:
            raise RuntimeError(
                f"{name} must have shape {wanted}: one {'pair' if name == 'offset' else 'number'} per offset group, "
                f"tap and window of input {tuple(input.shape)}, got {tuple(tensor.shape)}"
            )
    return sharing
