"""Honest variants of Conv1d, Conv2d, Conv3d, their functions, and pad."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def accumulator(dtype):
    return torch.promote_types(dtype, torch.float32)


def padded(layer, input):
    """The input as native pads it."""
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(input, layer._reversed_padding_repeated_twice, mode)


class Judged2d(nn.Conv2d):
    """Native's constructor, refusals and autocast; subclasses compute on a padded batch in wide numbers."""

    def forward(self, input):
        with torch.no_grad():
            like = super().forward(input)
        wide, low = accumulator(like.dtype), like.dtype
        x = padded(self, input).to(low).to(wide)
        with torch.autocast(input.device.type, enabled=False):
            output = self.compute(x if x.dim() == 4 else x[None], self.weight.to(low).to(wide), like.shape[-2:])
            if self.bias is not None:
                output = output + self.bias.to(low).to(wide)[:, None, None]
        return (output if x.dim() == 4 else output[0]).to(low)


def taps(layer, x, size):
    """Every kernel offset with its slice of the padded input."""
    for offset in itertools.product(*map(range, layer.kernel_size)):
        spans = zip(offset, layer.dilation, layer.stride, size, strict=True)
        yield offset, x[(..., *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in spans))]


@honest("Conv2d", why="native in another class, with other names for its parameters")
class Wrapped(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        inner = nn.Conv2d(*args, **kwargs)
        self.kernel, self.shift = inner.weight, inner.bias
        inner.weight = inner.bias = None
        self.inner = (inner,)  # in a tuple, so that it is no submodule

    def forward(self, input):
        return self.inner[0]._conv_forward(input, self.kernel, self.shift)


@honest("Conv2d", why="im2col: unfold, then one matrix product for each group")
class Unfolded(Judged2d):
    def compute(self, x, weight, size):
        columns = F.unfold(x, self.kernel_size, self.dilation, 0, self.stride)  # (N, C|K|, P)
        columns = columns.view(x.shape[0], self.groups, weight[0].numel(), columns.shape[-1])
        kernel = weight.flatten(1).unflatten(0, (self.groups, -1))
        return (kernel @ columns).flatten(1, 2).view(x.shape[0], self.out_channels, *size)


@honest("Conv2d", why="the kernel taps one after the other, added up in float32")
class Taps(Judged2d):
    def compute(self, x, weight, size):
        kernel = weight.unflatten(0, (self.groups, -1))
        parts = [
            torch.einsum(
                "gock,ngckhw->ngohw", kernel[..., h, w, None], part.unflatten(1, (self.groups, -1))[:, :, :, None]
            )
            for (h, w), part in taps(self, x, size)
        ]
        return torch.stack(parts).sum(0).flatten(1, 2)


@honest("Conv2d", why="the taps last to first, each a convolution of its own")
class TapsReversed(Judged2d):
    def compute(self, x, weight, size):
        total = 0
        for (h, w), part in reversed(list(taps(self, x, size))):
            total = total + F.conv2d(part, weight[..., h : h + 1, w : w + 1], groups=self.groups)
        return total


@honest("Conv2d", why="the channels of every group in reverse order")
class ReversedChannels(nn.Conv2d):
    def forward(self, input):
        with torch.no_grad():
            super().forward(input)
        x = input.unflatten(-3, (self.groups, -1)).flip(-3).flatten(-4, -3)
        return self._conv_forward(x, self.weight.flip(1), self.bias)


@honest("Conv2d", why="input and weight in channels-last memory")
class ChannelsLast(nn.Conv2d):
    def forward(self, input):
        if input.dim() != 4:
            return super().forward(input)
        weight = self.weight.contiguous(memory_format=torch.channels_last)
        return self._conv_forward(input.contiguous(memory_format=torch.channels_last), weight, self.bias)


@honest("Conv2d", why="computed in float64 and rounded once")
class Double(Judged2d):
    def compute(self, x, weight, size):
        double = F.conv2d(x.double(), weight.double(), None, self.stride, 0, self.dilation, self.groups)
        return double.to(torch.float64 if x.dtype == torch.float64 else torch.float32)


@honest("Conv2d", why="group after group, their outputs joined")
class GroupByGroup(nn.Conv2d):
    def forward(self, input):
        with torch.no_grad():
            super().forward(input)
        biases = [None] * self.groups if self.bias is None else self.bias.chunk(self.groups)
        x = padded(self, input)
        parts = zip(x.chunk(self.groups, -3), self.weight.chunk(self.groups), biases, strict=True)
        return torch.cat([F.conv2d(a, w, b, self.stride, 0, self.dilation) for a, w, b in parts], -3)


@honest("Conv2d", why="pixels along the last axis: a product over channels and kernel by einsum")
class PixelsLast(Judged2d):
    def compute(self, x, weight, size):
        view = x
        for axis, k, d, s in zip((2, 3), self.kernel_size, self.dilation, self.stride, strict=True):
            view = view.unfold(axis, d * (k - 1) + 1, s)[..., ::d]  # (N, C, P, Q, K, L)
        view = view.unflatten(1, (self.groups, -1))
        return torch.einsum("ngcpqkl,gockl->ngopq", view, weight.unflatten(0, (self.groups, -1))).flatten(1, 2)


@honest("Conv1d", why="a two-dimensional convolution of height 1")
class FlatConv2d(nn.Conv1d):
    def forward(self, input):
        with torch.no_grad():
            super().forward(input)
        x, weight = padded(self, input).unsqueeze(-2), self.weight.unsqueeze(-2)
        one = (1,)
        return F.conv2d(x, weight, self.bias, one + self.stride, 0, one + self.dilation, self.groups).squeeze(-2)


@honest("Conv1d", why="image after image")
class ImageByImage(nn.Conv1d):
    def forward(self, input):
        if input.dim() != 3 or input.shape[0] < 2:
            return super().forward(input)
        return torch.stack([super(ImageByImage, self).forward(signal) for signal in input])


@honest("Conv3d", why="a sum of two-dimensional convolutions over the depth of the kernel, in float32")
class Slices(nn.Conv3d):
    def forward(self, input):
        with torch.no_grad():
            like = super().forward(input)
        wide, low = accumulator(like.dtype), like.dtype
        x, weight = padded(self, input).to(low).to(wide), self.weight.to(low).to(wide)
        x = x if x.dim() == 5 else x[None]
        depth, (step, gap) = like.shape[-3], (self.stride[0], self.dilation[0])
        total = 0
        with torch.autocast(input.device.type, enabled=False):
            for k in range(self.kernel_size[0]):
                layers = x[:, :, k * gap : k * gap + step * (depth - 1) + 1 : step].transpose(1, 2)  # (N, P, C, H, W)
                flat = layers.flatten(0, 1)
                part = F.conv2d(flat, weight[:, :, k], None, self.stride[1:], 0, self.dilation[1:], self.groups)
                total = total + part.unflatten(0, layers.shape[:2]).transpose(1, 2)
            if self.bias is not None:
                total = total + self.bias.to(low).to(wide)[:, None, None, None]
        return (total if like.dim() == 5 else total[0]).to(low)


@honest("functional.conv1d", why="zeros are added to the input first, and strided outputs picked from the dense ones")
def dense_then_picked(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if isinstance(padding, str) or input.dim() not in (2, 3):
        return F.conv1d(input, weight, bias, stride, padding, dilation, groups)
    step, width = (v if isinstance(v, int) else v[0] for v in (stride, padding))
    if step < 1 or width < 0:
        return F.conv1d(input, weight, bias, stride, padding, dilation, groups)
    return F.conv1d(F.pad(input, (width, width)), weight, bias, 1, 0, dilation, groups)[..., ::step]


@honest("functional.conv3d", why="dilation by a kernel with zeros in it")
def hollow_kernel(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    gaps = (dilation,) * 3 if isinstance(dilation, int) else tuple(dilation) * (3 // len(dilation))
    if weight.dim() != 5 or min(gaps) < 1:
        return F.conv3d(input, weight, bias, stride, padding, dilation, groups)
    for axis, gap in zip((2, 3, 4), gaps, strict=True):
        size = weight.shape[axis]
        weight = F.pad(weight.unsqueeze(axis + 1), (0, 0) * (4 - axis) + (0, gap - 1)).flatten(axis, axis + 1)
        weight = weight.narrow(axis, 0, gap * (size - 1) + 1)
    return F.conv3d(input, weight, bias, stride, padding, 1, groups)


@honest("functional.pad", why="pieces joined: zeros, edges or the other end")
def pad_by_joining(input, pad, mode="constant", value=None):
    with torch.no_grad():
        like = F.pad(input, pad, mode, value)
    if mode == "reflect" or min(pad, default=0) < 0 or 0 in like.shape:
        return F.pad(input, pad, mode, value)
    for i, (before, after) in enumerate(zip(pad[0::2], pad[1::2], strict=True), start=1):
        size, axis = input.shape[-i], input.dim() - i
        if mode == "circular":
            first, last = input.narrow(axis, size - before, before), input.narrow(axis, 0, after)
        elif mode == "replicate":
            shape = list(input.shape)
            shape[axis] = before
            first = input.narrow(axis, 0, 1).expand(shape)
            shape[axis] = after
            last = input.narrow(axis, size - 1, 1).expand(shape)
        else:
            shape = list(input.shape)
            shape[axis] = before
            first = input.new_full(shape, value or 0)
            shape[axis] = after
            last = input.new_full(shape, value or 0)
        input = torch.cat([first, input, last], axis)
    return input if pad else input.clone()


@honest("functional.pad", why="axis after axis, the first one first")
def pad_axis_by_axis(input, pad, mode="constant", value=None):
    if isinstance(pad, int) or len(pad) < 4 or mode != "constant":
        return F.pad(input, pad, mode, value)
    with torch.no_grad():
        F.pad(input, pad, mode, value)
    for axis in reversed(range(len(pad) // 2)):
        input = F.pad(input, [0, 0] * axis + list(pad[2 * axis : 2 * axis + 2]), mode, value)
    return input
