"""Shape formulas of activations against native torch, on legal and illegal configurations alike."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from refops.functional import activation
from refops.shapes import activation as shapes

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


def meta(shape):
    return torch.empty(shape, device="meta")


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu"])
@given(shape=SHAPES)
@settings(max_examples=10, deadline=None)
def test_pointwise_keeps_the_shape(name, shape):
    assert getattr(shapes, name)(shape) == tuple(getattr(F, name)(meta(shape)).shape) == shape


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@given(shape=SHAPES, dim=st.integers(-6, 5))
@settings(max_examples=50, deadline=None)
def test_softmax_raises_iff_native_raises(name, shape, dim):
    try:
        expected = tuple(getattr(F, name)(torch.zeros(shape), dim).shape)
    except IndexError:
        with pytest.raises(ValueError, match="dim"):
            getattr(shapes, name)(shape, dim)
    else:
        assert getattr(shapes, name)(shape, dim) == expected


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (0, 2)])
def test_a_missing_dim_is_chosen_as_native_does(name, shape):
    x = torch.randn(shape, dtype=torch.float64)
    with pytest.warns(UserWarning, match=f"Implicit dimension choice for {name}") as ours:
        got = getattr(activation, name)(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(F, name)(x)
    assert shapes.softmax(shape) == tuple(got.shape)
    assert torch.allclose(got, expected)
    assert ours[0].filename == __file__


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("start", [torch.int64, torch.float16, torch.float64, torch.bool])
def test_the_input_is_cast_before_all_else(name, dtype, start):
    x = (3 * torch.randn(5, 6)).to(start)
    function = getattr(activation, name)
    got = function(x, 1, dtype=dtype)
    assert got.dtype == getattr(F, name)(x, 1, dtype=dtype).dtype == dtype
    assert torch.equal(got, function(x.to(dtype), 1))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_forms(approximate):
    assert shapes.gelu((4, 3), approximate) == (4, 3)


def test_gelu_refuses_another_form():
    with pytest.raises(ValueError, match="approximate"):
        shapes.gelu((4, 3), "erf")


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_whole_numbers(name, dtype):
    x = torch.tensor([0, 1, 3]).to(dtype)
    if name == "relu" and dtype == torch.bool:
        with pytest.raises(RuntimeError, match="input"):
            activation.relu(x)
        return
    got, expected = getattr(activation, name)(x), getattr(F, name)(x)
    assert got.dtype == expected.dtype
    assert torch.equal(got, expected) or torch.allclose(got, expected)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu"])
def test_overwriting_keeps_object_and_gradient(name):
    start = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    ours, native = start * 1, start * 1
    result = getattr(activation, name)(ours, inplace=True)
    getattr(F, name)(native, inplace=True)
    assert result is ours
    assert torch.allclose(ours, native)
    (got,) = torch.autograd.grad(ours.square().sum(), start)
    (expected,) = torch.autograd.grad(native.square().sum(), start)
    assert torch.allclose(got, expected)


@pytest.mark.parametrize(
    ("shape", "name", "kwargs"),
    [
        ((100,), "relu", {}),
        ((100,), "leaky_relu", {"negative_slope": 0.01}),
        ((5,), "sigmoid", {}),
        ((5,), "tanh", {}),
        ((2, 3), "softmax", {"dim": 1}),
        ((3,), "softmax", {"dim": 0}),
    ],
)
def test_examples_from_tutorials(shape, name, kwargs):
    assert getattr(shapes, name)(shape, **kwargs) == shape
