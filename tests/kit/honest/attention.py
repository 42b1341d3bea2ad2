"""Right implementations of attention that compute in another way than the reference or native."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest

CORE = "functional.scaled_dot_product_attention"
HALF = (torch.float16, torch.bfloat16)


def refuse(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa):
    """What every attention has to refuse."""
    if min(query.dim(), key.dim(), value.dim()) < 2 + enable_gqa:
        raise (
            IndexError("query, key and value need an axis of heads")
            if enable_gqa
            else RuntimeError("query: too few axes")
        )
    if not query.is_floating_point() or not query.dtype == key.dtype == value.dtype:
        raise RuntimeError("query, key and value must have one floating dtype")
    if enable_gqa and any(x.shape[-3] and query.shape[-3] % x.shape[-3] for x in (key, value)):
        raise RuntimeError("key and value: their heads must divide the query's")
    if key.shape[-2] != value.shape[-2]:
        raise RuntimeError("value must be as long as key")
    if not 0 <= dropout_p <= 1:
        raise RuntimeError("dropout_p must be a probability")
    if attn_mask is not None and (is_causal or attn_mask.dtype not in (torch.bool, torch.float32, query.dtype)):
        raise RuntimeError("attn_mask must be bool or floating, and None with is_causal")


def prepared(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa):
    """Wide tensors, one bias for every mask, the scale, and the dtype to answer in."""
    refuse(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    kind, answer = query.device.type, query.dtype
    if torch.is_autocast_enabled(kind) and query.dtype == torch.float32:
        answer = torch.get_autocast_dtype(kind)
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // max(x.shape[-3], 1), -3) for x in (key, value))
    if query.dtype in HALF:
        query, key, value = query.float(), key.float(), value.float()
    scores = (*torch.broadcast_shapes(query.shape[:-2], key.shape[:-2]), query.shape[-2], key.shape[-2])
    if is_causal:
        attn_mask = torch.ones(scores[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None:
        if torch.broadcast_shapes(attn_mask.shape, scores) != torch.Size(scores):
            raise RuntimeError("attn_mask must broadcast to the scores")
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.where(attn_mask, 0.0, -math.inf).to(query.dtype)
    scale = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    return query, key, value, attn_mask, scale, answer


def seeing_softmax(scores):
    """Softmax with zeros in rows of -inf only."""
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)


@honest(CORE, why="the queries are scaled before the product")
def query_scaled_first(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    q, k, v, bias, c, answer = prepared(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    scores = (q * c) @ k.mT
    weights = seeing_softmax(scores if bias is None else scores + bias)
    return (F.dropout(weights, dropout_p) @ v).to(answer)


@honest(CORE, why="queries and keys each take the square root of the scale")
def both_scaled_by_the_root(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    q, k, v, bias, c, answer = prepared(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    root = math.sqrt(abs(c))
    scores = (q * math.copysign(root, c)) @ (k * root).mT
    weights = seeing_softmax(scores if bias is None else scores + bias)
    return (F.dropout(weights, dropout_p) @ v).to(answer)


@honest(CORE, why="the softmax runs over chunks of the keys with a running maximum, as in flash attention")
def online_softmax(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    q, k, v, bias, c, answer = prepared(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    chunk, length = max(64, k.shape[-2] // 4), k.shape[-2]
    scores = (q * c) @ k.mT
    scores = scores if bias is None else scores + bias
    top = scores.new_full((*scores.shape[:-1], 1), torch.finfo(scores.dtype).min)
    total, mean = torch.zeros_like(top), 0.0
    for start in range(0, length, chunk):
        part = scores[..., start : start + chunk]
        higher = torch.maximum(top, part.detach().amax(-1, keepdim=True))
        e, shrink = (part - higher).exp(), (top - higher).exp()
        total = total * shrink + e.sum(-1, keepdim=True)
        mean = mean * shrink + F.dropout(e, dropout_p) @ v[..., start : start + chunk, :]
        top = higher
    if length == 0:
        return (scores @ v).to(answer)
    return (mean / torch.where(total == 0, 1.0, total)).to(answer)


@honest(CORE, why="weights are exp of a log-softmax")
def by_log_softmax(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    q, k, v, bias, c, answer = prepared(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    scores = (q * c) @ k.mT
    scores = scores if bias is None else scores + bias
    blind = (scores == -math.inf).all(-1, keepdim=True)
    weights = scores.masked_fill(blind, 0.0).log_softmax(-1).exp().masked_fill(blind, 0.0)
    return (F.dropout(weights, dropout_p) @ v).to(answer)


@honest(CORE, why="native with the keys and values in reverse order")
def keys_reversed(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    refuse(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dim() >= 2:
        attn_mask = attn_mask.flip(-1)
    return F.scaled_dot_product_attention(
        query, key.flip(-2), value.flip(-2), attn_mask, dropout_p, scale=scale, enable_gqa=enable_gqa
    )


@honest("MultiheadAttention", why="native itself, kept inside another module")
class Wrapped(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.inner = nn.MultiheadAttention(*args, **kwargs)

    def forward(self, query, key, value, *args, **kwargs):
        return self.inner(query, key, value, *args, **kwargs)


class ByHand(nn.MultiheadAttention):
    """A layer that does its own arithmetic, batch first inside; the honest ones below differ in how they weigh."""

    def weigh(self, q, k, bias):
        scores = (q / math.sqrt(q.shape[-1])) @ k.mT
        return (scores if bias is None else scores + bias).softmax(-1)

    def refuse(self, query, key, value, key_padding_mask, attn_mask, is_causal):
        axes, heads = query.dim(), self.num_heads
        if axes not in (2, 3) or key.dim() != axes or value.dim() != axes:
            raise AssertionError("query, key and value must have 3 axes, or 2 unbatched")
        if query.shape[-1] != self.embed_dim or key.shape[:-1] != value.shape[:-1]:
            raise AssertionError("query must have embed_dim features, value must be as long as key")
        batch = 0 if self.batch_first else 1
        if axes == 3 and key.shape[batch] != query.shape[batch]:
            raise RuntimeError("key must have query's batch size")
        if is_causal and attn_mask is None:
            raise RuntimeError("attn_mask must be given with is_causal")
        sizes = query.shape[:-1] if self.batch_first or axes == 2 else query.shape[:-1][::-1]
        scores = (sizes[-1], key.shape[-2 if self.batch_first or axes == 2 else 0])
        if attn_mask is not None and attn_mask.shape not in (scores, (math.prod(sizes[:-1]) * heads, *scores)):
            raise RuntimeError(f"attn_mask must be {scores}")
        if key_padding_mask is not None and key_padding_mask.shape != (*sizes[:-1], scores[1]):
            raise AssertionError(f"key_padding_mask must be {(*sizes[:-1], scores[1])}")
        for mask in (attn_mask, key_padding_mask):
            if mask is not None and mask.dtype not in (torch.bool, query.dtype):
                raise AssertionError("attn_mask and key_padding_mask must be bool or floating")

    def projected(self, query, key, value):
        matrices = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        matrices = self.in_proj_weight.chunk(3) if self._qkv_same_embed_dim else matrices
        offsets = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (F.linear(x, w, b) for x, w, b in zip((query, key, value), matrices, offsets, strict=True))
        if self.bias_k is not None:
            k, v = (
                torch.cat([x, b.expand(len(x), 1, -1).to(x.dtype)], 1) for x, b in ((k, self.bias_k), (v, self.bias_v))
            )
        if self.add_zero_attn:
            k, v = (torch.cat([x, x.new_zeros(len(x), 1, x.shape[2])], 1) for x in (k, v))
        return q, k, v

    def as_bias(self, attn_mask, key_padding_mask, q, k):
        total = None
        for mask, shape in (
            (attn_mask, (len(q), self.num_heads, q.shape[1], -1)),
            (key_padding_mask, (len(q), 1, 1, -1)),
        ):
            if mask is None:
                continue
            part = torch.where(mask, -math.inf, 0.0).to(q.dtype) if mask.dtype == torch.bool else mask
            part = part if mask is attn_mask and mask.dim() == 2 else part.reshape(shape)
            part = F.pad(part, (0, k.shape[1] - part.shape[-1]))
            total = part if total is None else total + part
        return total

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
        is_causal=False,
    ):  # fmt: skip
        self.refuse(query, key, value, key_padding_mask, attn_mask, is_causal)
        single, swap = query.dim() == 2, query.dim() == 3 and not self.batch_first
        query, key, value = (x[None] if single else x.transpose(0, 1) if swap else x for x in (query, key, value))
        q, k, v = self.projected(query, key, value)
        bias, dtype = self.as_bias(attn_mask, key_padding_mask, q, k), q.dtype
        q, k, v = (x.float() if dtype in HALF else x for x in (q, k, v))
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (q, k, v))  # (N, H, L, D)
        if need_weights or bias is None:
            weights = self.weigh(q, k, bias)
        else:
            blind = (bias == -math.inf).all(-1, keepdim=True)
            weights = self.weigh(q, k, bias.masked_fill(blind, 0.0)).masked_fill(blind, 0.0)
        weights = F.dropout(weights, self.dropout, self.training)
        output = self.out_proj((weights @ v).transpose(1, 2).flatten(2).to(dtype))
        output = output[0] if single else output.transpose(0, 1) if swap else output
        if not need_weights:
            return output, None
        weights = (weights.mean(1) if average_attn_weights else weights).to(dtype)
        return output, weights[0] if single else weights


@honest("MultiheadAttention", why="parameters under other names, in a module of its own")
class OtherNames(nn.Module):
    def __init__(
        self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
        vdim=None, batch_first=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        layer = nn.MultiheadAttention(
            embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first, device, dtype
        )
        self.width, self.heads, self.rate = embed_dim, num_heads, dropout
        self.zero, self.first = add_zero_attn, batch_first
        for name in ("wq=q_proj_weight", "wk=k_proj_weight", "wv=v_proj_weight", "wqkv=in_proj_weight",
                     "bqkv=in_proj_bias", "extra_key=bias_k", "extra_value=bias_v"):  # fmt: skip
            own, native = name.split("=")
            self.register_parameter(own, getattr(layer, native))
        self.register_parameter("wo", layer.out_proj.weight)
        self.register_parameter("bo", layer.out_proj.bias)

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
        is_causal=False,
    ):  # fmt: skip
        swap = self.first and query.dim() == 3
        query, key, value = (x.transpose(0, 1) if swap else x for x in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query, key, value, self.width, self.heads, self.wqkv, self.bqkv, self.extra_key, self.extra_value,
            self.zero, self.rate, self.wo, self.bo, self.training, key_padding_mask, need_weights, attn_mask,
            self.wqkv is None, self.wq, self.wk, self.wv, None, None, average_attn_weights, is_causal,
        )  # fmt: skip
        return output.transpose(0, 1) if swap else output, weights
