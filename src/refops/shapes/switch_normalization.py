"""Output shapes of switchable norm: the input's own, if it has the axes, channels and values to norm.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.batch_normalization import batch_norm

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
    return batch_norm(input, num_features, training, eps)


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
