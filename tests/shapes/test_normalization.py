"""Formulas of layer, group and RMS norm against native torch, over a grid of legal and illegal configurations."""

import itertools

import pytest
import torch

from refops.shapes import normalization as shapes

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


@pytest.mark.parametrize("size", [*SIZES, (1, 6), (2, 6), (1, 6, 1, 1), (4, 6, 2, 3), (0, 6, 2)], ids=str)
def test_group_norm(size):
    for groups, channels, affine in itertools.product((0, 1, 2, 3, 6, 4), (3, 6), FLAGS):

        def native(g=groups, c=channels, a=affine):
            return torch.nn.GroupNorm(g, c, affine=a)(torch.zeros(size))

        formula = shapes.group_norm
        assert agree(lambda g=groups, c=channels, a=affine, f=formula: f(size, g, c, a), native), (groups, channels)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_norms_over_last_axes(name, size):
    formula = shapes.layer_norm if name == "LayerNorm" else shapes.rms_norm
    endings = [size[i:] for i in range(len(size) + 1)]
    for last in [*endings, 3, 1, 5, (1, 3), [4, 5], (3, 4), (2, *size), *size[-1:]]:
        layer = getattr(torch.nn, name)(last, elementwise_affine=False)
        assert agree(lambda d=last: formula(size, d), lambda f=layer: f(torch.zeros(size))), last


def test_examples():
    assert shapes.layer_norm((20, 5, 10), 10) == (20, 5, 10)
    assert shapes.layer_norm((20, 5, 10, 10), [5, 10, 10]) == (20, 5, 10, 10)
    assert shapes.rms_norm((2, 2, 3), [2, 3]) == (2, 2, 3)
    assert [shapes.group_norm((20, 6, 10, 10), g, 6) for g in (3, 6, 1)] == [(20, 6, 10, 10)] * 3


def test_messages_name_the_argument():
    with pytest.raises(ValueError, match="num_groups must"):
        shapes.group_norm((2, 6), 4)
    with pytest.raises(ValueError, match="input must end in normalized_shape"):
        shapes.layer_norm((4, 10), 1)
