"""Poolings that are right in another way."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair, _triple

from refops.parity.proving.collection import honest


def wide(input: Tensor) -> Tensor:
    return input.to(torch.promote_types(input.dtype, torch.float32))


def padded(input: Tensor, padding: Any, value: float) -> Tensor:
    height, width = _pair(padding)
    return F.pad(input, (width, width, height, height), value=value)


@honest("MaxPool2d", why="native inside another class, with other names")
class Wrapped(nn.Module):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.strongest = nn.MaxPool2d(*args, **kwargs)

    def forward(self, image: Tensor) -> Any:
        return self.strongest(image)


@honest("MaxPool2d", why="pads with -inf by itself")
class PadsByItself(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if self.return_indices or self.ceil_mode or not input.is_floating_point():
            return output
        return F.max_pool2d(padded(input, self.padding, -math.inf), self.kernel_size, self.stride, 0, self.dilation)


@honest("MaxPool2d", why="finds the places first and gathers there")
class Gathers(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        given = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        at = F.max_pool2d_with_indices(input.detach(), *given)[1]
        values = input.flatten(-2).gather(-1, at.flatten(-2)).view(at.shape)
        return (values, at) if self.return_indices else values


@honest("MaxPool2d", why="batch and channels are one axis on the way")
class OneLeadingAxis(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        if input.dim() != 4 or not len(input):
            return super().forward(input)
        output = super().forward(input.flatten(0, 1))
        if self.return_indices:
            return tuple(part.unflatten(0, input.shape[:2]) for part in output)
        return output.unflatten(0, input.shape[:2])


@honest("MaxPool1d", why="the two-dimensional one on an image of height one")
class HeightOfOne(nn.MaxPool1d):
    def forward(self, input: Tensor) -> Any:
        super().forward(input.detach())
        k, s, p, d = (
            v if isinstance(v, int) else v[0] for v in (self.kernel_size, self.stride, self.padding, self.dilation)
        )
        flat = input.unsqueeze(-2)
        values, at = F.max_pool2d_with_indices(flat, (1, k), (1, s), (0, p), (1, d), self.ceil_mode)
        return (values.squeeze(-2), at.squeeze(-2)) if self.return_indices else values.squeeze(-2)


@honest("MaxPool3d", why="pools each slice, then over the slices")
class SlicesFirst(nn.MaxPool3d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if self.return_indices:
            return output
        (k, *ks), (s, *ss), (p, *ps), (d, *ds) = map(
            _triple, (self.kernel_size, self.stride, self.padding, self.dilation)
        )
        slices = F.max_pool3d(input, (1, *ks), (1, *ss), (0, *ps), (1, *ds), self.ceil_mode)
        return F.max_pool3d(slices, (k, 1, 1), (s, 1, 1), (p, 0, 0), (d, 1, 1), self.ceil_mode)


@honest("functional.max_pool2d", why="one channel after the other")
def channel_by_channel(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    if input.dim() not in (3, 4) or not input.shape[-3]:
        return F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    given = (kernel_size, stride, padding, dilation, ceil_mode)
    pooled = [F.max_pool2d_with_indices(channel, *given) for channel in input.split(1, -3)]
    values, at = (torch.cat(parts, -3) for parts in zip(*pooled, strict=True))
    return (values, at) if return_indices else values


@honest("AvgPool2d", why="sums by a convolution of ones, counts by another")
class ByConvolution(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.ceil_mode or not len(input):
            return output
        h, w = _pair(self.kernel_size)
        with torch.autocast(input.device.type, enabled=False):
            planes = wide(input).flatten(0, -3)[:, None]  # every channel an image of its own
            ones = planes.new_ones(1, 1, h, w)
            total = F.conv2d(planes, ones, None, self.stride, self.padding).view(output.shape)
            counts = F.conv2d(torch.ones_like(planes[:1]), ones, None, self.stride, self.padding)[0]
        plain = h * w if self.count_include_pad else counts
        return (total / (plain if self.divisor_override is None else self.divisor_override)).to(input.dtype)


@honest("AvgPool2d", why="columns first, then rows, in float32")
class AxisAfterAxis(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.divisor_override is not None:
            return output
        (h, w), (s, t), (p, q) = map(_pair, (self.kernel_size, self.stride, self.padding))
        options = {"ceil_mode": self.ceil_mode, "count_include_pad": self.count_include_pad}
        columns = F.avg_pool2d(wide(input), (h, 1), (s, 1), (p, 0), **options)
        return F.avg_pool2d(columns, (1, w), (1, t), (0, q), **options).to(input.dtype)


@honest("AvgPool2d", why="adds up the taps from the last to the first, in float32")
class BackwardTaps(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.ceil_mode or not self.count_include_pad:
            return output
        (h, w), (s, t) = _pair(self.kernel_size), _pair(self.stride)
        plane, total = padded(wide(input), self.padding, 0.0), torch.zeros_like(wide(output))
        rows, columns = s * (output.shape[-2] - 1) + 1, t * (output.shape[-1] - 1) + 1
        for i in reversed(range(h)):
            for j in reversed(range(w)):
                total = total + plane[..., i : i + rows : s, j : j + columns : t]
        return (total / (h * w if self.divisor_override is None else self.divisor_override)).to(input.dtype)


@honest("AvgPool2d", why="image by image")
class ImageByImage(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or not len(input):
            return super().forward(input)
        return torch.stack([super(ImageByImage, self).forward(image) for image in input])


@honest("AvgPool1d", why="the mean of a strided view, in float64")
class MeanOfAView(nn.AvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.ceil_mode or not self.count_include_pad:
            return output
        windows = F.pad(input.double(), self.padding * 2).unfold(-1, self.kernel_size[0], self.stride[0])
        return windows.mean(-1).to(input.dtype)


@honest("functional.avg_pool3d", why="each slice first, then over the slices")
def slices_first(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    output = F.avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    if divisor_override is not None:
        return output
    (k, *ks), (s, *ss), (p, *ps) = map(_triple, (kernel_size, stride or kernel_size, padding))
    slices = F.avg_pool3d(input, (1, *ks), (1, *ss), (0, *ps), ceil_mode, count_include_pad)
    return F.avg_pool3d(slices, (k, 1, 1), (s, 1, 1), (p, 0, 0), ceil_mode, count_include_pad)


@honest("AvgPool2d", drop_in=True, why="pools every image by itself and lays the answer out as native does")
class LaidOutAsNative(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or not len(input):
            return super().forward(input)
        output = torch.cat([super(LaidOutAsNative, self).forward(image) for image in input.split(1)])
        last = input.is_contiguous(memory_format=torch.channels_last) and not input.is_contiguous()
        return output.movedim(1, -1).contiguous().movedim(-1, 1) if last else output.contiguous()


@honest("AvgPool2d", why="with channels last always, as some kernels work")
class ChannelsLast(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        return output.movedim(-3, -1).contiguous().movedim(-1, -3) if output.dim() > 2 else output
