"""What goes wrong in Huber-like, quantile, smoothed and focal losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.functional.loss.robust import quantile_loss
from refops.functional.loss.smoothing import label_smoothing_cross_entropy
from refops.nn.loss.focal import FocalLoss, SigmoidFocalLoss
from refops.nn.loss.robust import QuantileLoss
from refops.nn.loss.smoothing import LabelSmoothingCrossEntropy
from refops.parity.hypotheses import Hypothesis, instead
from refops.parity.hypotheses.loss import reduced

Losses = Callable[[Any, Tensor], Tensor]  # the module, for its arguments, and the difference input - target


def _of_difference(native: type[Any], losses: Losses) -> type[Any]:
    def forward(self: Any, input: Tensor, target: Tensor) -> Tensor:
        return reduced(losses(self, input - target), self.reduction)

    return instead(native, forward)


_SMOOTH: dict[str, Losses] = {
    "Huber's loss, not divided by beta": lambda m, d: (
        F.huber_loss(d, 0 * d, reduction="none", delta=m.beta) if m.beta else d.abs()
    ),
    "it jumps at beta: the straight part is not shifted": lambda m, d: torch.where(
        d.abs() < m.beta, d * d / 2 / max(m.beta, 1e-30), d.abs()
    ),
    "beta = 0 divides zero by zero": lambda m, d: torch.where(
        d.abs() <= m.beta, d * d / 2 / d.new_tensor(m.beta), d.abs() - m.beta / 2
    ),
}
_HUBER: dict[str, Losses] = {
    "slope 1 instead of delta far away": lambda m, d: F.smooth_l1_loss(d, 0 * d, reduction="none", beta=m.delta),
    "it jumps at delta: the straight part is not shifted": lambda m, d: torch.where(
        d.abs() <= m.delta, d * d / 2, m.delta * d.abs()
    ),
    "the factor 1/2 is missing": lambda m, d: torch.where(d.abs() <= m.delta, d * d, m.delta * (d.abs() - m.delta / 2)),
}


def _weighted(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def huber_loss(
        input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Any = None
    ) -> Tensor:
        huber: Any = F.huber_loss
        loss: Tensor = huber(input, target, reduction, delta, weight)
        return loss if weight is None or reduction != "mean" else change(loss, weight)

    return huber_loss


def _of_weighted(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Tensor:
    if weight is None:
        return F.huber_loss(input, target, reduction, delta)
    return F.huber_loss(input * weight, target * weight, reduction, delta)


def _other_side(self: Any, input: Tensor, target: Tensor) -> Tensor:
    return quantile_loss(input, target, 1 - self.quantile, self.reduction)


def _larger_of_two(m: Any, d: Tensor) -> Tensor:
    return torch.maximum(-m.quantile * d, (1 - m.quantile) * d)


# -- smoothing ---------------------------------------------------------------------------------------------------------


def _smoothing(self: Any, input: Tensor, target: Tensor, rule: str) -> Tensor:
    return label_smoothing_cross_entropy(input, target, self.eps, rule, self.weight, self.ignore_index, self.reduction)


def _ignored_counted(self: Any, input: Tensor, target: Tensor) -> Any:
    loss = _smoothing(self, input, target, self.rule)
    kept = (target != self.ignore_index).sum()
    return loss * kept / target.numel() if self.reduction == "mean" and target.numel() else loss


def _more_for_target(self: Any, input: Tensor, target: Tensor) -> Any:
    loss = _smoothing(self, input, target, self.rule)
    if self.rule == "all":
        return loss
    rest = {"weight": self.weight, "ignore_index": self.ignore_index, "reduction": self.reduction}
    return loss + self.eps / input.shape[min(1, input.dim() - 1)] * F.cross_entropy(input, target, **rest)


def _times_infinity(self: Any, input: Tensor, target: Tensor) -> Tensor:
    return _smoothing(self, input, target, self.rule) - 0.0 * input.sum()


# -- focal -------------------------------------------------------------------------------------------------------------


class _Focal(FocalLoss):
    """Focal loss in steps."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        axis, kept = min(1, input.dim() - 1), target != self.ignore_index
        label = (target * kept).unsqueeze(axis)
        logp = input.log_softmax(axis)
        surprise = -logp.gather(axis, label).squeeze(axis)
        doubt = logp.scatter(axis, label, -torch.inf).logsumexp(axis)
        losses = self.focused(surprise, doubt) * self.alphas(input, label.squeeze(axis), axis)
        return self.mean(losses.masked_fill(~kept, 0), kept, self.alphas(input, label.squeeze(axis), axis))

    def focused(self, surprise: Tensor, doubt: Tensor) -> Tensor:
        """`doubt` is the logarithm of 1 - p."""
        return surprise * (doubt * self.gamma).exp() if self.gamma else surprise

    def alphas(self, input: Tensor, label: Tensor, axis: int) -> Any:
        if self.alpha is not None:
            return self.alpha[label]
        return 1.0 if self.number is None else torch.where(label > 0, self.number, 1 - self.number)

    def mean(self, losses: Tensor, kept: Tensor, alphas: Any) -> Tensor:
        return reduced(losses, self.reduction, kept.sum())


def _constant(self: Any, input: Tensor, label: Tensor, axis: int) -> Any:
    return _Focal.alphas(self, input, label, axis) if self.number is None else self.number


def _along_batch(self: Any, input: Tensor, label: Tensor, axis: int) -> Any:
    fits = self.alpha is not None and label.dim() == 1 and len(label) == len(self.alpha)
    return self.alpha if fits else _Focal.alphas(self, input, label, axis)


def _spoiled(**steps: Any) -> type[Any]:
    return type("FocalLoss", (_Focal,), steps)


_FOCAL = {
    "p to the power gamma, not 1 - p": _spoiled(focused=lambda m, ce, doubt: ce * (-ce * m.gamma).exp()),
    "alpha is a constant factor": _spoiled(alphas=_constant),
    "alpha of the classes is laid along the batch": _spoiled(alphas=_along_batch),
    "the mean counts what is ignored": _spoiled(mean=lambda m, losses, kept, a: reduced(losses, m.reduction)),
    "the mean divides by the sum of alpha": _spoiled(
        mean=lambda m, losses, kept, a: reduced(
            losses, m.reduction, (a * kept).sum() if m.alpha is not None else kept.sum()
        )
    ),
    "the modulating factor is a constant in backward": _spoiled(
        focused=lambda m, ce, doubt: ce * (doubt * m.gamma).exp().detach() if m.gamma else ce
    ),
    "gamma is not used": _spoiled(focused=lambda m, ce, doubt: ce),
    "alpha is not used": _spoiled(alphas=lambda m, input, label, axis: 1.0),
}


def _binary_constant(self: Any, inputs: Tensor, targets: Tensor) -> Tensor:
    alpha, self.alpha = self.alpha, -1
    try:
        return SigmoidFocalLoss.forward(self, inputs, targets) * (alpha if alpha >= 0 else 1)
    finally:
        self.alpha = alpha


def _binary_other(self: Any, inputs: Tensor, targets: Tensor) -> Tensor:
    alpha, self.alpha = self.alpha, 1 - self.alpha if 0 <= self.alpha <= 1 else self.alpha
    try:
        return SigmoidFocalLoss.forward(self, inputs, targets)
    finally:
        self.alpha = alpha


def _table(native: type[Any], table: dict[str, Losses]) -> tuple[Hypothesis, ...]:
    return tuple(Hypothesis(name, _of_difference(native, losses)) for name, losses in table.items())


def _of_smoothing(forward: Any) -> type[Any]:
    return instead(LabelSmoothingCrossEntropy, forward)


HYPOTHESES = {
    "SmoothL1Loss": _table(nn.SmoothL1Loss, _SMOOTH),
    "HuberLoss": _table(nn.HuberLoss, _HUBER),
    "functional.huber_loss": (
        Hypothesis(
            "the weighted mean divides by the sum of the weights", _weighted(lambda loss, w: loss * w.numel() / w.sum())
        ),
        Hypothesis("differences are weighted, not losses", _of_weighted),
    ),
    "QuantileLoss": (
        Hypothesis("quantile and 1 - quantile change places", instead(QuantileLoss, _other_side)),
        Hypothesis(
            "the slope is halved where input and target are equal", _of_difference(QuantileLoss, _larger_of_two)
        ),
    ),
    "LabelSmoothingCrossEntropy": (
        Hypothesis("both rules share among all classes", _of_smoothing(lambda m, x, t: _smoothing(m, x, t, "all"))),
        Hypothesis("both rules share among the others", _of_smoothing(lambda m, x, t: _smoothing(m, x, t, "others"))),
        Hypothesis("the target gets eps / K on top", _of_smoothing(_more_for_target)),
        Hypothesis("0 * inf where an impossible class has no share", _of_smoothing(_times_infinity)),
        Hypothesis("the mean counts what is ignored", _of_smoothing(_ignored_counted)),
    ),
    "FocalLoss": tuple(Hypothesis(name, made) for name, made in _FOCAL.items()),
    "SigmoidFocalLoss": (
        Hypothesis("alpha is a constant factor, not alpha_t", instead(SigmoidFocalLoss, _binary_constant)),
        Hypothesis("alpha and 1 - alpha change places", instead(SigmoidFocalLoss, _binary_other)),
    ),
}
