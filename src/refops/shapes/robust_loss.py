"""Output shapes of robust regression losses: one loss for each number, or their mean or sum, a single number."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.loss import mse_loss

__all__ = ["huber_loss", "quantile_loss", "smooth_l1_loss"]


def smooth_l1_loss(
    input: Sequence[int],
    target: Sequence[int],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> tuple[int, ...]:
    """(*S) and (*S) -> (); with `reduction="none"` (*S), broadcast where they differ.

    Raises:
        ValueError: if the shapes do not broadcast, or beta is negative.

    Example:
        >>> smooth_l1_loss((32, 1), (32, 1), reduction="none")
        (32, 1)
    """
    if not beta >= 0:
        raise ValueError(f"beta must be 0 or more, got {beta}")
    return mse_loss(input, target, size_average, reduce, reduction)


def huber_loss(
    input: Sequence[int],
    target: Sequence[int],
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """As `smooth_l1_loss`, with a weight for each number of input.

    Raises:
        ValueError: if the shapes do not broadcast, delta is not above 0, or weight has not the shape of input.

    Example:
        >>> huber_loss((32, 1), (32, 1))
        ()
    """
    if not delta > 0:
        raise ValueError(f"delta must be more than 0, got {delta}")
    if weight is not None and reduction == "elementwise_mean":
        raise ValueError(f"reduction must be one of none, mean, sum, got {reduction!r}")
    return mse_loss(input, target, reduction=reduction, weight=weight)


def quantile_loss(
    input: Sequence[int], target: Sequence[int], quantile: float = 0.5, reduction: str = "mean"
) -> tuple[int, ...]:
    """As `smooth_l1_loss`.

    Raises:
        ValueError: if the shapes do not broadcast, or quantile is not between 0 and 1.

    Example:
        >>> quantile_loss((5,), (5,), reduction="none")
        (5,)
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    return mse_loss(input, target, reduction=reduction)
