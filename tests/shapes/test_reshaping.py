"""Formulas of the reshaping family against native torch, on the meta device."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.shapes.reshaping import flatten, unflatten

SHAPES = [(), (3,), (2, 3), (2, 3, 4), (2, 0, 3), (1, 1, 1, 1), (2, 3, 4, 5)]
REFUSED = (RuntimeError, IndexError, TypeError)


@pytest.mark.parametrize("input", SHAPES)
def test_flatten_agrees_with_native(input):
    for start, end in itertools.product(range(-5, 5), repeat=2):
        try:
            expected = tuple(torch.nn.Flatten(start, end)(torch.empty(input, device="meta")).shape)
        except REFUSED:
            with pytest.raises(ValueError, match=r"start_dim|end_dim"):
                flatten(input, start, end)
        else:
            assert flatten(input, start, end) == expected


@given(
    st.lists(st.integers(0, 12), max_size=3).map(tuple),
    st.integers(-3, 3),
    st.lists(st.integers(-2, 6), max_size=3).map(tuple),
)
@settings(deadline=None, max_examples=300)
def test_unflatten_agrees_with_native(input, dim, sizes):
    try:
        expected = tuple(torch.nn.Unflatten(dim, sizes)(torch.empty(input, device="meta")).shape)
    except REFUSED:
        with pytest.raises(ValueError, match=r"dim|unflattened_size|input"):
            unflatten(input, dim, sizes)
    else:
        assert unflatten(input, dim, sizes) == expected


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.data())
@settings(deadline=None)
def test_unflatten_finds_the_part_left_open(parts, data):
    whole = int(torch.Size(parts).numel())
    left_open = data.draw(st.integers(0, len(parts) - 1))
    sizes = tuple(-1 if i == left_open else n for i, n in enumerate(parts))
    expected = tuple(torch.empty(2, whole, device="meta").unflatten(1, sizes).shape)
    assert unflatten((2, whole), 1, sizes) == expected == (2, *parts)


@pytest.mark.parametrize("sizes", [6, (2.0, 3), (("a", 2), ("b", 3)), ("2", "3")])
def test_unflatten_refuses_what_is_not_a_tuple_of_ints(sizes):
    with pytest.raises(TypeError):
        torch.nn.Unflatten(0, sizes)
    with pytest.raises(ValueError, match=r"unflattened_size"):
        unflatten((6,), 0, sizes)


def test_documented_examples():
    assert flatten((2, 2, 2), 0) == (8,)
    assert flatten((2, 2, 2), 1) == (2, 4)
    assert flatten((32, 1, 5, 5)) == (32, 25)
    assert flatten((32, 1, 5, 5), 0, 2) == (160, 5)
    assert unflatten((2, 50), 1, (2, 5, 5)) == (2, 2, 5, 5)
