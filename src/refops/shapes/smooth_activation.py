"""Output shapes of softplus and mish: always that of the input."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["mish", "softplus"]


def softplus(input: Sequence[int], beta: float = 1.0, threshold: float = 20.0) -> tuple[int, ...]:
    """(*S) -> (*S).

    Example:
        >>> softplus((32, 64))
        (32, 64)
    """
    return tuple(input)


def mish(input: Sequence[int], inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)
