"""Output shapes of switchable norm: the input's own, if it has the axes, channels and values to norm.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["switch_norm", "switch_norm1d", "switch_norm2d", "switch_norm3d"]


def switch_norm(
    input: Sequence[int], num_features: int | None = None, training: bool = True, eps: float = 1e-5
) -> tuple[int, ...]:
    """(N, C, *S) -> same; in training with more than one value per channel, that is N * |S| is not 1.

    Raises:
        ValueError: if there are too few axes or values, C is not `num_features` (where given), or eps is not positive.

    Example:
        >>> switch_norm((32, 64, 56, 56), 64)
        (32, 64, 56, 56)
    """
    if len(input) < 3 or 0 in input[1:]:
        raise ValueError(f"input must be (N, C, *S), none empty but the batch, got {tuple(input)}")
    if num_features is not None and input[1] != num_features:
        raise ValueError(f"input must have num_features={num_features} channels, got {input[1]}")
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be positive in training and never negative, got {eps}")
    if training and input[0] * math.prod(input[2:]) == 1:
        raise ValueError(f"input must have more than 1 value per channel in training, got {tuple(input)}")
    return tuple(input)


def switch_norm1d(
    input: Sequence[int],
    num_features: int | None = None,
    eps: float = 1e-5,
    affine: bool = True,
    track_running_stats: bool = True,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, L) -> same.

    Raises:
        ValueError: as for `switch_norm`; C matters to weights and statistics only.
    """
    return _of_rank(3, input, num_features if affine or track_running_stats else None, training, eps)


def switch_norm2d(
    input: Sequence[int],
    num_features: int | None = None,
    eps: float = 1e-5,
    affine: bool = True,
    track_running_stats: bool = True,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, H, W) -> same.

    Raises:
        ValueError: as for `switch_norm`; C matters to weights and statistics only.
    """
    return _of_rank(4, input, num_features if affine or track_running_stats else None, training, eps)


def switch_norm3d(
    input: Sequence[int],
    num_features: int | None = None,
    eps: float = 1e-5,
    affine: bool = True,
    track_running_stats: bool = True,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, D, H, W) -> same.

    Raises:
        ValueError: as for `switch_norm`; C matters to weights and statistics only.
    """
    return _of_rank(5, input, num_features if affine or track_running_stats else None, training, eps)


def _of_rank(rank: int, input: Sequence[int], num_features: int | None, training: bool, eps: float) -> tuple[int, ...]:
    if len(input) != rank:
        raise ValueError(f"input must have {rank} axes, got {tuple(input)}")
    return switch_norm(input, num_features, training, eps)
