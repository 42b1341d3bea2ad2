"""Shape formulas of rectifiers against native torch, and facts tutorials get wrong."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import refops.nn.rectifier as nn
from refops.functional import rectifier
from refops.shapes import rectifier as shapes

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@pytest.mark.parametrize("name", ["elu", "hardtanh", "relu6", "hardswish", "rrelu"])
@given(shape=SHAPES)
@settings(max_examples=10, deadline=None)
def test_pointwise_keeps_the_shape(name, shape):
    x = torch.zeros(shape)
    assert getattr(shapes, name)(shape) == tuple(getattr(F, name)(x).shape) == shape


@given(shape=SHAPES, slopes=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_prelu_raises_iff_native_raises(shape, slopes):
    try:
        expected = tuple(F.prelu(torch.zeros(shape), torch.ones(slopes)).shape)
    except RuntimeError:
        with pytest.raises(ValueError, match="num_parameters"):
            shapes.prelu(shape, slopes)
    else:
        assert shapes.prelu(shape, slopes) == expected


@pytest.mark.parametrize(("name", "bounds"), [("rrelu", (0.5, 0.1)), ("rrelu", (0.1, math.inf)), ("hardtanh", (2, 1))])
def test_bounds_in_the_wrong_order(name, bounds):
    with pytest.raises(ValueError, match="m"):
        getattr(shapes, name)((3,), *bounds)
    for module in (F, rectifier):
        with pytest.raises((RuntimeError, ValueError)):
            getattr(module, name)(torch.zeros(3), *bounds)


def test_examples_from_tutorials():
    assert shapes.prelu((32, 64, 28, 28), 64) == (32, 64, 28, 28)
    assert shapes.relu6((100,)) == shapes.elu((100,)) == shapes.hardswish((100,)) == (100,)
    assert nn.PReLU(64).weight.tolist() == [0.25] * 64
    assert round((nn.RReLU().lower + nn.RReLU().upper) / 2, 5) == 0.22917
    assert float(nn.RReLU().eval()(torch.tensor(-1.0))) == pytest.approx(-0.22917, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_elu_keeps_gradient_digits_and_signed_zero(dtype):
    x = torch.tensor([1.0, 12.0, 100.0, 1000.0, math.inf], dtype=dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(rectifier.elu(x).sum(), x)
    assert slope.tolist() == [1] * 5
    small = torch.tensor([-1e-4, -1e-7], dtype=dtype)
    assert torch.equal(rectifier.elu(small), torch.expm1(small))  # e^x - 1 would have lost every digit
    assert math.copysign(1, float(rectifier.elu(torch.tensor(-0.0, dtype=dtype)))) == -1


def test_hardswish_is_no_chain_of_straight_pieces():
    x = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    y = rectifier.hardswish(x)
    assert float(y[0] + y[2] - 2 * y[1]) == pytest.approx(1 / 3)  # 0 on a straight line
    slopes = torch.tensor([-3.0, -2.999, 2.999, 3.0, math.inf, -math.inf], dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(rectifier.hardswish(slopes).nan_to_num().sum(), slopes)
    native = slopes.detach().clone().requires_grad_()
    (expected,) = torch.autograd.grad(F.hardswish(native).nan_to_num().sum(), native)
    assert torch.allclose(got, expected)


@pytest.mark.parametrize("x", [10920.0, 60000.0])
def test_hardswish_does_not_overflow_in_half_precision(x):
    assert float(rectifier.hardswish(torch.tensor(x, dtype=torch.float16))) == float(torch.tensor(x).half())


def test_leaky_relu_is_a_maximum_only_for_slopes_up_to_one():
    x = torch.tensor([-1.0, 1.0])
    assert torch.maximum(2.5 * x, x).tolist() != rectifier.prelu(x, torch.tensor(2.5)).tolist()


def test_the_printed_tanh_formula_is_off_by_two():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    printed = 2 / (1 + torch.exp(-2 * x)) + 1  # as some lecture notes have it; right is - 1
    assert torch.allclose(printed - torch.tanh(x), torch.full_like(x, 2.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(7,), (5, 33), (2, 3, 4)])
def test_one_seed_gives_natives_slopes(dtype, shape):
    x = torch.randn(shape).to(dtype)
    drawn = []
    for function in (F.rrelu, rectifier.rrelu):
        torch.manual_seed(11)
        at = x.clone().requires_grad_()
        y = function(at, 0.1, 0.7, training=True)
        drawn.append((y.detach(), torch.autograd.grad(y.sum(), at)[0], torch.rand(1)))
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))


def test_rrelu_compiles_in_training():
    compiled = torch.compile(rectifier.rrelu, backend="aot_eager", fullgraph=True)
    x = torch.full((200,), -1.0)
    slopes = -compiled(x, 0.25, 0.5, True)
    assert 0.25 <= float(slopes.min()) < float(slopes.max()) <= 0.5


@pytest.mark.parametrize(
    ("name", "arguments"), [("elu", (0.5,)), ("hardtanh", ()), ("relu6", ()), ("hardswish", ()), ("rrelu", ())]
)
def test_overwriting_keeps_object_and_gradient(name, arguments):
    start = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    ours, native = start * 1, start * 1
    result = getattr(rectifier, name)(ours, *arguments, inplace=True)
    getattr(F, name)(native, *arguments, inplace=True)
    assert result is ours
    assert torch.allclose(ours, native)
    (got,) = torch.autograd.grad(ours.square().sum(), start)
    (expected,) = torch.autograd.grad(native.square().sum(), start)
    assert torch.allclose(got, expected)


def test_deprecated_names_of_hardtanh():
    with pytest.warns(FutureWarning, match="min_val"):
        layer = nn.Hardtanh(min_value=-3.0)
    assert (layer.min_val, layer.max_val) == (-3.0, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert repr(layer) == repr(torch.nn.Hardtanh(min_value=-3.0))
