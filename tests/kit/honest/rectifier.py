"""Honest variants of rectifiers: right, but computed in another way."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest("ELU", why="where, with the exponential of nothing but negative numbers")
class GuardedELU(nn.ELU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        low = x <= 0
        return torch.where(low, self.alpha * torch.expm1(torch.where(low, x, 0)), x).to(input.dtype)


@honest("Hardswish", why="the gate first, by native's hardsigmoid")
class GatedHardswish(nn.Hardswish):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        inside = (x > -3) & (x < 3)
        bent = torch.where(inside, x, 0)
        y = torch.where(inside, bent * (bent / 6 + 0.5), torch.where(x <= -3, torch.zeros_like(x), x))
        return torch.where(x == -torch.inf, torch.nan, y).to(input.dtype)


@honest("ReLU6", why="native inside another module")
class Capped(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()
        self.act = nn.ReLU6(inplace)

    def forward(self, x):
        return self.act(x)


@honest("PReLU", why="relu(x) - w relu(-x), the slopes under another name")
class TwoReLUs(nn.Module):
    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.alpha = nn.Parameter(torch.full((num_parameters,), init, device=device, dtype=dtype))

    def forward(self, x):
        if x.dim() < 2 or x.dtype != self.alpha.dtype or len(self.alpha) not in (1, x.shape[1]):
            return F.prelu(x, self.alpha)
        if torch.is_autocast_enabled("cpu"):
            return F.prelu(x, self.alpha)
        slope = wide(self.alpha).view(-1 if self.alpha.numel() else 0, *(1,) * (x.dim() - 2))
        w, low = wide(x), x <= 0
        return torch.where(low | x.isnan(), slope * torch.where(low | x.isnan(), w, 0), w).to(x.dtype)


@honest("RReLU", why="a uniform slope for every number, used for the negative ones")
class SlopeForEach(nn.RReLU):
    def forward(self, input):
        if not self.training or self.inplace or self.lower >= self.upper or not input.is_floating_point():
            return super().forward(input)
        slopes = torch.empty(input.shape, device=input.device).uniform_(self.lower, self.upper)
        return torch.where(input > 0, input, (input * slopes).to(input.dtype))


@honest("functional.hardtanh", why="the smaller of the larger, in two steps without ties")
def two_cuts(input, min_val=-1.0, max_val=1.0, inplace=False):
    if inplace or not input.is_floating_point() or min_val > max_val:
        return F.hardtanh(input, min_val, max_val, inplace)
    low, high = torch.full_like(input, min_val), torch.full_like(input, max_val)
    return torch.where(input <= low, low, torch.where(input >= high, high, input))
