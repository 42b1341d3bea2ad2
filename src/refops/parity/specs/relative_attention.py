"""Relative attention, judged pair by pair: each query and key look up their distance in a dictionary of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from refops.functional.relative_attention import relative_attention
from refops.nn.relative_attention import RelativePositionAttention
from refops.parity.case import Case, Draw, additive, built, called, flag, literal, param, real
from refops.parity.spec import Law, Refusal, Spec
from refops.parity.specs.local_attention import CALM, InLoops
from refops.shapes.relative_attention import relative_attention as core_shape
from refops.shapes.relative_attention import relative_position_attention as layer_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def query_by_query(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    relative_key: Tensor,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """One query at a time: every score from its own key, moved by the vector of its distance."""
    queries, keys, middle = query.shape[-2], key.shape[-2], relative_key.shape[-2] // 2
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    if not queries or not keys:
        return (query[..., :1] * 0 + value.sum(-2, keepdim=True) * 0).expand(*batch, queries, value.shape[-1])
    rows = []
    for i in range(queries):
        vectors = relative_key[..., middle - i : middle - i + keys, :]  # of the distances j - i to the keys j
        rows.append((query[..., i : i + 1, :] * (key + vectors)).sum(-1))
    scores = torch.stack(rows, dim=-2) * scale
    hidden = torch.zeros_like(scores, dtype=torch.bool)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        hidden = hidden | ~attn_mask
    elif attn_mask is not None:
        hidden = hidden | (attn_mask == -math.inf)
        scores = scores + torch.where(attn_mask == -math.inf, 0.0, attn_mask)
    top = scores.detach().masked_fill(hidden, -math.inf).amax(-1, keepdim=True).clamp(min=-1e30)
    odds = torch.where(hidden, 0.0, torch.where(hidden, 0.0, scores - top).exp())
    total = odds.sum(-1, keepdim=True)
    return torch.einsum("...ls,...sv->...lv", odds / torch.where(total == 0, 1.0, total), value)


class _QueryByQuery(InLoops):
    def __init__(self, d_model: int, num_heads: int, max_len: int = 512, bias: bool = True) -> None:
        super().__init__(d_model, num_heads, bias)
        self.relative_key = nn.Parameter(torch.zeros(2 * max_len - 1, d_model // num_heads))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        seen = None if hidden is None else ~hidden[..., None, :]
        return query_by_query(query, key, value, self.relative_key, seen)


def padding(length: int, *kept: int) -> Draw:
    """True after the first so many positions of each sequence."""
    return literal([[False] * n + [True] * (length - n) for n in kept])


def core_cases() -> SearchStrategy[Case]:
    """Queries and keys of any length the table reaches, tables for all heads or for each, every mask."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes, lengths = st.integers(1, 4), st.integers(1, 6)
        lead = draw(st.sampled_from([(), (2,), (2, 3)]))
        queries, keys, features = draw(lengths), draw(lengths), draw(sizes)
        longest = max(queries, keys) + draw(st.integers(0, 3))
        own = draw(st.sampled_from([(), lead[-1:]]))
        masks = [None, flag(queries, keys), additive(*lead, queries, keys), flag(*lead, 1, keys)]
        options: dict[str, Any] = {"scale": 0.7} if draw(st.booleans()) else {}
        x = (real(*lead, queries, features), real(*lead, keys, features), real(*lead, keys, draw(sizes)))
        return called(*x, param(*own, 2 * longest - 1, features), draw(st.sampled_from(masks)), **options)

    return cases()


def layer_cases() -> SearchStrategy[Case]:
    """Any length up to `max_len`, one to three heads."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        heads, sizes = draw(st.integers(1, 3)), st.integers(1, 4)
        embed, length = heads * draw(sizes), draw(st.integers(1, 6))
        lead = draw(st.sampled_from([(), (2,), (2, 2)]))
        options = {} if draw(st.booleans()) else {"bias": False}
        mask = {"key_padding_mask": flag(*lead, length)} if draw(st.booleans()) else {}
        return built(embed, heads, length + draw(st.integers(0, 3)), **options).on(real(*lead, length, embed), **mask)

    return cases()


def plain(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention as torch has it."""
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, bias)


def zero_table(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A table of zeros leaves attention as it is."""
    return build()(q, k, v, q.new_zeros(41, q.shape[-1])), plain(q, k, v)


def one_vector(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """One vector for all distances moves all keys alike, which softmax does not notice."""
    return build()(q, k, v, q.new_ones(41, q.shape[-1])), plain(q, k, v)


def known_distances(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """Queries of ones and a table that holds d/E turn the distance itself into a bias."""
    features, table = q.shape[-1], torch.arange(-20, 21, device=q.device, dtype=q.dtype)
    at = [torch.arange(x.shape[-2], device=q.device) for x in (q, k)]
    bias = (at[1] - at[0][:, None]).to(q.dtype) / math.sqrt(features)
    q = torch.ones_like(q)
    return build()(q, k, v, table[:, None].expand(-1, features) / features), plain(q, k, v, bias)


def any_reach(build: Build, q: Tensor, k: Tensor, v: Tensor, table: Tensor) -> Pair:
    """Rows for distances that do not occur change nothing."""
    return build()(q, k, v, table), build()(q, k, v, table[4:-4])


def prefix(build: Build, q: Tensor, k: Tensor, v: Tensor, table: Tensor) -> Pair:
    """The same distance meets the same vector in a shorter sequence: the first 6 keys, alone or the others hidden."""
    seen = torch.arange(k.shape[-2], device=k.device) < 6
    left = build()(q, k, v, table, seen.expand(q.shape[-2], -1))
    return left[..., :6, :], build()(*(x[..., :6, :].contiguous() for x in (q, k, v)), table)


def mirrored(build: Build, q: Tensor, k: Tensor, v: Tensor, table: Tensor) -> Pair:
    """Read backwards, distances change sign."""
    back = [x.flip(-2) for x in (q, k, v)]
    return build()(*back, table.flip(-2)), build()(q, k, v, table).flip(-2)


def layer_prefix(build: Build, x: Tensor) -> Pair:
    """What is hidden might as well not be there: no vector hangs on the length of the sequence."""
    f = build(6, 2, 20)
    hidden = (torch.arange(x.shape[1], device=x.device) >= 7).expand(x.shape[0], -1)
    return f(x, hidden)[:, :7], f(x[:, :7].contiguous())


def layer_order(build: Build, x: Tensor) -> Pair:
    """Positions count: the same rows in another order do not give the same rows in that order."""
    f = build(6, 2, 20)
    differs = ((f(x.flip(1)).flip(1) - f(x)).abs().amax((1, 2)) > 1e-4).to(x.dtype)
    return differs, torch.ones_like(differs)


def layer_batch_split(build: Build, x: Tensor) -> Pair:
    """Sequences of a batch do not meet."""
    f = build(6, 3, 7)
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


QKV = (real(2, 13, 4), real(2, 17, 4), real(2, 17, 3))
SELF = (real(2, 17, 4), real(2, 17, 4), real(2, 17, 3), real(41, 4))

CORE = Spec(
    "functional.relative_attention",
    "relative_attention",
    relative_attention,
    None,
    (
        called(real(2, 3, 5, 8), real(2, 3, 5, 8), real(2, 3, 5, 6), param(15, 8)),
        called(real(1, 1), real(1, 1), real(1, 1), param(1, 1)),
        called(real(3, 4), real(5, 4), real(5, 2), param(9, 4)),
        called(real(2, 5, 4), real(2, 3, 4), real(2, 3, 4), param(9, 4), scale=0.3),
        called(real(2, 3, 5, 4), real(2, 3, 5, 4), real(2, 3, 5, 4), param(3, 11, 4)),
        called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), param(15, 4), flag(5, 7)),
        called(real(2, 2, 5, 4), real(2, 2, 7, 4), real(2, 2, 7, 4), param(15, 4), flag(2, 1, 1, 7)),
        called(real(2, 3, 4), real(2, 9, 4), real(2, 9, 4), param(17, 4), attn_mask=additive(2, 3, 9)),
        called(real(3, 4), real(3, 4), real(3, 4), param(7, 4), literal([[True] * 3, [False] * 3, [True] * 3])),
        called(real(0, 5, 4), real(0, 5, 4), real(0, 5, 4), param(9, 4)),
        called(real(2, 0, 4), real(2, 3, 4), real(2, 3, 4), param(9, 4)),
        called(real(2, 3, 4), real(2, 0, 4), real(2, 0, 4), param(9, 4)),
        called(real(7, 5), real(11, 5), real(11, 3), param(33, 5)),
        called(real(3, 2049), real(2, 2049), real(2, 3), param(5, 2049)).but(only=("ordinary", "tiny")),
    ),
    oracle=query_by_query,
    shape=core_shape,
    strategy=core_cases,
    products=2,
    regimes=(*CALM, "large"),
    laws=(
        Law("table of zeros", zero_table, QKV),
        Law("one vector for all distances", one_vector, QKV),
        Law("distance as a bias", known_distances, QKV),
        Law("rows out of reach", any_reach, SELF),
        Law("any length", prefix, SELF),
        Law("read backwards", mirrored, SELF),
    ),
    refusals=(
        Refusal(called(real(2, 6, 4), real(2, 5, 4), real(2, 5, 4), param(9, 4)), "query"),
        Refusal(called(real(2, 5, 4), real(2, 6, 4), real(2, 6, 4), param(9, 4)), "key"),
        Refusal(called(real(2, 5, 4), real(2, 5, 4), real(2, 5, 4), param(10, 4)), "relative_key"),
        Refusal(called(real(2, 5, 4), real(2, 5, 4), real(2, 5, 4), param(9, 3)), "relative_key"),
        Refusal(called(real(2, 5, 4), real(2, 5, 4), real(2, 5, 4), param(4)), "relative_key"),
        Refusal(called(real(4), real(4), real(4), param(9, 4)), "query"),
        Refusal(called(real(2, 5, 4), real(2, 5, 3), real(2, 5, 4), param(9, 4)), "key"),
    ),
)

LAYER = Spec(
    "RelativePositionAttention",
    "relative_attention",
    RelativePositionAttention,
    None,
    (
        built(12, 3, 8).on(real(2, 5, 12)),
        built(1, 1, 1).on(real(1, 1)),
        built(8, 2, 9).on(real(5, 8)),
        built(8, 2, max_len=5, bias=False).on(real(2, 5, 8)),
        built(8, 4).on(real(2, 3, 8)),
        built(6, 2, 9).on(real(3, 6, 6), padding(6, 6, 4, 2)),
        built(6, 2, 16).on(real(3, 5, 6), key_padding_mask=padding(5, 5, 3, 1)),
        built(6, 3, 7).on(real(2, 2, 5, 6)),
        built(8, 2, 4).on(real(0, 4, 8)),
        built(8, 2, 4).on(real(2, 0, 8)),
        built(8, 2, 9).on(real(2, 5, 8)).but(mode="eval"),
        built(65, 5, 9).on(real(1, 5, 65)).but(only=("ordinary", "tiny")),
        built(13, 13, 11).on(real(2, 3, 13)),
    ),
    oracle=_QueryByQuery,
    shape=layer_shape,
    strategy=layer_cases,
    products=2,
    regimes=CALM,
    laws=(
        Law("any length", layer_prefix, (real(3, 13, 6),)),
        Law("order counts", layer_order, (real(3, 13, 6),)),
        Law("batch split", layer_batch_split, (real(70, 7, 6),)),
    ),
    long=(built(2, 1, 2).on(real(66_561, 2, 2)),),
    refusals=(
        Refusal(built(8, 2, 4).on(real(2, 5, 8)), "max_len"),
        Refusal(built(8, 2, 16).on(real(1, 17, 8)), "max_len"),
        Refusal(built(8, 2, 0).on(real(2, 5, 8)), "max_len"),
        Refusal(built(8, 3, 9).on(real(2, 5, 8)), "num_heads"),
        Refusal(built(8, 2, 9).on(real(2, 5, 6)), "x must be"),
        Refusal(built(8, 2, 9).on(real(8)), "x must be"),
        Refusal(built(8, 2, 9).on(real(2, 5, 8), flag(5, 2)), "key_padding_mask"),
    ),
)

SPECS = (CORE, LAYER)
