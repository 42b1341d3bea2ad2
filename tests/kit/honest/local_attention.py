"""Right local attention that computes in another way than the reference or its oracle."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest

CORE, LAYER = "functional.local_attention", "LocalAttention"


def refuse(query, key, value, window_size, mode, key_padding_mask):
    if mode not in ("block", "sliding") or window_size < (mode == "block"):
        raise ValueError("window_size and mode must fit")
    if min(query.dim(), key.dim(), value.dim()) < 2 or not query.shape[-2] == key.shape[-2] == value.shape[-2]:
        raise ValueError("key and value must be as long as query")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError("key must have query's features")
    if key_padding_mask is not None and key_padding_mask.shape[-1:] != key.shape[-2:-1]:
        raise ValueError("key_padding_mask must be as long as key")


def near(length, window, mode, device):
    at = torch.arange(length, device=device)
    return (at[:, None] - at).abs() <= window if mode == "sliding" else at[:, None] // window == at // window


def attend(query, key, value, seen, scale):
    """Attention under a mask, by hand: native's fast kernels cannot be differentiated twice."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    half = query.dtype in (torch.float16, torch.bfloat16)
    q, k, v = (x.float() if half else x for x in (query, key, value))
    blind = ~seen.any(-1, keepdim=True)
    scores = ((q * scale) @ k.mT).masked_fill(~(seen | blind), -math.inf)
    output = scores.softmax(-1).masked_fill(blind, 0.0) @ v
    return output.to(query.dtype) if half else output


@honest(CORE, why="full attention under a mask of the neighbourhood")
def by_mask(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode, key_padding_mask)
    seen = near(query.shape[-2], window_size, mode, query.device)
    seen = seen if key_padding_mask is None else seen & ~key_padding_mask.unsqueeze(-2)
    return attend(query, key, value, seen, scale)


@honest(CORE, why="under a mask, with the keys in reverse order and the scale taken into the keys")
def keys_reversed(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode, key_padding_mask)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    seen = near(query.shape[-2], window_size, mode, query.device)
    seen = seen if key_padding_mask is None else seen & ~key_padding_mask.unsqueeze(-2)
    wide = torch.float32 if query.dtype in (torch.float16, torch.bfloat16) else query.dtype
    q, k, v = (x.to(wide) for x in (query, key, value))
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    return attend(q, (k * scale).flip(-2), v.flip(-2), seen.flip(-1), 1.0).to(dtype)


@honest(CORE, why="one piece of the sequence after the other, each with the keys it can reach")
def piece_by_piece(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode, key_padding_mask)
    length, size = query.shape[-2], max(window_size, 1)
    if length <= size:
        return by_mask(query, key, value, window_size, mode, key_padding_mask, scale)
    pieces, seen = [], near(length, window_size, mode, query.device)
    for start in range(0, length, size):
        own = slice(start, min(start + size, length))
        reach = slice(max(0, own.start - window_size), own.stop + window_size) if mode == "sliding" else own
        mask = seen[own, reach]
        mask = mask if key_padding_mask is None else mask & ~key_padding_mask[..., None, reach]
        pieces.append(attend(query[..., own, :], key[..., reach, :], value[..., reach, :], mask, scale))
    return torch.cat(pieces, dim=-2)


@honest(LAYER, why="three projections cut from one matrix, full attention under a mask")
class ByMask(nn.Module):
    def __init__(self, d_model, num_heads, window_size=256, mode="block", bias=True):
        super().__init__()
        if d_model <= 0 or d_model % num_heads or mode not in ("block", "sliding") or window_size < (mode == "block"):
            raise ValueError("d_model, num_heads, window_size and mode must fit")
        self.in_proj, self.out_proj = nn.Linear(d_model, 3 * d_model, bias), nn.Linear(d_model, d_model, bias)
        self.num_heads, self.window_size, self.mode = num_heads, window_size, mode

    def forward(self, x, key_padding_mask=None):
        if x.dim() < 2 or (key_padding_mask is not None and key_padding_mask.shape != x.shape[:-1]):
            raise ValueError("x and key_padding_mask must fit")
        matrices = self.in_proj.weight.chunk(3)
        biases = (None,) * 3 if self.in_proj.bias is None else self.in_proj.bias.chunk(3)
        parts = [F.linear(x, w, b) for w, b in zip(matrices, biases, strict=True)]
        query, key, value = (part.unflatten(-1, (self.num_heads, -1)).transpose(-3, -2) for part in parts)
        hidden = None if key_padding_mask is None else key_padding_mask.unsqueeze(-2)
        return self.out_proj(self.core(query, key, value, hidden).transpose(-3, -2).flatten(-2))

    def core(self, query, key, value, hidden):
        return by_mask(query, key, value, self.window_size, self.mode, hidden)


@honest(LAYER, why="piece by piece inside the layer")
class PieceByPiece(ByMask):
    def core(self, query, key, value, hidden):
        return piece_by_piece(query, key, value, self.window_size, self.mode, hidden)
