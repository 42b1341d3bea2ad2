"""Wrong implementations of softplus and mish."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class PlainMish(nn.Mish):
    """A Mish whose formula subclasses spoil."""

    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return self.formula(wide(input)).to(input.dtype)


class PlainSoftplus(nn.Softplus):
    """A Softplus whose formula subclasses spoil."""

    def forward(self, input):
        if self.beta is None or self.threshold is None or not input.is_floating_point():
            return super().forward(input)
        return self.formula(wide(input)).to(input.dtype)


@wrong("Softplus", why="log(1 + e^x) overflows for large x")
class TextbookSoftplus(PlainSoftplus):
    def formula(self, x):
        return torch.log(1 + torch.exp(self.beta * x)) / self.beta


@wrong("Softplus", why="where takes the overflowing exponential too: 0 * inf makes the gradient nan")
class UnguardedWhere(PlainSoftplus):
    def formula(self, x):
        z = self.beta * x
        return torch.where(z > self.threshold, x, torch.log1p(torch.exp(z)) / self.beta)


@wrong(
    "Softplus",
    why="the threshold is compared with x, not beta x",
    cause="the threshold is compared with x, not with beta x",
)
class ThresholdOnInput(PlainSoftplus):
    def formula(self, x):
        return F.softplus(x, self.beta, self.threshold * self.beta)


@wrong("Softplus", why="not divided by beta", cause="not divided by beta")
class NotDivided(PlainSoftplus):
    def formula(self, x):
        return F.softplus(self.beta * x, 1.0, self.threshold)


@wrong("Softplus", why="the threshold given is not used", cause="the threshold given is not used")
class ThresholdForgotten(PlainSoftplus):
    def formula(self, x):
        return F.softplus(x, self.beta)


@wrong("functional.softplus", why="beta is not used", cause="argument beta is ignored")
def softplus_without_beta(input, beta=1.0, threshold=20.0):
    if not isinstance(beta, float | int):
        raise TypeError("beta must be a number")
    return F.softplus(input, 1.0, threshold)


@wrong("Mish", why="(1 + e^x)^2 overflows: inf / inf")
class OverflowingMish(PlainMish):
    def formula(self, x):
        s = (1 + x.exp()) ** 2
        return x * ((s - 1) / (s + 1))


@wrong("Mish", why="silu, the other smooth gate")
class SigmoidGate(PlainMish):
    def formula(self, x):
        return F.silu(x)


@wrong("Mish", why="tanh without the softplus")
class NoSoftplus(PlainMish):
    def formula(self, x):
        return x * torch.tanh(x.clamp(min=0))


@wrong("Mish", why="1 - 2 / (n + 2) has no digits left for negative x")
class CancellingMish(PlainMish):
    def formula(self, x):
        w = x.clamp(max=20).exp()
        return x * (1 - 2 / (w * (w + 2) + 2))


class HalfSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.mish(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.tanh(F.softplus(x))


@wrong("Mish", why="the gradient takes the gate for a constant", cause="the gate is a constant in backward")
class ConstantGate(PlainMish):
    def formula(self, x):
        return HalfSlope.apply(x)


@wrong("functional.mish", only="inputs", why="inplace=True leaves the input as it was")
def mish_never_in_place(input, inplace=False):
    if inplace and input.requires_grad and input.is_leaf:
        raise RuntimeError("input must not be a leaf that requires a gradient")
    return F.mish(input)
