"""Output shape of embedding bags: one row of the table's length for each bag."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["embedding_bag"]

Shape = tuple[int, ...]


def embedding_bag(
    input: Sequence[int],
    embedding_dim: int,
    offsets: Sequence[int] | None = None,
    per_sample_weights: Sequence[int] | None = None,
    include_last_offset: bool = False,
    mode: str = "mean",
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
    num_embeddings: int | None = None,
    padding_idx: int | None = None,
) -> Shape:
    """(B, L) -> (B, embedding_dim), or (R) with the shape of the offsets, (B) or with the last one (B + 1).

    Raises:
        ValueError: for what `torch.nn.EmbeddingBag` refuses, whatever the numbers in `input` and `offsets`.

    Example:
        >>> embedding_bag((8,), 3, offsets=(2,))
        (2, 3)
    """
    if embedding_dim < 0 or (num_embeddings is not None and num_embeddings < 0):
        raise ValueError(
            f"num_embeddings and embedding_dim must not be negative, got {num_embeddings}, {embedding_dim}"
        )
    if num_embeddings is not None and padding_idx and not -num_embeddings <= padding_idx < num_embeddings:
        raise ValueError(f"padding_idx must be in [{-num_embeddings}, {num_embeddings}), got {padding_idx}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("scale_grad_by_freq and sparse must be False where mode is 'max', got True")
    if per_sample_weights is not None and (mode != "sum" or tuple(per_sample_weights) != tuple(input)):
        raise ValueError(f"per_sample_weights must have shape {tuple(input)} and mode be 'sum', got mode {mode!r}")
    if len(input) == 2 and offsets is None:
        if input[1] == 0:
            raise ValueError(f"input must not hold bags without entries, got {tuple(input)}")
        return (input[0], embedding_dim)
    if len(input) != 1 or offsets is None or len(offsets) != 1:
        raise ValueError(f"input must be (B, L), or (R) with offsets of one axis, got {tuple(input)} and {offsets}")
    if include_last_offset and offsets[0] == 0:
        raise ValueError("offsets must have at least one entry with include_last_offset, got none")
    return (offsets[0] - (1 if include_last_offset else 0), embedding_dim)
