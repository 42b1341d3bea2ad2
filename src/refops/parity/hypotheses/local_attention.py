"""What goes wrong in attention with a window or with relative positions: who sees whom, which row of the table is met.

Legend: L positions, E features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from refops.nn.local_attention import LocalAttention
from refops.nn.relative_attention import RelativePositionAttention
from refops.parity.hypotheses import Hypothesis, instead

Sees = Callable[[Tensor, Tensor, int], Tensor]  # rows, columns, window


def _sliding(i: Tensor, j: Tensor, w: int) -> Tensor:
    return (i - j).abs() <= w


def _block(i: Tensor, j: Tensor, w: int) -> Tensor:
    return i // max(w, 1) == j // max(w, 1)


def _local(
    sliding: Sees = _sliding, block: Sees = _block, padded: bool = True, scaled: bool = True, far: float = -math.inf
) -> Callable[..., Tensor]:
    """Full attention under the window's mask."""

    def local_attention(
        query: Tensor, key: Tensor, value: Tensor, window_size: int = 256, mode: str = "block",
        key_padding_mask: Any = None, scale: float | None = None,
    ) -> Tensor:  # fmt: skip
        at = torch.arange(query.shape[-2])
        seen = (sliding if mode == "sliding" else block)(at[:, None], at, window_size)
        bias = torch.where(seen, 0.0, far).to(query)
        if key_padding_mask is not None and padded:
            bias = bias.masked_fill(key_padding_mask.unsqueeze(-2), -math.inf)
        return F.scaled_dot_product_attention(query, key, value, bias, scale=scale if scaled else None)

    return local_attention


def _whole_blocks(i: Tensor, j: Tensor, w: int) -> Tensor:
    return _block(i, j, w) & (j < len(j) // w * w)


def _padding_seen(
    query: Tensor, key: Tensor, value: Tensor, window_size: int = 256, mode: str = "block",
    key_padding_mask: Any = None, scale: float | None = None,
) -> Tensor:  # fmt: skip
    length = query.shape[-2]
    if mode == "sliding" or key_padding_mask is not None or length <= window_size:
        return _local()(query, key, value, window_size, mode, key_padding_mask, scale)
    more = -length % window_size
    q, k, v = (F.pad(x, (0, 0, 0, more)).unflatten(-2, (-1, window_size)) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, scale=scale).flatten(-3, -2)[..., :length, :]


_LOCAL = {
    "blocks, whatever the mode": _local(sliding=_block),
    "a sliding window, whatever the mode": _local(block=_sliding),
    "the band is |i - j| < w": _local(sliding=lambda i, j, w: (i - j).abs() < max(w, 1)),
    "the window is w wide in all": _local(sliding=lambda i, j, w: (i - j).abs() <= w // 2),
    "the window looks back only": _local(sliding=lambda i, j, w: (i - j >= 0) & (i - j <= w)),
    "the remainder after the last whole block gets zeros": _local(block=_whole_blocks),
    "the zeros that fill the last block take part": _padding_seen,
    "the padding mask is ignored": _local(padded=False),
    "scale is ignored": _local(scaled=False),
    "what is far away is lowered by 10, not hidden": _local(far=-10.0),
}


def _layer(function: Callable[..., Tensor], window: Callable[[int], int] = lambda w: w) -> type[Any]:
    def forward(self: Any, x: Tensor, key_padding_mask: Any = None) -> Any:
        hidden = None if key_padding_mask is None else key_padding_mask.unsqueeze(-2)
        heads = self.queries_keys_values(x)
        return self.joined(function(*heads, window(self.window_size), self.mode, hidden))

    return instead(LocalAttention, forward)


def _by_model(self: Any, x: Tensor, key_padding_mask: Any = None) -> Any:
    hidden = None if key_padding_mask is None else key_padding_mask.unsqueeze(-2)
    scale = 1 / math.sqrt(self.d_model)
    return self.joined(_local()(*self.queries_keys_values(x), self.window_size, self.mode, hidden, scale))


def _dealt_out(self: Any, x: Tensor, key_padding_mask: Any = None) -> Any:
    hidden = None if key_padding_mask is None else key_padding_mask.unsqueeze(-2)
    parts = self.in_proj(x).chunk(3, -1)
    heads = [p.unflatten(-1, (-1, self.num_heads)).movedim(-1, -3) for p in parts]
    output = _local()(*heads, self.window_size, self.mode, hidden)
    return self.out_proj(output.movedim(-3, -1).flatten(-2))


# -- relative positions ------------------------------------------------------------------------------------------------

Row = Callable[[Tensor, Tensor, int, int], Tensor]  # rows, columns, number of queries, middle of the table


def _right(i: Tensor, j: Tensor, queries: int, middle: int) -> Tensor:
    return j - i + middle


def _relative(
    row: Row = _right, by_key: bool = False, scaled: bool = True, learns: bool = True
) -> Callable[..., Tensor]:
    """Attention whose scores have those of the table's rows added."""

    def relative_attention(
        query: Tensor, key: Tensor, value: Tensor, relative_key: Tensor, attn_mask: Any = None,
        scale: float | None = None,
    ) -> Tensor:  # fmt: skip
        scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        i, j = (torch.arange(x.shape[-2]) for x in (query, key))
        table = relative_key if learns else relative_key.detach()
        vectors = table[..., row(i[:, None], j, len(i), relative_key.shape[-2] // 2), :]
        meets, side = ("...se,...lse->...ls", key) if by_key else ("...le,...lse->...ls", query)
        bias = torch.einsum(meets, side * scale if scaled else side, vectors)
        if attn_mask is not None:
            bias = bias.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else bias + attn_mask
        return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)

    return relative_attention


_RELATIVE = {
    "the row of a distance hangs on the length of the sequence": _relative(lambda i, j, n, middle: j - i + n - 1),
    "distances run from key to query": _relative(lambda i, j, n, middle: i - j + middle),
    "one row off": _relative(lambda i, j, n, middle: (j - i + middle + 1).clamp(max=2 * middle)),
    "distances lose their sign": _relative(lambda i, j, n, middle: (j - i).abs() + middle),
    "the position's score is not scaled": _relative(scaled=False),
    "the key meets the position, not the query": _relative(by_key=True),
    "no gradient for the table": _relative(learns=False),
}


def _relative_layer(function: Callable[..., Tensor], padded: bool = True) -> type[Any]:
    def forward(self: Any, x: Tensor, key_padding_mask: Any = None) -> Any:
        seen = None if key_padding_mask is None or not padded else ~key_padding_mask[..., None, None, :]
        return self.joined(function(*self.queries_keys_values(x), self.relative_key, seen))

    return instead(RelativePositionAttention, forward)


HYPOTHESES = {
    "functional.local_attention": tuple(Hypothesis(name, function) for name, function in _LOCAL.items()),
    "LocalAttention": (
        *(Hypothesis(name, _layer(function)) for name, function in _LOCAL.items()),
        Hypothesis("features are dealt out to the heads in turn", instead(LocalAttention, _dealt_out)),
        Hypothesis("scores are scaled by the model's features, not a head's", instead(LocalAttention, _by_model)),
        Hypothesis("the window is 8 at most", _layer(_local(), lambda w: min(w, 8))),
    ),
    "functional.relative_attention": tuple(Hypothesis(name, function) for name, function in _RELATIVE.items()),
    "RelativePositionAttention": (
        *(Hypothesis(name, _relative_layer(function)) for name, function in _RELATIVE.items()),
        Hypothesis("the padding mask is ignored", _relative_layer(_relative(), padded=False)),
    ),
}
