"""Output shapes of activations: always that of the input."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["gelu", "leaky_relu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "tanh"]


def relu(input: Sequence[int], inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S).

    Example:
        >>> relu((32, 64, 8, 8))
        (32, 64, 8, 8)
    """
    return tuple(input)


def leaky_relu(input: Sequence[int], negative_slope: float = 0.01, inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)


def sigmoid(input: Sequence[int]) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)


def tanh(input: Sequence[int]) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)


def gelu(input: Sequence[int], approximate: str = "none") -> tuple[int, ...]:
    """(*S) -> (*S).

    Raises:
        ValueError: if `approximate` is neither none nor tanh.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return tuple(input)


def silu(input: Sequence[int], inplace: bool = False) -> tuple[int, ...]:
    """(*S) -> (*S)."""
    return tuple(input)


def softmax(input: Sequence[int], dim: int | None = None) -> tuple[int, ...]:
    """(*S) -> (*S).

    Raises:
        ValueError: if the input has no axis `dim`; a single number counts as one axis.

    Example:
        >>> softmax((2, 3), dim=1)
        (2, 3)
    """
    axes = max(len(input), 1)
    if dim is not None and not -axes <= dim < axes:
        raise ValueError(f"dim must lie in [{-axes}, {axes - 1}] for input {tuple(input)}, got {dim}")
    return tuple(input)


def log_softmax(input: Sequence[int], dim: int | None = None) -> tuple[int, ...]:
    """(*S) -> (*S), as `softmax`."""
    return softmax(input, dim)
