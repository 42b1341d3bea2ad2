"""Wrong implementations of dropout."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.dropout import Dropout as Reference
from refops.nn.dropout import Dropout2d as Reference2d
from refops.parity.proving.collection import differs, wrong


class DropIn(Reference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "Dropout"


class DropIn2d(Reference2d):
    """A drop-in in every respect; its subclass spoils one."""

    def _get_name(self):
        return "Dropout2d"


@wrong("Dropout", why="x * 0 / 0 at p = 1, no bound on p, float32 mask", cause="inf or nan where the answer is finite")
class MyDropout(nn.Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        mask = (torch.rand_like(x) > self.p).float()
        return x * mask / (1 - self.p)


@wrong("Dropout", why="nan at p = 1", cause="inf or nan where the answer is finite")
class NanAtOne(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p == 0:
            return input
        return input * torch.empty_like(input).bernoulli_(1 - self.p) / (1 - self.p)


@wrong("Dropout", why="half precision comes out as float32")
class FloatMask(nn.Dropout):
    def forward(self, input):
        if not self.training:
            return input
        mask = torch.empty(input.shape, device=input.device).bernoulli_(1 - self.p)
        return input * mask / max(1 - self.p, 1e-9)


@wrong("Dropout", only="refusals", why="p is not validated", cause="must be refused for its p")
class AnyProbability(nn.Dropout):
    def __init__(self, p=0.5, inplace=False):
        super().__init__(min(max(p, 0.0), 1.0), inplace)


@wrong("Dropout", why="what is kept is not scaled", cause="what is kept must be scaled by 1/(1-p)")
class NotScaled(nn.Dropout):
    def forward(self, input):
        return super().forward(input) * (1 - self.p) if self.training else input


@wrong("Dropout", why="scaled by 1/p instead of 1/(1-p)", cause="what is kept must be scaled by 1/(1-p)")
class ScaledByDropped(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return super().forward(input) * ((1 - self.p) / self.p)


@wrong("Dropout", why="scaled in evaluation instead of in training")
class ScalesLate(nn.Dropout):
    def forward(self, input):
        output = super().forward(input)
        return output * (1 - self.p)


@wrong("Dropout", why="p is the chance of being kept")
class KeepsWithP(nn.Dropout):
    def forward(self, input):
        return F.dropout(input, 1 - self.p, self.training, self.inplace)


@wrong("Dropout", why="drops in evaluation too", cause="behaves in evaluation as in training")
class NeverStops(nn.Dropout):
    def forward(self, input):
        return F.dropout(input, self.p, True, self.inplace)


@wrong("Dropout", why="never drops", cause="behaves in training as in evaluation")
class NeverStarts(nn.Dropout):
    def forward(self, input):
        return input


@wrong(
    "Dropout", why="trained or not is read from grad mode", cause="the output depends on whether gradients are enabled"
)
class AsksGradMode(nn.Dropout):
    def forward(self, input):
        return F.dropout(input, self.p, torch.is_grad_enabled(), self.inplace)


@wrong("Dropout", why="the same mask on every call", cause="a second call must draw a mask of its own")
class SameMask(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        generator = torch.Generator().manual_seed(1)
        mask = torch.rand(input.shape, generator=generator).to(input.device) >= self.p
        return input * mask.to(input.dtype) / (1 - self.p)


@wrong("Dropout", why="draws from numpy, which no torch seed reaches")
class NumpyMask(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        mask = torch.from_numpy(np.random.rand(*input.shape) >= self.p) if input.dim() else torch.ones((), dtype=bool)
        return input * mask.to(input) / (1 - self.p)


@wrong("Dropout", why="one mask for the whole batch")
class BatchMask(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or input.dim() < 2:
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[:1]), self.p, True)


@wrong("Dropout", why="Gaussian noise instead of zeros")
class GaussianNoise(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return input * (1 + torch.randn_like(input) * (self.p / (1 - self.p)) ** 0.5)


@wrong("Dropout", why="drops at the rate p squared")
class SquaredRate(nn.Dropout):
    def forward(self, input):
        return F.dropout(input, self.p**2, self.training, self.inplace)


class OtherMaskBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, p):
        ctx.p = p
        return F.dropout(input, p, True)

    @staticmethod
    def backward(ctx, grad):
        return F.dropout(grad, ctx.p, True), None


@wrong(
    "Dropout", why="the backward pass draws a mask of its own", cause="the gradient must be dropped where the output is"
)
class RedrawnMask(nn.Dropout):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return OtherMaskBackward.apply(input, self.p)


@wrong("Dropout", why="the gradient passes as if nothing had been dropped")
class StraightThrough(nn.Dropout):
    def forward(self, input):
        return input + (super().forward(input.detach().clone()) - input).detach()


@wrong("Dropout", why="always in place")
class AlwaysInPlace(nn.Dropout):
    def forward(self, input):
        output = super().forward(input.clone())
        input.data.copy_(output.detach())
        return output


@wrong("Dropout", why="inplace=True leaves the input as it was", cause="input 0 must be changed in place")
class NeverInPlace(nn.Dropout):
    def forward(self, input):
        return F.dropout(input, self.p, self.training)


@wrong("Dropout", drop_in=True, only="keys", why="the last mask lands in the state_dict", cause="state_dict must hold")
class KeepsMask(DropIn):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("mask", torch.ones(()))


@differs(
    "Dropout", only="copy", why="holds a generator, which cannot be pickled", cause="cannot pickle 'generator' object"
)
class HoldsGenerator(nn.Dropout):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.generator = (torch.Generator() for _ in range(1))


@wrong("Dropout", why="evaluation still scales a little")
class NotQuiteEvaluation(nn.Dropout):
    def forward(self, input):
        return super().forward(input) if self.training else input * (1 - 1e-3 * self.p)


@wrong("Dropout", drop_in=True, only="repr", why="inplace does not show when printed", cause="repr must be")
class PrintsP(DropIn):
    def extra_repr(self):
        return f"p={self.p}"


@wrong(
    "Dropout",
    drop_in=True,
    only="exceptions",
    why="an impossible p is a RuntimeError",
    cause="must raise ValueError as native does, got RuntimeError",
)
class RuntimeErrorForP(DropIn):
    def __init__(self, p=0.5, inplace=False):
        if p < 0 or p > 1:
            raise RuntimeError(f"p must be between 0 and 1, got {p}")
        super().__init__(p, inplace)


@wrong("Dropout2d", drop_in=True, why="draws another mask than native from the same seed")
class RandMask2d(DropIn2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        mask = torch.rand(*input.shape[:2], 1, 1, device=input.device) >= self.p
        return input * (mask / (1 - self.p)).to(input.dtype)


@wrong("Dropout1d", why="single positions go, not channels", cause="axes (-1,) must share one draw")
class Elementwise1d(nn.Dropout1d):
    def forward(self, input):
        if input.dim() not in (2, 3):
            raise RuntimeError(f"input must have 2 or 3 axes, got {input.dim()}")
        return F.dropout(input, self.p, self.training, self.inplace)


@wrong("Dropout1d", why="positions are dropped over all channels")
class DropsPositions(nn.Dropout1d):
    def forward(self, input):
        if input.dim() not in (2, 3):
            raise RuntimeError(f"input must have 2 or 3 axes, got {input.dim()}")
        return super().forward(input.transpose(-1, -2)).transpose(-1, -2)


@wrong("Dropout1d", why="an unbatched signal (C, L) is read as (N, C)", cause="axes (-1,) must share one draw")
class NoUnbatched1d(nn.Dropout1d):
    def forward(self, input):
        return F.dropout(input, self.p, self.training) if input.dim() == 2 else super().forward(input)


@differs("Dropout1d", why="any number of axes is accepted")
class AnyAxes1d(nn.Dropout1d):
    def forward(self, input):
        if input.dim() in (2, 3):
            return super().forward(input)
        return F.dropout(input, self.p, self.training)


@wrong("Dropout2d", why="nan at p = 1 and a float32 mask", cause="inf or nan where the answer is finite")
class SpatialDropout2d(nn.Dropout2d):
    def forward(self, input):
        if not self.training:
            return input
        n, c, _, _ = input.shape
        mask = (torch.rand(n, c, 1, 1, device=input.device) > self.p).float()
        return input * mask / (1 - self.p)


@wrong("Dropout2d", why="single pixels go, not channels", cause="axes (-2, -1) must share one draw")
class Elementwise2d(nn.Dropout2d):
    def forward(self, input):
        return F.dropout(input, self.p, self.training, self.inplace)


@wrong("Dropout2d", why="rows of a channel have draws of their own", cause="axes (-2, -1) must share one draw")
class RowMask(nn.Dropout2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[..., :1]), self.p, True)


@wrong("Dropout2d", why="one draw per channel for the whole batch")
class SharedByBatch(nn.Dropout2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[:1, :, :1, :1]), self.p, True)


@wrong("Dropout2d", why="one draw per image for all channels")
class SharedByChannels(nn.Dropout2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[:, :1, :1, :1]), self.p, True)


@wrong("Dropout2d", why="what is kept is not scaled", cause="what is kept must be scaled by 1/(1-p)")
class NotScaled2d(nn.Dropout2d):
    def forward(self, input):
        return super().forward(input) * (1 - self.p) if self.training else input


@wrong(
    "Dropout3d",
    why="an unbatched volume (C, D, H, W) is read as (N, C, H, W)",
    cause="axes (-3, -2, -1) must share one draw",
)
class NoUnbatched3d(nn.Dropout3d):
    def forward(self, input):
        return F.dropout2d(input, self.p, self.training) if input.dim() == 4 else super().forward(input)


@wrong("Dropout3d", why="slices of a channel have draws of their own", cause="axes (-3, -2, -1) must share one draw")
class SliceMask(nn.Dropout3d):
    def forward(self, input):
        if not self.training or self.p in (0, 1):
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[..., :1, :1]), self.p, True)


@differs("functional.dropout", why="training defaults to False")
def sleeping_dropout(input, p=0.5, training=False, inplace=False):
    return F.dropout(input, p, training, inplace)


@differs("functional.dropout", why="p is looked at only in training", cause="must be refused for its p")
def late_validation(input, p=0.5, training=True, inplace=False):
    return F.dropout(input, p, True, inplace) if training else input


@wrong("functional.dropout2d", why="single pixels go, not channels", cause="axes (-2, -1) must share one draw")
def elementwise_dropout2d(input, p=0.5, training=True, inplace=False):
    return F.dropout(input, p, training, inplace)
