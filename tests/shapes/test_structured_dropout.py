"""Shape formulas of structured dropout, native's Dropout2d beside SpatialDropout2d, and how much is dropped."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import refops.nn.structured_dropout as nn
from refops.functional import structured_dropout as F
from refops.shapes import structured_dropout as shapes

SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple)
PROBABILITIES = st.sampled_from((0.0, 0.3, 1.0, -0.1, 1.5))


@given(SHAPES, PROBABILITIES, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_maps_and_blocks_agree_with_the_functions(shape, p, block):
    for name, more in (("spatial_dropout2d", ()), ("drop_block2d", (block,))):
        try:
            expected = tuple(getattr(F, name)(torch.zeros(shape), p, *more).shape)
        except ValueError:
            with pytest.raises(ValueError, match="must"):
                getattr(shapes, name)(shape, p, *more)
        else:
            assert getattr(shapes, name)(shape, p, *more) == expected == shape


@given(SHAPES, PROBABILITIES)
@settings(max_examples=60, deadline=None)
def test_connect_agrees_with_the_function(shape, p):
    weight = torch.zeros(5, 3)
    try:
        expected = tuple(F.drop_connect(torch.zeros(shape), weight, None, p).shape)
    except (ValueError, RuntimeError):
        with pytest.raises(ValueError, match="must"):
            shapes.drop_connect(shape, 5, p, in_features=3)
    else:
        assert shapes.drop_connect(shape, 5, p, in_features=3) == expected
        assert shapes.drop_connect_moments(shape, 5, p, 3) == (expected, expected)


def test_examples_from_tutorials():
    assert shapes.drop_connect((32, 128), 64, 0.5) == (32, 64)
    assert shapes.drop_block2d((8, 16, 28, 28), 0.1, 7) == (8, 16, 28, 28)
    assert shapes.spatial_dropout2d((32, 64, 8, 8)) == (32, 64, 8, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_spatial_dropout_is_natives_dropout2d(dtype):
    x = torch.randn(5, 7, 3, 4).to(dtype)
    for input in (x, x[0]):
        torch.manual_seed(4)
        native = torch.nn.Dropout2d(0.4)(input if input.dim() == 4 else input[None]).view(input.shape)
        torch.manual_seed(4)
        assert torch.equal(nn.SpatialDropout2d(0.4)(input), native)


@pytest.mark.parametrize("make", [nn.SpatialDropout2d, nn.DropBlock2d])
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_nothing_and_everything(make, p):
    x = torch.randn(4, 3, 8, 9, dtype=torch.float16, requires_grad=True)
    y = make(p)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.dtype == x.dtype
    assert torch.equal(y, x if p == 0 else torch.zeros_like(x))
    assert bool((gradient == (1 - p)).all())


@pytest.mark.parametrize(
    ("p", "block", "size"),
    [
        (0.1, 7, (14, 20)),
        (0.1, 7, (28, 28)),
        (0.3, 4, (9, 12)),
        (0.5, 3, (10, 7)),
        (0.2, 6, (6, 11)),
        (0.25, 9, (5, 8)),
    ],
)
def test_the_share_dropped_is_p(p, block, size):
    torch.manual_seed(0)
    share = (F.drop_block2d(torch.ones(400, 8, *size), p, block) == 0).float().mean((-2, -1))
    assert abs(float(share.mean()) - p) < 5 * float(share.std()) / math.sqrt(share.numel())


def test_gamma_of_the_paper():
    p, b, h, w = 0.1, 7, 20, 14
    assert F.drop_block_gamma(p, b, h, w, "paper") == pytest.approx(p / b**2 * h * w / ((h - b + 1) * (w - b + 1)))
    assert F.drop_block_gamma(p, b, h, w) > F.drop_block_gamma(p, b, h, w, "paper")
    assert F.drop_block_gamma(p, 1, h, w) == pytest.approx(p)
    assert F.drop_block_gamma(p, 50, 7, 7) == pytest.approx(p)
    assert [F.drop_block_gamma(q, b, h, w) for q in (0, 1)] == [0, 1]


def test_seeds_on_the_whole_map_would_drop_far_more():
    torch.manual_seed(0)
    gamma = F.drop_block_gamma(0.1, 7, 14, 14, "paper")
    everywhere = (torch.rand(400, 8, 14, 14) < gamma).float()
    share = float(torch.nn.functional.max_pool2d(everywhere, 7, 1, 3).mean())
    assert share > 0.17


def test_moments_are_those_of_every_mask():
    x, weight, bias = (torch.randn(s, dtype=torch.float64) for s in ((4,), (2, 4), (2,)))
    p = 0.3
    outcomes, chances = [], []
    for mask in itertools.product((0, 1), repeat=5):
        outcomes.append((weight * torch.tensor(mask[:4]) @ x + bias * mask[4]) / (1 - p))
        chances.append(math.prod(1 - p if m else p for m in mask))
    every, chance = torch.stack(outcomes), torch.tensor(chances, dtype=torch.float64)[:, None]
    mean = (every * chance).sum(0)
    got = F.drop_connect_moments(x, weight, bias, p)
    assert torch.allclose(got[0], mean)
    assert torch.allclose(got[1], ((every - mean).square() * chance).sum(0))


@torch.no_grad()
def test_gaussian_inference_is_nearer_to_the_mean_of_many_masks():
    torch.manual_seed(0)
    linear = torch.nn.Linear(20, 6)
    x = torch.randn(20).expand(40_000, 20)
    trained = torch.relu(nn.DropConnect.wrapping(linear, 0.5)(x)).mean(0)
    off = {}
    for inference in ("mean", "gaussian"):
        layer = nn.DropConnect.wrapping(linear, 0.5, inference).eval()
        off[inference] = float((torch.relu(layer(x)).mean(0) - trained).abs().mean())
    assert off["gaussian"] < 0.25 * off["mean"]


def test_wrapping_shares_the_parameters():
    linear = torch.nn.Linear(3, 4)
    layer = nn.DropConnect.wrapping(linear, 0.5)
    assert layer.weight is linear.weight
    assert layer.bias is linear.bias
    assert list(layer.state_dict()) == list(linear.state_dict())
    rows = layer(torch.ones(8, 3))
    assert len(rows.unique(dim=0)) > 1, "each row has a mask of its own"
    with pytest.raises(TypeError, match="linear"):
        nn.DropConnect.wrapping(torch.nn.ReLU())


def test_gaussian_inference_has_a_gradient_where_nothing_varies():
    x = torch.zeros(2, 3, requires_grad=True)
    y = F.drop_connect(x, torch.ones(4, 3), None, 0.5, training=False, inference="gaussian")
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, torch.full((2, 3), 4.0))
