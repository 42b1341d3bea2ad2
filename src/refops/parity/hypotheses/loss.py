"""What goes wrong in losses: what a mean divides by, what is ignored, how smoothing and weights enter.

`Entropy` is a right cross-entropy in steps; each hypothesis spoils one of them.

Legend: N batch, C classes, *S any spatial axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead


def reduced(losses: Tensor, reduction: str, total: Any = None) -> Tensor:
    """None, sum or mean; the mean over `total` where it is given."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / (losses.numel() if total is None else total)


# -- cross-entropy -----------------------------------------------------------------------------------------------------


class Entropy(nn.CrossEntropyLoss):
    """Cross-entropy of class indices in steps; class probabilities are native's."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The mean over all that is not ignored, each weighted by its class."""
        if input.shape == target.shape:
            return self.by_probability(input, target)
        axis = 1 if input.dim() > 1 else 0
        logp = self.log_probability(input, axis)
        shape = [-1 if a == axis else 1 for a in range(input.dim())]
        weight = torch.ones(input.shape[axis]).to(logp) if self.weight is None else self.weight
        kept = target != self.ignore_index
        safe = target * kept
        losses = -logp.gather(axis, safe.unsqueeze(axis)).squeeze(axis) * weight[safe]
        if self.label_smoothing:
            losses = self.smoothed(losses, logp, weight.view(shape), safe, axis)
        return self.mean(torch.where(kept, losses, 0), weight[safe] * kept, kept)

    def by_probability(self, input: Tensor, target: Tensor) -> Tensor:
        """Native's."""
        return super().forward(input, target)

    def log_probability(self, x: Tensor, axis: int) -> Tensor:
        """Of every class."""
        return F.log_softmax(x, axis)

    def smoothed(self, losses: Tensor, logp: Tensor, weight: Tensor, safe: Tensor, axis: int) -> Tensor:
        """Every class, the right one too, has its share of the smoothing."""
        s = self.label_smoothing
        return (1 - s) * losses - s / logp.shape[axis] * (logp * weight).sum(axis)

    def mean(self, losses: Tensor, weights: Tensor, kept: Tensor) -> Tensor:
        """Over the weights of what is kept."""
        return reduced(losses, self.reduction, weights.sum())


def _others_only(self: Any, losses: Tensor, logp: Tensor, weight: Tensor, safe: Tensor, axis: int) -> Any:
    s, others = self.label_smoothing, max(logp.shape[axis] - 1, 1)
    own = (logp * weight).gather(axis, safe.unsqueeze(axis)).squeeze(axis)
    return (1 - s) * losses - s / others * ((logp * weight).sum(axis) - own)


def _unweighted(self: Any, losses: Tensor, logp: Tensor, weight: Tensor, safe: Tensor, axis: int) -> Any:
    return (1 - self.label_smoothing) * losses - self.label_smoothing * logp.mean(axis)


def _added(self: Any, losses: Tensor, logp: Tensor, weight: Tensor, safe: Tensor, axis: int) -> Any:
    return losses - self.label_smoothing * (logp * weight).mean(axis)


def _spoiled(**steps: Callable[..., Tensor]) -> type[Any]:
    return type("CrossEntropyLoss", (Entropy,), steps)


_ENTROPY: dict[str, type[Any]] = {
    "softmax is applied twice": _spoiled(log_probability=lambda m, x, axis: F.log_softmax(F.softmax(x, axis), axis)),
    "the input is taken for log-probabilities": _spoiled(log_probability=lambda m, x, axis: x),
    "an eps of 1e-7 inside the logarithm": _spoiled(
        log_probability=lambda m, x, axis: (F.softmax(x, axis) + 1e-7).log()
    ),
    "an eps of 1e-8 inside the logarithm": _spoiled(
        log_probability=lambda m, x, axis: (F.softmax(x, axis) + 1e-8).log()
    ),
    "classes are sought on the last axis": _spoiled(log_probability=lambda m, x, axis: F.log_softmax(x, -1)),
    "smoothing is shared by the other classes only": _spoiled(smoothed=_others_only),
    "the smoothing term is not weighted": _spoiled(smoothed=_unweighted),
    "smoothing is added, the rest not made smaller": _spoiled(smoothed=_added),
    "the mean counts what is ignored": _spoiled(
        mean=lambda m, losses, w, kept: reduced(losses, m.reduction, w.sum() + (~kept).sum())
    ),
    "the weighted mean divides by the number of samples": _spoiled(
        mean=lambda m, losses, w, kept: reduced(losses, m.reduction, kept.sum())
    ),
    "the mean divides by the batch only": _spoiled(
        mean=lambda m, losses, w, kept: reduced(losses, m.reduction, len(losses) if losses.dim() else 1)
    ),
    "where all is ignored the mean is 0, not nan": _spoiled(
        mean=lambda m, losses, w, kept: reduced(losses, m.reduction, w.sum()).nan_to_num(0.0)
    ),
}


def _normalised(self: Any, input: Tensor, target: Tensor) -> Tensor:
    weight = None if self.weight is None else self.weight / self.weight.mean()
    return F.cross_entropy(input, target, weight, None, self.ignore_index, None, self.reduction, self.label_smoothing)


def _probabilities_unsmoothed(self: Any, input: Tensor, target: Tensor) -> Tensor:
    smoothing = 0.0 if input.shape == target.shape else self.label_smoothing
    return F.cross_entropy(input, target, self.weight, None, self.ignore_index, None, self.reduction, smoothing)


def _averaged_over_classes(self: Any, input: Tensor, target: Tensor) -> Tensor:
    loss = nn.CrossEntropyLoss.forward(self, input, target)
    soft = input.shape == target.shape and self.reduction == "mean"
    return loss / input.shape[1 if input.dim() > 1 else 0] if soft else loss


def _averaged_over_classes_of_batches(self: Any, input: Tensor, target: Tensor) -> Tensor:
    loss = nn.CrossEntropyLoss.forward(self, input, target)
    soft = input.shape == target.shape and self.reduction == "mean" and input.dim() > 1
    return loss / input.shape[1] if soft else loss


# -- negative log-likelihood -------------------------------------------------------------------------------------------


def _nll(change: Callable[[Any, Tensor, Tensor, Tensor], Tensor]) -> type[Any]:
    def forward(self: Any, input: Tensor, target: Tensor) -> Tensor:
        return change(self, input, target, nn.NLLLoss.forward(self, input, target))

    return instead(nn.NLLLoss, forward)


def _of_logarithm(self: Any, input: Tensor, target: Tensor) -> Tensor:
    return nn.NLLLoss.forward(self, input.abs().log(), target)


def _over_batch(m: Any, input: Tensor, target: Tensor, loss: Tensor) -> Tensor:
    return loss * target[:1].numel() if m.reduction == "mean" and target.dim() > 1 else loss


def _ignoring_nothing(m: Any, input: Tensor, target: Tensor, loss: Tensor) -> Tensor:
    return F.nll_loss(input, target, m.weight, reduction=m.reduction)


# -- regression --------------------------------------------------------------------------------------------------------

Pointwise = Callable[[Tensor, Tensor], Tensor]


def _regression(native: type[Any], losses: Pointwise) -> type[Any]:
    return instead(native, lambda self, input, target: reduced(losses(input, target), self.reduction))


def _after(native: type[Any], change: Callable[[Any, Tensor, Tensor], Tensor]) -> type[Any]:
    def forward(self: Any, input: Tensor, target: Tensor) -> Tensor:
        return change(self, native.forward(self, input, target), input)

    return instead(native, forward)


def _over_rows(m: Any, loss: Tensor, input: Tensor) -> Tensor:
    return loss * input[:1].numel() if m.reduction == "mean" and input.dim() > 1 and len(input) else loss


def _weighted_by_count(function: Any) -> Callable[..., Tensor]:
    def loss(input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
             weight: Tensor | None = None) -> Tensor:  # fmt: skip
        losses: Tensor = function(input, target, size_average, reduce, reduction, weight)
        return losses if weight is None or reduction != "mean" else losses * (weight.sum() / weight.numel())

    return loss


HYPOTHESES = {
    "CrossEntropyLoss": (
        *(Hypothesis(name, operator) for name, operator in _ENTROPY.items()),
        Hypothesis("the weights are normalised to the mean 1", instead(nn.CrossEntropyLoss, _normalised)),
        Hypothesis("class probabilities are not smoothed", instead(nn.CrossEntropyLoss, _probabilities_unsmoothed)),
        Hypothesis(
            "class probabilities are averaged over classes too",
            instead(nn.CrossEntropyLoss, _averaged_over_classes_of_batches),
        ),
        Hypothesis(
            "class probabilities are averaged over classes too, batch or not",
            instead(nn.CrossEntropyLoss, _averaged_over_classes),
        ),
    ),
    "NLLLoss": (
        Hypothesis("takes the logarithm of what already is one", instead(nn.NLLLoss, _of_logarithm)),
        Hypothesis("the mean divides by the batch only", _nll(_over_batch)),
        Hypothesis("an ignored class is not ignored", _nll(_ignoring_nothing)),
    ),
    "MSELoss": (
        Hypothesis(
            "the root of the mean", _after(nn.MSELoss, lambda m, y, x: y.sqrt() if m.reduction == "mean" else y)
        ),
        Hypothesis("summed over features, averaged over the batch", _after(nn.MSELoss, _over_rows)),
        Hypothesis("the absolute error, not its square", _regression(nn.MSELoss, lambda x, t: (x - t).abs())),
    ),
    "L1Loss": (
        Hypothesis("smooth below 1", _regression(nn.L1Loss, lambda x, t: F.smooth_l1_loss(x, t, reduction="none"))),
        Hypothesis(
            "slope 1 where input and target are equal",
            _regression(nn.L1Loss, lambda x, t: torch.where(x >= t, x - t, t - x)),
        ),
        Hypothesis(
            "the root of the square, whose gradient is nan at 0",
            _regression(nn.L1Loss, lambda x, t: ((x - t) ** 2).sqrt()),
        ),
        Hypothesis("the square, not the absolute error", _regression(nn.L1Loss, lambda x, t: (x - t) ** 2)),
        Hypothesis("summed over features, averaged over the batch", _after(nn.L1Loss, _over_rows)),
    ),
    "functional.mse_loss": (
        Hypothesis(
            "the weighted mean divides by the number, not by the sum of the weights", _weighted_by_count(F.mse_loss)
        ),
    ),
    "functional.l1_loss": (
        Hypothesis(
            "the weighted mean divides by the number, not by the sum of the weights", _weighted_by_count(F.l1_loss)
        ),
    ),
}
