"""Honest variants of activations: right, but computed in another way."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest("ReLU", why="where, the slope at 0 and nan as native's")
class ReLUByWhere(nn.ReLU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return torch.where(input <= 0, 0, input)


@honest("ReLU", why="native inside another module")
class Rectifier(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()
        self.act = nn.ReLU(inplace)

    def forward(self, x):
        return self.act(x)


@honest("functional.relu", why="number by number in pieces")
def relu_in_pieces(input, inplace=False):
    if inplace or input.dim() == 0:
        return F.relu(input, inplace)
    return torch.cat([F.relu(piece) for piece in input.split(2)]) if input.numel() else F.relu(input)


@honest("LeakyReLU", why="where on x > 0")
class LeakyByWhere(nn.LeakyReLU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return torch.where(input > 0, input, input * self.negative_slope)


@honest("Sigmoid", why="the exponential of logsigmoid")
class SigmoidFromLog(nn.Sigmoid):
    def forward(self, input):
        return F.logsigmoid(wide(input)).exp().to(input.dtype) if input.is_floating_point() else super().forward(input)


@honest("Sigmoid", why="the second entry of a softmax over (0, x)")
class SigmoidFromSoftmax(nn.Sigmoid):
    def forward(self, input):
        if not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        safe = torch.where(x.isfinite(), x, 0)
        y = F.softmax(torch.stack([torch.zeros_like(safe), safe]), 0)[1]
        return torch.where(x.isfinite(), y, torch.sigmoid(x)).to(input.dtype)


@honest("Tanh", why="native on a transposed copy")
class TanhTransposed(nn.Tanh):
    def forward(self, input):
        if input.dim() < 2:
            return torch.tanh(input)
        return torch.tanh(input.transpose(0, -1).contiguous()).transpose(0, -1)


@honest("GELU", why="half precision computed in float32")
class WideGELU(nn.GELU):
    def forward(self, input):
        return F.gelu(wide(input), approximate=self.approximate).to(input.dtype)


@honest("GELU", why="the formula with erf")
class GELUByErf(nn.GELU):
    def forward(self, input):
        if self.approximate != "none" or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        return (x * (0.5 * (1 + torch.erf(x / 2**0.5)))).to(input.dtype)


@honest("SiLU", why="x times sigmoid(x)")
class SiLUBySigmoid(nn.SiLU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return (wide(input) * torch.sigmoid(wide(input))).to(input.dtype)


@honest("Softmax", why="shift, exponential, division, step by step")
class SoftmaxBySteps(nn.Softmax):
    def forward(self, input):
        if self.dim is None or not input.numel() or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        e = torch.exp(x - torch.amax(x, self.dim, keepdim=True).detach())
        return (e / e.sum(self.dim, keepdim=True)).to(input.dtype)


@honest("Softmax", why="the exponential of log_softmax")
class SoftmaxFromLog(nn.Softmax):
    def forward(self, input):
        if self.dim is None or not input.is_floating_point():
            return super().forward(input)
        return F.log_softmax(wide(input), self.dim).exp().to(input.dtype)


@honest("functional.softmax", why="summed in reversed order")
def softmax_reversed(input, dim=None, _stacklevel=3, dtype=None):
    if dim is None or input.dim() == 0 or not isinstance(dim, int):
        return F.softmax(input, dim, _stacklevel, dtype)
    return F.softmax(input.flip(dim), dim, _stacklevel, dtype).flip(dim)


@honest("LogSoftmax", why="shift, sum of exponentials, logarithm, step by step")
class LogSoftmaxBySteps(nn.LogSoftmax):
    def forward(self, input):
        if self.dim is None or not input.numel() or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        shifted = x - torch.amax(x, self.dim, keepdim=True).detach()
        return (shifted - torch.log(torch.exp(shifted).sum(self.dim, keepdim=True))).to(input.dtype)


@honest("functional.log_softmax", why="native on the moved axis")
def log_softmax_moved(input, dim=None, _stacklevel=3, dtype=None):
    if dim is None or input.dim() < 2 or not isinstance(dim, int):
        return F.log_softmax(input, dim, _stacklevel, dtype)
    return F.log_softmax(input.movedim(dim, -1), -1, _stacklevel, dtype).movedim(-1, dim)


@honest("functional.softmax", why="on the meta device it answers by the shape alone")
def softmax_by_shape_on_meta(input, dim=None, _stacklevel=3, dtype=None):
    if input.is_meta and input.is_floating_point():
        return (input if dtype is None else input.to(dtype)) * 1
    return F.softmax(input, dim, _stacklevel, dtype)


class _SigmoidByNumPy(torch.autograd.Function):
    generate_vmap_rule = False

    @staticmethod
    def forward(ctx, x):
        with np.errstate(over="ignore"):
            y = torch.from_numpy(np.asarray(1 / (1 + np.exp(-x.detach().double().cpu().numpy())))).to(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (wide(y) * (1 - wide(y))).to(g.dtype)


@honest("functional.sigmoid", why="numpy, which knows neither meta nor vmap and refuses both")
def sigmoid_by_numpy(input):
    return _SigmoidByNumPy.apply(input if input.is_floating_point() else input.float())
