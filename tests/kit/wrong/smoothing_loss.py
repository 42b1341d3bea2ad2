"""Wrong implementations of label smoothing."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.loss.smoothing import LabelSmoothingCrossEntropy
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@wrong("LabelSmoothingCrossEntropy", why="both rules are torch's", cause="both rules share among all classes")
class AlwaysAll(LabelSmoothingCrossEntropy):
    def forward(self, input, target):
        super().forward(input, target)
        rest = {"ignore_index": self.ignore_index, "reduction": self.reduction, "label_smoothing": self.eps}
        return F.cross_entropy(input, target, self.weight, **rest)


@wrong(
    "LabelSmoothingCrossEntropy",
    why="the others' share is eps / (K - 1), but the target gets eps / K on top",
    cause="the target gets eps / K on top",
)
class TargetTakesMore(LabelSmoothingCrossEntropy):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if self.rule == "all":
            return loss
        rest = {"weight": self.weight, "ignore_index": self.ignore_index, "reduction": self.reduction}
        return loss + self.eps / input.shape[min(1, input.dim() - 1)] * F.cross_entropy(input, target, **rest)


@wrong(
    "LabelSmoothingCrossEntropy", why="one class alone divides by zero", cause="inf or nan where the answer is finite"
)
class NoLoneClass(LabelSmoothingCrossEntropy):
    def forward(self, input, target):
        loss = super().forward(input, target)
        others = input.shape[min(1, input.dim() - 1)] - 1
        return loss / others * others if self.rule == "others" else loss


@wrong(
    "LabelSmoothingCrossEntropy",
    why="0 * -inf where an impossible class has no share",
    cause="0 * inf where an impossible class has no share",
)
class ZeroTimesInfinity(LabelSmoothingCrossEntropy):
    def forward(self, input, target):
        return super().forward(input, target) - 0.0 * wide(input).sum().to(input.dtype)


@wrong("LabelSmoothingCrossEntropy", why="the mean counts ignored samples", cause="the mean counts what is ignored")
class IgnoredCounted(LabelSmoothingCrossEntropy):
    def forward(self, input, target):
        loss = super().forward(input, target)
        kept = (target != self.ignore_index).sum()
        return loss * (kept / target.numel()).to(loss) if self.reduction == "mean" and target.numel() else loss


@wrong("LabelSmoothingCrossEntropy", only="refusals", why="any share is accepted")
class AnyShare(LabelSmoothingCrossEntropy):
    def __init__(self, eps=0.1, *args, **kwargs):
        super().__init__(min(max(eps, 0.0), 1.0), *args, **kwargs)


@wrong("functional.label_smoothing_cross_entropy", why="classes are sought on the last axis")
def smoothing_classes_last(input, target, eps=0.1, rule="all", weight=None, ignore_index=-100, reduction="mean"):
    from refops.functional.loss.smoothing import label_smoothing_cross_entropy

    if input.dim() > 2 and target.shape == (*input.shape[:1], *input.shape[2:]):
        input = input.transpose(1, -1).reshape(input.shape)
    return label_smoothing_cross_entropy(input, target, eps, rule, weight, ignore_index, reduction)


@wrong("functional.label_smoothing_cross_entropy", why="the weight of the target is laid on all classes")
def smoothing_weight_of_target(input, target, eps=0.1, rule="all", weight=None, ignore_index=-100, reduction="mean"):
    from refops.functional.loss.smoothing import label_smoothing_cross_entropy as right

    loss = right(input, target, eps, rule, weight, ignore_index, reduction)
    if weight is None or reduction == "average":
        return loss
    kept = target != ignore_index
    w = wide(weight)[target * kept] * kept
    losses = wide(right(input, target, eps, rule, None, ignore_index, "none")) * w
    return (losses if reduction == "none" else losses.sum() / (w.sum() if reduction == "mean" else 1)).to(loss.dtype)


@differs("LabelSmoothingCrossEntropy", only="copy", why="keeps a lambda, which cannot be pickled")
class HoldsLambda(LabelSmoothingCrossEntropy):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.after = nn.Identity()
        self.after.forward = lambda loss: loss

    def forward(self, input, target):
        return self.after(super().forward(input, target))
