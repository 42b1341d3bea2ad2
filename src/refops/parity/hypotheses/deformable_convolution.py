"""What goes wrong in deformable convolution: the order of the offsets, the edge, the mask; and in unpooling.

Legend: N batch, D offset groups, K kernel taps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.functional.deformable_convolution import deform_conv2d
from refops.nn.deformable_convolution import DeformableConv2d, DeformConv2d
from refops.parity.hypotheses import Hypothesis, instead


def _split(offset: Tensor, weight: Tensor) -> Tensor:
    """(N, D, K, 2, oh, ow)."""
    taps = weight.shape[2] * weight.shape[3]
    return offset.reshape(len(offset), offset.shape[1] // (2 * taps), taps, 2, *offset.shape[2:])


def _moved(change: Callable[[Tensor, Tensor, Any], Tensor]) -> Callable[..., Tensor]:
    """Other offsets: `change` gets them split, the weight and the dilation."""

    def deform(input: Tensor, offset: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
               dilation: Any = 1, mask: Any = None) -> Tensor:  # fmt: skip
        changed = change(_split(offset, weight), weight, dilation).reshape(offset.shape)
        return deform_conv2d(input, changed, weight, bias, stride, padding, dilation, mask)

    return deform


def _masked(change: Callable[[Tensor], Any]) -> Callable[..., Tensor]:
    def deform(input: Tensor, offset: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
               dilation: Any = 1, mask: Any = None) -> Tensor:  # fmt: skip
        mask = None if mask is None else change(mask)
        return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)

    return deform


def _plain(input: Tensor, offset: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
           dilation: Any = 1, mask: Any = None) -> Tensor:  # fmt: skip
    return F.conv2d(input, weight, bias, stride, padding, dilation, input.shape[1] // weight.shape[1])


def _rows_first(moved: Tensor, weight: Tensor, dilation: Any) -> Tensor:
    n, groups, taps, _, *size = moved.shape
    return moved.reshape(n, groups, 2, taps, *size).transpose(2, 3)


def _by_column(moved: Tensor, weight: Tensor, dilation: Any) -> Any:
    return moved.unflatten(2, (weight.shape[3], weight.shape[2])).transpose(2, 3)


def _dealt_out(moved: Tensor, weight: Tensor, dilation: Any) -> Tensor:
    n, groups, taps, two, *size = moved.shape
    return moved.reshape(n, taps, groups, two, *size).transpose(1, 2)


def _dilated(moved: Tensor, weight: Tensor, dilation: Any) -> Tensor:
    gaps = (dilation, dilation) if isinstance(dilation, int) else tuple(dilation)
    return moved * torch.tensor(gaps)[:, None, None]


_DEFORM: dict[str, Callable[..., Tensor]] = {
    "offsets are ignored: the plain convolution": _plain,
    "dx stands before dy": _moved(lambda moved, weight, dilation: moved.flip(3)),
    "all dy of a group first, then all dx": _moved(_rows_first),
    "taps are counted down the columns of the kernel": _moved(_by_column),
    "the offsets of the groups are dealt out tap by tap": _moved(_dealt_out),
    "all channels follow the first offset group": _moved(lambda moved, weight, d: moved[:, :1].expand_as(moved)),
    "offsets of several groups are averaged": _moved(
        lambda moved, weight, d: moved.mean(1, keepdim=True).expand_as(moved)
    ),
    "the nearest pixel": _moved(lambda moved, weight, d: moved.round()),
    "offsets have no gradient": _moved(lambda moved, weight, d: moved.detach()),
    "offsets are counted in dilated steps": _moved(_dilated),
    "offsets point the other way": _moved(lambda moved, weight, d: -moved),
    "the mask is ignored": _masked(lambda mask: None),
    "the mask is squashed once more": _masked(torch.sigmoid),
}


def _given(function: Callable[..., Tensor]) -> type[Any]:
    def forward(self: Any, input: Tensor, offset: Tensor, mask: Any = None) -> Tensor:
        return function(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    return instead(DeformConv2d, forward)


# -- what predicts its own offsets -------------------------------------------------------------------------------------

Predict = Callable[[Any, Tensor], tuple[Tensor, Tensor]]  # the layer and what was predicted: offsets, mask


def _parts(m: Any, p: Tensor) -> tuple[Tensor, Tensor]:
    pairs = p.shape[1] * 2 // 3 if m.modulated else p.shape[1]
    return p[:, :pairs], p[:, pairs:].sigmoid()


def _predicting(predict: Predict) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Tensor:
        batch, padding = (input if input.dim() == 4 else input[None]), self.padding
        extra: tuple[int, ...] = (0, 0)
        if isinstance(padding, str):
            spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            padding = tuple(span // 2 if self.padding == "same" else 0 for span in spans)
            extra = tuple(s - 2 * p if self.padding == "same" else 0 for s, p in zip(spans, padding, strict=True))
        offset, mask = predict(self, self.conv_offset(batch))
        output = deform_conv2d(
            F.pad(batch, (0, extra[1], 0, extra[0])), offset, self.weight, self.bias, self.stride, padding,
            self.dilation, mask if self.modulated else None,
        )  # fmt: skip
        return output if input.dim() == 4 else output[0]

    return instead(DeformableConv2d, forward)


def _raw(m: Any, p: Tensor) -> Tensor:
    return p[:, p.shape[1] * 2 // 3 :]


def _mask_first(m: Any, p: Tensor) -> tuple[Tensor, Tensor]:
    masks = p.shape[1] // 3 if m.modulated else 0
    return p[:, masks:], p[:, :masks].sigmoid()


def _one_group(m: Any, p: Tensor) -> tuple[Tensor, Tensor]:
    offset, mask = _parts(m, p)
    n = m.offset_groups
    return (torch.cat([offset.chunk(n, 1)[0]] * n, 1) if n > 1 else offset), mask


def _twice(x: Tensor) -> Tensor:
    return x + (x - x.detach())


_LEARNED: dict[str, Predict] = {
    "the mask is used without a sigmoid": lambda m, p: (_parts(m, p)[0], _raw(m, p)),
    "the mask is twice the sigmoid": lambda m, p: (_parts(m, p)[0], 2 * _parts(m, p)[1]),
    "a softmax over the taps, not a sigmoid": lambda m, p: (_parts(m, p)[0], _raw(m, p).softmax(1)),
    "the mask is taken from the first third": _mask_first,
    "offsets are kept within a pixel by tanh": lambda m, p: (_parts(m, p)[0].tanh(), _parts(m, p)[1]),
    "what predicts the offsets has no gradient": lambda m, p: (_parts(m, p)[0].detach(), _parts(m, p)[1]),
    "the gradient of the offsets is doubled": lambda m, p: (_twice(_parts(m, p)[0]), _parts(m, p)[1]),
    "all channels follow the first offset group": _one_group,
}


def _stub(self: Any, input: Tensor) -> Tensor:
    return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


# -- unpooling ---------------------------------------------------------------------------------------------------------

_UNPOOL: Any = nn.MaxUnpool2d.forward


def _usual(m: Any, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:
    try:
        return _UNPOOL(m, input, indices)
    except RuntimeError:
        return _UNPOOL(m, input, indices, output_size)


def _afterwards(m: Any, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:
    right = _UNPOOL(m, input, indices, output_size)
    usual = _usual(m, input, indices, output_size)
    return F.pad(usual, (0, right.shape[-1] - usual.shape[-1], 0, right.shape[-2] - usual.shape[-2]))


def _filled(m: Any, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:
    right = _UNPOOL(m, input, indices, output_size)
    for axis in (-2, -1):
        n = right.shape[axis]
        input = input.index_select(axis, torch.arange(n) * input.shape[axis] // max(n, 1))
    return input


def _exchanged(m: Any, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:
    h, w = _UNPOOL(m, input, indices, output_size).shape[-2:]
    return _UNPOOL(m, input, indices % w * h + indices // w if h * w else indices, output_size)


_UNPOOLS = {
    "output_size is ignored": _usual,
    "cut or padded to output_size afterwards": _afterwards,
    "the maximum is repeated over its window": _filled,
    "rows and columns of an index are exchanged": _exchanged,
}


def _own_stride(kernel_size: Any, stride: Any = None, padding: Any = 0) -> nn.MaxUnpool1d:
    return nn.MaxUnpool1d(kernel_size, None, padding)


HYPOTHESES = {
    "functional.deform_conv2d": tuple(Hypothesis(name, function) for name, function in _DEFORM.items()),
    "DeformConv2d": tuple(Hypothesis(name, _given(function)) for name, function in _DEFORM.items()),
    "DeformableConv2d": (
        Hypothesis("offsets are ignored: the plain convolution", instead(DeformableConv2d, _stub)),
        *(Hypothesis(name, _predicting(predict)) for name, predict in _LEARNED.items()),
    ),
    "MaxUnpool2d": tuple(Hypothesis(name, instead(nn.MaxUnpool2d, forward)) for name, forward in _UNPOOLS.items()),
    "MaxUnpool1d": (Hypothesis("stride is ignored: the kernel's size", _own_stride),),
}
