"""Attention. Legend: N batch, L queries, S keys, E features of the model, H heads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from refops.functional.attention import scaled_dot_product_attention
from refops.functional.multi_head_attention import multi_head_attention_forward
from refops.nn.attention import MultiheadAttention
from refops.parity.case import Case, Draw, additive, built, called, flag, index, literal, param, real
from refops.parity.spec import Difference, Law, Refusal, Spec
from refops.parity.specs import _attention_laws as laws
from refops.shapes.attention import multi_head_attention_forward as forward_shape
from refops.shapes.attention import multihead_attention as layer_shape
from refops.shapes.attention import scaled_dot_product_attention as core_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]


def later(queries: int, keys: int) -> Draw:
    """The causal mask as a layer wants it: True where a key comes after the query."""
    return literal([[s > q for s in range(keys)] for q in range(queries)])


def all_but_row(row: int, queries: int, keys: int, value: bool) -> Draw:
    """A boolean mask that is `value` in one row, all of it, and the opposite elsewhere."""
    return literal([[value if q == row else not value] * keys for q in range(queries)])


def sequences(queries: int, keys: int, batch: int, embed: int, kdim: int = 0, vdim: int = 0) -> tuple[Draw, Draw, Draw]:
    """Query (L, N, E), key (S, N, K) and value (S, N, V)."""
    return real(queries, batch, embed), real(keys, batch, kdim or embed), real(keys, batch, vdim or embed)


def core_cases() -> SearchStrategy[Case]:
    """Leading axes, lengths, features, masks, scale and shared heads drawn to fit together."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes = st.integers(1, 6)
        leads: list[tuple[int, ...]] = [(), (2,), (2, 4), (1, 4), (2, 1, 2)]
        lead = draw(st.sampled_from(leads))
        queries, keys, features, values = draw(sizes), draw(sizes), draw(sizes), draw(sizes)
        keywords: dict[str, Any] = {}
        own, shared = lead, draw(st.booleans())
        if lead and shared:
            own = (*lead[:-1], draw(st.sampled_from([n for n in (1, 2, 4) if lead[-1] % n == 0])))
            keywords["enable_gqa"] = True
        scores = (*lead, queries, keys)
        masks = [None, flag(*scores), flag(queries, keys), flag(1, keys), additive(*scores), flag(queries, 1)]
        mask = draw(st.sampled_from(masks))
        if mask is not None:
            keywords["attn_mask"] = mask
        elif draw(st.booleans()):
            keywords["is_causal"] = True
        if draw(st.booleans()):
            keywords["scale"] = draw(st.sampled_from([0.0, 0.3, 1.7]))
        return called(real(*lead, queries, features), real(*own, keys, features), real(*own, keys, values), **keywords)

    return cases()


def layer_cases() -> SearchStrategy[Case]:
    """Every constructor argument but dropout, and every mask; boolean ones only where no query can end up with nan."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        heads, sizes = draw(st.integers(1, 3)), st.integers(1, 5)
        embed = heads * draw(st.integers(1, 4))
        options: dict[str, Any] = {
            name: True for name in ("add_bias_kv", "add_zero_attn", "batch_first") if draw(st.booleans())
        }
        options |= {name: draw(sizes) for name in ("kdim", "vdim") if draw(st.booleans())}
        options |= {} if draw(st.booleans()) else {"bias": False}
        queries, keys, batch, single = draw(sizes), draw(sizes), draw(sizes), draw(st.booleans())

        def sequence(length: int, features: int) -> Draw:
            if single:
                return real(length, features)
            return real(batch, length, features) if options.get("batch_first") else real(length, batch, features)

        call: dict[str, Any] = {n: draw(st.booleans()) for n in ("need_weights", "average_attn_weights")}
        kind = additive if call["need_weights"] else draw(st.sampled_from([additive, flag]))
        scores = draw(st.sampled_from([None, (queries, keys), ((1 if single else batch) * heads, queries, keys)]))
        if scores is not None:
            call["attn_mask"] = kind(*scores)
        if draw(st.booleans()):
            call["key_padding_mask"] = kind(keys) if single else kind(batch, keys)
        inputs = (sequence(queries, embed), sequence(keys, options.get("kdim", embed)))
        return built(embed, heads, **options).on(*inputs, sequence(keys, options.get("vdim", embed)), **call)

    return cases()


CORE = Spec(
    "functional.scaled_dot_product_attention",
    "attention",
    scaled_dot_product_attention,
    torch.nn.functional.scaled_dot_product_attention,
    (
        called(real(2, 3, 5, 8), real(2, 3, 7, 8), real(2, 3, 7, 6)),
        called(real(5, 4), real(3, 4), real(3, 6)),
        called(real(1, 1), real(1, 1), real(1, 1)),
        called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), is_causal=True),
        called(real(2, 7, 4), real(2, 5, 4), real(2, 5, 4), is_causal=True, scale=0.7),
        called(real(2, 2, 7, 4), real(2, 2, 5, 4), real(2, 2, 5, 4), None, 0.0, True),
        called(real(2, 2, 5, 4), real(2, 2, 7, 4), real(2, 2, 7, 4), flag(5, 7)),
        called(real(2, 2, 5, 4), real(2, 2, 7, 4), real(2, 2, 7, 4), flag(2, 1, 1, 7)),
        called(real(2, 3, 4), real(2, 9, 4), real(2, 9, 4), attn_mask=additive(2, 3, 9), dropout_p=0.0),
        called(real(2, 2, 3, 4), real(2, 2, 9, 4), real(2, 2, 9, 4), additive(1, 2, 3, 9)),
        called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), all_but_row(2, 5, 7, False)),
        called(real(2, 2, 5, 4), real(2, 2, 7, 4), real(2, 2, 7, 4), all_but_row(0, 5, 7, False)),
        called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), dropout_p=1.0),
        called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), scale=0.0),
        called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), scale=-1.5),
        called(real(2, 6, 5, 4), real(2, 3, 7, 4), real(2, 3, 7, 4), enable_gqa=True),
        called(real(2, 6, 5, 4), real(2, 3, 7, 4), real(2, 1, 7, 6), additive(6, 5, 7), enable_gqa=True),
        called(real(4, 5, 4), real(2, 5, 4), real(2, 5, 4), is_causal=True, enable_gqa=True),
        called(real(2, 1, 5, 4), real(1, 3, 7, 4), real(1, 3, 7, 4)),
        called(real(2, 1, 2, 5, 4), real(2, 1, 2, 7, 4), real(2, 1, 2, 7, 3), flag(5, 7)),
        called(real(0, 2, 5, 4), real(0, 2, 7, 4), real(0, 2, 7, 4)),
        called(real(2, 0, 4), real(2, 7, 4), real(2, 7, 4)),
        called(real(2, 5, 4), real(2, 0, 4), real(2, 0, 4)),
        called(literal([[40.0] * 64] * 3), literal([[40.0] * 64] * 5), real(5, 2)),  # 1600 * 64 > 65504
        called(real(31, 13), real(37, 13), real(37, 17)),
        called(real(1, 2, 33, 17), real(1, 2, 33, 17), real(1, 2, 33, 17), is_causal=True),
        called(real(1, 2, 3, 4), real(1, 2, 2049, 4), real(1, 2, 2049, 4)),
        called(real(3, 2049), real(2, 2049), real(2, 3)),
    ),
    shape=core_shape,
    strategy=core_cases,
    laws=(
        Law("batch split", laws.core_batch_split, (real(70, 5, 4), real(70, 6, 4), real(70, 6, 3))),
        Law("order of keys", laws.key_order, (real(3, 11, 4), real(3, 19, 4), real(3, 19, 5))),
        Law("shift of keys", laws.key_shift, (real(3, 11, 4), real(3, 19, 4), real(3, 19, 5))),
        Law("linear in the values", laws.linear_in_value, (real(2, 11, 4), real(2, 19, 4), real(2, 19, 5))),
        Law("weights sum to one", laws.weights_sum_to_one, (real(2, 3, 11, 4), real(2, 3, 23, 4))),
        Law("hidden is absent", laws.hidden_is_absent, (real(2, 13, 4), real(2, 19, 4), real(2, 19, 5))),
        Law("wide window", laws.all_seen_is_no_mask, (real(2, 2, 13, 4), real(2, 2, 19, 4), real(2, 2, 19, 4))),
        Law("nothing to see", laws.blind_is_zero, (real(2, 2, 13, 4), real(2, 2, 19, 4), real(2, 2, 19, 4))),
        Law("scale 0", laws.no_scale_is_the_mean, (real(2, 13, 4), real(2, 19, 4), real(2, 19, 5))),
        Law("no future", laws.causal_ignores_the_future, (real(2, 17, 4), real(2, 23, 4), real(2, 23, 5))),
        Law("shared heads", laws.shared_heads, (real(2, 6, 9, 4), real(2, 2, 11, 4), real(2, 2, 11, 4))),
    ),
    refusals=(
        Refusal(called(real(4), real(4), real(4)), "query"),
        Refusal(called(real(2, 5, 4), real(2, 7, 3), real(2, 7, 4)), "key"),
        Refusal(called(real(2, 5, 4), real(2, 7, 4), real(2, 6, 4)), "value"),
        Refusal(called(real(2, 5, 4), real(3, 7, 4), real(3, 7, 4)), "key"),
        Refusal(called(real(2, 6, 5, 4), real(2, 3, 7, 4), real(2, 3, 7, 4)), "key"),
        Refusal(called(real(2, 6, 5, 4), real(2, 4, 7, 4), real(2, 4, 7, 4), enable_gqa=True), "key"),
        Refusal(called(real(5, 4), real(7, 4), real(7, 4), enable_gqa=True), "key"),
        Refusal(called(real(2, 5, 4), real(2, 5, 4), real(2, 5, 4), flag(5, 5), is_causal=True), "attn_mask"),
        Refusal(called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), flag(7, 5)), "attn_mask"),
        Refusal(called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), flag(3, 5, 7)), "attn_mask"),
        Refusal(called(real(1, 5, 4), real(1, 7, 4), real(1, 7, 4), flag(3, 5, 7)), "attn_mask"),
        Refusal(called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), index(5, 7, high=2)), "attn_mask"),
        Refusal(called(real(2, 5, 4), real(2, 7, 4), real(2, 7, 4), dropout_p=1.5), "dropout_p"),
        Refusal(called(index(2, 5, 4, high=3), index(2, 7, 4, high=3), index(2, 7, 4, high=3)), "query"),
    ),
    differences=(
        Difference(
            "values of another length than the keys are refused with four axes too",
            "4 keys and 3 values, (2, 2, *, 4): native's CPU kernel reads a row that does not exist and says nothing",
            "measured with torch 2.13",
        ),
        Difference(
            "a negative scale may be combined with is_causal",
            "scale=-1.0 on (2, 2, 5, 4): every output of native's CPU kernel is nan",
            "measured with torch 2.13",
        ),
    ),
)

LAYER = Spec(
    "MultiheadAttention",
    "attention",
    MultiheadAttention,
    torch.nn.MultiheadAttention,
    (
        built(12, 3).on(*sequences(5, 7, 2, 12)),
        built(1, 1).on(*sequences(2, 3, 1, 1)),
        built(8, 2).on(real(5, 8), real(7, 8), real(7, 8)),
        built(8, 2, bias=False).on(*sequences(5, 7, 2, 8), need_weights=False),
        built(8, 2, batch_first=True).on(real(3, 5, 8), real(3, 7, 8), real(3, 7, 8)),
        built(8, 2, batch_first=True).on(real(5, 8), real(7, 8), real(7, 8), average_attn_weights=False),
        built(8, 4, add_bias_kv=True).on(*sequences(5, 7, 2, 8)),
        built(8, 4, add_zero_attn=True).on(*sequences(5, 7, 2, 8), average_attn_weights=False),
        built(8, 2, kdim=5).on(*sequences(3, 7, 2, 8, 5)),
        built(8, 2, vdim=11).on(*sequences(3, 7, 2, 8, 0, 11), need_weights=False),
        built(8, 2, 0.0, False, True, True, 5, 7, True).on(
            real(3, 5, 8), real(3, 9, 5), real(3, 9, 7), flag(3, 9), False, flag(6, 5, 9), True, False
        ),
        built(8, 2, kdim=5, vdim=7).on(real(4, 8), real(6, 5), real(6, 7)),
        built(8, 2).on(*sequences(5, 7, 3, 8), attn_mask=later(5, 7)),
        built(8, 2).on(*sequences(5, 7, 3, 8), attn_mask=later(5, 7), is_causal=True),
        built(8, 2).on(*sequences(7, 5, 3, 8), attn_mask=later(7, 5), is_causal=True, need_weights=False),
        built(8, 2).on(*sequences(5, 9, 3, 8), attn_mask=additive(5, 9)),
        built(8, 2).on(*sequences(5, 9, 3, 8), attn_mask=additive(6, 5, 9), need_weights=False),
        built(8, 2).on(*sequences(5, 9, 3, 8), additive(3, 9), attn_mask=additive(6, 5, 9)),
        built(8, 2).on(*sequences(5, 9, 2, 8), attn_mask=additive(4, 5, 9), average_attn_weights=False),
        built(8, 2).on(real(5, 8), real(9, 8), real(9, 8), additive(9), attn_mask=additive(2, 5, 9)),
        built(8, 2, batch_first=True).on(
            real(3, 5, 8), real(3, 7, 8), real(3, 7, 8), literal([[False] * n + [True] * (7 - n) for n in (7, 4, 1)])
        ),
        built(8, 2, add_bias_kv=True, add_zero_attn=True).on(
            *sequences(5, 7, 3, 8), flag(3, 7), attn_mask=flag(6, 5, 7)
        ),
        built(8, 2).on(*sequences(5, 7, 3, 8), attn_mask=all_but_row(2, 5, 7, True)),
        built(8, 2).on(*sequences(5, 7, 3, 8), attn_mask=all_but_row(2, 5, 7, True), need_weights=False),
        built(8, 2, dropout=0.3).on(*sequences(5, 7, 3, 8)).but(mode="eval"),
        built(8, 2, 0.3, batch_first=True)
        .on(real(3, 5, 8), real(3, 7, 8), real(3, 7, 8), need_weights=False)
        .but(mode="eval"),
        built(8, 2).on(*sequences(5, 7, 0, 8)),
        built(8, 2).on(*sequences(5, 0, 3, 8)),
        built(13, 13).on(*sequences(11, 17, 2, 13)),
        built(65, 5).on(*sequences(3, 4, 2, 65)),
        built(4, 2).on(*sequences(3, 2049, 1, 4)),
    ),
    shape=layer_shape,
    strategy=layer_cases,
    laws=(
        Law("batch split", laws.layer_batch_split, (real(5, 70, 6), real(9, 70, 6))),
        Law("unbatched", laws.unbatched_is_a_batch_of_one, (real(11, 6), real(13, 6))),
        Law("order of the sequence", laws.self_attention_order, (real(19, 3, 6),)),
        Law("weights sum to one", laws.weights_of_layer_sum_to_one, (real(11, 3, 6), real(13, 3, 6))),
        Law("average of heads", laws.average_of_heads, (real(11, 3, 6), real(13, 3, 6))),
        Law("weights or not", laws.weights_do_not_matter, (real(11, 3, 6), real(13, 3, 6))),
        Law("padding is absent", laws.padding_is_absent, (real(11, 3, 6), real(13, 3, 6))),
        Law("everything dropped", laws.everything_dropped, (real(11, 3, 6), real(11, 3, 6))),
        Law("no dropout in evaluation", laws.no_dropout_in_evaluation, (real(11, 3, 6),), mode="eval"),
    ),
    refusals=(
        Refusal(built(0, 1).on(*sequences(5, 7, 2, 0)), "embed_dim"),
        Refusal(built(8, 0).on(*sequences(5, 7, 2, 8)), "num_heads"),
        Refusal(built(7, 2).on(*sequences(5, 7, 2, 7)), "num_heads"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 6)), "query"),
        Refusal(built(8, 2).on(real(8), real(8), real(8)), "query"),
        Refusal(built(8, 2).on(real(1, 5, 2, 8), real(1, 7, 2, 8), real(1, 7, 2, 8)), "query"),
        Refusal(built(8, 2).on(real(5, 2, 8), real(7, 2, 6), real(7, 2, 6)), "key"),
        Refusal(built(8, 2).on(real(5, 2, 8), real(7, 8), real(7, 8)), "key"),
        Refusal(built(8, 2).on(real(5, 2, 8), real(7, 3, 8), real(7, 3, 8)), "key"),
        Refusal(built(8, 2).on(real(5, 2, 8), real(7, 1, 8), real(7, 1, 8)), "key"),
        Refusal(built(8, 2).on(real(5, 2, 8), real(7, 2, 8), real(6, 2, 8)), "value"),
        Refusal(built(8, 2).on(real(5, 2, 8), real(7, 2, 8), real(7, 8)), "value"),
        Refusal(built(8, 2, kdim=3).on(real(5, 2, 8), real(7, 2, 3), real(6, 2, 8)), "value"),
        Refusal(built(8, 2, vdim=2).on(real(5, 2, 8), real(7, 2, 8), real(7, 2)), "value"),
        Refusal(built(8, 2, kdim=5).on(*sequences(5, 7, 2, 8)), "key"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), flag(7, 2)), "key_padding_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), flag(7)), "key_padding_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), index(2, 7, high=2)), "key_padding_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), attn_mask=flag(7, 5)), "attn_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), attn_mask=flag(2, 5, 7)), "attn_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), attn_mask=flag(1, 5, 7)), "attn_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), attn_mask=index(5, 7, high=2)), "attn_mask"),
        Refusal(built(8, 2).on(real(5, 8), real(7, 8), real(7, 8), attn_mask=flag(4, 5, 7)), "attn_mask"),
        Refusal(built(8, 2).on(*sequences(5, 7, 2, 8), is_causal=True), "attn_mask"),
        Refusal(built(8, 2, dropout=1.5).on(*sequences(5, 7, 2, 8)), "p"),
    ),
    differences=(
        Difference(
            "queries whose keys are all hidden give the bias of the output projection with need_weights=False, always",
            "native gives that too, but nan in its inference shortcut (eval, no_grad, batch_first, even num_heads)",
            "measured with torch 2.13",
        ),
    ),
)

SEQUENCES = sequences(5, 7, 2, 8)
OUT = (param(8, 8), param(8))  # the output projection
FORWARD = Spec(
    "functional.multi_head_attention_forward",
    "attention",
    multi_head_attention_forward,
    torch.nn.functional.multi_head_attention_forward,
    (
        called(*SEQUENCES, 8, 2, param(24, 8), param(24), None, None, False, 0.0, *OUT),
        called(
            *(real(5, 8), real(7, 8), real(7, 8), 8, 4, param(24, 8), None, None, None, False, 0.0, param(8, 8), None),
            need_weights=False,
        ),
        called(
            *(*SEQUENCES, 8, 2, param(24, 8), param(24), param(1, 1, 8), param(1, 1, 8), True, 0.3, *OUT),
            training=False,
            key_padding_mask=additive(2, 7),
            attn_mask=additive(4, 5, 7),
            average_attn_weights=False,
        ),
        called(
            *(*sequences(5, 7, 2, 8, 3, 6), 8, 2, None, param(24), None, None, False, 0.0, param(5, 8), param(5)),
            use_separate_proj_weight=True,
            q_proj_weight=param(8, 8),
            k_proj_weight=param(8, 3),
            v_proj_weight=param(8, 6),
            attn_mask=later(5, 7),
            is_causal=True,
            need_weights=False,
        ),
        called(
            *(*SEQUENCES, 8, 2, param(24, 8), param(24), None, None, True, 0.0, *OUT),
            static_k=real(4, 9, 4),
            static_v=real(4, 9, 4),
        ),
    ),
    shape=forward_shape,
    refusals=(
        Refusal(called(*SEQUENCES, 9, 3, param(24, 8), None, None, None, False, 0.0, *OUT), "query"),
        Refusal(called(*SEQUENCES, 8, 3, param(24, 8), None, None, None, False, 0.0, *OUT), "num_heads"),
        Refusal(called(*SEQUENCES[:2], real(7, 8), 8, 2, param(24, 8), None, None, None, False, 0.0, *OUT), "value"),
        Refusal(called(*SEQUENCES, 8, 2, None, None, None, None, False, 0.0, *OUT), "in_proj_weight"),
        Refusal(called(*SEQUENCES, 8, 2, param(24, 9), None, None, None, False, 0.0, *OUT), "in_proj_weight"),
        Refusal(called(*SEQUENCES, 8, 2, param(24, 8), None, param(1, 1, 8), None, False, 0.0, *OUT), "bias_v"),
        Refusal(
            called(*SEQUENCES, 8, 2, param(24, 8), None, None, None, False, 0.0, *OUT, static_k=real(3, 7, 4)),
            "static_k",
        ),
    ),
)

# Rows after the first leave out what makes queries and keys large: the softmax then picks one key by the last bits of
# the projections, and neither native's answer nor any other means a thing.
MILD = (("ordinary", "tiny"), ("ordinary", "ties"), ("ordinary", "zeros"))  # in turn


def mildly(spec: Spec) -> Spec:
    """The spec with every regime on its first row alone."""
    first, *others = spec.cases
    return replace(spec, products=2, cases=(first, *(case.but(only=MILD[i % 3]) for i, case in enumerate(others))))


SPECS = tuple(map(mildly, (CORE, LAYER, FORWARD)))
