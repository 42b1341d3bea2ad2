"""Output shapes of the dropout family: the input's, if it has as many axes as native accepts."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d"]


def dropout(input: Sequence[int], p: float = 0.5) -> tuple[int, ...]:
    """(*) -> (*).

    Raises:
        ValueError: if `p` is outside [0, 1].

    Example:
        >>> dropout((32, 128))
        (32, 128)
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability, between 0 and 1, got {p}")
    return tuple(input)


def dropout1d(input: Sequence[int], p: float = 0.5) -> tuple[int, ...]:
    """(N, C, L) or (C, L) -> same.

    Raises:
        ValueError: if `p` is outside [0, 1] or `input` has neither 2 nor 3 axes.
    """
    if len(input) not in (2, 3):
        raise ValueError(f"input must have shape (N, C, L) or (C, L), got {tuple(input)}")
    return dropout(input, p)


def dropout2d(input: Sequence[int], p: float = 0.5, training: bool = True) -> tuple[int, ...]:
    """(N, C, *S) -> same.

    Raises:
        ValueError: if `p` is outside [0, 1], or draws are needed and `input` has fewer than 2 axes.
    """
    if len(input) < 2 and _draws(input, p, training):
        raise ValueError(f"input must have shape (N, C, *S), got {tuple(input)}")
    return dropout(input, p)


def dropout3d(input: Sequence[int], p: float = 0.5, training: bool = True) -> tuple[int, ...]:
    """(N, C, D, H, W) or (C, *S) -> same.

    Raises:
        ValueError: if `p` is outside [0, 1], or draws are needed and `input` has no axis.
    """
    if len(input) < 1 and _draws(input, p, training):
        raise ValueError(f"input must have shape (N, C, D, H, W) or (C, *S), got {tuple(input)}")
    return dropout(input, p)


def _draws(input: Sequence[int], p: float, training: bool) -> bool:
    """Whether anything random happens: torch looks at the axes only then."""
    return training and 0 < p < 1 and 0 not in input
