"""The formulas of the Transformer encoder and the perceptrons against native torch on the meta device."""

import itertools

import pytest
import torch
from torch import nn

from refops.shapes.perceptron import mlp, residual_mlp
from refops.shapes.transformer import transformer_encoder, transformer_encoder_layer

REFUSED = (RuntimeError, ValueError, AssertionError, IndexError)


def meta(shape):
    return None if shape is None else torch.empty(shape, device="meta")


def said(function):
    """A shape, or None where it is refused."""
    try:
        return tuple(function())
    except REFUSED:
        return None


SHAPES = [(5, 3, 8), (3, 5, 8), (5, 8), (8,), (2, 5, 3, 8), (5, 3, 6), (5, 0, 8), (1, 1, 8)]
MASKS = [None, (5, 5), (5, 4), (6, 5, 5), (2, 5, 5), (3, 5, 5)]
PADDINGS = [None, (3, 5), (5, 3), (5,)]


@pytest.mark.parametrize(("shape", "batch_first"), list(itertools.product(SHAPES, [False, True])))
def test_layer(shape, batch_first):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first, device="meta")
    for mask, padding in itertools.product(MASKS, PADDINGS):
        given = {"src_mask": mask, "src_key_padding_mask": padding}
        native = said(lambda: layer(meta(shape), **{k: meta(v) for k, v in given.items()}).shape)  # noqa: B023
        ours = said(lambda: transformer_encoder_layer(shape, 8, 2, 16, batch_first, **given))  # noqa: B023
        assert ours == native, given


@pytest.mark.parametrize(("d_model", "nhead"), [(7, 2), (0, 1), (8, 0), (8, 8), (1, 1)])
def test_heads(d_model, nhead):
    x = (5, 3, d_model)
    native = said(lambda: nn.TransformerEncoderLayer(d_model, nhead, 16, device="meta")(meta(x)).shape)
    assert said(lambda: transformer_encoder_layer(x, d_model, nhead, 16)) == native


@pytest.mark.parametrize(("layers", "shape"), list(itertools.product([0, 1, 3], SHAPES)))
def test_encoder(layers, shape):
    def native():
        layer = nn.TransformerEncoderLayer(8, 2, 16, device="meta")
        return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)(meta(shape)).shape

    assert said(lambda: transformer_encoder(shape, 8, 2, layers, 16)) == said(native)


def test_examples():
    assert transformer_encoder_layer((32, 100, 512), 512, 8, 2048, batch_first=True) == (32, 100, 512)
    assert transformer_encoder((32, 100, 512), 512, 8, num_layers=6, batch_first=True) == (32, 100, 512)


@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 3, 6), (0, 6), (5, 7), ()])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 9)])
def test_perceptrons(shape, hidden):
    sizes = [6, *hidden, 3]
    layers = nn.Sequential(*(nn.Linear(*pair, device="meta") for pair in itertools.pairwise(sizes)))
    assert said(lambda: mlp(shape, 6, hidden, 3)) == said(lambda: layers(meta(shape)).shape)
    assert said(lambda: residual_mlp(shape, 6, 4)) == said(lambda: nn.Linear(6, 6, device="meta")(meta(shape)).shape)


@pytest.mark.parametrize("options", [(0, (4,), 3, 0.5), (6, (0,), 3, 0.5), (6, (4,), 0, 0.5), (6, (4,), 3, 1.5)])
def test_sizes_no_perceptron_has(options):
    with pytest.raises(ValueError, match="must be"):
        mlp((5, options[0]), *options)
