"""Honest variants of layer, group, RMS, batch and instance norm."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class Rows(nn.LayerNorm):
    """Native's constructor and refusals; subclasses norm rows (M, D) that are at least float32."""

    def forward(self, input):
        shape = self.normalized_shape
        if not shape or tuple(input.shape[-len(shape) :]) != shape:
            raise RuntimeError(f"input must end in {shape}, got {tuple(input.shape)}")
        if not input.is_floating_point() or {p.dtype for p in self.parameters()} - {input.dtype, wide(input).dtype}:
            return super().forward(input)
        if not input.numel():
            return super().forward(input)
        output = self.rows(wide(input).reshape(-1, torch.Size(shape).numel()))
        output = output.reshape(input.shape)
        output = output if self.weight is None else output * self.weight
        return (output if self.bias is None else output + self.bias).to(input.dtype)


@honest("LayerNorm", why="textbook: mean, biased variance, division by the root")
class Textbook(Rows):
    def rows(self, x):
        mean = x.mean(1, keepdim=True)
        return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(1, keepdim=True) + self.eps)


@honest("LayerNorm", why="`torch.var_mean` and rsqrt, as torch._refs does")
class VarMean(Rows):
    def rows(self, x):
        var, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(var + self.eps)


@honest("LayerNorm", why="sums of chunks, added up afterwards")
class ChunkedSums(Rows):
    def total(self, x):
        return torch.stack([part.sum(1) for part in x.split(61, 1)], 1).sum(1, keepdim=True)

    def rows(self, x):
        d = x - self.total(x) / x.shape[1]
        return d * torch.rsqrt(self.total(d * d) / x.shape[1] + self.eps)


@honest("LayerNorm", why="the axis in reverse order")
class Reversed(nn.LayerNorm):
    def forward(self, input):
        if len(self.normalized_shape) != 1 or input.shape[-1:] != self.normalized_shape:
            return super().forward(input)
        weight = None if self.weight is None else self.weight.flip(0)
        bias = None if self.bias is None else self.bias.flip(0)
        return F.layer_norm(input.flip(-1), self.normalized_shape, weight, bias, self.eps).flip(-1)


@honest("LayerNorm", why="everything in float64, rounded once")
class InDouble(Rows):
    def rows(self, x):
        exact = x.double()
        d = exact - exact.mean(1, keepdim=True)
        return (d / torch.sqrt((d * d).mean(1, keepdim=True) + self.eps)).to(x.dtype)


@honest("LayerNorm", why="native in another class with other parameter names")
class GainAndOffset(nn.Module):
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        native = nn.LayerNorm(normalized_shape, eps, elementwise_affine, bias, device, dtype)
        self.shape, self.eps, self.gain, self.offset = native.normalized_shape, eps, native.weight, native.bias

    def forward(self, x):
        return F.layer_norm(x, self.shape, self.gain, self.offset, self.eps)


@honest("GroupNorm", why="one group after the other")
class GroupByGroup(nn.GroupNorm):
    def forward(self, input):
        F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)  # for its refusals
        x = wide(input)
        parts = x.split(input.shape[1] // self.num_groups, 1)
        output = torch.cat([self.one(part) for part in parts], 1)
        channels = (-1, *(1,) * (x.dim() - 2))
        output = output if self.weight is None else output * self.weight.reshape(channels)
        return (output if self.bias is None else output + self.bias.reshape(channels)).to(input.dtype)

    def one(self, x):
        axes = tuple(range(1, x.dim()))
        d = x - x.mean(axes, keepdim=True)
        return d * torch.rsqrt((d * d).mean(axes, keepdim=True) + self.eps)


@honest("GroupNorm", why="layer norm of the reshaped groups")
class ByLayerNorm(nn.GroupNorm):
    def forward(self, input):
        if not input.numel():
            return super().forward(input)
        F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)  # for its refusals
        rows = wide(input).reshape(input.shape[0], self.num_groups, -1)
        output = F.layer_norm(rows, rows.shape[-1:], eps=self.eps).reshape(input.shape)
        channels = (-1, *(1,) * (input.dim() - 2))
        output = output if self.weight is None else output * self.weight.reshape(channels)
        return (output if self.bias is None else output + self.bias.reshape(channels)).to(input.dtype)


@honest("RMSNorm", why="the mean square in chunks, of the rows in reverse order")
class ChunkedRMS(nn.RMSNorm):
    def forward(self, x):
        F.rms_norm(x, self.normalized_shape, self.weight, self.eps)  # for its refusals
        if not x.numel():
            return super().forward(x)
        rows = wide(x).reshape(-1, torch.Size(self.normalized_shape).numel())
        eps = torch.finfo(rows.dtype).eps if self.eps is None else self.eps
        parts = [(part * part).sum(1, keepdim=True) for part in rows.flip(1).split(53, 1)]
        output = (rows / torch.sqrt(torch.cat(parts, 1).sum(1, keepdim=True) / rows.shape[1] + eps)).reshape(x.shape)
        return (output if self.weight is None else output * self.weight).to(x.dtype)


@honest("RMSNorm", why="divides by the norm and multiplies by the square root of n")
class NormTimesRoot(nn.RMSNorm):
    def forward(self, x):
        F.rms_norm(x, self.normalized_shape, self.weight, self.eps)  # for its refusals
        axes = tuple(range(-len(self.normalized_shape), 0))
        n = torch.Size(self.normalized_shape).numel()
        eps = torch.finfo(wide(x).dtype).eps if self.eps is None else self.eps
        root = torch.sqrt((wide(x) ** 2).sum(axes, keepdim=True) + n * eps)
        output = wide(x) / root * n**0.5
        return (output if self.weight is None else output * self.weight).to(x.dtype)


class Channels:
    """Native's refusals and running statistics; subclasses norm by the batch."""

    def forward(self, input):
        own = self.training or self.running_mean is None
        native = super().forward(input if not own else input.detach())
        if not own or not input.numel():
            return native
        output = self.by_batch(wide(input))
        channels = (-1, *(1,) * (input.dim() - 2))
        output = output if self.weight is None else output * self.weight.reshape(channels)
        return (output if self.bias is None else output + self.bias.reshape(channels)).to(input.dtype)


@honest("BatchNorm2d", why="channels last: (N * H * W, C) normed over its rows")
class ChannelsLast(Channels, nn.BatchNorm2d):
    def by_batch(self, x):
        rows = x.movedim(1, -1).reshape(-1, x.shape[1])
        d = rows - rows.mean(0)
        rows = d / torch.sqrt((d * d).mean(0) + self.eps)
        return rows.reshape(x.shape[0], *x.shape[2:], x.shape[1]).movedim(-1, 1)


@honest("BatchNorm1d", why="mean of means and variance by parts, sample after sample")
class SampleBySample(Channels, nn.BatchNorm1d):
    def by_batch(self, x):
        mean = torch.stack([part.mean((0, *range(2, x.dim())), keepdim=True) for part in x.split(1)]).mean(0)
        parts = [((part - mean) ** 2).mean((0, *range(2, x.dim())), keepdim=True) for part in x.split(1)]
        return (x - mean) * torch.rsqrt(torch.stack(parts).mean(0) + self.eps)


@honest("BatchNorm2d", why="layer norm of the channels as rows")
class RowsOfChannels(Channels, nn.BatchNorm2d):
    def by_batch(self, x):
        rows = x.transpose(0, 1).reshape(x.shape[1], -1)
        rows = F.layer_norm(rows, rows.shape[1:], eps=self.eps)
        return rows.reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


@honest("BatchNorm3d", why="native batch norm within another class")
class Wrapped(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.inner = nn.BatchNorm3d(*args, **kwargs)

    def forward(self, volume):
        return self.inner(volume)


@honest("InstanceNorm2d", why="group norm with one group per channel")
class GroupPerChannel(nn.InstanceNorm2d):
    def forward(self, input):
        native = super().forward(input.detach())
        if (self.track_running_stats and not self.training) or not input.numel():
            return native if not input.requires_grad else super().forward(input)
        batch = input if input.dim() == 4 else input[None]
        weight = None if self.weight is None else self.weight.to(batch.dtype)
        bias = None if self.bias is None else self.bias.to(batch.dtype)
        if batch.dtype in (torch.float16, torch.bfloat16):
            weight, bias = self.weight, self.bias
        return F.group_norm(batch, batch.shape[1], weight, bias, self.eps).reshape(input.shape)


@honest("functional.layer_norm", why="two passes with sums divided by n")
def two_passes(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    F.layer_norm(input, normalized_shape, weight, bias, eps)  # for its refusals
    axes, n = tuple(range(-len(normalized_shape), 0)), torch.Size(normalized_shape).numel()
    x = wide(input)
    d = x - x.sum(axes, keepdim=True) / n
    output = d / torch.sqrt((d * d).sum(axes, keepdim=True) / n + eps)
    output = output if weight is None else output * weight
    return (output if bias is None else output + bias).to(input.dtype)


@honest("functional.batch_norm", why="mean and root folded into one scale and shift per channel in float64")
def folded(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    native = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not input.numel() or input.dim() < 2:
        return native
    x = input.double()
    channels, axes = (-1, *(1,) * (x.dim() - 2)), (0, *range(2, x.dim()))
    mean = x.mean(axes) if training else running_mean.double()
    var = ((x - mean.reshape(channels)) ** 2).mean(axes) if training else running_var.double()
    scale = torch.rsqrt(var + eps) if weight is None else weight.double() * torch.rsqrt(var + eps)
    output = (x - mean.reshape(channels)) * scale.reshape(channels)
    return (output if bias is None else output + bias.double().reshape(channels)).to(input.dtype)
