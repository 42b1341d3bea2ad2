"""Honest variants of robust regression losses: right, but computed in another way."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest("SmoothL1Loss", why="Huber's loss divided by beta")
class ByHuber(nn.SmoothL1Loss):
    def forward(self, input, target):
        whole = super().forward(input, target)
        if self.beta == 0 or input.dtype != target.dtype:
            return whole
        loss = F.huber_loss(wide(input), wide(target), reduction=self.reduction, delta=self.beta) / self.beta
        return loss.to(whole.dtype)


@honest("HuberLoss", why="native inside another module, under other names")
class Wrapped(nn.Module):
    def __init__(self, reduction="mean", delta=1.0):
        super().__init__()
        self.inner = nn.HuberLoss(reduction, delta)

    def forward(self, prediction, truth):
        return self.inner(prediction, truth)


@honest("functional.huber_loss", why="two branches chosen by where, squares first halved")
def huber_loss_by_where(input, target, reduction="mean", delta=1.0, weight=None):
    whole = F.huber_loss(input, target, reduction, delta, weight)
    if weight is not None or input.dtype != target.dtype:
        return whole
    d = wide(input) - wide(target)
    size = d.abs()
    losses = torch.where(size < delta, d / 2 * d, delta * (size - delta / 2))
    reduced = losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()
    return reduced.to(whole.dtype)


@honest("functional.quantile_loss", why="half the absolute error, tilted; its slope at a tie is set by hand")
def quantile_loss_tilted(input, target, quantile=0.5, reduction="mean"):
    from refops.functional.loss.robust import quantile_loss

    whole = quantile_loss(input, target, quantile, reduction)
    short = wide(target) - wide(input)
    losses = short * quantile + (-short).clamp(min=0) * (short < 0)
    reduced = losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()
    return reduced.to(whole.dtype)
