"""Local attention as a layer: it keeps the projections, `functional.local_attention` looks at neighbourhoods.

Legend: L length, E d_model, H num_heads, D = E/H features of a head, *B any leading axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refops.functional.local_attention import local_attention
from refops.nn.linear import Linear

__all__ = ["LocalAttention"]


class InHeads(nn.Module):
    """What self-attention layers share: one projection to queries, keys and values in heads, one back."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        for name, number in (("d_model", d_model), ("num_heads", num_heads)):
            if number <= 0:
                raise ValueError(f"{name} must be positive, got {number}")
        if d_model % num_heads != 0:
            raise ValueError(f"num_heads must divide d_model={d_model}, got {num_heads}")
        self.d_model = d_model
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        self.in_proj = Linear(d_model, 3 * d_model, bias, device, dtype)
        self.out_proj = Linear(d_model, d_model, bias, device, dtype)

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, ...]:
        """(*B, L, E) -> three of (*B, H, L, D)."""
        if x.dim() < 2 or x.shape[-1] != self.d_model:
            raise ValueError(f"x must be (*, length, d_model={self.d_model}), got {tuple(x.shape)}")
        parts = self.in_proj(x).chunk(3, dim=-1)  # each (*B, L, E)
        return tuple(part.unflatten(-1, (self.num_heads, self.head_dim)).transpose(-3, -2) for part in parts)

    def joined(self, heads: Tensor) -> Tensor:
        """(*B, H, L, D) -> (*B, L, E)."""
        output: Tensor = self.out_proj(heads.transpose(-3, -2).flatten(-2))
        return output


def padding_for_heads(x: Tensor, key_padding_mask: Tensor | None) -> Tensor | None:
    """The mask (*B, L) of every head: (*B, 1, L).

    Raises:
        ValueError: if it is not boolean or does not have the shape of `x` without features.
    """
    if key_padding_mask is None:
        return None
    if key_padding_mask.dtype != torch.bool or key_padding_mask.shape != x.shape[:-1]:
        given = f"{key_padding_mask.dtype} {tuple(key_padding_mask.shape)}"
        raise ValueError(f"key_padding_mask must be boolean, {tuple(x.shape[:-1])}, got {given}")
    return key_padding_mask.unsqueeze(-2)


class LocalAttention(InHeads):
    """Self-attention of every position to its neighbourhood: memory grows with L*window_size, not with L*L.

    mode "block": i sees j of its own block, floor(i/w) = floor(j/w); "sliding": |i - j| <= w.

    Native: none; where the window covers the sequence, `MultiheadAttention` of one sequence to itself.

    Args:
        d_model: E.
        num_heads: H.
        window_size: w, the length of a block, or how far a position sees to either side.
        mode: "block" or "sliding".
        bias: whether the projections have one.
        device: where the parameters are.
        dtype: their dtype.

    Shape:
        (*B, L, E) -> (*B, L, E) for any L, shorter than the window and 0 included; `key_padding_mask` (*B, L).

    Raises:
        ValueError: if a size is not positive (sliding: `window_size` negative), `num_heads` does not divide `d_model`,
            `mode` is another, or the input does not fit.

    Trap: blocks are no sliding window: the last position of a block and the first of the next never meet.

    Source: Qiu et al., arXiv 1911.02972 (block); Beltagy et al., arXiv 2004.05150, section 3.1 (sliding).

    Example:
        >>> layer = LocalAttention(512, 8, window_size=4, mode="sliding")
        >>> layer(torch.ones(2, 10, 512)).shape
        torch.Size([2, 10, 512])
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        window_size: int = 256,
        mode: str = "block",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if mode not in ("block", "sliding"):
            raise ValueError(f"mode must be 'block' or 'sliding', got {mode!r}")
        if window_size < (mode == "block"):
            raise ValueError(f"window_size must be at least {int(mode == 'block')} with {mode=}, got {window_size}")
        super().__init__(d_model, num_heads, bias, device, dtype)
        self.window_size = window_size
        self.mode = mode

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """(*B, L, E) -> (*B, L, E); True in `key_padding_mask` hides a position from all others."""
        query, key, value = self.queries_keys_values(x)
        hidden = padding_for_heads(x, key_padding_mask)
        return self.joined(local_attention(query, key, value, self.window_size, self.mode, hidden))

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"{self.d_model}, {self.num_heads}, window_size={self.window_size}, mode={self.mode!r}"
