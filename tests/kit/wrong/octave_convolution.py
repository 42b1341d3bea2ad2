"""Wrong implementations of octave convolution."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.functional.octave_convolution import low_channels, octave_conv2d
from refops.nn.octave_convolution import OctaveConv2d
from refops.parity.proving.collection import differs, wrong


class Paths(OctaveConv2d):
    """Right as it stands but for errors, half precision and autocast; subclasses spoil one step."""

    def pool(self, x):
        return F.avg_pool2d(x, 2)

    def enlarge(self, x, size):
        return F.interpolate(x if x.dim() == 4 else x[None], size=size).view(*x.shape[:-2], *size)

    def convolve(self, x, kernel):
        return F.conv2d(x, kernel, None, 1, "same", self.dilation, self.groups)

    def shrink(self, x):
        return self.pool(x) if self.stride == 2 else x

    def down(self, x, kernel):
        return self.convolve(self.pool(x), kernel)

    def up(self, x, kernel, size):
        return self.enlarge(self.convolve(x, kernel), size)

    def across(self, x, kernel):
        return self.convolve(x, kernel)

    def join(self, paths, bias):
        total = sum(paths[1:], paths[0])
        return total if bias is None else total + bias[:, None, None]

    def cuts(self):
        into = self.in_channels - low_channels(self.alpha_in, self.in_channels)
        out = self.out_channels - low_channels(self.alpha_out, self.out_channels)
        return into // self.groups, out

    def forward(self, high, low=None):
        if (high if high is not None else low).dtype.itemsize == 2 or torch.is_autocast_enabled("cpu"):
            return super().forward(high, low)
        i, o = self.cuts()
        w, b = self.weight, self.bias
        bias = (None, None) if b is None else (b[:o], b[o:])
        to_high, to_low = [], []
        if high is not None:
            fine = self.shrink(high)
            size = fine.shape[-2:]
            to_high += [self.across(fine, w[:o, :i])] if o else []
            to_low += [self.down(fine, w[o:, :i])] if o < len(w) else []
        else:
            size = [2 * s // self.stride for s in low.shape[-2:]]
        if low is not None:
            to_high += [self.up(low, w[:o, i:], size)] if o else []
            to_low += [self.across(self.shrink(low), w[o:, i:])] if o < len(w) else []
        return tuple(self.join(p, c) if p else None for p, c in zip((to_high, to_low), bias, strict=True))


@wrong("OctaveConv2d", why="a convolution of stride 2 instead of pooling: odd sizes do not meet")
class StridedDown(Paths):
    def down(self, x, kernel):
        d = self.dilation if isinstance(self.dilation, tuple) else (self.dilation,) * 2
        padding = [n * (k - 1) // 2 for n, k in zip(d, kernel.shape[2:], strict=True)]
        return F.conv2d(x, kernel, None, 2, padding, d, self.groups)


@differs("OctaveConv2d", why="upwards by a factor of 2: odd high maps do not meet")
class DoublesOnly(Paths):
    def enlarge(self, x, size):
        return x if tuple(x.shape[-2:]) == tuple(size) else x.repeat_interleave(2, -1).repeat_interleave(2, -2)


@differs("OctaveConv2d", why="first and last layers, with an alpha of 0, do not run")
class NoEnds(Paths):
    def forward(self, high, low=None):
        high.shape, low.shape  # noqa: B018
        if self.alpha_out in (0, 1):
            raise RuntimeError("weight must have at least one row")
        return super().forward(high, low)


@wrong("OctaveConv2d", why="int(channels * (1 - alpha)) high channels: one is lost to rounding")
class CutsTheHighOnes(Paths):
    def cuts(self):
        into, out = int(self.in_channels * (1 - self.alpha_in)), int(self.out_channels * (1 - self.alpha_out))
        return into // self.groups, out


@differs("OctaveConv2d", why="int(alpha * channels) low channels: 0.58 * 50 is 28.999999999999996")
class CutsTheLowOnes(Paths):
    def cuts(self):
        into = self.in_channels - int(self.alpha_in * self.in_channels)
        return into // self.groups, self.out_channels - int(self.alpha_out * self.out_channels)


@wrong(
    "OctaveConv2d", why="the largest of each cell instead of the mean", cause="the largest of each cell, not the mean"
)
class MaxPooled(Paths):
    def pool(self, x):
        return F.max_pool2d(x, 2)


@wrong(
    "OctaveConv2d",
    why="every second pixel instead of the mean of four",
    cause="every second pixel, not the mean of four",
)
class Subsampled(Paths):
    def pool(self, x):
        return x[..., : x.shape[-2] // 2 * 2 : 2, : x.shape[-1] // 2 * 2 : 2]


@wrong("OctaveConv2d", why="convolves first and pools afterwards", cause="convolves first and pools afterwards")
class PoolsLate(Paths):
    def down(self, x, kernel):
        return self.pool(self.convolve(x, kernel))


@wrong("OctaveConv2d", why="enlarges first and convolves afterwards", cause="enlarges first and convolves afterwards")
class EnlargesEarly(Paths):
    def up(self, x, kernel, size):
        return self.convolve(self.enlarge(x, size), kernel)


@wrong("OctaveConv2d", why="bilinear upwards", cause="enlarges by bilinear interpolation")
class Bilinear(Paths):
    def enlarge(self, x, size):
        batch = x if x.dim() == 4 else x[None]
        return F.interpolate(batch, size=size, mode="bilinear").view(*x.shape[:-2], *size)


@wrong(
    "OctaveConv2d",
    why="low channels take nothing from the high map",
    cause="low channels take nothing from the high map",
)
class NoExchange(Paths):
    def down(self, x, kernel):
        return 0 * super().down(x, kernel)


@wrong(
    "OctaveConv2d",
    why="what the low map takes from the high one has no gradient",
    cause="no gradient through what the low map takes from the high one",
)
class DetachedExchange(Paths):
    def down(self, x, kernel):
        return super().down(x.detach(), kernel)


@wrong(
    "OctaveConv2d",
    why="the mean of the two paths instead of their sum",
    cause="the mean of the two paths, not their sum",
)
class MeanOfPaths(Paths):
    def join(self, paths, bias):
        return super().join([p / len(paths) for p in paths], bias)


@wrong("OctaveConv2d", why="every path adds the bias", cause="every path adds the bias")
class BiasPerPath(Paths):
    def join(self, paths, bias):
        return super().join(paths, bias if bias is None else bias * len(paths))


@wrong(
    "OctaveConv2d",
    why="a stride of 2 is one of the convolutions, not a pooling",
    cause="a stride of 2 is one of the convolutions",
)
class StridedConvolutions(Paths):
    def shrink(self, x):
        return x[..., : x.shape[-2] // 2 * 2 : 2, : x.shape[-1] // 2 * 2 : 2] if self.stride == 2 else x


@wrong("OctaveConv2d", why="only the path within the map is dilated", cause="only the path within a map is dilated")
class DilatesAcross(Paths):
    def down(self, x, kernel):
        return F.conv2d(self.pool(x), kernel, None, 1, "same", 1, self.groups)


@wrong("OctaveConv2d", why="a map without channels is an empty tensor, not None")
class EmptyMaps(Paths):
    def forward(self, high, low=None):
        results = super().forward(high, low)
        there = next(x for x in results if x is not None)
        return tuple(there.new_zeros(*there.shape[:-3], 0, *there.shape[-2:]) if x is None else x for x in results)


@wrong("OctaveConv2d", why="even kernels are padded with k // 2: the map grows")
class HalfTheKernel(Paths):
    def convolve(self, x, kernel):
        d = self.dilation if isinstance(self.dilation, tuple) else (self.dilation,) * 2
        return F.conv2d(
            x, kernel, None, 1, [n * (k // 2) for n, k in zip(d, kernel.shape[2:], strict=True)], d, self.groups
        )


@differs("OctaveConv2d", why="a low map of any size is made to fit")
class FitsAnything(OctaveConv2d):
    def forward(self, high, low=None):
        if high is not None and low is not None and low.dim() == 4 and min(high.shape[-2:]) > 1:
            low = F.interpolate(low, size=[s // 2 for s in high.shape[-2:]])
        return super().forward(high, low)


@wrong("OctaveConv2d", only="refusals", why="an alpha outside [0, 1] is clamped")
class ClampsAlpha(OctaveConv2d):
    def __init__(self, in_channels, out_channels, kernel_size=3, alpha_in=0.5, alpha_out=0.5, *rest, **named):
        clamped = (0.5 if not 0 <= a <= 1 else a for a in (alpha_in, alpha_out))
        super().__init__(in_channels, out_channels, kernel_size, *clamped, *rest, **named)


@differs("functional.octave_conv2d", why="half precision comes out as float32")
def widens(high, low, weight, bias=None, alpha_in=0.5, alpha_out=0.5, stride=1, dilation=1, groups=1):
    pair = octave_conv2d(high, low, weight, bias, alpha_in, alpha_out, stride, dilation, groups)
    return tuple(None if x is None else x.float() if x.dtype.itemsize == 2 else x for x in pair)


@wrong("functional.octave_conv2d", why="alpha_in is used for the output too")
def one_alpha(high, low, weight, bias=None, alpha_in=0.5, alpha_out=0.5, stride=1, dilation=1, groups=1):
    return octave_conv2d(high, low, weight, bias, alpha_in, alpha_in, stride, dilation, groups)


@wrong("functional.octave_conv2d", why="the low outputs stand before the high ones in the kernel")
def low_first(high, low, weight, bias=None, alpha_in=0.5, alpha_out=0.5, stride=1, dilation=1, groups=1):
    n = low_channels(alpha_out, len(weight))
    shift = None if bias is None else bias.roll(-n)
    return octave_conv2d(high, low, weight.roll(-n, 0), shift, alpha_in, alpha_out, stride, dilation, groups)


@wrong("functional.octave_conv2d", why="the high map is scaled in place")
def in_place(high, low, weight, bias=None, alpha_in=0.5, alpha_out=0.5, stride=1, dilation=1, groups=1):
    pair = octave_conv2d(
        None if high is None else high.clone(), low, weight, bias, alpha_in, alpha_out, stride, dilation, groups
    )
    if high is not None:
        high.data.mul_(0.5)
    return pair


@wrong("OctaveConv2d", why="four convolutions, each with a bias and weights of its own")
class FourLayers(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, alpha_in=0.5, alpha_out=0.5, **options):
        super().__init__()
        into, out = int(in_channels * (1 - alpha_in)), int(out_channels * (1 - alpha_out))
        self.hh = nn.Conv2d(into, out, kernel_size, padding="same")
        self.hl = nn.Conv2d(into, out_channels - out, kernel_size, padding="same")
        self.lh = nn.Conv2d(in_channels - into, out, kernel_size, padding="same")
        self.ll = nn.Conv2d(in_channels - into, out_channels - out, kernel_size, padding="same")

    def forward(self, high, low):
        up = F.interpolate(self.lh(low), scale_factor=2)
        return self.hh(high) + up, self.ll(low) + self.hl(F.avg_pool2d(high, 2))
