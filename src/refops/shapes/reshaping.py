"""Output shapes of the reshaping family: sizes are multiplied together or split apart, their product stays."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["flatten", "unflatten"]


def flatten(input: Sequence[int], start_dim: int = 1, end_dim: int = -1) -> tuple[int, ...]:
    """(*A, *S, *B) -> (*A, prod(S), *B), with the defaults of `nn.Flatten`.

    Raises:
        ValueError: if `start_dim` or `end_dim` is no axis of `input`, or they stand in the wrong order.

    Example:
        >>> flatten((32, 1, 5, 5))
        (32, 25)
    """
    first, last = _axis(input, start_dim, "start_dim"), _axis(input, end_dim, "end_dim")
    if first > last:
        raise ValueError(f"start_dim must not come after end_dim, got {start_dim} and {end_dim}")
    return (*input[:first], math.prod(input[first : last + 1]), *input[last + 1 :])


def unflatten(input: Sequence[int], dim: int, unflattened_size: Sequence[int]) -> tuple[int, ...]:
    """(*A, prod(S), *B) -> (*A, *S, *B); one of the sizes may be -1.

    Raises:
        ValueError: if `dim` is no axis of `input`, or `unflattened_size` is no sequence that multiplies to its size.

    Example:
        >>> unflatten((2, 50), 1, (2, 5, -1))
        (2, 2, 5, 5)
    """
    if not isinstance(unflattened_size, Sequence) or not all(isinstance(n, int) for n in unflattened_size):
        raise ValueError(f"unflattened_size must be a sequence of ints, got {unflattened_size!r}")
    axis = _axis(input, dim, "dim")
    if not input:
        raise ValueError("input must have an axis to split, got ()")
    known = math.prod(n for n in unflattened_size if n != -1)
    unknown = sum(n == -1 for n in unflattened_size)
    if not unflattened_size or min(unflattened_size) < -1 or unknown > 1 or (unknown and known == 0):
        raise ValueError(f"unflattened_size must hold sizes and at most one clear -1, got {tuple(unflattened_size)}")
    parts = tuple(input[axis] // known if n == -1 else n for n in unflattened_size)
    if math.prod(parts) != input[axis]:
        raise ValueError(f"unflattened_size must multiply to {input[axis]}, got {tuple(unflattened_size)}")
    return (*input[:axis], *parts, *input[axis + 1 :])


def _axis(input: Sequence[int], dim: int, name: str) -> int:
    axes = max(len(input), 1)
    if not -axes <= dim < axes:
        raise ValueError(f"{name} must be in [{-axes}, {axes - 1}] for an input of {len(input)} axes, got {dim}")
    return dim % axes
