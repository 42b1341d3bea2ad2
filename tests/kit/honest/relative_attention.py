"""Right relative attention that computes in another way than the reference or its oracle."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest

CORE, LAYER = "functional.relative_attention", "RelativePositionAttention"


def refuse(query, key, relative_key):
    if min(query.dim(), key.dim(), relative_key.dim()) < 2 or relative_key.shape[-2] % 2 == 0:
        raise ValueError("relative_key must have an odd number of rows")
    if relative_key.dtype != query.dtype and not torch.is_autocast_enabled(query.device.type):
        raise RuntimeError("relative_key must have the query's dtype")
    if relative_key.shape[-1] != query.shape[-1]:
        raise ValueError("relative_key must have the query's features")
    if max(query.shape[-2], key.shape[-2]) > relative_key.shape[-2] // 2 + 1:
        raise ValueError("query and key must be no longer than max_len")


def distances(query, key, relative_key):
    """Row numbers of the table for all pairs, (L, S)."""
    i, j = (torch.arange(x.shape[-2], device=x.device) for x in (query, key))
    return j - i[:, None] + relative_key.shape[-2] // 2


def finished(query, key, value, bias, attn_mask, scale):
    """Attention with this bias, and what the mask hides."""
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        bias = bias.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        bias = bias + attn_mask
    wide = bias.dtype if bias.dtype in (torch.float32, query.dtype) else query.dtype
    return F.scaled_dot_product_attention(query, key, value, bias.to(wide), scale=scale)


def widened(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest(CORE, why="a vector gathered for every pair, (L, S, E)")
def gathered(query, key, value, relative_key, attn_mask=None, scale=None):
    refuse(query, key, relative_key)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    vectors = widened(relative_key)[..., distances(query, key, relative_key), :]
    bias = torch.einsum("...le,...lse->...ls", widened(query) * scale, vectors).to(widened(query).dtype)
    return finished(query, key, value, bias, attn_mask, scale)


@honest(CORE, why="scores of all distances, then the right one gathered for each key")
def gathered_scores(query, key, value, relative_key, attn_mask=None, scale=None):
    refuse(query, key, relative_key)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (widened(query) @ widened(relative_key).mT).to(widened(query).dtype) * scale  # (*B, L, 2M-1)
    index = distances(query, key, relative_key)
    bias = scores.gather(-1, index.expand(*scores.shape[:-1], index.shape[-1]))
    return finished(query, key, value, bias, attn_mask, scale)


@honest(CORE, why="distances as one-hot matrices")
def one_hot(query, key, value, relative_key, attn_mask=None, scale=None):
    refuse(query, key, relative_key)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    which = distances(query, key, relative_key)[..., None] == torch.arange(relative_key.shape[-2], device=query.device)
    scores = (widened(query) @ widened(relative_key).mT).to(widened(query).dtype) * scale
    bias = torch.where(which, scores[..., None, :], 0.0).sum(-1)
    return finished(query, key, value, bias, attn_mask, scale)


class GatheredInHeads(nn.Module):
    """The layer around relative attention."""

    def __init__(self, d_model, num_heads, max_len=512, bias=True):
        super().__init__()
        if d_model <= 0 or max_len <= 0 or d_model % num_heads:
            raise ValueError("d_model, num_heads and max_len must fit")
        self.in_proj, self.out_proj = nn.Linear(d_model, 3 * d_model, bias), nn.Linear(d_model, d_model, bias)
        self.relative_key = nn.Parameter(torch.randn(2 * max_len - 1, d_model // num_heads))
        self.num_heads, self.max_len = num_heads, max_len

    def core(self, query, key, value, seen):
        return gathered(query, key, value, self.relative_key, seen)

    def forward(self, x, key_padding_mask=None):
        if x.dim() < 2 or (key_padding_mask is not None and key_padding_mask.shape != x.shape[:-1]):
            raise ValueError("x and key_padding_mask must fit")
        parts = self.in_proj(x).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.num_heads, -1)).transpose(-3, -2) for part in parts)
        seen = None if key_padding_mask is None else ~key_padding_mask[..., None, None, :]
        return self.out_proj(self.core(query, key, value, seen).transpose(-3, -2).flatten(-2))


@honest(LAYER, why="one head after the other")
class HeadByHead(GatheredInHeads):
    def core(self, query, key, value, seen):
        seen = None if seen is None else seen[..., 0, :, :]
        heads = zip(query.unbind(-3), key.unbind(-3), value.unbind(-3), strict=True)
        return torch.stack([gathered_scores(*head, self.relative_key, seen) for head in heads], dim=-3)
