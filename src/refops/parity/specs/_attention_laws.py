"""Equations that attention obeys whatever its numbers. Legend: L queries, S keys, E features, H heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def core_batch_split(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    f = build()
    return torch.cat([f(q[:33], k[:33], v[:33]), f(q[33:], k[33:], v[33:])]), f(q, k, v)


def key_order(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """Keys have no order: reversed together with their values they give the same."""
    return build()(q, k.flip(-2), v.flip(-2)), build()(q, k, v)


def key_shift(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """One vector added to every key adds the same to every score of a query, and the softmax does not see it."""
    return build()(q, k + k[..., :1, :].sign(), v), build()(q, k, v)


def linear_in_value(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """f(v + w) = f(v) + f(w), here with w = v reversed."""
    f, w = build(), v.flip(0)
    return f(q, k, v + w), f(q, k, v) + f(q, k, w)


def weights_sum_to_one(build: Build, q: Tensor, k: Tensor) -> Pair:
    """The mean of ones is one."""
    ones = k.new_ones(*k.shape[:-1], 3)
    return build()(q, k, ones), q.new_ones(*q.shape[:-1], 3)


def hidden_is_absent(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A key that nobody may see can as well be left out."""
    seen = torch.arange(k.shape[-2], device=k.device) < 11
    seen_keys, seen_values = k[..., :11, :].contiguous(), v[..., :11, :].contiguous()
    return build()(q, k, v, seen.expand(q.shape[-2], -1)), build()(q, seen_keys, seen_values)


def all_seen_is_no_mask(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A window at least as long as the sequence is full attention."""
    apart = torch.arange(q.shape[-2], device=q.device)[:, None] - torch.arange(k.shape[-2], device=q.device)
    return build()(q, k, v, apart.abs() < 100), build()(q, k, v)


def blind_is_zero(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A query that may see nothing gives zeros, the others are not touched by it."""
    seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device)
    seen[3] = False
    full = build()(q, k, v).clone()
    full[..., 3, :] = 0
    return build()(q, k, v, seen), full


def no_scale_is_the_mean(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """With scale 0 all keys count alike."""
    mean = v.sum(-2, keepdim=True) / v.shape[-2]
    return build()(q, k, v, scale=0.0), mean.expand(*v.shape[:-2], q.shape[-2], v.shape[-1])


def causal_ignores_the_future(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """The first 9 queries give the same without the keys after them."""
    f, first = build(), [x[..., :9, :].contiguous() for x in (q, k, v)]
    return f(q, k, v, is_causal=True)[..., :9, :], f(*first, is_causal=True)


def shared_heads(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """Shared heads are those heads, each repeated for its neighbouring query heads."""
    many = (x.repeat_interleave(q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    return build()(q, k, v, enable_gqa=True), build()(q, *many)


def layer_batch_split(build: Build, x: Tensor, y: Tensor) -> Pair:
    """Sequences of a batch do not meet."""
    f = build(6, 3)
    parts = [(x[:, s].contiguous(), y[:, s].contiguous()) for s in (slice(0, 33), slice(33, None))]
    return torch.cat([f(a, b, b)[0] for a, b in parts], 1), f(x, y, y)[0]


def unbatched_is_a_batch_of_one(build: Build, x: Tensor, y: Tensor) -> Pair:
    """(L, E) gives what (1, L, E) gives, whatever `batch_first`."""
    f = build(6, 2, batch_first=True)
    return f(x, y, y)[0], f(x[None], y[None], y[None])[0][0]


def self_attention_order(build: Build, x: Tensor) -> Pair:
    """Attention of a sequence to itself follows a permutation of it."""
    f = build(6, 2)
    return f(x.flip(0), x.flip(0), x.flip(0))[0], f(x, x, x)[0].flip(0)


def weights_of_layer_sum_to_one(build: Build, x: Tensor, y: Tensor) -> Pair:
    """Each query spreads one unit over the keys."""
    weights = build(6, 2, add_bias_kv=True, add_zero_attn=True)(x, y, y, average_attn_weights=False)[1]
    return weights.sum(-1), weights.new_ones(weights.shape[:-1])


def average_of_heads(build: Build, x: Tensor, y: Tensor) -> Pair:
    """The averaged weights are the mean of those of the heads."""
    f = build(6, 3)
    each = f(x, y, y, average_attn_weights=False)[1]
    return f(x, y, y)[1], each.sum(1) / 3


def weights_do_not_matter(build: Build, x: Tensor, y: Tensor) -> Pair:
    """The output is the same whether weights are asked for or not, under a mask too."""
    f, mask = build(6, 3), torch.ones(x.shape[0], y.shape[0], dtype=torch.bool, device=x.device).triu(2)
    return f(x, y, y, attn_mask=mask, need_weights=False)[0], f(x, y, y, attn_mask=mask)[0]


def padding_is_absent(build: Build, x: Tensor, y: Tensor) -> Pair:
    """Hidden keys (True) can as well be left out."""
    hidden = (torch.arange(y.shape[0], device=y.device) >= 7).expand(y.shape[1], -1)
    f = build(6, 2)
    return f(x, y, y, key_padding_mask=hidden)[0], f(x, y[:7], y[:7])[0]


def everything_dropped(build: Build, x: Tensor, y: Tensor) -> Pair:
    """With dropout 1 nothing of the input is left in training."""
    f = build(6, 2, dropout=1.0)
    return f(x, x, x)[0], f(y, y, y)[0]


def no_dropout_in_evaluation(build: Build, x: Tensor) -> Pair:
    """With dropout 1 evaluation still gives weights that sum to one."""
    weights = build(6, 2, dropout=1.0)(x, x, x)[1]
    return weights.sum(-1), weights.new_ones(weights.shape[:-1])
