"""Output shapes of structured dropout, and which inputs it refuses."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["drop_block2d", "drop_connect", "drop_connect_moments", "spatial_dropout2d"]


def drop_connect(
    input: Sequence[int], out_features: int, p: float = 0.5, inference: str = "mean", in_features: int | None = None
) -> tuple[int, ...]:
    """(*, I) -> (*, O).

    Raises:
        ValueError: if `p` is outside [0, 1], `inference` is unknown, or the last axis is not `in_features`.

    Example:
        >>> drop_connect((32, 128), 64)
        (32, 64)
    """
    _require_probability(p)
    if inference not in ("mean", "gaussian"):
        raise ValueError(f"inference must be 'mean' or 'gaussian', got {inference!r}")
    if not input or (in_features is not None and input[-1] != in_features):
        raise ValueError(f"input must have {in_features} features on its last axis, got {tuple(input)}")
    return (*input[:-1], out_features)


def drop_connect_moments(
    input: Sequence[int], out_features: int, p: float = 0.5, in_features: int | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(*, I) -> (*, O) twice: mean and variance.

    Raises:
        ValueError: if `p` is outside [0, 1] or the last axis is not `in_features`.
    """
    shape = drop_connect(input, out_features, p, in_features=in_features)
    return shape, shape


def spatial_dropout2d(input: Sequence[int], p: float = 0.5) -> tuple[int, ...]:
    """(N, C, H, W) or (C, H, W) -> same.

    Raises:
        ValueError: if `p` is outside [0, 1] or `input` has neither 3 nor 4 axes.

    Example:
        >>> spatial_dropout2d((20, 16, 32, 32))
        (20, 16, 32, 32)
    """
    _require_probability(p)
    if len(input) not in (3, 4):
        raise ValueError(f"input must have shape (N, C, H, W) or (C, H, W), got {tuple(input)}")
    return tuple(input)


def drop_block2d(input: Sequence[int], p: float = 0.1, block_size: int = 7, gamma: str = "exact") -> tuple[int, ...]:
    """(N, C, H, W) or (C, H, W) -> same; a block larger than the map is clamped.

    Raises:
        ValueError: if `p` is outside [0, 1], `block_size` is no positive int, `gamma` is unknown, or `input` has
            neither 3 nor 4 axes.
    """
    if not isinstance(block_size, int) or block_size < 1:
        raise ValueError(f"block_size must be a positive int, got {block_size}")
    if gamma not in ("exact", "paper"):
        raise ValueError(f"gamma must be 'exact' or 'paper', got {gamma!r}")
    return spatial_dropout2d(input, p)


def _require_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability, between 0 and 1, got {p}")
