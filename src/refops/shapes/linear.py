"""Output shapes of the linear family: only the last axis changes."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["identity", "linear"]


def identity(input: Sequence[int]) -> tuple[int, ...]:
    """(*) -> (*).

    Example:
        >>> identity((128, 20))
        (128, 20)
    """
    return tuple(input)


def linear(input: Sequence[int], out_features: int, in_features: int | None = None) -> tuple[int, ...]:
    """(*, in_features) -> (*, out_features).

    Raises:
        ValueError: if a size is negative, `input` has no axis, or its last axis is not `in_features` (where given).

    Example:
        >>> linear((32, 7, 512), 10)
        (32, 7, 10)
    """
    if out_features < 0:
        raise ValueError(f"out_features must not be negative, got {out_features}")
    if in_features is not None and in_features < 0:
        raise ValueError(f"in_features must not be negative, got {in_features}")
    if not input:
        raise ValueError("input must have at least one axis, got ()")
    if in_features is not None and input[-1] != in_features:
        raise ValueError(f"input must have in_features = {in_features} on its last axis, got {tuple(input)}")
    return (*input[:-1], out_features)
