"""Wrong implementations of focal losses."""

import torch
from torch.nn import functional as F

from refops.nn.loss.focal import FocalLoss, SigmoidFocalLoss
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class ByHand(FocalLoss):
    """A right focal loss by hand; subclasses spoil a step. What is refused is left to the reference."""

    def forward(self, input, target):
        right = super().forward(input, target)
        axis = min(1, input.dim() - 1)
        x, kept = wide(input), target != self.ignore_index
        label = target * kept
        ce = -x.log_softmax(axis).gather(axis, label.unsqueeze(axis)).squeeze(axis)
        doubt = x.softmax(axis).scatter(axis, label.unsqueeze(axis), 0).sum(axis)
        ce = torch.where(doubt < 0.5, -torch.log1p(-doubt.clamp(max=0.5)), ce)
        losses = self.focused(ce, x, label) * self.alphas(x, label)
        return self.reduced(losses.masked_fill(~kept, 0), kept).to(right.dtype)

    def focused(self, ce, x, label):
        axis = min(1, x.dim() - 1)
        others = x.softmax(axis).scatter(axis, label.unsqueeze(axis), 0).sum(axis)
        return ce * others.clamp(min=1e-38) ** self.gamma if self.gamma else ce

    def alphas(self, x, label):
        if self.alpha is not None:
            return wide(self.alpha)[label]
        if self.number is None:
            return torch.ones_like(label, dtype=x.dtype)
        return torch.where(label > 0, self.number, 1 - self.number).to(x.dtype)

    def reduced(self, losses, kept):
        if self.reduction == "none":
            return losses
        return losses.sum() / (kept.sum() if self.reduction == "mean" else 1)


@differs(
    "FocalLoss",
    why="1 - exp(-ce) cancels where the model is sure",
)
class Cancels(ByHand):
    def focused(self, ce, x, label):
        return ce * (1 - (-ce).exp()) ** self.gamma


@differs(
    "FocalLoss",
    why="1 - p_t as a difference of probabilities cancels where the model is sure",
)
class CancelsToo(ByHand):
    def focused(self, ce, x, label):
        axis = min(1, x.dim() - 1)
        p = x.softmax(axis).gather(axis, label.unsqueeze(axis)).squeeze(axis)
        return ce * (1 - p) ** self.gamma


@wrong("FocalLoss", why="p_t to the power gamma: hard samples count less")
class EasyFirst(ByHand):
    def focused(self, ce, x, label):
        return ce * (-ce).exp() ** self.gamma


@wrong("FocalLoss", why="the number alpha is a constant factor", cause="alpha is a constant factor")
class ConstantAlpha(ByHand):
    def alphas(self, x, label):
        if self.number is None:
            return super().alphas(x, label)
        return torch.full_like(label, self.number, dtype=x.dtype)


@wrong(
    "FocalLoss",
    why="alpha of the classes is laid along the batch where the sizes allow it",
    cause="alpha of the classes is laid along the batch",
)
class AlphaAlongBatch(ByHand):
    def alphas(self, x, label):
        fits = self.alpha is not None and label.dim() == 1 and len(label) == len(self.alpha)
        return wide(self.alpha) if fits else super().alphas(x, label)


@wrong("FocalLoss", why="the mean counts ignored samples", cause="the mean counts what is ignored")
class IgnoredCounted(ByHand):
    def reduced(self, losses, kept):
        return super().reduced(losses, torch.ones_like(kept))


@wrong("FocalLoss", why="the mean divides by the sum of alpha", cause="the mean divides by the sum of alpha")
class OverAlpha(FocalLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if self.reduction != "mean" or self.alpha is None:
            return loss
        kept = target != self.ignore_index
        return loss * (kept.sum() / (wide(self.alpha)[target * kept] * kept).sum()).to(loss)


@wrong("FocalLoss", why="the modulating factor is detached")
class Detached(ByHand):
    def focused(self, ce, x, label):
        return ce * (super().focused(ce, x, label) / ce).detach()

    def forward(self, input, target):
        right = FocalLoss.forward(self, input, target)
        if not input.requires_grad or not torch.is_grad_enabled():
            return right
        return super().forward(input, target)


@wrong(
    "FocalLoss",
    only="gradient",
    why="the power's slope is infinite at 0 for gamma < 1: nan where the model is sure",
    cause="under- or overflows: inf or nan where the answer is finite",
)
class InfiniteSlope(FocalLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        if not 0 < self.gamma < 1 or not input.requires_grad or input.dim() != 2:
            return loss
        x, kept = wide(input), target != self.ignore_index
        label = (target * kept)[:, None]
        others = x.softmax(1).scatter(1, label, 0).sum(1)
        zero = (others**self.gamma * others).sum() * 0
        return loss + zero.to(loss.dtype)


@wrong("FocalLoss", only="refusals", why="a negative gamma is accepted", cause="must be refused for its gamma")
class AnyGamma(FocalLoss):
    def __init__(self, gamma=2.0, *args, **kwargs):
        super().__init__(abs(gamma), *args, **kwargs)


@wrong(
    "FocalLoss",
    why="alpha is no buffer, and keeps the dtype it came in",
    drop_in=True,
    cause="alpha must be kept as a buffer",
)
class AlphaAttribute(FocalLoss):
    def __init__(self, gamma=2.0, alpha=None, ignore_index=-100, reduction="mean"):
        super().__init__(gamma, None if isinstance(alpha, torch.Tensor) else alpha, ignore_index, reduction)
        self.kept = [alpha]

    def forward(self, input, target):
        from refops.functional.loss.focal import focal_loss

        return focal_loss(input, target, self.gamma, self.kept[0], self.ignore_index, self.reduction)


@wrong("functional.focal_loss", why="all ignored gives 0 instead of nan, and the mean one too many")
def focal_loss_padded(input, target, gamma=2.0, alpha=None, ignore_index=-100, reduction="mean"):
    from refops.functional.loss.focal import focal_loss

    loss = focal_loss(input, target, gamma, alpha, ignore_index, reduction)
    kept = (target != ignore_index).sum()
    return loss * (kept / (kept + 1)).to(loss) if reduction == "mean" else loss


@wrong(
    "SigmoidFocalLoss", why="alpha is a constant factor, not alpha_t", cause="alpha is a constant factor, not alpha_t"
)
class BinaryConstantAlpha(SigmoidFocalLoss):
    def forward(self, inputs, targets):
        super().forward(inputs, targets)
        from refops.functional.loss.focal import sigmoid_focal_loss

        loss = sigmoid_focal_loss(inputs, targets, -1, self.gamma, self.reduction)
        return loss * (self.alpha if self.alpha >= 0 else 1)


@differs(
    "SigmoidFocalLoss",
    why="torchvision's form: 1 - p_t as a difference cancels where the model is sure",
)
class BinaryCancels(SigmoidFocalLoss):
    def forward(self, inputs, targets):
        right = super().forward(inputs, targets)
        x = wide(inputs)
        t = targets.to(x.dtype)
        p = x.sigmoid()
        ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        losses = ce * (1 - (p * t + (1 - p) * (1 - t))) ** self.gamma
        losses = losses * (self.alpha * t + (1 - self.alpha) * (1 - t)) if self.alpha >= 0 else losses
        reduced = losses if self.reduction == "none" else getattr(losses, self.reduction)()
        return reduced.to(right.dtype)


@wrong("SigmoidFocalLoss", why="alpha and 1 - alpha change places", cause="alpha and 1 - alpha change places")
class OtherAlpha(SigmoidFocalLoss):
    def __init__(self, alpha=0.25, gamma=2.0, reduction="none"):
        super().__init__(1 - alpha if 0 <= alpha <= 1 else alpha, gamma, reduction)


@differs("functional.sigmoid_focal_loss", why="the mean by default")
def sigmoid_focal_loss_mean(inputs, targets, alpha=0.25, gamma=2.0, reduction="mean"):
    from refops.functional.loss.focal import sigmoid_focal_loss

    return sigmoid_focal_loss(inputs, targets, alpha, gamma, reduction)
