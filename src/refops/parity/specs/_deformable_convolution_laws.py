"""Laws of deformable convolution: where offsets are nothing, whole or far, and what is linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    pass

Pair = tuple[Tensor, Tensor]
plain = torch.nn.functional.conv2d


def no_offsets(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """Without offsets it is a convolution."""
    y = plain(x, weight, None, (2, 1), (1, 2), (1, 2), 2)
    taps = weight.shape[2] * weight.shape[3]
    offset = x.new_zeros(len(x), 2 * taps, *y.shape[2:])
    return build()(x, offset, weight, None, (2, 1), (1, 2), (1, 2)), y


def whole_offsets(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """With one whole offset everywhere, (2, -1), it is the convolution of the image moved by (-2, 1)."""
    moved = torch.nn.functional.pad(x, (1, -1, -2, 2))
    offset = x.new_tensor([2, -1]).repeat(9)[:, None, None].expand(len(x), 18, *(s - 2 for s in x.shape[2:]))
    return build()(x, offset, weight), plain(moved, weight)


def half_offsets(build: Callable[..., Any], x: Tensor) -> Pair:
    """With half a pixel to the right it is the mean of two neighbours, the last of which is zero."""
    offset = x.new_tensor([0, 0.5])[:, None, None].expand(len(x), 2, *x.shape[2:])
    beside = torch.nn.functional.pad(x, (-1, 1))
    return build()(x, offset, torch.eye(x.shape[1]).to(x)[:, :, None, None]), (x + beside) / 2


def far_offsets(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """Far outside there is nothing to see."""
    offset = x.new_full((len(x), 2 * 9, *(s - 2 for s in x.shape[2:])), 1000)
    y = build()(x, offset, weight)
    return y, torch.zeros_like(y)


def mask_of_ones(build: Callable[..., Any], x: Tensor, offset: Tensor, weight: Tensor) -> Pair:
    """A mask of ones changes nothing."""
    ones = torch.ones_like(offset[:, ::2])
    return build()(x, offset, weight, padding=1, mask=ones), build()(x, offset, weight, padding=1)


def mask_is_a_factor(build: Callable[..., Any], x: Tensor, offset: Tensor, mask: Tensor) -> Pair:
    """With one tap the mask multiplies the output."""
    weight = torch.eye(x.shape[1]).to(x)[:, :, None, None]
    return build()(x, offset, weight, mask=mask), build()(x, offset, weight) * mask


def linear_in_weight(build: Callable[..., Any], x: Tensor, offset: Tensor, a: Tensor, b: Tensor) -> Pair:
    """f(a + b) = f(a) + f(b) for two kernels."""
    f = build()
    return f(x, offset, a + b, padding=1), f(x, offset, a, padding=1) + f(x, offset, b, padding=1)


def offset_groups_apart(build: Callable[..., Any], x: Tensor, offset: Tensor, weight: Tensor) -> Pair:
    """Two offset groups are two halves of the channels, each with half of the offsets, added up."""
    halves = zip(x.chunk(2, 1), offset.chunk(2, 1), weight.chunk(2, 1), strict=True)
    left, right = (build()(a, o, w, padding=1) for a, o, w in halves)
    return build()(x, offset, weight, padding=1), left + right


def transposed(build: Callable[..., Any], x: Tensor, offset: Tensor, weight: Tensor) -> Pair:
    """Rows and columns exchanged everywhere, in each pair and among the taps too, give the exchanged output."""
    taps = weight.shape[2:]
    other = offset.unflatten(1, (-1, *taps, 2)).transpose(2, 3).flip(4).flatten(1, 4).transpose(-1, -2)
    y = build()(x.transpose(-1, -2), other, weight.transpose(-1, -2), padding=1)
    return y.transpose(-1, -2), build()(x, offset, weight, padding=1)


def splitting(build: Callable[..., Any], x: Tensor, offset: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(3, 4, 3, padding=1)
    return torch.cat([layer(x[:33], offset[:33]), layer(x[33:], offset[33:])]), layer(x, offset)


def starts_plain(build: Callable[..., Any], x: Tensor) -> Pair:
    """With nothing predicted it is the convolution of its kernel."""
    layer = unmoved(build(3, 4, (2, 3), dilation=2, bias=False))
    return layer(x), plain(x, layer_kernel(layer), None, 1, "same", 2)


def starts_at_half(build: Callable[..., Any], x: Tensor) -> Pair:
    """With nothing predicted, modulation is a factor of 1/2."""
    layer = unmoved(build(3, 4, 3, 2, 1, modulated=True, bias=False))
    return layer(x), plain(x, layer_kernel(layer), None, 2, 1) / 2


def kept_size(build: Callable[..., Any], x: Tensor) -> Pair:
    """An even kernel does not let the map grow."""
    y = build(3, 3, 4)(x)
    return torch.tensor(y.shape), torch.tensor(x.shape)


def learned_splitting(build: Callable[..., Any], x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(2, 3, modulated=True)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def unmoved(layer: Any) -> Any:
    """The layer, with all but the kernel at zero: what predicts has more or other than 4 outputs."""
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.shape[0] != 4:
                parameter.zero_()
    return layer


def layer_kernel(layer: Any) -> Tensor:
    """The kernel, by its 4 outputs."""
    kernel: Tensor = next(p for p in layer.parameters() if p.dim() == 4 and p.shape[0] == 4)
    return kernel.detach()
