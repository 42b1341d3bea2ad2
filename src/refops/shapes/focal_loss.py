"""Output shapes of focal losses and of label smoothing: one loss for each sample, or their mean or sum."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.loss import mse_loss, nll_loss

__all__ = ["focal_loss", "label_smoothing_cross_entropy", "sigmoid_focal_loss"]


def focal_loss(
    input: Sequence[int],
    target: Sequence[int],
    gamma: float = 2.0,
    alpha: float | Sequence[int] | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> tuple[int, ...]:
    """(N, K, *S) and (N, *S), or (K) and (), -> (); with `reduction="none"` (N, *S) or ().

    Args:
        input: shape of the logits.
        target: shape of the class indices.
        gamma: how much less easy samples count.
        alpha: a number, or the shape of one number for each class.
        ignore_index: the class index that does not count.
        reduction: none, mean or sum.

    Raises:
        ValueError: if target has not the shape of input without its classes, gamma is negative, or alpha neither a
            number in [0, 1] nor of shape (K).

    Example:
        >>> focal_loss((32, 10), (32,), reduction="none")
        (32,)
    """
    if not gamma >= 0:
        raise ValueError(f"gamma must be 0 or more, got {gamma}")
    shape = nll_loss(input, target, ignore_index=ignore_index, reduction=reduction)
    classes = tuple(input)[:2][-1]
    if isinstance(alpha, int | float):
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1] or be one number for each class, got {alpha}")
    elif alpha is not None and tuple(alpha) != (classes,):
        raise ValueError(f"alpha must have shape ({classes},), one number for each class, got {tuple(alpha)}")
    return shape


def sigmoid_focal_loss(
    inputs: Sequence[int],
    targets: Sequence[int],
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> tuple[int, ...]:
    """(*S) and (*S) -> (*S); with `reduction="mean"` or "sum" ().

    Raises:
        ValueError: if the shapes differ, alpha is neither in [0, 1] nor -1, or gamma is negative.

    Example:
        >>> sigmoid_focal_loss((8, 80), (8, 80))
        (8, 80)
    """
    if not gamma >= 0:
        raise ValueError(f"gamma must be 0 or more, got {gamma}")
    if not (0 <= alpha <= 1 or alpha == -1):
        raise ValueError(f"alpha must lie in [0, 1], or be -1 to count all alike, got {alpha}")
    if tuple(inputs) != tuple(targets):
        raise ValueError(f"targets must have the shape of inputs {tuple(inputs)}, got {tuple(targets)}")
    return mse_loss(inputs, targets, reduction=reduction)


def label_smoothing_cross_entropy(
    input: Sequence[int],
    target: Sequence[int],
    eps: float = 0.1,
    rule: str = "all",
    weight: Sequence[int] | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> tuple[int, ...]:
    """(N, K, *S) and (N, *S), or (K) and (), -> (); with `reduction="none"` (N, *S) or ().

    Raises:
        ValueError: if target has not the shape of input without its classes, weight is not one per class, eps is not in
            [0, 1], or there is no such rule.

    Example:
        >>> label_smoothing_cross_entropy((32, 10), (32,))
        ()
    """
    if not 0 <= eps <= 1:
        raise ValueError(f"eps must lie in [0, 1], got {eps}")
    if rule not in ("all", "others"):
        raise ValueError(f"rule must be one of all, others, got {rule!r}")
    return nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)
