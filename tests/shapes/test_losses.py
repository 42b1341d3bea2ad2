"""Shape formulas of robust, focal and metric losses against native torch, or the references where it has none."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as native

from refops.functional import triplet_mining_loss
from refops.functional.loss import focal, metric, robust, smoothing
from refops.shapes import metric_loss, robust_loss
from refops.shapes.focal_loss import focal_loss, label_smoothing_cross_entropy, sigmoid_focal_loss

ERRORS = (RuntimeError, ValueError, IndexError)
REDUCTIONS = st.sampled_from(["none", "mean", "sum", "average"])
SIZES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
FEATURES = st.integers(0, 3)


@st.composite
def near(draw, shape):
    """The shape itself, or now and then another."""
    how = draw(st.sampled_from(["same"] * 6 + ["one", "drop", "add", "other"]))
    if how == "one":
        return (*shape[:-1], 1) if shape else shape
    return {"same": shape, "drop": shape[1:], "add": (2, *shape), "other": draw(SIZES)}[how]


def agree(formula, function, *shapes, kinds=None, **options):
    """Both give the same shape or both refuse."""
    kinds = kinds or ["real"] * len(shapes)
    made = {"real": torch.randn, "index": lambda s: torch.zeros(s, dtype=torch.int64)}
    given_ = [made[kind](shape) for kind, shape in zip(kinds, shapes, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = tuple(function(*given_, **options).shape)
        except ERRORS:
            with pytest.raises(ValueError):
                formula(*shapes, **options)
            return
    assert formula(*shapes, **options) == expected


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_robust(data):
    x = data.draw(SIZES)
    y, reduction = data.draw(near(x)), data.draw(REDUCTIONS)
    bend = data.draw(st.sampled_from([-1.0, 0.0, 0.5, 1.5]))
    agree(robust_loss.smooth_l1_loss, native.smooth_l1_loss, x, y, reduction=reduction, beta=bend)
    agree(robust_loss.huber_loss, native.huber_loss, x, y, reduction=reduction, delta=bend)
    agree(robust_loss.quantile_loss, robust.quantile_loss, x, y, reduction=reduction, quantile=bend)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_classes(data):
    x = data.draw(st.lists(st.integers(1, 3), max_size=3).map(tuple))
    t, reduction = data.draw(near((*x[:1], *x[2:]) if len(x) > 1 else ())), data.draw(REDUCTIONS)
    gamma, alpha = data.draw(st.sampled_from([-1.0, 0.0, 2.0])), data.draw(st.sampled_from([None, 0.25, 2.0]))
    rule, eps = data.draw(st.sampled_from(["all", "others", "torch"])), data.draw(st.sampled_from([0.1, 2.0]))
    kinds = ["real", "index"]
    agree(
        focal_loss, focal.focal_loss, x, t, kinds=kinds, gamma=gamma, alpha=alpha, reduction=reduction,
    )  # fmt: skip
    agree(
        label_smoothing_cross_entropy, smoothing.label_smoothing_cross_entropy, x, t,
        kinds=kinds, eps=eps, rule=rule, reduction=reduction,
    )  # fmt: skip
    y = data.draw(near(x))
    agree(sigmoid_focal_loss, focal.sigmoid_focal_loss, x, y, gamma=gamma, reduction=reduction)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_triplets(data):
    a = data.draw(SIZES)
    p, n = data.draw(near(a)), data.draw(near(a))
    options = {
        "margin": data.draw(st.sampled_from([0.0, 1.0])),
        "p": data.draw(st.sampled_from([1.0, 2.0, float("inf")])),
        "swap": data.draw(st.booleans()),
        "reduction": data.draw(REDUCTIONS),
    }
    agree(metric_loss.triplet_margin_loss, native.triplet_margin_loss, a, p, n, **options)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_pairs_points_and_views(data):
    x, reduction = data.draw(SIZES), data.draw(REDUCTIONS)
    y, t = data.draw(near(x)), data.draw(near(x[:-1]))
    positive = data.draw(st.sampled_from([0.0, 1.0]))
    mining = data.draw(st.sampled_from(["hard", "semi-hard", "all", "semi"]))
    agree(
        metric_loss.contrastive_loss, metric.contrastive_loss, x, y, t, kinds=["real", "real", "index"],
        margin=positive, reduction=reduction,
    )  # fmt: skip
    agree(
        metric_loss.triplet_mining_loss, triplet_mining_loss, x, t, kinds=["real", "index"],
        margin=positive, mining=mining, reduction=reduction,
    )  # fmt: skip
    agree(metric_loss.nt_xent_loss, metric.nt_xent_loss, x, y, temperature=positive, reduction=reduction)


def test_examples_from_tutorials():
    assert robust_loss.smooth_l1_loss((32, 1), (32, 1)) == ()
    assert robust_loss.huber_loss((32, 1), (32, 1), reduction="none") == (32, 1)
    assert focal_loss((32, 10), (32,)) == ()
    assert label_smoothing_cross_entropy((32, 10), (32,), reduction="none") == (32,)
    assert metric_loss.nt_xent_loss((256, 128), (256, 128)) == ()
