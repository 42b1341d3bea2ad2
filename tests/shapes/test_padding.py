"""The formula of padding against native torch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.shapes.padding import pad

MODES = ("constant", "reflect", "replicate", "circular")
REFUSED = (RuntimeError, NotImplementedError)


def native(input, widths, mode, value=None):
    return tuple(torch.nn.functional.pad(torch.empty(input), widths, mode, value).shape)


def agrees(input, widths, mode, value=None):
    try:
        expected = native(input, widths, mode, value)
    except REFUSED:
        with pytest.raises(ValueError, match=r"pad|input|value|mode"):
            pad(input, widths, mode, value)
    else:
        assert pad(input, widths, mode, value) == expected


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6).map(tuple),
    st.lists(st.integers(0, 7), max_size=8),
    st.sampled_from(MODES),
)
@settings(deadline=None, max_examples=300)
def test_pad_agrees_with_native(input, widths, mode):
    agrees(input, widths, mode)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple), st.sampled_from(MODES), st.data())
@settings(deadline=None, max_examples=200)
def test_pad_agrees_with_native_where_axes_fit(input, mode, data):
    axes = data.draw(st.integers(max(1, len(input) - 2), len(input) - 1))
    agrees(input, data.draw(st.lists(st.integers(0, 6), min_size=2 * axes, max_size=2 * axes)), mode)


@given(st.lists(st.integers(4, 6), min_size=2, max_size=4).map(tuple), st.sampled_from(MODES), st.data())
@settings(deadline=None, max_examples=200)
def test_pad_shortens_like_native(input, mode, data):
    axes = data.draw(st.integers(max(1, len(input) - 2), min(2, len(input) - 1)))
    widths = data.draw(st.lists(st.integers(-3, 1), min_size=2 * axes, max_size=2 * axes))
    agrees(input, widths, mode)


@pytest.mark.parametrize("mode", [*MODES, "zeros", "edge"])
@pytest.mark.parametrize("value", [None, 0.0, 1.5])
def test_value_and_mode_are_judged_as_native_does(mode, value):
    agrees((2, 3, 5), (1, 2), mode, value)


@pytest.mark.parametrize("widths", [1, (1.0, 1)])
def test_pad_must_be_a_sequence_of_ints(widths):
    with pytest.raises(TypeError):
        native((2, 3), widths, "constant")
    with pytest.raises(ValueError, match="pad"):
        pad((2, 3), widths)


@pytest.mark.parametrize(
    ("input", "widths", "expected"),
    [
        ((3, 3, 4, 2), (1, 1), (3, 3, 4, 4)),
        ((3, 3, 4, 2), (1, 1, 2, 2), (3, 3, 8, 4)),
        ((3, 3, 4, 2), (0, 1, 2, 1, 3, 3), (3, 9, 7, 3)),
        ((1, 3, 32, 32), (1, 1, 1, 1), (1, 3, 34, 34)),
    ],
)
def test_documented_examples(input, widths, expected):
    assert pad(input, widths) == expected == native(input, widths, "constant")
