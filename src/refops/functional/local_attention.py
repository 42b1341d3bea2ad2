"""Local attention: every query looks at its neighbourhood alone, so that cost grows with L*w in place of L*L.

    block     position i sees the positions of its own block of w           |i/w| = |j/w|
    sliding   position i sees the w positions on either side, and itself    |i - j| <= w

Both are ordinary attention on short pieces: a block to itself; or, sliding, a piece of w queries to the 3w keys of the
pieces before, at and after it, the band cut out by a mask. Neither ever holds an (L, L) matrix.

Legend: L length, E features, w window_size, P pieces, C queries in a piece, *B any leading axes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from refops.functional.attention import scaled_dot_product_attention

__all__ = ["local_attention"]


def local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window_size: int = 256,
    mode: str = "block",
    key_padding_mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Attention within blocks of `window_size` positions, or within `window_size` positions on either side.

    y_i = sum over j near i of softmax_j(scale * q_i k_j) v_j

    Native: none; where the window covers the sequence, `scaled_dot_product_attention`.

    Args:
        query: what is asked, (*B, L, E).
        key: what each value answers to, (*B, L, E).
        value: what is averaged, (*B, L, Ev).
        window_size: w. Sliding, 0 leaves each position to itself.
        mode: "block", or "sliding".
        key_padding_mask: boolean, broadcasts to (*B, L), True = *hidden*. A query that sees nothing gives zeros.
        scale: what the scores are multiplied by, 1/sqrt(E) if not given.

    Shape:
        (*B, L, E), (*B, L, E), (*B, L, Ev) -> (*B, L, Ev), for any L: also 0, or no multiple of w.

    Raises:
        ValueError: if `window_size` is not positive (sliding: negative), `mode` is another, or the lengths differ.
        RuntimeError: as `scaled_dot_product_attention`.

    Trap: in blocks two neighbours on either side of a border never meet, in however many layers: that is a block
        diagonal, not a window. Sequences shorter than a window have no whole block, yet need an answer.

    Source: blocks: Qiu et al., arXiv 1911.02972; sliding: Beltagy et al., arXiv 2004.05150, section 3.1.

    Example:
        >>> x = torch.zeros(5, 1)
        >>> value = torch.tensor([[0.0], [10.0], [20.0], [30.0], [40.0]])
        >>> local_attention(x, x, value, 2).flatten()
        tensor([ 5.,  5., 25., 25., 40.])
        >>> local_attention(x, x, value, 1, "sliding").flatten()
        tensor([ 5.0000, 10.0000, 20.0000, 30.0000, 35.0000])
    """
    _check_window(query, key, value, window_size, mode, key_padding_mask)
    length = query.shape[-2]
    seen = None if key_padding_mask is None else ~key_padding_mask
    if window_size >= length - (mode == "sliding"):  # the window covers the sequence
        return scaled_dot_product_attention(query, key, value, _row(seen), scale=scale)
    if mode == "block":
        return _blocks(query, key, value, window_size, seen, scale)
    return _sliding(query, key, value, window_size, seen, scale)


def _blocks(query: Tensor, key: Tensor, value: Tensor, window: int, seen: Tensor | None, scale: float | None) -> Tensor:
    """Whole blocks side by side, then the remainder."""
    whole = query.shape[-2] // window * window
    q, k, v = (x[..., :whole, :].unflatten(-2, (-1, window)) for x in (query, key, value))  # (*B, P, w, E)
    mask = None if seen is None else _row(seen[..., :whole].unflatten(-1, (-1, window)))  # (*B, P, 1, w)
    output = scaled_dot_product_attention(q, k, v, mask, scale=scale).flatten(-3, -2)
    if whole == query.shape[-2]:
        return output
    q, k, v = (x[..., whole:, :] for x in (query, key, value))
    rest = scaled_dot_product_attention(q, k, v, None if seen is None else _row(seen[..., whole:]), scale=scale)
    return torch.cat([output, rest], dim=-2)


def _sliding(
    query: Tensor, key: Tensor, value: Tensor, window: int, seen: Tensor | None, scale: float | None
) -> Tensor:
    """Pieces of C = max(w, 1) queries, each with the keys of three pieces."""
    length, size = query.shape[-2], max(window, 1)
    pieces = -(-length // size)
    after = pieces * size - length
    queries = _padded(query, 0, after).unflatten(-2, (pieces, size))  # (*B, P, C, E)
    keys, values = (_three(_padded(x, size, after + size), pieces) for x in (key, value))  # (*B, P, 3C, E)

    at = torch.arange(pieces * size, device=query.device).view(pieces, size, 1)  # of the queries
    of = (torch.arange(pieces, device=query.device) * size - size).view(pieces, 1, 1)
    of = of + torch.arange(3 * size, device=query.device)  # of the keys, (P, 1, 3C)
    near = ((at - of).abs() <= window) & (of >= 0) & (of < length)  # (P, C, 3C)
    if seen is not None:
        near = near & _three(_padded(seen[..., None], size, after + size), pieces).transpose(-2, -1)  # (*B, P, C, 3C)
    output = scaled_dot_product_attention(queries, keys, values, near, scale=scale)
    return output.flatten(-3, -2)[..., :length, :]


def _padded(x: Tensor, before: int, after: int) -> Tensor:
    """Zeros before and after along the length: (*B, L, E) to (*B, before + L + after, E)."""
    zeros = [x.new_zeros(*x.shape[:-2], n, x.shape[-1]) for n in (before, after)]
    return torch.cat([zeros[0], x, zeros[1]], dim=-2)


def _three(x: Tensor, pieces: int) -> Tensor:
    """Each piece behind its predecessor and before its successor: (*B, (P + 2) C, E) to (*B, P, 3C, E)."""
    x = x.unflatten(-2, (pieces + 2, -1))
    return torch.cat([x[..., k : k + pieces, :, :] for k in range(3)], dim=-2)


def _row(seen: Tensor | None) -> Tensor | None:
    """The same keys for every query: (*B, L) to (*B, 1, L)."""
    return None if seen is None else seen.unsqueeze(-2)


def _check_window(
    query: Tensor, key: Tensor, value: Tensor, window: int, mode: str, key_padding_mask: Tensor | None
) -> None:
    if mode not in ("block", "sliding"):
        raise ValueError(f"mode must be 'block' or 'sliding', got {mode!r}")
    if window < (mode == "block"):
        raise ValueError(f"window_size must be at least {int(mode == 'block')} with mode={mode!r}, got {window}")
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.dim() < 2:
            raise RuntimeError(f"{name} must have at least 2 axes, (*B, length, features), got {tuple(x.shape)}")
        if x.shape[-2] != query.shape[-2]:
            raise ValueError(f"{name} must have query's length {query.shape[-2]}, got {x.shape[-2]}")
    if key_padding_mask is not None:
        if key_padding_mask.dtype != torch.bool:
            raise ValueError(f"key_padding_mask must be boolean, got {key_padding_mask.dtype}")
        if not key_padding_mask.dim() or key_padding_mask.shape[-1] != key.shape[-2]:
            given = tuple(key_padding_mask.shape)
            raise ValueError(f"key_padding_mask must have one entry for each of the {key.shape[-2]} keys, got {given}")
