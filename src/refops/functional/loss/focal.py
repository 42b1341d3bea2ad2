"""Focal losses: cross-entropy whose easy samples count less, by (1 - p_t)^gamma, p_t the probability of the truth.

Everything follows from one number per sample, the log-odds z against the truth: 1 - p_t = sigmoid(z) and
-log p_t = log(1 + e^z). Both keep all their digits however sure the model is, where 1 - exp(-cross_entropy) is 0 or
noise; and the power is taken of the logarithm, exp(gamma log sigmoid(z)), which has no infinite slope for any gamma.

Legend: N batch, K classes, *S any (spatial) axes, z log-odds against the truth, p_t probability of the truth.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.functional.activation import sigmoid
from refops.functional.derivative import FromInput, floating, saved, widened
from refops.functional.loss.classification import _check_target, _looked_up
from refops.functional.loss.reduction import answered, chosen_reduction, reduced
from refops.hand_derived import call

__all__ = ["focal_loss", "log_one_plus_exp", "log_sum_exp", "sigmoid_focal_loss"]


class _LogOnePlusExp(FromInput):
    """log(1 + e^z), whose derivative is sigmoid(z)."""

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        return z.clamp(min=0) + z.abs().neg().exp().log1p()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * sigmoid(saved(ctx))


def log_one_plus_exp(z: Tensor) -> Tensor:
    """log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), exact at both ends: e^z far below 0, z far above.

    With z the log-odds against something it is -log of its probability.

    Native: `torch.nn.functional.softplus`, less its threshold beyond which that is z itself.

    Shape: (*S) to (*S).

    Example:
        >>> log_one_plus_exp(torch.tensor([-200.0, 0.0, 200.0], dtype=torch.float64))
        tensor([1.3839e-87, 6.9315e-01, 2.0000e+02], dtype=torch.float64)
    """
    result: Tensor = call(_LogOnePlusExp, z)
    return result


def log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """Log of the sum of e^x along `dim`, shifted by the maximum; -inf, with gradient 0, where all is -inf.

    Native: `torch.logsumexp`.

    Shape: (*S) to (*S) without `dim`.

    Example:
        >>> log_sum_exp(torch.tensor([[1000.0, -torch.inf], [-torch.inf, -torch.inf]]), dim=1)
        tensor([1000., -inf])
    """
    largest = x.detach().amax(dim, keepdim=True)
    nothing = largest == -torch.inf
    total = (x - torch.where(nothing, 0, largest)).exp_().sum(dim)
    nothing, largest = nothing.squeeze(dim), largest.squeeze(dim)
    return torch.where(nothing, -torch.inf, torch.where(nothing, 1, total).log() + largest)


def _modulated(surprise: Tensor, log_doubt: Tensor, gamma: float) -> Tensor:
    """(1 - p_t)^gamma (-log p_t), from -log p_t and log(1 - p_t)."""
    return surprise if gamma == 0 else (log_doubt * gamma).exp() * surprise


def _check_gamma(gamma: float) -> None:
    if not gamma >= 0:
        raise ValueError(f"gamma must be 0 or more, got {gamma}")


def focal_loss(
    input: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float | Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log p_t, reduced, with p = softmax(input) and t the target class.

    Native: none. With gamma = 0 and no alpha it is `torch.nn.functional.cross_entropy`.

    Args:
        input: logits.
        target: class indices.
        gamma: how much less easy samples count; 0 is cross-entropy.
        alpha: what each class counts, a tensor (K,). A number a in [0, 1] is what every class but 0, the background,
            counts; the background counts 1 - a.
        ignore_index: samples of this target count nothing, not in the mean either.
        reduction: none, mean (over the samples that are not ignored, whatever their alpha) or sum.

    Shape: (N, K, *S) and (N, *S), or (K,) and (), to (); with `reduction="none"` to the shape of target.

    Raises:
        IndexError: if a target is neither in [0, K) nor `ignore_index`.
        NotImplementedError: if the input is not floating.
        RuntimeError: if the target's dtype is not int64 or uint8, or its spatial axes are not the input's.
        ValueError: if gamma is negative, alpha neither in [0, 1] nor one number for each class, the batch sizes
            differ, or there is no such reduction.

    Trap: alpha belongs to the class of the target, it is no constant factor and no weight per sample. The mean must
        leave ignored samples out. The derivative of s^gamma is infinite at s = 0 for gamma < 1.

    Source: Lin et al., Focal loss for dense object detection, arXiv 1708.02002, equation 5.

    Example:
        >>> focal_loss(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]), reduction="none")
        tensor([0.0018, 1.6501])
    """
    _check_gamma(gamma)
    reduction = chosen_reduction(reduction)
    floating(input, "focal_loss")
    _check_target(input, target)
    axis = 0 if input.dim() == 1 else 1
    target = target.reshape(()) if axis == 0 else target
    x = widened(input)  # (N, K, *S)
    kept = target != ignore_index
    index = torch.where(kept, target, 0).long()
    weights = _looked_up(_per_class(alpha, x, axis), index)  # (N, *S)
    at = index.unsqueeze(axis)
    against = log_sum_exp(x.scatter(axis, at, -torch.inf), axis) if x.shape[axis] else x.sum(axis)
    z = against - x.gather(axis, at).squeeze(axis)  # (N, K, *S) -> (N, *S)
    losses = _modulated(log_one_plus_exp(z), -log_one_plus_exp(-z), gamma) * weights
    return answered(reduced(torch.where(kept, losses, 0), reduction, kept), input.dtype)


def _per_class(alpha: float | Tensor | None, x: Tensor, axis: int) -> Tensor:
    """What each class counts, (K,)."""
    classes = x.shape[axis]
    if alpha is None:
        return x.new_ones(classes)
    if isinstance(alpha, Tensor):
        if tuple(alpha.shape) != (classes,):
            raise ValueError(f"alpha must have one number for each of {classes} classes, got size {tuple(alpha.shape)}")
        return alpha.to(x.dtype)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1] or be one number for each class, got {alpha}")
    numbers = torch.arange(classes, device=x.device)
    return torch.where(numbers == 0, x.new_full((), 1 - alpha), x.new_full((), alpha))


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log p_t for each number, with p = sigmoid(inputs), p_t = p where the target is 1.

    alpha_t is alpha where the target is 1 and 1 - alpha where it is 0. A target between the two mixes, as torchvision
    does: p_t, log p_t and alpha_t each by itself.

    Native: none in torch; `torchvision.ops.sigmoid_focal_loss`.

    Args:
        inputs: logits.
        targets: 0 or 1 for each, of any dtype.
        alpha: what a target of 1 counts, in [0, 1]; -1 counts all alike.
        gamma: how much less easy samples count; 0 is cross-entropy.
        reduction: none, mean or sum; none by default, since detectors divide by the number of objects.

    Shape: (*S) and (*S) to (*S); with `reduction="mean"` or "sum" to ().

    Raises:
        NotImplementedError: if inputs is not floating.
        ValueError: if the sizes differ, alpha is neither in [0, 1] nor -1, gamma is negative, or there is no such
            reduction.

    Trap: alpha = 1 drops every target of 0; what turns alpha off is -1. The mean is plain: alpha is not divided out.

    Source: Lin et al., arXiv 1708.02002, equation 5.

    Example:
        >>> sigmoid_focal_loss(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]))
        tensor([0.0057, 0.5264])
    """
    _check_gamma(gamma)
    reduction = chosen_reduction(reduction)
    if not torch.is_floating_point(inputs):
        raise NotImplementedError(f"inputs of sigmoid_focal_loss must have a floating dtype, got {inputs.dtype}")
    if targets.shape != inputs.shape:
        raise ValueError(f"targets must have the size of inputs {tuple(inputs.shape)}, got {tuple(targets.shape)}")
    if not (0 <= alpha <= 1 or alpha == -1):
        raise ValueError(f"alpha must lie in [0, 1], or be -1 to count all alike, got {alpha}")
    x = widened(inputs)
    t = targets.to(x.dtype)
    surprise = log_one_plus_exp(-x) * t + log_one_plus_exp(x) * (1 - t)
    doubt = sigmoid(-x) * t + sigmoid(x) * (1 - t)  # 1 - p_t without cancellation
    losses = _modulated(surprise, doubt.clamp(min=torch.finfo(x.dtype).tiny).log(), gamma)  # below it, surprise is 0
    if alpha >= 0:
        losses = losses * (alpha * t + (1 - alpha) * (1 - t))
    return answered(reduced(losses, reduction), inputs.dtype)
