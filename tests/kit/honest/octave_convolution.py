"""Honest variants of octave convolution."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.functional.octave_convolution import low_channels, octave_conv2d
from refops.nn.octave_convolution import OctaveConv2d
from refops.parity.proving.collection import honest

HALF = (torch.float16, torch.bfloat16)


class Paths(OctaveConv2d):
    """By torch's own functions; half precision in float32, rounded once. Subclasses compute one step otherwise."""

    def pool(self, x):
        return F.avg_pool2d(x, 2)

    def enlarge(self, x, size):
        return F.interpolate(x if x.dim() == 4 else x[None], size=tuple(size)).reshape(*x.shape[:-2], *size)

    def convolve(self, x, kernel):
        return F.conv2d(x, kernel, None, 1, "same", self.dilation, self.groups)

    def low(self, fine, coarse, kernel, cut):
        paths = [] if fine is None else [self.convolve(self.pool(fine), kernel[:, :cut])]
        paths += [] if coarse is None else [self.convolve(coarse, kernel[:, cut:])]
        return sum(reversed(paths[1:]), paths[0])

    def forward(self, high, low=None):
        with torch.no_grad():
            super().forward(high, low)  # refuses what is to be refused
        given = (high, low, self.weight, self.bias)
        half = self.weight.dtype in HALF
        x, y, w, b = (t.float() if half and t is not None else t for t in given)
        i = (self.in_channels - low_channels(self.alpha_in, self.in_channels)) // self.groups
        o = self.out_channels - low_channels(self.alpha_out, self.out_channels)
        fine, coarse = (None if t is None else self.pool(t) if self.stride == 2 else t for t in (x, y))
        results = [None, None]
        if o:
            size = [2 * s // self.stride for s in y.shape[-2:]] if fine is None else fine.shape[-2:]
            paths = [] if y is None else [self.enlarge(self.convolve(y, w[:o, i:]), size)]
            paths += [] if fine is None else [self.convolve(fine, w[:o, :i])]
            results[0] = sum(paths[1:], paths[0])
        if o < len(w):
            results[1] = self.low(fine, coarse, w[o:], i)
        shifts = (None, None) if b is None else (b[:o].to(results[0]) if o else None, b[o:])
        shifted = (
            t if t is None or c is None else t + c[:, None, None].to(t) for t, c in zip(results, shifts, strict=True)
        )
        return tuple(t.to(self.weight.dtype) if half and t is not None else t for t in shifted)


@honest("OctaveConv2d", why="torch's convolution, pooling and interpolation")
class Native(Paths):
    pass


@honest("OctaveConv2d", why="the low map by one convolution over high and low channels together")
class LowAtOnce(Paths):
    def low(self, fine, coarse, kernel, cut):
        if fine is None or coarse is None or self.groups > 1:
            return super().low(fine, coarse, kernel, cut)
        return self.convolve(torch.cat([self.pool(fine), coarse], -3), kernel)


@honest("OctaveConv2d", why="pooling by a view of 2 x 2 cells")
class Cells(Paths):
    def pool(self, x):
        h, w = (s // 2 for s in x.shape[-2:])
        return x[..., : 2 * h, : 2 * w].unflatten(-1, (w, 2)).unflatten(-3, (h, 2)).mean((-3, -1))


@honest("OctaveConv2d", why="pooling by a convolution of stride 2 with four quarters")
class Quarters(Paths):
    def pool(self, x):
        kernel = torch.full((x.shape[-3], 1, 2, 2), 0.25, dtype=x.dtype, device=x.device)
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, kernel, stride=2, groups=x.shape[-3])


@honest("OctaveConv2d", why="enlarging by indices")
class Indices(Paths):
    def enlarge(self, x, size):
        rows, columns = (torch.arange(n, device=x.device) * s // n for n, s in zip(size, x.shape[-2:], strict=True))
        return x[..., rows[:, None], columns]


@honest("OctaveConv2d", why="in channels_last")
class ChannelsLast(Paths):
    def convolve(self, x, kernel):
        form = torch.channels_last
        return super().convolve(x.contiguous(memory_format=form) if x.dim() == 4 else x, kernel)


@honest("OctaveConv2d", why="one Conv2d holds kernel and bias, under other names")
class Wrapped(nn.Module):
    def __init__(
        self, in_channels, out_channels, kernel_size=3, alpha_in=0.5, alpha_out=0.5, stride=1, dilation=1, groups=1,
        bias=True,
    ):  # fmt: skip
        super().__init__()
        OctaveConv2d(in_channels, out_channels, kernel_size, alpha_in, alpha_out, stride, dilation, groups, bias)
        self.plain = nn.Conv2d(in_channels, out_channels, kernel_size, dilation=dilation, groups=groups, bias=bias)
        self.options = (alpha_in, alpha_out, stride, dilation, groups)

    def forward(self, high, low=None):
        return octave_conv2d(high, low, self.plain.weight, self.plain.bias, *self.options)


@honest("functional.octave_conv2d", why="as the layer of torch's own functions")
def native(high, low, weight, bias=None, alpha_in=0.5, alpha_out=0.5, stride=1, dilation=1, groups=1):
    octave_conv2d(high, low, weight, bias, alpha_in, alpha_out, stride, dilation, groups)
    layer = Paths.__new__(Paths)
    nn.Module.__init__(layer)
    layer.weight, layer.bias = None, None
    del layer.weight, layer.bias
    options = {"in_channels": weight.shape[1] * groups, "out_channels": len(weight), "alpha_in": alpha_in}
    options |= {"alpha_out": alpha_out, "stride": stride, "dilation": dilation, "groups": groups}
    for name, value in (options | {"weight": weight, "bias": bias}).items():
        object.__setattr__(layer, name, value)
    return layer(high, low)
