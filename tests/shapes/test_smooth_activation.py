"""Shape formulas of softplus and mish against native torch, and facts tutorials get wrong."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from refops.functional import smooth_activation
from refops.shapes import smooth_activation as shapes

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@pytest.mark.parametrize("name", ["softplus", "mish"])
@given(shape=SHAPES)
@settings(max_examples=20, deadline=None)
def test_pointwise_keeps_the_shape(name, shape):
    meta = torch.empty(shape, device="meta")
    assert getattr(shapes, name)(shape) == tuple(getattr(F, name)(meta).shape) == shape


@pytest.mark.parametrize("x", [-300.0, -100.0, -20.0, -1.1924, 0.0, 5.0, 30.0, 1e4, math.inf])
def test_mish_is_finite_and_its_slope_too(x):
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = smooth_activation.mish(at)
    (slope,) = torch.autograd.grad(y, at)
    y = y.detach()
    assert float(y) == x if x > 30 else math.isfinite(float(y))
    assert float(slope) == 1.0 if x > 30 else abs(float(slope)) < 1.1


def test_mish_dips_below_zero_and_is_not_monotonic():
    x = torch.linspace(-6, 0, 60001, dtype=torch.float64)
    y = smooth_activation.mish(x)
    assert round(float(y.min()), 4) == -0.3088
    assert round(float(x[y.argmin()]), 4) == -1.1924


def test_softplus_jumps_where_it_becomes_linear():
    x = torch.tensor([1.0, 1.0 + 1e-12], dtype=torch.float64)
    y = smooth_activation.softplus(x, beta=2.0, threshold=2.0)
    assert float(y[0] - y[1]) == pytest.approx(math.log1p(math.exp(-2.0)) / 2)


def test_softplus_survives_a_threshold_that_lets_native_overflow():
    x = torch.tensor(800.0, dtype=torch.float64)
    assert float(F.softplus(x, threshold=1000.0)) == math.inf
    assert float(smooth_activation.softplus(x, threshold=1000.0)) == 800


@pytest.mark.parametrize("name", ["mish"])
def test_overwriting_keeps_object_and_gradient(name):
    start = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    ours, native = start * 1, start * 1
    result = getattr(smooth_activation, name)(ours, inplace=True)
    getattr(F, name)(native, inplace=True)
    assert result is ours
    (got,) = torch.autograd.grad(ours.square().sum(), start)
    (expected,) = torch.autograd.grad(native.square().sum(), start)
    assert torch.allclose(got, expected)
