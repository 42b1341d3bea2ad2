"""Formulas of what torch lacks against the references themselves: local and relative attention, experts."""

import itertools

import pytest
import torch

from refops.functional.local_attention import local_attention
from refops.functional.relative_attention import relative_attention
from refops.nn.local_attention import LocalAttention
from refops.nn.mixture_of_experts import MixtureOfExperts
from refops.nn.relative_attention import RelativePositionAttention
from refops.shapes.local_attention import local_attention as local_shape
from refops.shapes.local_attention import local_attention_layer
from refops.shapes.mixture_of_experts import mixture_of_experts
from refops.shapes.relative_attention import relative_attention as relative_shape
from refops.shapes.relative_attention import relative_position_attention

REFUSED = (RuntimeError, ValueError, IndexError)


def said(function):
    """A shape, or None where it is refused."""
    try:
        return tuple(function())
    except REFUSED:
        return None


@pytest.mark.parametrize("mode", ["block", "sliding", "other"])
@pytest.mark.parametrize("window", [-1, 0, 1, 3, 256])
def test_local_attention(mode, window):
    shapes = [(5, 8), (2, 5, 8), (2, 0, 8), (0, 5, 8), (2, 2, 7, 8), (8,), (2, 5, 6)]
    for x, mask in itertools.product(shapes, [None, (5,), (2, 5), (5, 2)]):
        given = torch.zeros(x)
        hidden = None if mask is None else torch.zeros(mask, dtype=torch.bool)
        layer = said(lambda: LocalAttention(8, 2, window, mode)(given, hidden).shape)  # noqa: B023
        assert said(lambda: local_attention_layer(x, 8, 2, window, mode, mask)) == layer  # noqa: B023
    for q, k in itertools.product([(2, 5, 4), (2, 6, 4), (3, 5, 4), (1, 5, 4), (2, 5, 3)], repeat=2):
        got = said(lambda: local_attention(*map(torch.zeros, (q, k, k)), window, mode).shape)  # noqa: B023
        assert said(lambda: local_shape(q, k, k, window, mode)) == got  # noqa: B023


@pytest.mark.parametrize("table", [(9, 4), (10, 4), (9, 3), (4,), (3, 9, 4), (1, 4)])
def test_relative_attention(table):
    for q, k in itertools.product([(2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 1, 4), (2, 3, 0, 4), (5, 4)], repeat=2):
        got = said(lambda: relative_attention(*map(torch.zeros, (q, k, k, table))).shape)  # noqa: B023
        assert said(lambda: relative_shape(q, k, k, table)) == got, (q, k)  # noqa: B023


@pytest.mark.parametrize("options", [(8, 2, 5), (8, 2, 4), (8, 3, 5), (8, 2, 0), (0, 1, 5)])
@pytest.mark.parametrize("x", [(2, 5, 8), (5, 8), (8,), (2, 5, 6), (2, 0, 8)])
def test_relative_position_attention(options, x):
    got = said(lambda: RelativePositionAttention(*options)(torch.zeros(x)).shape)
    assert said(lambda: relative_position_attention(x, *options)) == got


@pytest.mark.parametrize("top_k", [None, 0, 1, 3, 4])
@pytest.mark.parametrize("x", [(6,), (5, 6), (2, 5, 6), (0, 6), (5, 7), ()])
def test_mixture_of_experts(top_k, x):
    def got():
        return [tuple(y.shape) for y in MixtureOfExperts(6, 8, 3, top_k)(torch.zeros(x), need_balance=True)]

    assert said(lambda: mixture_of_experts(x, 6, 8, 3, top_k, True)) == said(got)


def test_examples_of_the_documents():
    assert mixture_of_experts((32, 64), 64, 128, 4) == (32, 128)
    assert local_attention_layer((2, 100, 512), 512, 8) == (2, 100, 512)
    assert relative_position_attention((2, 10, 512), 512, 8, 512) == (2, 10, 512)
