"""Embedding keeps the table of `functional.embedding`.

Legend: V rows of the table (num_embeddings), D length of a row (embedding_dim), * the axes of the indices.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from refops.functional.embedding import embedding, row_number

__all__ = ["Embedding"]


class Embedding(nn.Module):
    """A learned row of numbers for each of V symbols, looked up by symbol number.

    The table starts from N(0, 1); the padding row, if there is one, from zeros.

    Native: `torch.nn.Embedding`.

    Shape:
        (*) -> (*, D); `weight` is (V, D).

    Raises:
        AssertionError: if `padding_idx` is no row, or `_weight` is not (V, D).
        RuntimeError: if a size is negative, or the input holds no integers.
        IndexError: if the input names a row that does not exist.

    Trap: `max_norm` shortens rows of `weight` itself on every call, also in evaluation. A pretrained table keeps its
        padding row as given.

    Example:
        >>> layer = Embedding(10, 3, padding_idx=0)
        >>> layer(torch.tensor([[1, 2, 4, 5], [4, 3, 2, 9]])).shape
        torch.Size([2, 4, 3])
        >>> layer(torch.tensor([0])).tolist()
        [[0.0, 0.0, 0.0]]
    """

    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if _weight is None and isinstance(size, int) and size < 0:
                raise RuntimeError(f"{name} must not be negative, got {size}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = row_number(padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            table = torch.empty((num_embeddings, embedding_dim), device=device, dtype=dtype)
            self.weight = nn.Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                expected = (num_embeddings, embedding_dim)
                raise AssertionError(f"_weight must have shape {expected}, got {tuple(_weight.shape)}")
            self.weight = nn.Parameter(_weight, requires_grad=not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A layer around a given table (V, D), not copied; `freeze` keeps it from being trained.

        Raises:
            AssertionError: if `embeddings` is not a matrix.

        Example:
            >>> table = torch.tensor([[1.0, 2.5, 3.0], [4.0, 5.5, 6.5]])
            >>> Embedding.from_pretrained(table)(torch.tensor([1]))
            tensor([[4.0000, 5.5000, 6.5000]])
        """
        if embeddings.dim() != 2:
            raise AssertionError(f"embeddings must have shape (V, D), got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, _freeze=freeze
        )

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the table from N(0, 1) and empty its padding row."""
        self.weight.normal_()
        if self.padding_idx is not None:
            self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*, D)."""
        return embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        """What `print` shows between the brackets: the sizes, and whatever is not at its default."""
        parts = [str(self.num_embeddings), str(self.embedding_dim)]
        parts += [f"padding_idx={self.padding_idx}"] if self.padding_idx is not None else []
        parts += [f"max_norm={self.max_norm}"] if self.max_norm is not None else []
        parts += [f"norm_type={self.norm_type}"] if self.norm_type != 2 else []
        parts += [f"scale_grad_by_freq={self.scale_grad_by_freq}"] if self.scale_grad_by_freq is not False else []
        parts += ["sparse=True"] if self.sparse is not False else []
        return ", ".join(parts)
