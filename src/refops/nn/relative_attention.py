"""Attention that knows how far apart two positions are: a learned vector for each distance, added to the keys.

Legend: L length, E d_model, H num_heads, D = E/H features of a head, M max_len, *B any leading axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refops.functional.relative_attention import relative_attention
from refops.nn.initial import xavier_uniform_
from refops.nn.local_attention import InHeads, padding_for_heads

__all__ = ["RelativePositionAttention"]


class RelativePositionAttention(InHeads):
    """Self-attention whose scores see the distance of key and query.

    score_ij = q_i (k_j + a_(j-i)) / sqrt(D),  output = W_o softmax(score) V in every head

    The vectors a_d are the rows of `relative_key` (2M-1, D), one table for all heads; row M-1 is distance 0. The
    projections are `in_proj` (3E, E), queries before keys before values, and `out_proj` (E, E).

    Native: none; with a table of zeros, `MultiheadAttention` of one sequence to itself.

    Args:
        d_model: E.
        num_heads: H.
        max_len: M, the longest sequence there are distances for.
        bias: whether the projections have one.
        device: where the parameters are.
        dtype: their dtype.

    Shape:
        (*B, L, E) -> (*B, L, E) with L <= M; `key_padding_mask` (*B, L).

    Raises:
        ValueError: if a size is not positive, `num_heads` does not divide `d_model`, the input does not fit, or is
            longer than `max_len`.

    Trap: the row of a distance must not hang on the length of the sequence: j-i+M-1, never j-i+L-1. A mean of the
        vectors added to the output is no relative attention at all: it changes no score.

    Source: Shaw et al., arXiv 1803.02155, eq. 4, heads sharing the table as in section 3.3.

    Example:
        >>> layer = RelativePositionAttention(512, 8, max_len=512)
        >>> layer(torch.ones(2, 10, 512)).shape
        torch.Size([2, 10, 512])
    """

    relative_key: nn.Parameter

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        max_len: int = 512,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if max_len <= 0:
            raise ValueError(f"max_len must be positive, got {max_len}")
        super().__init__(d_model, num_heads, bias, device, dtype)
        self.max_len = max_len
        self.relative_key = nn.Parameter(torch.empty(2 * max_len - 1, self.head_dim, device=device, dtype=dtype))
        xavier_uniform_(self.relative_key)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """(*B, L, E) -> (*B, L, E); True in `key_padding_mask` hides a position from all others."""
        query, key, value = self.queries_keys_values(x)
        if x.shape[-2] > self.max_len:
            raise ValueError(f"x must be no longer than max_len={self.max_len}, got length {x.shape[-2]}")
        hidden = padding_for_heads(x, key_padding_mask)
        seen = None if hidden is None else ~hidden.unsqueeze(-2)  # (*B, 1, 1, L)
        return self.joined(relative_attention(query, key, value, self.relative_key, seen))

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"{self.d_model}, {self.num_heads}, max_len={self.max_len}"
