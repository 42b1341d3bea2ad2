"""Formulas of batch and instance norm against native torch, over a grid of legal and illegal configurations."""

import itertools

import pytest
import torch

from refops.shapes import batch_normalization as shapes

SIZES = (
    (),
    (3,),
    (1, 3),
    (4, 3),
    (0, 3),
    (4, 2),
    (1, 3, 1),
    (2, 3, 5),
    (5, 3),
    (2, 3, 1, 1),
    (1, 3, 2, 1),
    (2, 3, 4, 5),
)
SIZES += ((3, 4, 5), (0, 3, 4, 5), (2, 3, 0, 5), (2, 3, 1, 4, 5), (1, 3, 1, 1, 1), (3, 1, 2, 2), (2, 3, 2, 2, 2, 2))
FLAGS = (False, True)


def outcome(function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
    except (ValueError, RuntimeError, IndexError, ZeroDivisionError, TypeError) as error:
        return type(error)
    return tuple(result.shape) if isinstance(result, torch.Tensor) else result


def agree(formula, native):
    """The same shape, or a ValueError exactly where native raises."""
    expected = outcome(native)
    got = outcome(formula)
    if isinstance(expected, tuple):
        return got == expected
    return got is ValueError


@pytest.mark.filterwarnings("ignore:input's size")
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_norms_over_channels(name, n, size):
    formula = getattr(shapes, f"{name[:-4].lower()}_norm{n}d")
    for affine, track, training in itertools.product(FLAGS, FLAGS, FLAGS):
        layer = getattr(torch.nn, f"{name}{n}d")(3, affine=affine, track_running_stats=track).train(training)
        if name == "InstanceNorm" and 0 in size and (affine or track):
            continue  # native looks at no channel of an empty input, or raises an IndexError from within
        training = training or not track
        assert agree(
            lambda f=formula, a=affine, t=track, m=training: f(size, 3, affine=a, track_running_stats=t, training=m),
            lambda f=layer: f(torch.zeros(size)),
        ), (affine, track, training)


@pytest.mark.parametrize("size", SIZES[2:], ids=str)
@pytest.mark.parametrize("training", FLAGS)
def test_batch_norm(size, training):
    channels_tried = (3,) if 0 in size else (1, 3)  # native looks at no channel of an empty input
    for channels, eps in itertools.product(channels_tried, (1e-5, 0.0, -1.0)):
        mean, var = torch.zeros(channels), torch.ones(channels)
        assert agree(
            lambda c=channels, e=eps: shapes.batch_norm(size, c, training, e),
            lambda m=mean, v=var, e=eps: torch.nn.functional.batch_norm(
                torch.zeros(size), m, v, training=training, eps=e
            ),
        ), (channels, eps)


@pytest.mark.parametrize("size", [s for s in SIZES if len(s) > 1 and 0 not in s], ids=str)
@pytest.mark.parametrize("own", FLAGS)
def test_instance_norm(size, own):
    for channels in (1, 3):
        mean, var = torch.zeros(channels), torch.ones(channels)
        assert agree(
            lambda c=channels: shapes.instance_norm(size, c, own),
            lambda m=mean, v=var: torch.nn.functional.instance_norm(torch.zeros(size), m, v, use_input_stats=own),
        ), channels


def test_examples():
    assert shapes.batch_norm2d((20, 100, 35, 45), 100) == (20, 100, 35, 45)
    assert shapes.batch_norm2d((32, 64, 56, 56), 64) == (32, 64, 56, 56)
    assert shapes.batch_norm1d((20, 100), 100) == (20, 100)
    assert shapes.batch_norm3d((20, 100, 35, 45, 10), 100) == (20, 100, 35, 45, 10)
    assert shapes.instance_norm2d((20, 100, 35, 45), 100) == (20, 100, 35, 45)


def test_message_names_the_argument():
    with pytest.raises(ValueError, match="input must have 3 channels"):
        shapes.batch_norm1d((4, 10), 3)
