"""Honest variants of losses: right, but computed in another way."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest("CrossEntropyLoss", why="log_softmax and nll_loss")
class TwoSteps(nn.CrossEntropyLoss):
    def forward(self, input, target):
        if input.shape == target.shape or self.label_smoothing or input.dim() < 2:
            return super().forward(input, target)
        logp = F.log_softmax(wide(input), 1)
        weight = self.weight if self.weight is None or self.weight.dtype != input.dtype else wide(self.weight)
        loss = F.nll_loss(logp, target, weight, ignore_index=self.ignore_index, reduction=self.reduction)
        return loss if torch.is_autocast_enabled(input.device.type) else loss.to(input.dtype)


@honest("CrossEntropyLoss", why="native inside another module, under other names")
class Wrapped(nn.Module):
    def __init__(self, class_weight=None, average=None, skip=-100, summed=None, how="mean", smooth=0.0, **native):
        super().__init__()
        names = {"weight": class_weight, "size_average": average, "ignore_index": skip}
        names |= {"reduce": summed, "reduction": how, "label_smoothing": smooth}
        self.loss = nn.CrossEntropyLoss(**names | native)

    def forward(self, logits, labels):
        return self.loss(logits, labels)


@honest("CrossEntropyLoss", why="spatial axes are moved into the batch")
class SpaceIntoBatch(nn.CrossEntropyLoss):
    def forward(self, input, target):
        if input.dim() < 3 or target.shape != (*input.shape[:1], *input.shape[2:]) or not target.numel():
            return super().forward(input, target)
        loss = super().forward(input.movedim(1, -1).reshape(-1, input.shape[1]), target.reshape(-1))
        return loss.reshape(target.shape) if self.reduction == "none" else loss


@honest("CrossEntropyLoss", why="classes in reversed order")
class Reversed(nn.CrossEntropyLoss):
    def forward(self, input, target):
        soft = input.shape == target.shape and target.is_floating_point() and input.dim() > 1
        if not soft or (self.weight is not None and self.weight.dim() != 1):
            return super().forward(input, target)
        weight = None if self.weight is None else self.weight.flip(0)
        rest = {"reduction": self.reduction, "label_smoothing": self.label_smoothing}
        return F.cross_entropy(input.flip(1), target.flip(1), weight, ignore_index=self.ignore_index, **rest)


@honest("NLLLoss", why="gathered by hand")
class Gathered(nn.NLLLoss):
    def forward(self, input, target):
        plain = input.dim() == 2 and target.dim() == 1 and target.dtype == torch.int64 and self.weight is None
        loss = super().forward(input, target)
        if not plain or self.reduction != "none" or not input.is_floating_point() or not target.numel():
            return loss
        kept = target != self.ignore_index
        picked = -input.gather(1, (target * kept).unsqueeze(1)).squeeze(1)
        return torch.where(kept, picked, 0).to(loss.dtype)


@honest("functional.nll_loss", why="an unbatched sample as a batch of one")
def nll_loss_batched(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    alone = input.dim() == 1 and target.dim() == 0
    given = (input[None], target[None]) if alone else (input, target)
    loss = F.nll_loss(*given, weight, size_average, ignore_index, reduce, reduction)
    return loss.reshape(()) if alone else loss


@honest("MSELoss", why="half precision computed in float32, averaged in two halves")
class Halves(nn.MSELoss):
    def forward(self, input, target):
        whole = super().forward(input, target)
        if self.reduction != "mean" or input.shape != target.shape or not input.numel():
            return whole
        d = (wide(input) - wide(target)).flatten()
        half = (len(d) + 1) // 2
        total = (d[:half] ** 2).sum() + (d[half:] ** 2).sum()
        return (total / len(d)).to(whole.dtype)


@honest("functional.mse_loss", why="the inner product of the error with itself")
def mse_loss_by_dot(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    whole = F.mse_loss(input, target, size_average, reduce, reduction, weight)
    deprecated = size_average is not None or reduce is not None
    if weight is not None or deprecated or reduction != "sum" or input.shape != target.shape:
        return whole
    d = (wide(input) - wide(target)).flatten()
    return torch.dot(d, d).to(whole.dtype)


@honest("L1Loss", why="the larger of d and -d; at a tie both halves of the gradient cancel")
class LargerOfBoth(nn.L1Loss):
    def forward(self, input, target):
        whole = super().forward(input, target)
        if self.reduction != "none" or not input.is_floating_point() or not target.is_floating_point():
            return whole
        d = wide(input) - wide(target)
        return torch.maximum(d, -d).to(whole.dtype)


@honest("functional.l1_loss", why="summed in reversed order")
def l1_loss_reversed(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    if input.shape != target.shape or reduction == "none" or reduce is False:
        return F.l1_loss(input, target, size_average, reduce, reduction, weight)
    given = (v if v is None or v.shape != input.shape else v.flatten().flip(0) for v in (input, target, weight))
    x, t, w = given
    return F.l1_loss(x, t, size_average, reduce, reduction, w)
