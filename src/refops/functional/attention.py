"""Attention: every query takes the mean of the values, weighted by the softmax of its scores over the keys.

    weights = softmax(scale * Q K^T + bias)        output = weights V

One idea carries every mask: it is a *bias* on the scores, -inf where a key is hidden. Boolean, causal and padding masks
become biases first, so there is one formula after that.

Legend: N batch, L queries, S keys, E features of the model, H heads, D = E/H features of a head, *B any leading axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from refops.functional.activation import softmax
from refops.functional.dropout import dropout

__all__ = ["scaled_dot_product_attention"]

HALF = (torch.float16, torch.bfloat16)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Mean of the values, weighted by how well each key matches the query.

    output = dropout(softmax(scale * Q K^T + bias)) V, with scale = 1/sqrt(E) unless given.

    Native: `torch.nn.functional.scaled_dot_product_attention`

    Args:
        query: what is asked, (*B, L, E).
        key: what each value answers to, (*B, S, E).
        value: what is averaged, (*B, S, Ev).
        attn_mask: broadcasts to (*B, L, S): boolean, True = this key may be *seen*; or floating, added to the scores.
        dropout_p: probability of dropping a weight, in evaluation too: pass 0 there.
        is_causal: query l sees keys 0..l, counted from the top left also where L != S.
        scale: what the scores are multiplied by, 1/sqrt(E) if not given.
        enable_gqa: keys and values may have fewer heads (axis -3); each serves as many neighbouring query heads.

    Shape:
        (*B, L, E), (*B, S, E), (*B, S, Ev) -> (*B, L, Ev).

    Raises:
        RuntimeError: if shapes or dtypes do not fit together, `dropout_p` is outside [0, 1], or `attn_mask` and
            `is_causal` are both given.
        IndexError: if `enable_gqa` is asked for without an axis of heads.

    Trap: a query that may see no key gives zeros here, and nan in a plain softmax, whose nan then reaches every
        gradient. In float16 Q K^T overflows unless the queries are scaled first.

    Source: Vaswani et al., arXiv 1706.03762, eq. 1; heads shared by groups: Ainslie et al., arXiv 2305.13245.

    Example:
        >>> query, key = torch.zeros(1, 4), torch.zeros(3, 4)
        >>> scaled_dot_product_attention(query, key, torch.tensor([[0.0], [3.0], [6.0]]))
        tensor([[3.]])
    """
    if enable_gqa:
        key, value = (_repeat_heads(x, query, name) for x, name in ((key, "key"), (value, "value")))
    _check_attention(query, key, value, attn_mask, dropout_p, is_causal)
    if is_causal:
        attn_mask = causal_mask(query.shape[-2], key.shape[-2], query.device)
    if attn_mask is None:
        return attend(query, key, value, None, dropout_p, scale)[0]
    bias = mask_as_bias(~attn_mask if attn_mask.dtype == torch.bool else attn_mask, query.dtype)
    blind = (bias != -math.inf).sum(-1, keepdim=True) == 0  # (*B, L, 1)
    bias = torch.where(blind, 0.0, bias)  # before the softmax: where after it would leave nan in the gradient
    return torch.where(blind, 0.0, attend(query, key, value, bias, dropout_p, scale)[0])


def attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, dropout_p: float = 0.0, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Output (*B, L, Ev) and weights (*B, L, S), computed in float32 for half precision and rounded once.

    A query whose keys are all hidden gets nan.
    """
    dtype = query.dtype
    if dtype in HALF:
        query, key, value = query.float(), key.float(), value.float()
    if scale is None:
        scale = 1.0 / math.sqrt(max(query.shape[-1], 1))
    scores = torch.matmul(query * scale, key.transpose(-2, -1))  # (*B, L, S), scaled first: nothing overflows
    weights = softmax(scores if bias is None else scores + bias, dim=-1)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p)
    output = torch.matmul(weights, value)  # (*B, L, Ev)
    return (output.to(dtype), weights.to(dtype)) if dtype in HALF else (output, weights)


def mask_as_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The bias a mask stands for: -inf where a boolean one is True, a key hidden; floating ones are biases already."""
    wide = torch.float32 if dtype in HALF else dtype
    if mask.dtype == torch.bool:
        return torch.where(mask, -math.inf, torch.zeros((), dtype=wide, device=mask.device))
    return mask.to(wide)


def causal_mask(queries: int, keys: int, device: torch.device) -> Tensor:
    """Which keys each query sees, (L, S): those that do not come after it."""
    return torch.arange(queries, device=device)[:, None] >= torch.arange(keys, device=device)


def _repeat_heads(x: Tensor, query: Tensor, name: str) -> Tensor:
    """Keys or values with one head for every query head: (*B, H', S, E) to (*B, H, S, E)."""
    if min(x.dim(), query.dim()) < 3:
        raise IndexError(f"{name} must have an axis of heads, (*B, H, S, E), with enable_gqa, got {tuple(x.shape)}")
    heads, own = query.shape[-3], x.shape[-3]
    if own > 0 and heads % own != 0:
        raise RuntimeError(f"{name} must have a number of heads that divides the query's {heads}, got {own}")
    each = heads // own if own else 1
    return x.unsqueeze(-3).expand(*x.shape[:-2], each, *x.shape[-2:]).flatten(-4, -3)


def _check_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, dropout_p: float, is_causal: bool
) -> None:
    """Raise native's exceptions, each naming the argument."""
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.dim() < 2:
            raise RuntimeError(f"{name} must have at least 2 axes, (*B, length, features), got {tuple(x.shape)}")
        if x.dtype != query.dtype or not x.is_floating_point():
            raise RuntimeError(f"{name} must be floating and of query's dtype {query.dtype}, got {x.dtype}")
    for name, x, other in (("key", key, query), ("value", value, query), ("value", value, key)):
        if not _broadcast(x.shape[:-2], other.shape[:-2]):
            raise RuntimeError(f"{name} must have leading axes that broadcast with the others', got {tuple(x.shape)}")
    if key.shape[-1] != query.shape[-1]:
        raise RuntimeError(f"key must have query's {query.shape[-1]} features, got {key.shape[-1]}")
    if value.shape[-2] != key.shape[-2]:
        raise RuntimeError(f"value must have one row for each of the {key.shape[-2]} keys, got {value.shape[-2]}")
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout_p must be a probability between 0 and 1, got {dropout_p}")
    if attn_mask is None:
        return
    if is_causal:
        raise RuntimeError("attn_mask must be None where is_causal=True, got both")
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    scores = (*batch, query.shape[-2], key.shape[-2])
    if len(attn_mask.shape) > len(scores) or not _broadcast(attn_mask.shape, scores, into=True):
        raise RuntimeError(f"attn_mask must broadcast to the scores {scores}, got {tuple(attn_mask.shape)}")
    if attn_mask.dtype not in (torch.bool, torch.float32, query.dtype):
        raise RuntimeError(f"attn_mask must be bool, float32 or query's {query.dtype}, got {attn_mask.dtype}")


def _broadcast(a: Sequence[int], b: Sequence[int], into: bool = False) -> bool:
    """Whether two shapes broadcast; with `into`, without enlarging `b`."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(m in (1, n) or (n == 1 and not into) for m, n in pairs)
