"""Formulas of the linear family against native torch, on the meta device."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.parity.specs.linear import functional_shape
from refops.shapes.linear import identity, linear

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


def native_linear(input, out_features, in_features):
    with torch.device("meta"):
        weight, bias = torch.empty(out_features, in_features), torch.empty(out_features)
        return tuple(torch.nn.functional.linear(torch.empty(input), weight, bias).shape)


@given(SHAPES, st.integers(-1, 5), st.integers(-1, 5))
@settings(deadline=None, max_examples=150)
def test_linear_agrees_with_native(input, out_features, in_features):
    try:
        expected = native_linear(input, out_features, in_features)
    except (RuntimeError, IndexError):
        with pytest.raises(ValueError, match=r"input|in_features|out_features"):
            linear(input, out_features, in_features)
    else:
        assert linear(input, out_features, in_features) == expected
        assert linear(input, out_features) == expected


@given(SHAPES, st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple), st.none() | st.integers(0, 4))
@settings(deadline=None, max_examples=150)
def test_functional_adapter_agrees_with_native(input, weight, bias):
    tensors = [torch.empty(input, device="meta"), torch.empty(weight, device="meta")]
    shapes = [input, weight]
    if bias is not None and len(weight) == 2:
        tensors.append(torch.empty(bias, device="meta"))
        shapes.append((bias,))
    try:
        expected = tuple(torch.nn.functional.linear(*tensors).shape)
    except (RuntimeError, IndexError):
        with pytest.raises(ValueError, match=r"input|weight|bias"):
            functional_shape(*shapes)
    else:
        assert functional_shape(*shapes) == expected


@pytest.mark.parametrize(
    ("input", "out_features", "in_features", "expected"),
    [
        ((32, 512), 10, 512, (32, 10)),
        ((128, 20), 30, 20, (128, 30)),
        ((32, 10), 5, 10, (32, 5)),
        ((1, 3), 4, 3, (1, 4)),
        ((3, 0), 5, 0, (3, 5)),
        ((512,), 10, 512, (10,)),
    ],
)
def test_documented_examples(input, out_features, in_features, expected):
    assert linear(input, out_features, in_features) == expected == native_linear(input, out_features, in_features)


@given(SHAPES)
def test_identity_keeps_every_shape(input):
    assert identity(input) == input == tuple(torch.nn.Identity()(torch.empty(input, device="meta")).shape)
