"""Shape formulas of sampling against the functions themselves: the same shape, and refused when they refuse."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.functional import sampling
from refops.shapes import sampling as shapes

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
ERRORS = (ValueError, IndexError)
CALLS = {
    "temperature_softmax": st.tuples(st.sampled_from((0.0, 0.5, -1.0)), st.integers(-5, 4)),
    "greedy": st.tuples(),
    "top_k_filter": st.tuples(st.sampled_from((0, 2, 9, -1))),
    "top_p_filter": st.tuples(st.sampled_from((0.0, 0.5, 1.0, 1.5))),
    "sample": st.tuples(st.sampled_from((0.0, 1.0, -1.0)), st.sampled_from((0, 2, -1)), st.sampled_from((0.5, 1.5))),
}


@pytest.mark.parametrize("name", CALLS)
@given(data=st.data(), shape=SHAPES)
@settings(max_examples=60, deadline=None)
def test_agrees_with_the_function(name, data, shape):
    arguments = data.draw(CALLS[name])
    try:
        expected = tuple(getattr(sampling, name)(torch.zeros(shape), *arguments).shape)
    except ERRORS:
        with pytest.raises(ValueError, match=r"must"):
            getattr(shapes, name)(shape, *arguments)
    else:
        assert getattr(shapes, name)(shape, *arguments) == expected
