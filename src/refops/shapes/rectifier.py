"""Output shapes of rectifiers: always that of the input."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["elu", "hardswish", "hardtanh", "prelu", "relu6", "rrelu"]


def prelu(input: Sequence[int], num_parameters: int = 1) -> tuple[int, ...]:
    """(*S) with one slope, or (N, C, *S) with C slopes -> same.

    Raises:
        ValueError: if there is neither one slope nor one for each channel.

    Example:
        >>> prelu((32, 64, 8, 8), num_parameters=64)
        (32, 64, 8, 8)
    """
    channels = input[1] if len(input) > 1 else 1
    if num_parameters not in (1, channels):
        raise ValueError(f"num_parameters must be 1 or {channels} for input {tuple(input)}, got {num_parameters}")
    return tuple(input)


def rrelu(input: Sequence[int], lower: float = 1.0 / 8, upper: float = 1.0 / 3) -> tuple[int, ...]:
    """(*S) -> (*S).

    Raises:
        ValueError: if a bound is not finite or `lower` > `upper`.
    """
    if not -float("inf") < lower <= upper < float("inf"):
        raise ValueError(f"lower and upper must be finite and in this order, got {lower} and {upper}")
    return tuple(input)


def elu(input: Sequence[int], alpha: float = 1.0, inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)


def hardtanh(input: Sequence[int], min_val: float = -1.0, max_val: float = 1.0) -> tuple[int, ...]:
    """(*S) -> (*S).

    Raises:
        ValueError: if `min_val` > `max_val`.
    """
    if min_val > max_val:
        raise ValueError(f"min_val must be at most max_val, got {min_val} and {max_val}")
    return tuple(input)


def relu6(input: Sequence[int], inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)


def hardswish(input: Sequence[int], inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)
