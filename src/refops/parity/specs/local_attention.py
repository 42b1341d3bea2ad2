"""Local attention, judged position by position: each looks up its own neighbours. Legend: L length, E features."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from refops.functional.local_attention import local_attention
from refops.nn.local_attention import LocalAttention
from refops.parity.case import Case, Draw, built, called, flag, literal, real
from refops.parity.spec import FINITE, Law, Refusal, Spec
from refops.shapes.local_attention import local_attention as core_shape
from refops.shapes.local_attention import local_attention_layer as layer_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def neighbours(i: int, length: int, window: int, mode: str) -> tuple[int, int]:
    """The first and one past the last position that i sees."""
    if mode == "sliding":
        return max(i - window, 0), min(i + window + 1, length)
    return i // window * window, min((i // window + 1) * window, length)


def position_by_position(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window_size: int = 256,
    mode: str = "block",
    key_padding_mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """One query at a time, with the keys it sees and no others."""
    length = query.shape[-2]
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if not length:
        return query[..., :0].sum(-1, keepdim=True) * value
    rows = []
    for i in range(length):
        first, last = neighbours(i, length, window_size, mode)
        scores = (query[..., i : i + 1, :] * key[..., first:last, :]).sum(-1) * scale
        hidden = torch.zeros_like(scores, dtype=torch.bool)
        if key_padding_mask is not None:
            hidden = hidden | key_padding_mask[..., first:last]
        blind = hidden.all(-1, keepdim=True)
        weights = scores.masked_fill(hidden & ~blind, -math.inf).softmax(-1).masked_fill(blind, 0.0)
        rows.append((weights[..., None] * value[..., first:last, :]).sum(-2))
    return torch.stack(rows, dim=-2)


class InLoops(nn.Module):
    """Projections as products with single features; `attend` says how a head attends."""

    def __init__(self, d_model: int, num_heads: int, bias: bool) -> None:
        super().__init__()
        self.in_proj = nn.Linear(d_model, 3 * d_model, bias)
        self.out_proj = nn.Linear(d_model, d_model, bias)
        self.num_heads = num_heads

    def attend(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        """What one head does."""
        raise NotImplementedError

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """Head by head, each from its own rows of the projections."""
        features = x.shape[-1]
        size, output = features // self.num_heads, torch.zeros_like(x)
        for h in range(self.num_heads):
            own = [slice(part * features + h * size, part * features + (h + 1) * size) for part in range(3)]
            bias = self.in_proj.bias
            query, key, value = (
                torch.einsum("...i,oi->...o", x, self.in_proj.weight[s]) + (0.0 if bias is None else bias[s])
                for s in own
            )
            head = self.attend(query, key, value, key_padding_mask)
            output = output + torch.einsum("...i,oi->...o", head, self.out_proj.weight[:, h * size : (h + 1) * size])
        return output if self.out_proj.bias is None else output + self.out_proj.bias


class _PositionByPosition(InLoops):
    def __init__(
        self, d_model: int, num_heads: int, window_size: int = 256, mode: str = "block", bias: bool = True
    ) -> None:
        super().__init__(d_model, num_heads, bias)
        self.window_size, self.mode = window_size, mode

    def attend(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
        return position_by_position(query, key, value, self.window_size, self.mode, hidden)


def same(*shape: int, values: int = 0) -> tuple[Draw, Draw, Draw]:
    """Query, key and value of one shape; the value may have other features."""
    return real(*shape), real(*shape), real(*shape[:-1], values or shape[-1])


def padding(length: int, *kept: int) -> Draw:
    """True after the first so many positions of each sequence."""
    return literal([[False] * n + [True] * (length - n) for n in kept])


def core_cases() -> SearchStrategy[Case]:
    """Any length against any window, both modes."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes = st.integers(1, 4)
        lead = draw(st.sampled_from([(), (2,), (2, 3)]))
        length, mode = draw(st.integers(0, 9)), draw(st.sampled_from(("block", "sliding")))
        window = draw(st.integers(mode == "block", 11))
        x = same(*lead, length, draw(sizes), values=draw(sizes))
        choices: list[dict[str, Any]] = [{}, {"scale": 0.7}, {"key_padding_mask": flag(*lead, length)}]
        options = draw(st.sampled_from(choices))
        return called(*x, window, mode, **options)

    return cases()


def layer_cases() -> SearchStrategy[Case]:
    """Any length against any window, both modes, one to three heads."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        heads, sizes = draw(st.integers(1, 3)), st.integers(1, 4)
        embed, length, mode = heads * draw(sizes), draw(st.integers(0, 9)), draw(st.sampled_from(("block", "sliding")))
        lead = draw(st.sampled_from([(), (2,), (2, 2)]))
        options = {"mode": mode} | ({} if draw(st.booleans()) else {"bias": False})
        mask = {"key_padding_mask": flag(*lead, length)} if draw(st.booleans()) else {}
        window = draw(st.integers(mode == "block", 11))
        return built(embed, heads, window, **options).on(real(*lead, length, embed), **mask)

    return cases()


def wide_block(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A block as long as the sequence is full attention."""
    return build()(q, k, v, q.shape[-2]), torch.nn.functional.scaled_dot_product_attention(q, k, v)


def wide_window(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A window as wide as the sequence is full attention, short of the default too."""
    full = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return torch.stack([build()(q, k, v, mode="sliding"), build()(q, k, v)]), torch.stack([full, full])


def blocks_do_not_meet(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """The first 8 positions in blocks of 4 give what they give alone."""
    f, first = build(), [x[..., :8, :].contiguous() for x in (q, k, v)]
    return f(q, k, v, 4)[..., :8, :], f(*first, 4)


def band(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A sliding window is full attention under a mask in the shape of a band."""
    at = torch.arange(q.shape[-2], device=q.device)
    near = (at[:, None] - at).abs() <= 3
    return build()(q, k, v, 3, "sliding"), torch.nn.functional.scaled_dot_product_attention(q, k, v, near)


def only_itself(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A sliding window of 0, and a block of 1, leave every position with its own value."""
    alone = [build()(q, k, v, 0, "sliding"), build()(q, k, v, 1, "block")]
    return torch.stack(alone), torch.stack([v, v])


def mirrored(build: Build, q: Tensor, k: Tensor, v: Tensor) -> Pair:
    """A sliding window looks as far back as ahead."""
    back = [x.flip(-2) for x in (q, k, v)]
    return build()(*back, 3, "sliding"), build()(q, k, v, 3, "sliding").flip(-2)


def layer_full(build: Build, x: Tensor) -> Pair:
    """Both modes are full attention where the window covers the sequence."""
    return build(6, 2, x.shape[-2])(x), build(6, 2, x.shape[-2] - 1, "sliding")(x)


def layer_reach(build: Build, x: Tensor) -> Pair:
    """What lies beyond the window changes nothing."""
    f, far = build(6, 2, 3, "sliding"), torch.cat([x[:, :10], -x[:, 10:]], dim=1)
    return f(far)[:, :7], f(x)[:, :7]


def layer_across(build: Build, x: Tensor) -> Pair:
    """Sliding, the two sides of a border do meet: the response to what is next to it is not zero."""
    f, moved = build(6, 2, 4, "sliding"), torch.cat([x[:, :4], -x[:, 4:]], dim=1)
    differs = (f(moved)[:, 3] - f(x)[:, 3]).abs().amax(-1) > 1e-4
    return differs.to(x.dtype), torch.ones_like(differs, dtype=x.dtype)


def layer_padding(build: Build, x: Tensor) -> Pair:
    """What is hidden might as well not be there."""
    f = build(6, 2, 4)
    hidden = (torch.arange(x.shape[1], device=x.device) >= 7).expand(x.shape[0], -1)
    return f(x, hidden)[:, :7], f(x[:, :7].contiguous())


def layer_batch_split(build: Build, x: Tensor) -> Pair:
    """Sequences of a batch do not meet."""
    f = build(6, 3, 2, "sliding")
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


# With inputs about 1000 scores are millions apart, and behind projections those of large inputs are thousands apart:
# then the rounding of a query says which key wins, and no two right implementations agree.
CALM = tuple(regime for regime in FINITE if regime not in ("offset", "large"))
QKV = (real(2, 19, 4), real(2, 19, 4), real(2, 19, 3))

CORE = Spec(
    "functional.local_attention",
    "local_attention",
    local_attention,
    None,
    (
        called(*same(2, 3, 11, 4, values=5), 4, "sliding"),
        called(*same(5, 4), 2),
        called(*same(2, 11, 4), 4),
        called(*same(2, 12, 4), 4, "block"),
        called(*same(1, 1), window_size=1),
        called(*same(2, 7, 4), window_size=7, mode="sliding"),
        called(*same(2, 7, 4)),
        called(*same(2, 7, 4), 0, "sliding"),
        called(*same(2, 7, 4), 1, "sliding", scale=0.3),
        called(*same(3, 2, 9, 4), 4, "block", padding(9, 9)),
        called(*same(3, 9, 4), 4, "block", padding(9, 9, 6, 3)),
        called(*same(3, 9, 4), 2, "sliding", padding(9, 9, 5, 1)),
        called(*same(3, 9, 4), 20, "sliding", padding(9, 9, 5, 1)),
        called(*same(2, 0, 4), 4),
        called(*same(2, 0, 4), 4, "sliding"),
        called(*same(0, 5, 4), 2, "sliding"),
        called(*same(2, 33, 5), 8, "sliding"),
        called(*same(1, 65, 3), 16),
        called(*same(3, 2049), 1, "sliding").but(only=("ordinary", "tiny")),
    ),
    oracle=position_by_position,
    shape=core_shape,
    strategy=core_cases,
    products=2,
    laws=(
        Law("block as long as the sequence", wide_block, QKV),
        Law("window wider than the sequence", wide_window, QKV),
        Law("blocks do not meet", blocks_do_not_meet, QKV),
        Law("a band", band, QKV),
        Law("nothing but itself", only_itself, QKV),
        Law("as far back as ahead", mirrored, QKV),
    ),
    refusals=(
        Refusal(called(*same(2, 5, 4), 0), "window_size"),
        Refusal(called(*same(2, 5, 4), -1, "sliding"), "window_size"),
        Refusal(called(*same(2, 5, 4), 2, "banded"), "mode"),
        Refusal(called(real(2, 5, 4), real(2, 6, 4), real(2, 6, 4), 2), "key"),
        Refusal(called(real(4), real(4), real(4), 2), "query"),
        Refusal(called(real(2, 5, 4), real(2, 5, 3), real(2, 5, 4), 2), "key"),
        Refusal(called(*same(2, 5, 4), 2, "block", flag(2, 4)), "key_padding_mask"),
    ),
)

LAYER = Spec(
    "LocalAttention",
    "local_attention",
    LocalAttention,
    None,
    (
        built(12, 3, 4, "sliding").on(real(2, 11, 12)),
        built(8, 2, 4).on(real(2, 10, 8)),
        built(1, 1, 1).on(real(3, 1)),
        built(8, 2).on(real(2, 5, 8)),
        built(8, 2, mode="sliding").on(real(5, 8)),
        built(8, 2, window_size=3, bias=False).on(real(2, 7, 8)),
        built(8, 4, 0, "sliding").on(real(2, 7, 8)),
        built(6, 2, 4, "block").on(real(3, 9, 6), padding(9, 9, 6, 3)),
        built(6, 2, 2, "sliding").on(real(3, 9, 6), key_padding_mask=padding(9, 9, 5, 1)),
        built(6, 3, 5).on(real(2, 2, 7, 6)),
        built(8, 2, 4).on(real(2, 0, 8)),
        built(8, 2, 4, "sliding").on(real(0, 5, 8)),
        built(8, 2, 3, "sliding").on(real(2, 7, 8)).but(mode="eval"),
        built(65, 5, 2, "sliding").on(real(1, 5, 65)).but(only=("ordinary", "tiny")),
        built(4, 2, 8).on(real(1, 33, 4)),
    ),
    oracle=_PositionByPosition,
    shape=layer_shape,
    strategy=layer_cases,
    products=2,
    regimes=CALM,
    laws=(
        Law("window wider than the sequence", layer_full, (real(3, 19, 6),)),
        Law("nothing from beyond the window", layer_reach, (real(3, 19, 6),)),
        Law("across the border of a block", layer_across, (real(3, 19, 6),)),
        Law("padding is absent", layer_padding, (real(3, 13, 6),)),
        Law("batch split", layer_batch_split, (real(70, 7, 6),)),
    ),
    refusals=(
        Refusal(built(8, 3, 4).on(real(2, 5, 8)), "num_heads"),
        Refusal(built(0, 1, 4).on(real(2, 5, 0)), "d_model"),
        Refusal(built(8, 2, 0).on(real(2, 5, 8)), "window_size"),
        Refusal(built(8, 2, -1, "sliding").on(real(2, 5, 8)), "window_size"),
        Refusal(built(8, 2, 4, "causal").on(real(2, 5, 8)), "mode"),
        Refusal(built(8, 2, 4).on(real(2, 5, 6)), "x must be"),
        Refusal(built(8, 2, 4).on(real(8)), "x must be"),
        Refusal(built(8, 2, 4).on(real(2, 5, 8), flag(5, 2)), "key_padding_mask"),
    ),
)

SPECS = (CORE, LAYER)
