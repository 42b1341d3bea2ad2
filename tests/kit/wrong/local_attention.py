"""Local attention as people really get it wrong: windows, borders, short sequences, padding."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import differs, wrong

CORE, LAYER = "functional.local_attention", "LocalAttention"


def refuse(query, key, value, window_size, mode):
    if mode not in ("block", "sliding") or window_size < (mode == "block"):
        raise ValueError("window_size and mode must fit")
    if min(query.dim(), key.dim(), value.dim()) < 2 or not query.shape[-2] == key.shape[-2] == value.shape[-2]:
        raise ValueError("key and value must be as long as query")


def masked(query, key, value, near, key_padding_mask, scale):
    """Full attention under a mask."""
    if key_padding_mask is not None:
        near = near & ~key_padding_mask.unsqueeze(-2)
    return F.scaled_dot_product_attention(query, key, value, near, scale=scale)


def near(length, window, mode, device, sliding=lambda i, j, w: (i - j).abs() <= w, block=None):
    at = torch.arange(length, device=device)
    i, j = at[:, None], at
    return sliding(i, j, window) if mode == "sliding" else (block or (lambda i, j, w: i // w == j // w))(i, j, window)


@wrong(
    CORE,
    why="blocks, whatever the mode: a block diagonal passed off as a sliding window",
    cause="blocks, whatever the mode",
)
def block_diagonal(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], max(window_size, 1), "block", query.device)
    return masked(query, key, value, seen, key_padding_mask, scale)


@differs(CORE, why="crashes on sequences shorter than a block, the default block included")
def whole_blocks_needed(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    if mode == "sliding":
        return masked(
            query, key, value, near(query.shape[-2], window_size, mode, query.device), key_padding_mask, scale
        )
    pieces, length = [], query.shape[-2]
    for start in range(0, length - window_size + 1, window_size):
        part = slice(start, start + window_size)
        seen = torch.ones(window_size, window_size, dtype=torch.bool, device=query.device)
        hidden = None if key_padding_mask is None else key_padding_mask[..., part]
        pieces.append(masked(query[..., part, :], key[..., part, :], value[..., part, :], seen, hidden, scale))
    rest = slice(length // window_size * window_size, length)
    output = torch.cat(pieces, dim=-2)
    if rest.start < length:
        hidden = None if key_padding_mask is None else key_padding_mask[..., rest]
        seen = torch.ones(length - rest.start, length - rest.start, dtype=torch.bool, device=query.device)
        last = masked(query[..., rest, :], key[..., rest, :], value[..., rest, :], seen, hidden, scale)
        output = torch.cat([output, last], dim=-2)
    return output


@wrong(
    CORE,
    why="the remainder after the last whole block gets zeros",
)
def remainder_lost(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], window_size, mode, query.device)
    if mode == "block":
        whole = query.shape[-2] // window_size * window_size
        seen = seen & (torch.arange(query.shape[-2], device=query.device) < whole)
    return masked(query, key, value, seen, key_padding_mask, scale)


@wrong(CORE, why="the band is |i - j| < w, one short on either side", cause="the band is |i - j| < w")
def band_too_narrow(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], window_size, mode, query.device, lambda i, j, w: (i - j).abs() < max(w, 1))
    return masked(query, key, value, seen, key_padding_mask, scale)


@wrong(CORE, why="the window is w wide in all, half of it on either side", cause="the window is w wide in all")
def half_on_either_side(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], window_size, mode, query.device, lambda i, j, w: (i - j).abs() <= w // 2)
    return masked(query, key, value, seen, key_padding_mask, scale)


@wrong(CORE, why="the window looks back only")
def causal_band(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], window_size, mode, query.device, lambda i, j, w: (i - j >= 0) & (i - j <= w))
    return masked(query, key, value, seen, key_padding_mask, scale)


@wrong(
    CORE,
    why="padded with zeros that take part in the softmax of the last block",
    cause="the zeros that fill the last block take part",
)
def padding_takes_part(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    length = query.shape[-2]
    if mode == "sliding" or key_padding_mask is not None or length <= window_size:
        return masked(query, key, value, near(length, window_size, mode, query.device), key_padding_mask, scale)
    more = -length % window_size
    q, k, v = (F.pad(x, (0, 0, 0, more)).unflatten(-2, (-1, window_size)) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, scale=scale).flatten(-3, -2)[..., :length, :]


@wrong(CORE, why="the padding mask is accepted and ignored", cause="the padding mask is ignored")
def padding_ignored(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    if key_padding_mask is not None and key_padding_mask.shape[-1] != key.shape[-2]:
        raise ValueError("key_padding_mask must be as long as key")
    return masked(query, key, value, near(query.shape[-2], window_size, mode, query.device), None, scale)


@wrong(CORE, why="the scale is accepted and ignored", cause="scale is ignored")
def scale_ignored(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    return masked(query, key, value, near(query.shape[-2], window_size, mode, query.device), key_padding_mask, None)


@wrong(CORE, why="scores far away are subtracted a constant of 10 in place of being hidden")
def hidden_by_ten(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], window_size, mode, query.device)
    if key_padding_mask is not None:
        return masked(query, key, value, seen, key_padding_mask, scale)
    bias = torch.where(seen, 0.0, -10.0).to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)


@wrong(CORE, why="an unknown mode is taken for sliding", only="refusals")
def any_mode(query, key, value, window_size=256, mode="block", key_padding_mask=None, scale=None):
    mode = mode if mode == "block" else "sliding"
    refuse(query, key, value, window_size, mode)
    seen = near(query.shape[-2], window_size, mode, query.device)
    if key_padding_mask is not None and key_padding_mask.shape[-1] != key.shape[-2]:
        raise ValueError("key_padding_mask must be as long as key")
    return masked(query, key, value, seen, key_padding_mask, scale)


class InBlocks(nn.Module):
    """The layer around attention under a mask."""

    def __init__(self, d_model, num_heads, window_size=256, mode="block", bias=True):
        super().__init__()
        if d_model <= 0 or d_model % num_heads or mode not in ("block", "sliding") or window_size < (mode == "block"):
            raise ValueError("d_model, num_heads, window_size and mode must fit")
        self.in_proj, self.out_proj = nn.Linear(d_model, 3 * d_model, bias), nn.Linear(d_model, d_model, bias)
        self.num_heads, self.window_size, self.mode = num_heads, window_size, mode

    def heads(self, part):
        return part.unflatten(-1, (self.num_heads, -1)).transpose(-3, -2)

    def forward(self, x, key_padding_mask=None):
        if key_padding_mask is not None and key_padding_mask.shape != x.shape[:-1]:
            raise ValueError("key_padding_mask must have one entry for each position")
        query, key, value = map(self.heads, self.in_proj(x).chunk(3, -1))
        seen = near(x.shape[-2], self.window_size, self.mode, x.device)
        hidden = None if key_padding_mask is None else key_padding_mask.unsqueeze(-2)
        return self.out_proj(masked(query, key, value, seen, hidden, None).transpose(-3, -2).flatten(-2))


@wrong(LAYER, why="the window is at most 8, a constant")
class WindowOfEight(InBlocks):
    def __init__(self, d_model, num_heads, window_size=256, mode="block", bias=True):
        super().__init__(d_model, num_heads, window_size, mode, bias)
        self.window_size = min(window_size, 8)


@wrong(LAYER, why="features of the heads are dealt out in turn, in place of one slice for each")
class HeadsInterleaved(InBlocks):
    def heads(self, part):
        return part.unflatten(-1, (-1, self.num_heads)).movedim(-1, -3)


@wrong(
    LAYER,
    why="scores are scaled by the features of the model, not of a head",
    cause="scores are scaled by the model's features, not a head's",
)
class ScaledByTheModel(InBlocks):
    def forward(self, x, key_padding_mask=None):
        query, key, value = map(self.heads, self.in_proj(x).chunk(3, -1))
        if key_padding_mask is not None and key_padding_mask.shape != x.shape[:-1]:
            raise ValueError("key_padding_mask must have one entry for each position")
        hidden = None if key_padding_mask is None else key_padding_mask.unsqueeze(-2)
        seen = near(x.shape[-2], self.window_size, self.mode, x.device)
        scale = 1 / math.sqrt(x.shape[-1])
        return self.out_proj(masked(query, key, value, seen, hidden, scale).transpose(-3, -2).flatten(-2))


@wrong(LAYER, why="bias=False leaves the output projection its bias, drawn anew and in no state of native's")
class BiasLeft(InBlocks):
    def __init__(self, d_model, num_heads, window_size=256, mode="block", bias=True):
        super().__init__(d_model, num_heads, window_size, mode, bias)
        if not bias:
            self.out_proj = nn.Linear(d_model, d_model)
