"""Shape formulas of the attention family against native torch, on legal and illegal configurations alike."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from refops.shapes.attention import multi_head_attention_forward, multihead_attention, scaled_dot_product_attention


def meta(shape):
    return None if shape is None else torch.empty(shape, device="meta")


def agree(formula, native):
    """Both give the same shapes or both refuse."""
    try:
        expected = native()
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        with pytest.raises(ValueError, match="got"):
            formula()
        return str(error)
    outputs = [o for o in expected if o is not None] if isinstance(expected, tuple) else expected
    got = formula()
    if isinstance(outputs, list):
        shapes = tuple(tuple(o.shape) for o in outputs)
        assert got == (shapes if len(shapes) > 1 else shapes[0])
    else:
        assert got == tuple(outputs.shape)
    return ""


def changed(draw, shape):
    """The shape itself, or now and then with one axis altered, one dropped or one added."""
    how = draw(st.sampled_from(["same"] * 12 + ["size", "drop", "add"]))
    if how == "size" and shape:
        axis = draw(st.integers(0, len(shape) - 1))
        return tuple(n + 1 if i == axis else n for i, n in enumerate(shape))
    if how == "drop" and len(shape) > 1:
        return shape[1:]
    return (2, *shape) if how == "add" else shape


@st.composite
def dot_products(draw):
    batch = draw(st.sampled_from([(), (2,), (3, 2, 2), (1, 1, 6), (2, 1, 6)]))  # never 4 axes: fused kernels check less
    length, keys, features, values = (draw(st.integers(1, 5)) for _ in range(4))  # native looks at nothing when empty
    heads = draw(st.sampled_from([batch[-1:], (1,), (3,), (4,)])) if batch else ()
    own = (*batch[:-1], *heads)
    mask = draw(st.sampled_from([None, (length, keys), (1, keys), (length, 1), (*batch, length, keys), (keys,), ()]))
    return {
        "query": changed(draw, (*batch, length, features)),
        "key": changed(draw, (*own, keys, features)),
        "value": changed(draw, (*own, keys, values)),
        "attn_mask": None if mask is None else changed(draw, mask),
        "is_causal": draw(st.sampled_from([False, False, True])),
        "enable_gqa": draw(st.sampled_from([False, True])),
    }


@settings(max_examples=120, deadline=None)
@given(dot_products())
def test_scaled_dot_product_attention(arguments):
    shapes = [arguments[k] for k in ("query", "key", "value", "attn_mask")]
    if len(arguments["query"]) == 4:
        return  # native's fused kernel does not look at all the shapes it is given
    flags = {k: arguments[k] for k in ("is_causal", "enable_gqa")}
    agree(
        lambda: scaled_dot_product_attention(*shapes, **flags),
        lambda: F.scaled_dot_product_attention(*map(meta, shapes), **flags),
    )


@pytest.mark.parametrize("dropout_p", [0.0, 0.5, 1.0, 1.5])
def test_dropout_of_dot_products(dropout_p):
    x = (2, 3, 4)
    agree(
        lambda: scaled_dot_product_attention(x, x, x, dropout_p=dropout_p),
        lambda: F.scaled_dot_product_attention(meta(x), meta(x), meta(x), dropout_p=dropout_p),
    )


@st.composite
def layers(draw):
    heads, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    embed = heads * width + draw(st.sampled_from([0] * 9 + [1]))
    kdim, vdim = (draw(st.sampled_from([None, None, embed, 5])) for _ in range(2))
    queries, keys, batch = (draw(st.integers(1, 4)) for _ in range(3))  # native cannot view masks of an empty batch
    first, single = draw(st.booleans()), draw(st.sampled_from([False, False, True]))

    def sequence(length, features):
        full = (length, features) if single else (batch, length, features) if first else (length, batch, features)
        return changed(draw, full)

    masks = [None, None, (queries, keys), ((1 if single else batch) * heads, queries, keys)]
    mask, padding = draw(st.sampled_from(masks)), (keys,) if single else (batch, keys)
    init = {
        "embed_dim": embed, "num_heads": heads, "add_bias_kv": draw(st.booleans()), "kdim": kdim, "vdim": vdim,
        "add_zero_attn": draw(st.booleans()), "batch_first": first,
    }  # fmt: skip
    call = {
        "query": sequence(queries, embed),
        "key": sequence(keys, embed if kdim is None else kdim),
        "value": sequence(keys, embed if vdim is None else vdim),
        "attn_mask": None if mask is None else changed(draw, mask),
        "key_padding_mask": draw(st.sampled_from([None, changed(draw, padding)])),
    }
    flags = {k: draw(st.booleans()) for k in ("need_weights", "average_attn_weights")}
    return init, call, flags | {"is_causal": draw(st.sampled_from([False, False, True]))}


@settings(max_examples=120, deadline=None)
@given(layers())
def test_multihead_attention(drawn):
    init, call, flags = drawn
    agree(
        lambda: multihead_attention(**init, **call, **flags),
        lambda: nn.MultiheadAttention(**init, device="meta")(**{k: meta(v) for k, v in call.items()}, **flags),
    )


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(("query", "key"), [((5, 0, 4), (6, 0, 4)), ((0, 2, 4), (6, 2, 4)), ((5, 2, 4), (0, 2, 4))])
def test_empty_layers(query, key, need_weights):
    agree(
        lambda: multihead_attention(query, key, key, 4, 2, need_weights=need_weights),
        lambda: nn.MultiheadAttention(4, 2, device="meta")(*map(meta, (query, key, key)), need_weights=need_weights),
    )


@pytest.mark.parametrize(("embed_dim", "num_heads"), [(0, 1), (4, 0), (-4, 2), (4, -2), (7, 2)])
def test_sizes_no_layer_has(embed_dim, num_heads):
    x = (3, 2, embed_dim)
    assert agree(
        lambda: multihead_attention(x, embed_dim=embed_dim, num_heads=num_heads),
        lambda: nn.MultiheadAttention(embed_dim, num_heads, device="meta"),
    )


@pytest.mark.parametrize("static", [None, (6, 7, 4)])
@pytest.mark.parametrize("key", [(5, 3, 8), (4, 3, 8), (5, 3, 6), (5, 8)])
@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention_forward(static, key, need_weights):
    matrix, query = meta((24, 8)), (5, 3, 8)
    out = meta((6, 8))
    agree(
        lambda: multi_head_attention_forward(
            query, key, key, 8, 2, None, True, (6, 8), need_weights=need_weights, static_k=static
        ),
        lambda: F.multi_head_attention_forward(
            meta(query), meta(key), meta(key), 8, 2, matrix, None, None, None, True, 0.0, out, None,
            need_weights=need_weights, static_k=meta(static), static_v=meta(static),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("x", [(0, 4), (2, 0, 4), (0, 3, 4), (2, 3, 5, 0)])
def test_empty_dot_products(x):
    agree(lambda: scaled_dot_product_attention(x), lambda: F.scaled_dot_product_attention(*3 * (meta(x),)))


def test_values_of_another_length_are_refused_where_native_reads_past_them():
    with pytest.raises(ValueError, match="value"):
        scaled_dot_product_attention((2, 2, 5, 4), (2, 2, 4, 4), (2, 2, 3, 4))


def test_examples():
    assert scaled_dot_product_attention((2, 6, 5, 4), (2, 3, 7, 4), (2, 2, 7, 6), enable_gqa=True) == (2, 6, 5, 6)
    x = (32, 100, 512)
    assert multihead_attention(x, embed_dim=512, num_heads=8, batch_first=True) == (x, (32, 100, 100))
    assert multihead_attention(x, embed_dim=512, num_heads=8, need_weights=False) == x
    assert multihead_attention((7, 512), embed_dim=512, num_heads=8) == ((7, 512), (7, 7))


def test_keys_and_values_are_the_query_where_none_are_given():
    assert scaled_dot_product_attention((2, 5, 4)) == (2, 5, 4)
    assert scaled_dot_product_attention((2, 5, 4), (2, 7, 4)) == (2, 5, 4)
    assert multihead_attention((5, 2, 8), embed_dim=8, num_heads=2) == ((5, 2, 8), (2, 5, 5))
