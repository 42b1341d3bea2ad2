"""Output shapes of batch and instance norm: the input's own, if it has the axes, channels and values to norm.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from refops.shapes.normalization import needs_channels

__all__ = [
    "batch_norm",
    "batch_norm1d",
    "batch_norm2d",
    "batch_norm3d",
    "instance_norm",
    "instance_norm1d",
    "instance_norm2d",
    "instance_norm3d",
]


def batch_norm(
    input: Sequence[int], num_features: int | None = None, training: bool = False, eps: float = 1e-5
) -> tuple[int, ...]:
    """(N, C, *S) -> same; in training with more than one value per channel, that is N * |S| is not 1.

    Raises:
        ValueError: if there are too few axes or values, C is not `num_features` (where given), or eps is not positive.

    Example:
        >>> batch_norm((32, 64, 56, 56), 64, training=True)
        (32, 64, 56, 56)
    """
    needs_channels(input, num_features)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be positive in training and never negative, got {eps}")
    if training and input[0] * math.prod(input[2:]) == 1:
        raise ValueError(f"input must have more than 1 value per channel in training, got {tuple(input)}")
    return tuple(input)


def batch_norm1d(
    input: Sequence[int],
    num_features: int | None = None,
    eps: float = 1e-5,
    affine: bool = True,
    track_running_stats: bool = True,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C) or (N, C, L) -> same.

    Raises:
        ValueError: as for `batch_norm`; C matters to weights and statistics only.
    """
    _needs_rank(input, 2, 3)
    return batch_norm(input, num_features if affine or track_running_stats else None, training, eps)


def batch_norm2d(
    input: Sequence[int],
    num_features: int | None = None,
    eps: float = 1e-5,
    affine: bool = True,
    track_running_stats: bool = True,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, H, W) -> same.

    Raises:
        ValueError: as for `batch_norm`; C matters to weights and statistics only.
    """
    _needs_rank(input, 4)
    return batch_norm(input, num_features if affine or track_running_stats else None, training, eps)


def batch_norm3d(
    input: Sequence[int],
    num_features: int | None = None,
    eps: float = 1e-5,
    affine: bool = True,
    track_running_stats: bool = True,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, D, H, W) -> same.

    Raises:
        ValueError: as for `batch_norm`; C matters to weights and statistics only.
    """
    _needs_rank(input, 5)
    return batch_norm(input, num_features if affine or track_running_stats else None, training, eps)


def instance_norm(
    input: Sequence[int], num_features: int | None = None, use_input_stats: bool = True
) -> tuple[int, ...]:
    """(N, C, *S) -> same; with more than one value in *S, unless running statistics are used.

    Raises:
        ValueError: if there are too few axes or values, or C is not `num_features` (where given).

    Example:
        >>> instance_norm((20, 100, 35, 45))
        (20, 100, 35, 45)
    """
    needs_channels(input, num_features)
    if use_input_stats and math.prod(input[2:]) == 1:
        raise ValueError(f"input must have more than 1 value in *S, got {tuple(input)}")
    return tuple(input)


def instance_norm1d(
    input: Sequence[int],
    num_features: int | None = None,
    affine: bool = False,
    track_running_stats: bool = False,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, L) or (C, L) -> same.

    Raises:
        ValueError: as for `instance_norm`; C matters to weights and statistics only.
    """
    return _instance_norm(1, input, num_features, affine, track_running_stats, training)


def instance_norm2d(
    input: Sequence[int],
    num_features: int | None = None,
    affine: bool = False,
    track_running_stats: bool = False,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, H, W) or (C, H, W) -> same.

    Raises:
        ValueError: as for `instance_norm`; C matters to weights and statistics only.
    """
    return _instance_norm(2, input, num_features, affine, track_running_stats, training)


def instance_norm3d(
    input: Sequence[int],
    num_features: int | None = None,
    affine: bool = False,
    track_running_stats: bool = False,
    training: bool = True,
) -> tuple[int, ...]:
    """(N, C, D, H, W) or (C, D, H, W) -> same.

    Raises:
        ValueError: as for `instance_norm`; C matters to weights and statistics only.
    """
    return _instance_norm(3, input, num_features, affine, track_running_stats, training)


def _instance_norm(
    n: int, input: Sequence[int], num_features: int | None, affine: bool, track_running_stats: bool, training: bool
) -> tuple[int, ...]:
    _needs_rank(input, n + 1, n + 2)
    batch = tuple(input) if len(input) == n + 2 else (1, *input)
    instance_norm(batch, num_features if affine or track_running_stats else None, training or not track_running_stats)
    return tuple(input)


def _needs_rank(input: Sequence[int], *ranks: int) -> None:
    if len(input) not in ranks:
        raise ValueError(f"input must have {' or '.join(map(str, ranks))} axes, got {tuple(input)}")
