"""Relative attention as people really get it wrong: offsets, reach, place of the vectors."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import differs, wrong

CORE, LAYER = "functional.relative_attention", "RelativePositionAttention"


def refuse(query, key, relative_key):
    if min(query.dim(), key.dim(), relative_key.dim()) < 2 or relative_key.shape[-2] % 2 == 0:
        raise ValueError("relative_key must have an odd number of rows")
    if relative_key.shape[-1] != query.shape[-1]:
        raise ValueError("relative_key must have the query's features")
    if max(query.shape[-2], key.shape[-2]) > relative_key.shape[-2] // 2 + 1:
        raise ValueError("query and key must be no longer than max_len")


def attend(query, key, value, table, attn_mask, scale, row=lambda i, j, queries, middle: j - i + middle, given=False):
    """Right, unless `row` names another row of the table for a pair of positions."""
    if not given:
        refuse(query, key, table)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    i, j = (torch.arange(x.shape[-2], device=x.device) for x in (query, key))
    index = row(i[:, None], j, len(i), table.shape[-2] // 2)
    vectors = table[..., index, :]  # (L, S, E)
    wide = torch.float32 if query.dtype in (torch.float16, torch.bfloat16) else query.dtype
    bias = torch.einsum("...le,...lse->...ls", query.to(wide) * scale, vectors.to(wide))
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        bias = bias.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        bias = bias + attn_mask
    return F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), scale=scale)


@wrong(
    CORE,
    why="the row of a distance is j-i+L-1: it hangs on the length of the sequence",
    cause="the row of a distance hangs on the length of the sequence",
)
def offset_by_length(query, key, value, relative_key, attn_mask=None, scale=None):
    return attend(query, key, value, relative_key, attn_mask, scale, lambda i, j, queries, middle: j - i + queries - 1)


@wrong(CORE, why="distances run from key to query: i-j in place of j-i", cause="distances run from key to query")
def backwards(query, key, value, relative_key, attn_mask=None, scale=None):
    return attend(query, key, value, relative_key, attn_mask, scale, lambda i, j, queries, middle: i - j + middle)


@wrong(CORE, why="one row off: distance 0 meets the vector of distance 1", cause="one row off")
def one_off(query, key, value, relative_key, attn_mask=None, scale=None):
    def row(i, j, queries, middle):
        return (j - i + middle + 1).clamp(max=2 * middle)

    return attend(query, key, value, relative_key, attn_mask, scale, row)


@wrong(CORE, why="distances lose their sign", cause="distances lose their sign")
def only_how_far(query, key, value, relative_key, attn_mask=None, scale=None):
    return attend(query, key, value, relative_key, attn_mask, scale, lambda i, j, q, middle: (j - i).abs() + middle)


@differs(CORE, why="sequences longer than the table are clipped to its reach in silence")
def clipped(query, key, value, relative_key, attn_mask=None, scale=None):
    def row(i, j, queries, middle):
        return (j - i).clamp(-middle, middle) + middle

    if min(query.dim(), key.dim(), relative_key.dim()) < 2 or relative_key.shape[-2] % 2 == 0:
        raise ValueError("relative_key must have an odd number of rows")
    if relative_key.shape[-1] != query.shape[-1]:
        raise ValueError("relative_key must have the query's features")
    return attend(query, key, value, relative_key, attn_mask, scale, row, given=True)


@wrong(CORE, why="the mean of the vectors is added to the output and no score changes")
def added_to_the_output(query, key, value, relative_key, attn_mask=None, scale=None):
    refuse(query, key, relative_key)
    output = F.scaled_dot_product_attention(query, key, value, attn_mask, scale=scale)
    return output + relative_key.mean((-2, -1), keepdim=True).to(output.dtype)


@wrong(CORE, why="the position's score is not scaled", cause="the position's score is not scaled")
def position_unscaled(query, key, value, relative_key, attn_mask=None, scale=None):
    root = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return attend(query, key, value, relative_key / root, attn_mask, scale)


@wrong(CORE, why="the key meets the vector where the query should", cause="the key meets the position, not the query")
def key_meets_position(query, key, value, relative_key, attn_mask=None, scale=None):
    refuse(query, key, relative_key)
    root = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    i, j = (torch.arange(x.shape[-2], device=x.device) for x in (query, key))
    vectors = relative_key[..., j - i[:, None] + relative_key.shape[-2] // 2, :]
    bias = torch.einsum("...se,...lse->...ls", key * root, vectors)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        bias = bias.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        bias = bias + attn_mask
    return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)


@wrong(CORE, why="no gradient reaches the table: it was detached", cause="no gradient for the table")
def table_detached(query, key, value, relative_key, attn_mask=None, scale=None):
    return attend(query, key, value, relative_key.detach(), attn_mask, scale)


@wrong(CORE, why="the shift lets zeros of the extra column into the first row")
def shifted_wrongly(query, key, value, relative_key, attn_mask=None, scale=None):
    def row(i, j, queries, middle):
        return (j - i + middle) % (2 * middle + 1) if queries < 3 else (j - i + middle - 1) % (2 * middle + 1)

    return attend(query, key, value, relative_key, attn_mask, scale, row)


class InHeads(nn.Module):
    """The layer around relative attention."""

    def __init__(self, d_model, num_heads, max_len=512, bias=True):
        super().__init__()
        if d_model <= 0 or max_len <= 0 or d_model % num_heads:
            raise ValueError("d_model, num_heads and max_len must fit")
        self.in_proj, self.out_proj = nn.Linear(d_model, 3 * d_model, bias), nn.Linear(d_model, d_model, bias)
        self.num_heads, self.max_len = num_heads, max_len
        self.relative_key = nn.Parameter(torch.randn(2 * max_len - 1, d_model // num_heads))

    def attend(self, query, key, value, seen):
        return attend(query, key, value, self.relative_key, seen, None)

    def forward(self, x, key_padding_mask=None):
        if x.dim() < 2 or (key_padding_mask is not None and key_padding_mask.shape != x.shape[:-1]):
            raise ValueError("x and key_padding_mask must fit")
        parts = self.in_proj(x).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.num_heads, -1)).transpose(-3, -2) for part in parts)
        seen = None if key_padding_mask is None else ~key_padding_mask[..., None, None, :]
        return self.out_proj(self.attend(query, key, value, seen).transpose(-3, -2).flatten(-2))


@wrong(
    LAYER,
    why="the row of a distance is j-i+L-1: it hangs on the length of the sequence",
    cause="the row of a distance hangs on the length of the sequence",
)
class OffsetByLength(InHeads):
    def attend(self, query, key, value, seen):
        return attend(
            query, key, value, self.relative_key, seen, None, lambda i, j, queries, middle: j - i + queries - 1
        )


@differs(LAYER, why="max_len is never checked: longer sequences wrap around the table")
class LengthUnchecked(InHeads):
    def attend(self, query, key, value, seen):
        def row(i, j, queries, middle):
            return (j - i + middle) % (2 * middle + 1)

        return attend(query, key, value, self.relative_key, seen, None, row, given=True)


@wrong(LAYER, why="the padding mask is accepted and ignored", cause="the padding mask is ignored")
class PaddingIgnored(InHeads):
    def attend(self, query, key, value, seen):
        return super().attend(query, key, value, None)


@wrong(LAYER, why="the table is kept in a plain list, so it is neither saved nor trained")
class TableNotKept(InHeads):
    def __init__(self, d_model, num_heads, max_len=512, bias=True):
        super().__init__(d_model, num_heads, max_len, bias)
        self.kept = [self.relative_key.detach().clone()]
        del self.relative_key

    def attend(self, query, key, value, seen):
        return attend(query, key, value, self.kept[0].to(query), seen, None)
