"""Honest variants of softplus and mish: right, but computed in another way."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest("Mish", why="native's softplus under native's tanh")
class ComposedMish(nn.Mish):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        return (x * torch.tanh(F.softplus(x))).to(input.dtype)


@honest("Softplus", why="native inside another module")
class SmoothReLU(nn.Module):
    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.act = nn.Softplus(beta, threshold)

    def forward(self, x):
        return self.act(x)


@honest("functional.softplus", why="log1p of the exponential, the threshold by a guarded where")
def softplus_by_log1p(input, beta=1.0, threshold=20.0):
    if not isinstance(beta, float | int) or not isinstance(threshold, float | int) or not input.is_floating_point():
        return F.softplus(input, beta, threshold)
    x = wide(input)
    over = x * beta > threshold
    bent = torch.log1p(torch.exp(torch.where(over, 0, x * beta))) / beta
    return torch.where(over, x, bent).to(input.dtype)
