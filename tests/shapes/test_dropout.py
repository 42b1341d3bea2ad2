"""Formulas of the dropout family against native torch: the same shape, and refused when native refuses."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.shapes.dropout import dropout, dropout1d, dropout2d, dropout3d

F = torch.nn.functional
PAIRS = [(dropout, F.dropout), (dropout1d, F.dropout1d), (dropout2d, F.dropout2d), (dropout3d, F.dropout3d)]
SHAPES = st.lists(st.integers(0, 3), max_size=6).map(tuple)
PROBABILITIES = st.sampled_from((0.0, 0.3, 1.0, -0.1, 1.5))


@pytest.mark.parametrize(("formula", "native"), PAIRS)
@given(SHAPES, PROBABILITIES)
@settings(deadline=None, max_examples=100)
def test_dropout_agrees_with_native(formula, native, input, p):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # unusual numbers of axes
            expected = tuple(native(torch.zeros(input), p).shape)
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError, match=r"p must|input must"):
            formula(input, p)
    else:
        assert formula(input, p) == expected


@pytest.mark.parametrize(("formula", "native"), PAIRS[2:])
@pytest.mark.parametrize("input", [(), (3,), (2, 3)])
def test_axes_are_looked_at_only_where_something_is_drawn(formula, native, input):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = tuple(native(torch.zeros(input), 0.5, False).shape)
    assert formula(input, 0.5, training=False) == expected == input


def test_documented_examples():
    assert dropout((20, 16), 0.2) == (20, 16)
    assert dropout((32, 128)) == (32, 128)
    assert dropout1d((16, 5)) == (16, 5)
    assert dropout2d((20, 16, 32, 32)) == (20, 16, 32, 32)
    assert dropout3d((20, 16, 4, 32, 32)) == (20, 16, 4, 32, 32)
