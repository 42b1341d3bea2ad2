"""Honest variants of dropout. A foreign one need not draw native's mask, only one with its laws."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def noise_like(input, shape, p):
    """0 or 1/(1-p), from uniform numbers in float32, which are fine enough for every p."""
    keep = torch.rand(shape, device=input.device) >= p
    return keep.to(input.dtype) / (1 - p)


@honest("Dropout", why="a uniform number per element, compared with p")
class UniformMask(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or self.inplace or not input.is_floating_point():
            return super().forward(input)
        return input * noise_like(input, input.shape, self.p)


@honest("Dropout", why="scaled first, masked afterwards")
class ScaledFirst(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or self.inplace or not input.is_floating_point():
            return super().forward(input)
        return (input / (1 - self.p)) * torch.empty_like(input).bernoulli_(1 - self.p)


@honest("Dropout", why="native inside another module")
class Wrapped(nn.Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        self.drop = nn.Dropout(p, inplace)

    def forward(self, x):
        return self.drop(x)


@honest("Dropout", why="computed in float32 and rounded once")
class Wide(nn.Dropout):
    def forward(self, input):
        if self.inplace or input.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            return super().forward(input)
        return F.dropout(input.float(), self.p, self.training).to(input.dtype)


@honest("Dropout1d", why="a mask by hand, broadcast over the signal")
class Channels1d(nn.Dropout1d):
    def forward(self, input):
        if (
            not self.training
            or self.p in (0, 1)
            or self.inplace
            or not input.is_floating_point()
            or input.dim() not in (2, 3)
        ):
            return super().forward(input)
        return input * noise_like(input, (*input.shape[:-1], 1), self.p)


@honest("Dropout2d", why="a mask by hand, broadcast over the image")
class Channels2d(nn.Dropout2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or self.inplace or not input.is_floating_point() or input.dim() != 4:
            return super().forward(input)
        return input * noise_like(input, (*input.shape[:2], 1, 1), self.p)


@honest("Dropout2d", why="element dropout of one number per channel")
class ByElementDropout(nn.Dropout2d):
    def forward(self, input):
        if self.inplace or input.dim() != 4 or not self.training:
            return super().forward(input)
        return (
            input
            * F.dropout(torch.ones(input.shape[:2], dtype=input.dtype, device=input.device), self.p)[..., None, None]
        )


@honest("Dropout3d", why="the channel dropout of the volume seen as a signal")
class AsSignal(nn.Dropout3d):
    def forward(self, input):
        if self.inplace or input.dim() not in (4, 5) or input.numel() == 0:
            return super().forward(input)
        return F.dropout1d(input.flatten(-3), self.p, self.training).reshape(input.shape)


@honest("functional.dropout", why="native under another name")
def drop(input, p=0.5, training=True, inplace=False):
    return F.dropout(input, p, training, inplace)


@honest("functional.dropout2d", why="native's dropout of one number per channel")
def drop_channels(input, p=0.5, training=True, inplace=False):
    return F.dropout2d(input, p, training, inplace)
