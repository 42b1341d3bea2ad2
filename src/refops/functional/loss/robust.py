"""Robust regression losses: quadratic near the target, straight far from it, so that an outlier pulls no harder.

Huber and smooth L1 are one curve: with q = min(|d|, delta) it is q (|d| - q / 2), and its slope is d clamped to
[-delta, delta]. Smooth L1 divides by delta, which it calls beta. The pinball loss is straight on both sides.

Legend: *S any shape, the same for input, target and weight; d input - target; g incoming gradient.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from refops.functional.derivative import FromInput, saved, widened
from refops.functional.loss.reduction import answered, chosen_reduction, common_dtype, reduced
from refops.functional.loss.regression import l1_loss
from refops.hand_derived import call

__all__ = ["huber_loss", "quantile_loss", "smooth_l1_loss"]


class _Clamped(FromInput):
    """d clamped to [-delta, delta]; at the ends it is already flat, where torch's own clamp still rises."""

    @staticmethod
    def forward(d: Tensor, delta: float) -> Tensor:
        return d.clamp(-delta, delta)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return torch.where(saved(ctx).abs() < ctx.constants[0], g, 0), None


class _Huber(FromInput):
    """q (|d| - q / 2) with q = min(|d|, delta), whose derivative is the clamped d."""

    @staticmethod
    def forward(d: Tensor, delta: float) -> Tensor:
        size = d.abs()
        q = size.clamp(max=delta)
        return size.sub_(q, alpha=0.5).mul_(q)  # never squares first: 0.5 * q^2 overflows where this does not

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return call(_Clamped, saved(ctx), ctx.constants[0]).mul(g), None


def _difference(input: Tensor, target: Tensor, loss: str) -> Tensor:
    """Input - target in the dtype to compute in, broadcast with a warning where their sizes differ."""
    if not torch.is_floating_point(input) and not torch.is_floating_point(target):
        raise NotImplementedError(f"input of {loss} must have a floating dtype, got {input.dtype}")
    if target.shape != input.shape:
        warnings.warn(
            f"target of size {tuple(target.shape)} and input of size {tuple(input.shape)} are broadcast against each "
            "other, which is likely a mistake; please give them the same size",
            stacklevel=3,
        )
    shared = common_dtype(input, target)
    try:
        return widened(input.to(shared)) - widened(target.to(shared))
    except RuntimeError as error:
        raise RuntimeError(f"target must have the size of input, or one that broadcasts to it: {error}") from error


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, otherwise |d| - beta / 2, with d = input - target; reduced.

    That is Huber's loss of delta = beta, divided by beta. With beta = 0 it is the absolute error.

    Native: `torch.nn.functional.smooth_l1_loss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        NotImplementedError: if neither input nor target is floating.
        RuntimeError: if beta is negative, or the sizes do not broadcast.
        ValueError: if there is no such reduction.

    Trap: beta is not delta: it also sets the steepness near 0, so that the slope far away is always 1.

    Source: Girshick, Fast R-CNN, arXiv 1504.08083, equation 3, where beta is 1.

    Example:
        >>> smooth_l1_loss(torch.tensor([0.5, 3.0]), torch.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    reduction = chosen_reduction(reduction, size_average, reduce)
    if not beta > 0:
        raise RuntimeError(f"beta must be 0 or more, got {beta}")
    d = _difference(input, target, "smooth_l1_loss")
    losses: Tensor = call(_Huber, d, beta)
    losses = losses if beta == 1 else losses / beta
    return answered(reduced(losses, reduction), common_dtype(input, target))


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where |d| < delta, otherwise delta (|d| - delta / 2), with d = input - target; weighted and reduced.

    Native: `torch.nn.functional.huber_loss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        NotImplementedError: if neither input nor target is floating.
        RuntimeError: if delta is not above 0, the sizes do not broadcast, or the input is whole and target is not.
        ValueError: if the weight has another size than the input, or there is no such reduction.

    Trap: unlike the other losses' the weighted mean divides by the number of losses, not by the weights' sum; and the
        result has the input's dtype, even if the target's is wider.

    Source: Huber, Robust estimation of a location parameter, 1964.

    Example:
        >>> huber_loss(torch.tensor([0.5, 3.0]), torch.zeros(2), reduction="none", delta=2.0)
        tensor([0.1250, 4.0000])
    """
    if weight is None or reduction != "elementwise_mean":  # the deprecated word, which weights do not know
        reduction = chosen_reduction(reduction)
    if not delta > 0:
        raise RuntimeError(f"delta must be more than 0, got {delta}")
    d = _difference(input, target, "huber_loss")
    if not torch.is_floating_point(input):
        raise RuntimeError(f"input of huber_loss must have a floating dtype like its target, got {input.dtype}")
    losses: Tensor = call(_Huber, d, delta)
    if weight is None:
        return answered(reduced(losses, reduction), input.dtype)
    if weight.shape != input.shape:
        raise ValueError(f"weight must have the size of input {tuple(input.shape)}, got {tuple(weight.shape)}")
    if reduction == "elementwise_mean":
        raise ValueError(f"reduction must be one of none, mean, sum where weights are given, got {reduction!r}")
    return answered(reduced(losses * widened(weight), reduction), common_dtype(input, weight))


def quantile_loss(input: Tensor, target: Tensor, quantile: float = 0.5, reduction: str = "mean") -> Tensor:
    """(target - input) (quantile - [target < input]), reduced: least where that share of the targets lies below input.

    Native: none. With quantile = 1/2 it is half of `torch.nn.functional.l1_loss`, but for the slope at a tie.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        NotImplementedError: if neither input nor target is floating.
        RuntimeError: if the sizes do not broadcast; where they differ there is a warning.
        ValueError: if quantile is not between 0 and 1, or there is no such reduction.

    Trap: a prediction too low costs quantile, one too high 1 - quantile. Where they are equal the slope is -quantile,
        as the formula says; a maximum of both lines would have some mean of the two.

    Source: Koenker and Bassett, Regression quantiles, Econometrica 46, 1978.

    Example:
        >>> quantile_loss(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 3.0]), quantile=0.75, reduction="none")
        tensor([1.5000, 0.5000])
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    reduction = chosen_reduction(reduction)
    d = _difference(input, target, "quantile_loss")
    losses = torch.where(d > 0, d * (1 - quantile), d * -quantile)
    return answered(reduced(losses, reduction), common_dtype(input, target))
