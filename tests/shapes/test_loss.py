"""Shape formulas of losses against native torch, on legal and illegal configurations alike."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from refops.functional import loss
from refops.nn import loss as modules
from refops.shapes import loss as shapes

REDUCTIONS = st.sampled_from(["none", "mean", "sum", "average"])


@st.composite
def changed(draw, shape):
    """The shape itself, or now and then with one axis altered, one dropped or one added."""
    how = draw(st.sampled_from(["same"] * 8 + ["size", "drop", "add"]))
    if how == "size" and shape:
        axis = draw(st.integers(0, len(shape) - 1))
        return tuple(n + 1 if i == axis else n for i, n in enumerate(shape))
    if how == "drop" and shape:
        return shape[1:]
    return (*shape, draw(st.integers(1, 2))) if how == "add" else shape


@st.composite
def classified(draw):
    classes = draw(st.integers(1, 4))
    samples = tuple(draw(st.lists(st.integers(1, 3), max_size=4)))
    target = draw(changed(samples))
    weight = draw(st.sampled_from([None, (classes,), (classes + 1,)]))  # of more axes: native is of two minds
    return (*samples[:1], classes, *samples[1:]), target, weight, draw(REDUCTIONS)


def agree(formula, native, *arguments):
    """Both give the same shape or both refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = tuple(native().shape)
        except (RuntimeError, ValueError, IndexError):
            with pytest.raises(ValueError, match="|".join(arguments)):
                formula()
            return
    assert formula() == expected


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
@given(case=classified())
@settings(max_examples=80, deadline=None)
def test_class_indices(name, case):
    input, target, weight, reduction = case
    x, t = torch.randn(input), torch.zeros(target, dtype=torch.int64)
    w = None if weight is None else torch.ones(weight)
    if name == "cross_entropy" and x.shape == t.shape:
        return  # probabilities, below
    agree(
        lambda: getattr(shapes, name)(input, target, weight, reduction=reduction),
        lambda: getattr(F, name)(x, t, w, reduction=reduction),
        "input", "target", "weight", "reduction",
    )  # fmt: skip


@given(case=classified(), smoothing=st.sampled_from([0.0, 0.5, 1.0, 1.5]), ignored=st.sampled_from([-100, -1, 0]))
@settings(max_examples=80, deadline=None)
def test_class_probabilities(case, smoothing, ignored):
    input, _, weight, reduction = case
    x, w = torch.randn(input), None if weight is None else torch.ones(weight)
    settings_ = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
    agree(
        lambda: shapes.cross_entropy(input, input, weight, **settings_),
        lambda: F.cross_entropy(x, x.softmax(min(1, len(input) - 1)), w, **settings_),
        "weight", "reduction", "label_smoothing", "ignore_index",
    )  # fmt: skip


@st.composite
def pairs(draw):
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    weight = draw(changed(shape)) if draw(st.booleans()) else None
    return shape, draw(changed(shape)), weight, draw(REDUCTIONS)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@given(case=pairs())
@settings(max_examples=80, deadline=None)
def test_pairs_of_numbers(name, case):
    input, target, weight, reduction = case
    x, t = (torch.empty(s, device="meta") for s in (input, target))
    w = None if weight is None else torch.empty(weight, device="meta")
    agree(
        lambda: getattr(shapes, name)(input, target, weight=weight, reduction=reduction),
        lambda: getattr(F, name)(x, t, weight=w, reduction=reduction),
        "target", "weight", "reduction",
    )  # fmt: skip


@pytest.mark.parametrize("average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "nll_loss", "cross_entropy"])
def test_deprecated_switches(name, average, reduce):
    x = torch.randn(3, 4, dtype=torch.float64)
    t = x.flip(0) if name in ("mse_loss", "l1_loss") else torch.tensor([0, 3, 1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = getattr(loss, name)(x, t, size_average=average, reduce=reduce)
    assert bool(caught) == (average is not None or reduce is not None)
    assert all(w.filename == __file__ for w in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(F, name)(x, t, size_average=average, reduce=reduce)
        built = modules.MSELoss(average, reduce).reduction
        assert built == torch.nn.MSELoss(average, reduce).reduction
    assert getattr(shapes, name)(x.shape, t.shape, size_average=average, reduce=reduce) == tuple(expected.shape)
    assert torch.allclose(got, expected)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_sizes_that_differ_are_warned_about(name):
    x, t = torch.randn(4, 1), torch.randn(4)
    with pytest.warns(UserWarning, match="size") as caught:
        got = getattr(loss, name)(x, t, reduction="none")
    assert tuple(got.shape) == shapes.mse_loss((4, 1), (4,), reduction="none") == (4, 4)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int16, torch.bool, torch.float32])
def test_dtype_of_class_indices(name, dtype):
    x, t = torch.randn(4, 5), torch.tensor([0, 1, 1, 0]).to(dtype)
    if dtype == torch.uint8:
        assert torch.allclose(getattr(loss, name)(x, t), getattr(F, name)(x, t))
        return
    for function in (getattr(loss, name), getattr(F, name)):
        with pytest.raises(RuntimeError, match="target"):
            function(x, t)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@pytest.mark.parametrize("other", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_promotion(name, other):
    x, t = torch.randn(4, 5), torch.randn(4, 5).to(other)
    got, expected = getattr(loss, name)(x, t), getattr(F, name)(x, t)
    assert got.dtype == expected.dtype
    assert torch.allclose(got, expected)


@pytest.mark.parametrize(
    ("name", "input", "target", "reduction", "expected"),
    [
        ("cross_entropy", (32, 10), (32,), "mean", ()),
        ("cross_entropy", (32, 10), (32,), "none", (32,)),
        ("cross_entropy", (4096, 1000), (4096,), "none", (4096,)),
        ("nll_loss", (5, 4, 8, 8), (5, 8, 8), "none", (5, 8, 8)),
        ("mse_loss", (32, 1), (32, 1), "mean", ()),
        ("l1_loss", (32, 1), (32, 1), "none", (32, 1)),
    ],
)
def test_examples_from_tutorials(name, input, target, reduction, expected):
    assert getattr(shapes, name)(input, target, reduction=reduction) == expected
