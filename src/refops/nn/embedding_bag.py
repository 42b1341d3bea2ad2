"""EmbeddingBag keeps the table of `functional.embedding_bag`.

Legend: V rows of the table (num_embeddings), D length of a row (embedding_dim), R entries, B bags of L entries.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from refops.functional.embedding import row_number
from refops.functional.embedding_bag import embedding_bag

__all__ = ["EmbeddingBag"]


class EmbeddingBag(nn.Module):
    """The sum, mean or maximum of a learned row of numbers for each symbol in a bag.

    The table starts from N(0, 1); the padding row, if there is one, from zeros.

    Native: `torch.nn.EmbeddingBag`, but for nested tensors.

    Shape:
        (B, L), or (R) with offsets (B) -> (B, D); `weight` is (V, D).

    Raises:
        AssertionError: if `padding_idx` is no row, or `_weight` is not (V, D).
        RuntimeError: if a size is negative.
        When called, what `refops.functional.embedding_bag` raises.

    Trap: the default is the mean, not the sum. `mode` is not looked at before the first call.

    Example:
        >>> layer = EmbeddingBag(10, 3, mode="sum")
        >>> layer(torch.tensor([1, 2, 4, 5, 4, 3, 2, 9]), torch.tensor([0, 4])).shape
        torch.Size([2, 3])
    """

    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if _weight is None and size < 0:
                raise RuntimeError(f"{name} must not be negative, got {size}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = row_number(padding_idx, num_embeddings)
        if _weight is None:
            self.weight = nn.Parameter(torch.empty((num_embeddings, embedding_dim), device=device, dtype=dtype))
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                expected = (num_embeddings, embedding_dim)
                raise AssertionError(f"_weight must have shape {expected}, got {tuple(_weight.shape)}")
            self.weight = nn.Parameter(_weight)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A layer around a given table (V, D), not copied; `freeze` keeps it from being trained.

        Raises:
            AssertionError: if `embeddings` is not a matrix.

        Example:
            >>> table = torch.tensor([[1.0, 2.5, 3.0], [4.0, 5.5, 6.0]])
            >>> EmbeddingBag.from_pretrained(table)(torch.tensor([[1, 0]]))
            tensor([[2.5000, 4.0000, 4.5000]])
        """
        if embeddings.dim() != 2:
            raise AssertionError(f"embeddings must have shape (V, D), got {tuple(embeddings.shape)}")
        layer = cls(
            embeddings.shape[0],
            embeddings.shape[1],
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        layer.weight.requires_grad_(not freeze)
        return layer

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the table from N(0, 1) and empty its padding row."""
        self.weight.normal_()
        if self.padding_idx is not None:
            self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """(B, L), or (R) and offsets -> (B, D)."""
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """What `print` shows between the brackets: the sizes, the mode, and some of what is not at its default."""
        parts = [str(self.num_embeddings), str(self.embedding_dim)]
        parts += [f"max_norm={self.max_norm!r}"] if self.max_norm is not None else []
        parts += [f"norm_type={self.norm_type!r}"] if self.norm_type != 2 else []
        parts += [f"scale_grad_by_freq={self.scale_grad_by_freq!r}"] if self.scale_grad_by_freq is not False else []
        parts += [f"mode={self.mode!r}"]
        parts += [f"padding_idx={self.padding_idx!r}"] if self.padding_idx is not None else []
        return ", ".join(parts)
