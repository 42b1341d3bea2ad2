"""Honest variants of label smoothing: right, but computed in another way."""

from torch.nn import functional as F

from refops.nn.loss.smoothing import LabelSmoothingCrossEntropy
from refops.parity.proving.collection import honest


@honest("LabelSmoothingCrossEntropy", why="native, rule others as a larger share where that is a share")
class ByNative(LabelSmoothingCrossEntropy):
    def forward(self, input, target):
        right = super().forward(input, target)
        classes = input.shape[min(1, input.dim() - 1)]
        share = self.eps * (classes / max(classes - 1, 1) if self.rule == "others" else 1)
        if share > 0.9:
            return right
        rest = {"ignore_index": self.ignore_index, "reduction": self.reduction, "label_smoothing": share}
        return F.cross_entropy(input, target, self.weight, **rest)


@honest("functional.label_smoothing_cross_entropy", why="spatial axes are moved into the batch")
def smoothing_space_into_batch(input, target, eps=0.1, rule="all", weight=None, ignore_index=-100, reduction="mean"):
    from refops.functional.loss.smoothing import label_smoothing_cross_entropy as right

    if input.dim() < 3 or target.shape != (*input.shape[:1], *input.shape[2:]) or not target.numel():
        return right(input, target, eps, rule, weight, ignore_index, reduction)
    flat = input.movedim(1, -1).reshape(-1, input.shape[1])
    loss = right(flat, target.reshape(-1), eps, rule, weight, ignore_index, reduction)
    return loss.reshape(target.shape) if reduction == "none" else loss
