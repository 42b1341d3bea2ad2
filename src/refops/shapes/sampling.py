"""Output shapes of sampling: a draw takes away the last axis, a filter takes away nothing."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["greedy", "sample", "temperature_softmax", "top_k_filter", "top_p_filter"]


def temperature_softmax(logits: Sequence[int], temperature: float = 1.0, dim: int = -1) -> tuple[int, ...]:
    """(*S) -> (*S).

    Raises:
        ValueError: if `temperature` is negative or the input has no axis `dim`.

    Example:
        >>> temperature_softmax((2, 3), 0.5)
        (2, 3)
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    axes = max(len(logits), 1)
    if 0 not in logits and not -axes <= dim < axes:
        raise ValueError(f"dim must lie in [{-axes}, {axes - 1}] for input {tuple(logits)}, got {dim}")
    return tuple(logits)


def greedy(logits: Sequence[int]) -> tuple[int, ...]:
    """(*, V) -> (*).

    Raises:
        ValueError: if there are no classes.

    Example:
        >>> greedy((8, 50000))
        (8,)
    """
    if not logits or logits[-1] == 0:
        raise ValueError(f"logits must have classes on a last axis, got shape {tuple(logits)}")
    return tuple(logits[:-1])


def top_k_filter(logits: Sequence[int], k: int) -> tuple[int, ...]:
    """(*, V) -> (*, V).

    Raises:
        ValueError: if `k` is no int from 0 up or there are no classes.
    """
    if not isinstance(k, int) or k < 0:
        raise ValueError(f"k must be an int from 0 up, got {k}")
    greedy(logits)
    return tuple(logits)


def top_p_filter(logits: Sequence[int], p: float) -> tuple[int, ...]:
    """(*, V) -> (*, V).

    Raises:
        ValueError: if `p` is outside [0, 1] or there are no classes.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability, between 0 and 1, got {p}")
    greedy(logits)
    return tuple(logits)


def sample(logits: Sequence[int], temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> tuple[int, ...]:
    """(*, V) -> (*).

    Raises:
        ValueError: if `temperature` or `top_k` is negative, `top_p` outside [0, 1], or there are no classes.

    Example:
        >>> sample((8, 50000), top_k=40)
        (8,)
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    if top_k < 0:
        raise ValueError(f"top_k must be an int from 0 up, got {top_k}")
    if not 0 <= top_p <= 1:
        raise ValueError(f"top_p must be a probability, between 0 and 1, got {top_p}")
    return greedy(logits)
