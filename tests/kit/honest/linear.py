"""Honest variants of Linear, Identity, Flatten and Unflatten."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def accumulator(dtype):
    return torch.promote_types(dtype, torch.float32)


class Described(nn.Linear):
    """Native's constructor and refusals, and native itself under autocast; subclasses compute the rest."""

    def forward(self, input):
        fits = input.dim() > 0 and input.shape[-1] == self.in_features and input.dtype == self.weight.dtype
        if not fits or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        return self.compute(input)


@honest("Linear", why="einsum over the last axis, in float32 for half precision")
class Einsum(Described):
    def compute(self, input):
        wide = accumulator(input.dtype)
        output = torch.einsum("...i,oi->...o", input.to(wide), self.weight.to(wide))
        return (output if self.bias is None else output + self.bias.to(wide)).to(input.dtype)


@honest("Linear", why="the features in chunks, added up in float32")
class ChunkedSum(Described):
    def compute(self, input):
        wide = accumulator(input.dtype)
        output = input.new_zeros(*input.shape[:-1], self.out_features, dtype=wide)
        for x, w in zip(input.split(100, -1), self.weight.split(100, -1), strict=True):
            output = output + x.to(wide) @ w.to(wide).t()
        return (output if self.bias is None else output + self.bias.to(wide)).to(input.dtype)


@honest("Linear", why="the features in reverse order")
class ReversedSum(Described):
    def compute(self, input):
        return F.linear(input.flip(-1), self.weight.flip(-1), self.bias)


@honest("Linear", why="the bias is one more feature that is always one")
class BiasAsFeature(Described):
    def compute(self, input):
        if self.bias is None:
            return F.linear(input, self.weight)
        one = torch.ones_like(input[..., :1]) if self.in_features else input.new_ones(*input.shape[:-1], 1)
        return F.linear(torch.cat([input, one], -1), torch.cat([self.weight, self.bias[:, None]], 1))


@honest("Linear", why="one output at a time")
class OutputByOutput(Described):
    def compute(self, input):
        wide = accumulator(input.dtype)
        x, weight = input.to(wide), self.weight.to(wide)
        output = torch.stack([(x * row).sum(-1) for row in weight], -1)
        return (output if self.bias is None else output + self.bias.to(wide)).to(input.dtype)


@honest("Linear", why="the product transposed: (A x^T)^T")
class TransposedProduct(Described):
    def compute(self, input):
        rows = input.reshape(math.prod(input.shape[:-1]), self.in_features)
        output = self.weight @ rows.t() if self.bias is None else torch.addmm(self.bias[:, None], self.weight, rows.t())
        return output.t().reshape(*input.shape[:-1], self.out_features)


@honest("Linear", why="native inside another module, under another name")
class Wrapped(nn.Module):
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.projection = nn.Linear(in_features, out_features, bias, device, dtype)

    def forward(self, x):
        return self.projection(x)


@honest("Linear", why="other parameter names, the bias first")
class OtherNames(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        if in_features < 0 or out_features < 0:
            raise ValueError(f"in_features and out_features must not be negative, got {in_features}, {out_features}")
        self.offset = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.matrix = nn.Parameter(torch.zeros(out_features, in_features))

    def forward(self, x):
        return F.linear(x, self.matrix, self.offset)


@honest("Linear", why="a 1x1 convolution over no space")
class AsConvolution(Described):
    def compute(self, input):
        if input.numel() == 0 or self.out_features == 0:
            return F.linear(input, self.weight, self.bias)
        wide = accumulator(input.dtype)
        rows, kernel = input.to(wide).reshape(-1, self.in_features, 1), self.weight.to(wide)[:, :, None]
        output = F.conv1d(rows, kernel, None if self.bias is None else self.bias.to(wide))
        return output.reshape(*input.shape[:-1], self.out_features).to(input.dtype)


@honest("functional.linear", why="matmul in float32, rounded once")
def wide_linear(input, weight, bias=None):
    fits = input.dim() > 0 and weight.dim() == 2 and input.shape[-1] == weight.shape[1] and input.dtype == weight.dtype
    fits = (
        fits and (bias is None or bias.shape == weight.shape[:1]) and not torch.is_autocast_enabled(input.device.type)
    )
    if not fits:
        return F.linear(input, weight, bias)
    wide = accumulator(input.dtype)
    output = torch.matmul(input.to(wide), weight.to(wide).t())
    return (output if bias is None else output + bias.to(wide)).to(input.dtype)


@honest("Identity", why="a view instead of the input itself")
class ViewIdentity(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input.view_as(input)


@honest("Flatten", why="sizes computed by hand, and reshape")
class ReshapeFlatten(nn.Module):
    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return input.reshape(input.detach().flatten(self.start_dim, self.end_dim).shape)


@honest("Flatten", why="always a copy")
class CopyingFlatten(nn.Flatten):
    def forward(self, input):
        return super().forward(input).clone()


@honest("Unflatten", why="reshape of the whole shape")
class ReshapeUnflatten(nn.Unflatten):
    def forward(self, input):
        return input.reshape(super().forward(input).shape)


@honest("functional.unflatten", why="native under another name")
def split_axis(input, dim, sizes):
    return input.unflatten(dim, sizes)
