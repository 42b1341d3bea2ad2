"""The formula of the embedding family against native torch, on the meta device."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.parity.specs.embedding import functional_shape
from refops.shapes.embedding import embedding

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@given(SHAPES, st.integers(-1, 5), st.integers(-1, 6), st.none() | st.integers(-7, 7))
@settings(deadline=None, max_examples=200)
def test_embedding_agrees_with_native(input, embedding_dim, num_embeddings, padding_idx):
    index = torch.empty(input, dtype=torch.int64, device="meta")
    if num_embeddings == 0 and padding_idx == 0:
        padding_idx = None  # native fails while emptying the padding row: the table, not the lookup, is impossible
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            layer = torch.nn.Embedding(num_embeddings, embedding_dim, padding_idx=padding_idx, device="meta")
        expected = tuple(layer(index).shape)
    except (RuntimeError, AssertionError):
        with pytest.raises(ValueError, match=r"embedding_dim|num_embeddings|padding_idx"):
            embedding(input, embedding_dim, num_embeddings, padding_idx)
    else:
        assert embedding(input, embedding_dim, num_embeddings, padding_idx) == expected
        assert embedding(input, embedding_dim) == expected


@given(SHAPES, st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), st.none() | st.integers(-5, 5))
@settings(deadline=None, max_examples=150)
def test_functional_adapter_agrees_with_native(input, weight, padding_idx):
    index = torch.zeros(input, dtype=torch.int64)
    try:
        expected = tuple(torch.nn.functional.embedding(index, torch.empty(weight), padding_idx).shape)
    except (RuntimeError, AssertionError):
        with pytest.raises(ValueError, match=r"weight|padding_idx"):
            functional_shape(input, weight, padding_idx)
    else:
        assert functional_shape(input, weight, padding_idx) == expected


@pytest.mark.parametrize(
    ("input", "num_embeddings", "embedding_dim", "expected"),
    [((2, 4), 10, 3, (2, 4, 3)), ((1, 4), 10, 3, (1, 4, 3)), ((), 10, 3, (3,)), ((1,), 2, 3, (1, 3))],
)
def test_documented_examples(input, num_embeddings, embedding_dim, expected):
    index = torch.zeros(input, dtype=torch.int64)
    assert tuple(torch.nn.Embedding(num_embeddings, embedding_dim)(index).shape) == expected
    assert embedding(input, embedding_dim, num_embeddings) == expected
