"""Wrong implementations of robust regression losses."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.loss.robust import QuantileLoss
from refops.parity.proving.collection import wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def mean_of(losses, reduction):
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def answered(loss, dtype):
    return loss if torch.is_autocast_enabled("cpu") else loss.to(dtype)


@wrong("SmoothL1Loss", why="beta is fixed at 1", cause="argument beta is ignored")
class BetaIsOne(nn.SmoothL1Loss):
    def forward(self, input, target):
        super().forward(input, target)
        return F.smooth_l1_loss(input, target, reduction=self.reduction)


@wrong(
    "SmoothL1Loss", why="Huber's loss of delta = beta, not divided by beta", cause="Huber's loss, not divided by beta"
)
class HuberInstead(nn.SmoothL1Loss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        return loss if self.beta == 0 else loss * self.beta


@wrong(
    "SmoothL1Loss",
    why="the straight part is not shifted to meet the curve: it jumps at beta",
    cause="it jumps at beta: the straight part is not shifted",
)
class Jumps(nn.SmoothL1Loss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if self.reduction not in ("none", "sum", "mean") or not input.is_floating_point():
            return loss
        d = (wide(input) - wide(target)).abs()
        losses = torch.where(d < self.beta, d * d / 2 / max(self.beta, 1e-30), d)
        return answered(mean_of(losses, self.reduction), loss.dtype)


@wrong(
    "SmoothL1Loss",
    why="beta = 0 divides zero by zero where input and target are equal",
    cause="beta = 0 divides zero by zero",
)
class NoBetaZero(nn.SmoothL1Loss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if self.beta or not input.is_floating_point() or self.reduction == "average":
            return loss
        d = (wide(input) - wide(target)).abs()
        losses = torch.where(d <= self.beta, d * d / self.beta / 2, d)
        return answered(mean_of(losses, self.reduction), loss.dtype)


@wrong("SmoothL1Loss", only="refusals", why="a negative beta is taken by its size")
class AnyBeta(nn.SmoothL1Loss):
    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=abs(self.beta))


@wrong("functional.smooth_l1_loss", why="no gradient for the target", cause="no gradient of target")
def smooth_l1_loss_of_constant(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    return F.smooth_l1_loss(input, target.detach(), size_average, reduce, reduction, beta)


@wrong(
    "HuberLoss",
    only="double_backward",
    why="a minimum of two splits ties, and |d| has no curvature at 0",
    cause="second derivative 0",
)
class MinimumOfTwo(nn.HuberLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if not input.is_floating_point() or input.dtype != target.dtype:
            return loss
        size = (wide(input) - wide(target)).abs()
        q = size.detach().clamp(max=self.delta) if size.requires_grad else size.clamp(max=self.delta)
        losses = q * (size - q) + q * q / 2  # the right slope q, but constant
        return answered(mean_of(losses, self.reduction), loss.dtype)


@wrong(
    "HuberLoss",
    why="0.5 * q^2 squares in half precision before it halves",
    cause="under- or overflows in float16: inf or nan where the answer is finite",
)
class SquaresFirst(nn.HuberLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if not input.is_floating_point() or input.dtype != target.dtype or torch.is_autocast_enabled("cpu"):
            return loss
        size = (input - target).abs()
        q = size.clamp(max=self.delta)
        losses = 0.5 * (q * q) + self.delta * (size - q)
        return mean_of(losses, self.reduction)


@wrong("HuberLoss", why="slope 1 instead of delta far away", cause="slope 1 instead of delta far away")
class SlopeOne(nn.HuberLoss):
    def forward(self, input, target):
        super().forward(input, target)
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.delta)


@wrong("HuberLoss", why="delta is not used", cause="argument delta is ignored")
class DeltaIgnored(nn.HuberLoss):
    def forward(self, input, target):
        super().forward(input, target)
        return F.huber_loss(input, target, reduction=self.reduction)


@wrong(
    "functional.huber_loss",
    why="the weighted mean divides by the sum of the weights",
    cause="the weighted mean divides by the sum of the weights",
)
def huber_loss_over_weights(input, target, reduction="mean", delta=1.0, weight=None):
    loss = F.huber_loss(input, target, reduction, delta, weight)
    return loss if weight is None or reduction != "mean" else loss * weight.numel() / weight.sum().to(loss)


@wrong(
    "functional.huber_loss",
    why="differences are weighted before the curve, not losses",
    cause="differences are weighted, not losses",
)
def huber_loss_of_weighted(input, target, reduction="mean", delta=1.0, weight=None):
    loss = F.huber_loss(input, target, reduction, delta, weight)
    if weight is None or reduction == "average":
        return loss
    return F.huber_loss(input * weight, target * weight, reduction, delta)


@wrong(
    "QuantileLoss",
    only="gradient",
    why="the larger of two lines halves the slope where they meet",
    cause="the slope is halved where input and target are equal",
)
class LargerOfTwo(QuantileLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if input.requires_grad and torch.is_grad_enabled():
            e = wide(target) - wide(input)
            losses = torch.maximum(self.quantile * e, (self.quantile - 1) * e)
            return answered(mean_of(losses, self.reduction), loss.dtype)
        return loss


@wrong(
    "QuantileLoss", why="quantile and its counterpart change places", cause="quantile and 1 - quantile change places"
)
class OtherSide(QuantileLoss):
    def forward(self, input, target):
        kept, self.quantile = self.quantile, 1 - self.quantile
        try:
            return super().forward(input, target)
        finally:
            self.quantile = kept


@wrong("QuantileLoss", only="refusals", why="the quantile is not checked: 1.5 gives negative losses")
class AnyQuantile(nn.Module):
    def __init__(self, quantile=0.5, reduction="mean"):
        super().__init__()
        self.inner, self.quantile = QuantileLoss(reduction=reduction), quantile

    def forward(self, input, target):
        if 0 < self.quantile < 1:
            self.inner.quantile = self.quantile
            return self.inner(input, target)
        e = target - input
        return mean_of(torch.maximum(self.quantile * e, (self.quantile - 1) * e), self.inner.reduction)


@wrong(
    "functional.quantile_loss",
    why="twice the loss, so that 1/2 is the absolute error",
    cause="the output is 2 times too large",
)
def quantile_loss_doubled(input, target, quantile=0.5, reduction="mean"):
    from refops.functional.loss.robust import quantile_loss

    return 2 * quantile_loss(input, target, quantile, reduction)
