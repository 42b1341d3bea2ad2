"""Output shape of the embedding family: every index grows an axis of its own."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["embedding"]


def embedding(
    input: Sequence[int], embedding_dim: int, num_embeddings: int | None = None, padding_idx: int | None = None
) -> tuple[int, ...]:
    """(*) -> (*, embedding_dim).

    Raises:
        ValueError: if a size is negative, or `padding_idx` is no row of a table of `num_embeddings` (where given).

    Example:
        >>> embedding((2, 4), 3)
        (2, 4, 3)
    """
    if embedding_dim < 0:
        raise ValueError(f"embedding_dim must not be negative, got {embedding_dim}")
    if num_embeddings is not None and num_embeddings < 0:
        raise ValueError(f"num_embeddings must not be negative, got {num_embeddings}")
    if num_embeddings is not None and padding_idx and not -num_embeddings <= padding_idx < num_embeddings:
        raise ValueError(f"padding_idx must be in [{-num_embeddings}, {num_embeddings}), got {padding_idx}")
    return (*input, embedding_dim)
