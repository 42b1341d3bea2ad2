"""Relative attention: how well a key matches hangs on its content and on how far it lies from the query.

    score_ij = scale * q_i (k_j + a_(j-i))        output = softmax(score) V

One table row for every distance. q_i a_(j-i) for all i, j would need an (L, S, E) tensor if the rows were gathered
first; here the queries meet every *distance* once, (L, L+S-1), and the answers are then shifted into place:

    distances        one column more         the same numbers, read in rows shorter by one
    . 0 1 2          . 0 1 2 x               0 1 2
    . 0 1 2    ->    . 0 1 2 x         ->    x . 0 ...     each row starts one to the left of the row before

Legend: L queries, S keys, E features, M max_len, *B any leading axes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from refops.functional.attention import mask_as_bias, scaled_dot_product_attention
from refops.functional.autocast import autocasting
from refops.functional.derivative import widened

__all__ = ["relative_attention", "skew"]


def relative_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    relative_key: Tensor,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Attention whose scores add a learned vector for the distance of key and query to the key.

    y_i = sum_j softmax_j(scale * q_i (k_j + a_(j-i))) v_j

    Native: none; with a table of zeros, `scaled_dot_product_attention`.

    Args:
        query: what is asked, (*B, L, E).
        key: what each value answers to, (*B, S, E).
        value: what is averaged, (*B, S, Ev).
        relative_key: a_d for d = -(M-1) .. M-1, (2M-1, E) or with leading axes that broadcast with *B, as (H, 2M-1, E)
            for heads with tables of their own. Row M-1 is distance 0, whatever the length of the sequence.
        attn_mask: as in `scaled_dot_product_attention`: boolean, True = this key may be *seen*; or added to the scores.
        scale: what the scores are multiplied by, 1/sqrt(E) if not given.

    Shape:
        (*B, L, E), (*B, S, E), (*B, S, Ev), (2M-1, E) -> (*B, L, Ev).

    Raises:
        ValueError: if L or S is greater than M, or the table has an even number of rows or other features.
        RuntimeError: as `scaled_dot_product_attention`.

    Trap: the row of distance j-i is j-i+M-1. With j-i+L-1 the same distance meets another row in every length of
        sequence, and nothing learnt on one length holds on another. Added to the *output*, a position is no longer a
        matter of which key is attended to.

    Source: Shaw et al., arXiv 1803.02155, eq. 4, without the paper's second table, of values; the shift: Huang et al.,
        arXiv 1809.04281, section 3.4.1.

    Example:
        >>> query, key = torch.ones(3, 1), torch.zeros(3, 1)
        >>> table = torch.tensor([[0.0], [0.0], [1000.0], [0.0], [0.0]])  # M = 3; only distance 0 counts
        >>> relative_attention(query, key, torch.tensor([[1.0], [2.0], [3.0]]), table).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    _check_table(query, key, relative_key)
    queries, keys, longest = query.shape[-2], key.shape[-2], (relative_key.shape[-2] + 1) // 2
    if scale is None:
        scale = 1.0 / math.sqrt(max(query.shape[-1], 1))
    rows = (
        relative_key[..., longest - queries : longest + keys - 1, :] if queries and keys else relative_key[..., :0, :]
    )
    wide = widened(query)
    bias = skew((wide * scale) @ widened(rows).transpose(-2, -1), keys).to(wide.dtype)  # (*B, L, S)
    if attn_mask is not None:
        bias = bias + mask_as_bias(~attn_mask if attn_mask.dtype == torch.bool else attn_mask, query.dtype)
    return scaled_dot_product_attention(query, key, value, bias, scale=scale)


def skew(by_distance: Tensor, keys: int) -> Tensor:
    """From columns of distances -(L-1) .. S-1 to columns of keys: row i moves i places to the left.

    Shape:
        (*B, L, L+S-1) -> (*B, L, S).

    Example:
        >>> skew(torch.tensor([[-1, 0, 1], [-1, 0, 1]]), keys=2)
        tensor([[ 0,  1],
                [-1,  0]])
    """
    queries, lead = by_distance.shape[-2], by_distance.shape[:-2]
    if not queries or not keys:
        return by_distance.new_zeros(*lead, queries, keys)
    width = queries + keys - 1
    wider = torch.cat([by_distance, by_distance.new_zeros(*lead, queries, 1)], dim=-1)  # (*B, L, L+S)
    flat = wider.flatten(-2)[..., queries - 1 :]  # starts at distance 0 of the first query
    shifted: Tensor = flat[..., : queries * width].unflatten(-1, (queries, width))  # (*B, L, L+S-1)
    return shifted[..., :keys]


def _check_table(query: Tensor, key: Tensor, relative_key: Tensor) -> None:
    for name, x in (("query", query), ("key", key)):
        if x.dim() < 2:
            raise RuntimeError(f"{name} must have at least 2 axes, (*B, length, features), got {tuple(x.shape)}")
    if relative_key.dim() < 2 or relative_key.shape[-2] % 2 == 0:
        raise ValueError(f"relative_key must have 2 * max_len - 1 rows, got {tuple(relative_key.shape)}")
    if relative_key.dtype != query.dtype and not autocasting(query):
        raise RuntimeError(f"relative_key must have query's dtype {query.dtype}, got {relative_key.dtype}")
    if relative_key.shape[-1] != query.shape[-1]:
        raise ValueError(f"relative_key must have query's {query.shape[-1]} features, got {relative_key.shape[-1]}")
    longest = (relative_key.shape[-2] + 1) // 2
    for name, x in (("query", query), ("key", key)):
        if x.shape[-2] > longest:
            raise ValueError(f"{name} must be no longer than max_len={longest}, the table's reach, got {x.shape[-2]}")
