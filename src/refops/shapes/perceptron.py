"""Output shapes of the perceptrons: only the last axis may change."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["mlp", "residual_mlp"]


def mlp(
    input: Sequence[int], input_dim: int, hidden_dims: Sequence[int], output_dim: int, dropout: float = 0.5
) -> tuple[int, ...]:
    """(*, input_dim) -> (*, output_dim).

    Raises:
        ValueError: if a size is not positive, `dropout` is outside [0, 1] where there is a hidden layer, or the last
            axis of `input` is not `input_dim`.

    Example:
        >>> mlp((32, 784), 784, [256, 128], 10)
        (32, 10)
    """
    for name, size in (
        ("input_dim", input_dim),
        ("output_dim", output_dim),
        *(("hidden_dims", n) for n in hidden_dims),
    ):
        if size <= 0:
            raise ValueError(f"{name} must be positive, got {size}")
    if hidden_dims and not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be a probability, between 0 and 1, got {dropout}")
    return (*_leading(input, input_dim, "input_dim"), output_dim)


def residual_mlp(input: Sequence[int], dim: int, hidden_dim: int) -> tuple[int, ...]:
    """(*, dim) -> (*, dim).

    Raises:
        ValueError: if a size is not positive, or the last axis of `input` is not `dim`.

    Example:
        >>> residual_mlp((32, 64), 64, 256)
        (32, 64)
    """
    for name, size in (("dim", dim), ("hidden_dim", hidden_dim)):
        if size <= 0:
            raise ValueError(f"{name} must be positive, got {size}")
    return (*_leading(input, dim, "dim"), dim)


def _leading(input: Sequence[int], features: int, name: str) -> tuple[int, ...]:
    if not input or input[-1] != features:
        raise ValueError(f"input must have {name} = {features} features on its last axis, got {tuple(input)}")
    return tuple(input[:-1])
