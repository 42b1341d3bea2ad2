"""Output shapes of a mixture of experts: the last axis becomes the experts' output."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["mixture_of_experts"]


def mixture_of_experts(
    input: Sequence[int],
    input_dim: int,
    hidden_dim: int,
    num_experts: int = 4,
    top_k: int | None = None,
    need_balance: bool = False,
) -> tuple[int, ...] | tuple[tuple[int, ...], ...]:
    """(*, input_dim) -> (*, hidden_dim), and () for the loss of balance with `need_balance`.

    Raises:
        ValueError: if a size is not positive, `top_k` is not in 1 .. num_experts, or the last axis does not fit.

    Example:
        >>> mixture_of_experts((2, 5, 6), 6, 8)
        (2, 5, 8)
    """
    for name, size in (("input_dim", input_dim), ("hidden_dim", hidden_dim), ("num_experts", num_experts)):
        if size <= 0:
            raise ValueError(f"{name} must be positive, got {size}")
    if top_k is not None and not 1 <= top_k <= num_experts:
        raise ValueError(f"top_k must be from 1 to num_experts={num_experts}, got {top_k}")
    if not input or input[-1] != input_dim:
        raise ValueError(f"input must have {input_dim} features on its last axis, got {tuple(input)}")
    output = (*input[:-1], hidden_dim)
    return (output, ()) if need_balance else output
