"""Honest variants of the transposed convolutions, of convolution as a matrix, and of the separable layer."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def extra_of(layer, like, input):
    """The output_padding that gives the map of `like`."""
    rows = zip(like.shape[-len(layer.stride) :], input.shape[-len(layer.stride) :], layer.stride, layer.padding,
               layer.dilation, layer.kernel_size, strict=True)  # fmt: skip
    return [size - ((p - 1) * s - 2 * c + d * (k - 1) + 1) for size, p, s, c, d, k in rows]


class Judged2d(nn.ConvTranspose2d):
    """Native's constructor, refusals and autocast; subclasses compute on a batch in wide numbers."""

    def forward(self, input, output_size=None):
        with torch.no_grad():
            like = super().forward(input, output_size)
        low = like.dtype
        wide = torch.promote_types(low, torch.float32)
        x = input.to(low).to(wide)
        with torch.autocast(input.device.type, enabled=False):
            output = self.compute(x if x.dim() == 4 else x[None], self.weight.to(low).to(wide), like)
            if self.bias is not None:
                output = output + self.bias.to(low).to(wide)[:, None, None]
        return (output if x.dim() == 4 else output[0]).to(low)

    def cut(self, whole, like):
        """From `padding` on, zeros where the map ends early."""
        (top, left), (height, width) = self.padding, like.shape[-2:]
        kept = whole[..., top : top + height, left : left + width]
        return F.pad(kept, (0, width - kept.shape[-1], 0, height - kept.shape[-2]))


@honest("ConvTranspose2d", why="native in another class, with other names for its parameters")
class Wrapped(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        inner = nn.ConvTranspose2d(*args, **kwargs)
        self.kernel, self.shift = inner.weight, inner.bias
        inner.weight = inner.bias = None
        self.inner = (inner,)  # in a tuple, so that it is no submodule

    def forward(self, input, output_size=None):
        like = self.inner[0]
        extra = like._output_padding(input, output_size, like.stride, like.padding, like.kernel_size, 2, like.dilation)
        return F.conv_transpose2d(
            input, self.kernel, self.shift, like.stride, like.padding, extra, like.groups, like.dilation
        )  # fmt: skip


@honest("ConvTranspose2d", why="the kernel taps one after the other, each added to its strided slice of the output")
class Taps(Judged2d):
    def compute(self, x, weight, like):
        x, weight = x.unflatten(1, (self.groups, -1)), weight.unflatten(0, (self.groups, -1))
        (rows, columns), (s, t), (d, e) = x.shape[-2:], self.stride, self.dilation
        height, width = (rows - 1) * s + 1, (columns - 1) * t + 1
        total = 0
        for h, w in itertools.product(*map(range, self.kernel_size)):
            part = torch.einsum("gco,ngchw->ngohw", weight[..., h, w], x).flatten(1, 2)
            spread = part.new_zeros(*part.shape[:2], height, width)
            spread[..., ::s, ::t] = part
            below, right = (self.kernel_size[0] - 1 - h) * d, (self.kernel_size[1] - 1 - w) * e
            total = total + F.pad(spread, (w * e, right, h * d, below))
        return self.cut(total, like)


@honest("ConvTranspose2d", why="matrix product, then fold")
class Folded(Judged2d):
    def compute(self, x, weight, like):
        columns = torch.einsum(
            "gci,ngcp->ngip",
            weight.unflatten(0, (self.groups, -1)).flatten(2),
            x.flatten(2).unflatten(1, (self.groups, -1)),
        ).flatten(1, 2)
        size = [(p - 1) * s + d * (k - 1) + 1 for p, s, d, k in zip(
            x.shape[2:], self.stride, self.dilation, self.kernel_size, strict=True)]  # fmt: skip
        if x.shape[0] == 0:
            return x.new_zeros(like.shape) + 0 * columns.sum()
        return self.cut(F.fold(columns, size, self.kernel_size, self.dilation, 0, self.stride), like)


@honest(
    "ConvTranspose2d", why="zeros put between the inputs, then a convolution with the kernel turned round, in float64"
)
class Stretched(Judged2d):
    def compute(self, x, weight, like):
        (rows, columns), (s, t) = x.shape[2:], self.stride
        spread = x.new_zeros(*x.shape[:2], (rows - 1) * s + 1, (columns - 1) * t + 1)
        spread[..., ::s, ::t] = x
        turned = weight.flip(2, 3).unflatten(0, (self.groups, -1)).transpose(1, 2).flatten(0, 1)
        border = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        double = F.conv2d(spread.double(), turned.double(), None, 1, border, self.dilation, self.groups)
        return self.cut(double.to(x.dtype), like)


@honest("ConvTranspose2d", why="computed in float64 and rounded once")
class Double(Judged2d):
    def compute(self, x, weight, like):
        extra = extra_of(self, like, x)
        double = F.conv_transpose2d(
            x.double(), weight.double(), None, self.stride, self.padding, extra, self.groups, self.dilation
        )  # fmt: skip
        return double.to(x.dtype)


@honest("ConvTranspose2d", why="group after group, their outputs joined")
class GroupByGroup(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        with torch.no_grad():
            extra = extra_of(self, super().forward(input, output_size), input)
        biases = [None] * self.groups if self.bias is None else self.bias.chunk(self.groups)
        parts = zip(input.chunk(self.groups, -3), self.weight.chunk(self.groups), biases, strict=True)
        return torch.cat(
            [F.conv_transpose2d(x, w, b, self.stride, self.padding, extra, 1, self.dilation) for x, w, b in parts], -3
        )


@honest("ConvTranspose2d", why="the channels of every group in reverse order")
class ReversedChannels(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        with torch.no_grad():
            extra = extra_of(self, super().forward(input, output_size), input)
        x = input.unflatten(-3, (self.groups, -1)).flip(-3).flatten(-4, -3)
        weight = self.weight.unflatten(0, (self.groups, -1)).flip(1).flatten(0, 1)
        return F.conv_transpose2d(
            x, weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )  # fmt: skip


@honest("ConvTranspose1d", why="a two-dimensional one of height 1")
class FlatConvTranspose2d(nn.ConvTranspose1d):
    def forward(self, input, output_size=None):
        with torch.no_grad():
            extra = extra_of(self, super().forward(input, output_size), input)
        return F.conv_transpose2d(
            input.unsqueeze(-2), self.weight.unsqueeze(-2), self.bias, (1, *self.stride), (0, *self.padding),
            (0, *extra), self.groups, (1, *self.dilation),
        ).squeeze(-2)  # fmt: skip


@honest("functional.conv_transpose1d", why="image after image")
def image_by_image(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    options = (stride, padding, output_padding, groups, dilation)
    if input.dim() != 3 or input.shape[0] < 2:
        return F.conv_transpose1d(input, weight, bias, *options)
    return torch.stack([F.conv_transpose1d(signal, weight, bias, *options) for signal in input])


@honest("functional.convolution_matrix", why="what the convolution makes of every unit image, one at a time")
def by_unit_images(weight, input_size, stride=1, padding=0, dilation=1, groups=1):
    n, channels = len(input_size), weight.shape[1] * groups
    if weight.dim() != n + 2:
        raise RuntimeError(f"input_size must have {weight.dim() - 2} axes, got {input_size}")
    if padding == "same" and stride != 1:
        raise RuntimeError(f"padding 'same' needs a stride of 1, got {stride}")
    convolution = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[n]
    images = torch.eye(channels * torch.Size(input_size).numel(), dtype=weight.dtype).to(weight.device)
    images = images.view(-1, channels, *input_size)
    with torch.autocast(weight.device.type, enabled=False):
        columns = [convolution(image[None], weight, None, stride, padding, dilation, groups) for image in images]
    return torch.stack([column.flatten() for column in columns], 1)


@honest("DepthwiseSeparableConv2d", why="torch's own layers, under other names")
class TwoLayers(nn.Module):
    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, padding="same", dilation=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        where = {"device": device, "dtype": dtype}
        if in_channels < 1:
            raise ValueError(f"in_channels must be positive, got {in_channels}")
        self.space = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, in_channels, bias, padding_mode, **where
        )
        self.channels = nn.Conv2d(in_channels, out_channels, 1, bias=bias, **where)

    def forward(self, input):
        return self.channels(self.space(input))


@honest("DepthwiseSeparableConv2d", why="the pointwise step as a linear map of the channels put last")
class LinearLast(TwoLayers):
    def forward(self, input):
        hidden = self.space(input).movedim(-3, -1)
        return F.linear(hidden, self.channels.weight.flatten(1), self.channels.bias).movedim(-1, -3)
