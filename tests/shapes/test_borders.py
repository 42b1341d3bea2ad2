"""Formulas at the last shape that native takes, and at the first that it refuses."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from refops.shapes.attention import multihead_attention
from refops.shapes.contraction import einsum
from refops.shapes.deformable_convolution import deformable_conv2d
from refops.shapes.loss import nll_loss
from refops.shapes.metric_loss import triplet_margin_loss
from refops.shapes.pooling import max_pool2d
from refops.shapes.tensor import cat, stack
from refops.shapes.transformer import transformer_encoder_layer


def test_one_sample_may_have_one_target() -> None:
    native = F.nll_loss(torch.zeros(5), torch.tensor([1]), reduction="none")
    assert nll_loss((5,), (1,), reduction="none") == ()
    assert native.numel() == 1


def test_triplets_without_features() -> None:
    assert triplet_margin_loss((3, 4), (1, 4), (3, 1), reduction="none") == (3,)
    assert triplet_margin_loss((3, 0), (3, 0), (3, 0), reduction="none") == (3,)
    assert triplet_margin_loss((1, 4), (3, 4), (1, 4), reduction="none") == (3,)
    for shapes in (((3, 0), (3, 0), (3, 0)), ((3, 1), (3, 0), (3, 1))):
        with pytest.raises(ValueError, match="features"):
            triplet_margin_loss(*shapes, p=float("inf"))
    with pytest.raises(ValueError, match=r"."):  # only the swap asks whether these meet
        triplet_margin_loss((2, 1), (2, 3), (2, 4), swap=True, reduction="none")
    assert triplet_margin_loss((2, 1), (2, 3), (2, 4), reduction="none") == (2,)
    points = [torch.zeros(2, n) for n in (1, 3, 4)]
    assert F.triplet_margin_loss(*points, reduction="none").shape == (2,)
    with pytest.raises(RuntimeError):
        F.triplet_margin_loss(*points, swap=True)


def test_a_dot_for_what_has_no_letter() -> None:
    for equation, shape in (
        ("a...->...", (2, 3)),
        ("...a->...", (3, 2)),
        ("...->...", (2, 3)),
        ("a...b->b...", (2, 5, 3)),
    ):
        assert einsum(equation, shape) == tuple(torch.einsum(equation, torch.zeros(shape)).shape)
    for equation in ("...1->...", "1...->..."):
        with pytest.raises(ValueError, match="letter"):
            einsum(equation, (2, 3))


def test_layers_of_an_encoder() -> None:
    assert transformer_encoder_layer((5, 3, 8), 8, 2, dim_feedforward=0) == (5, 3, 8)
    with pytest.raises(ValueError, match="dim_feedforward"):
        transformer_encoder_layer((5, 3, 8), 8, 2, dim_feedforward=-1)
    for mask in ((5,), (1, 1, 5, 5), (4, 5), (5, 5, 5)):
        with pytest.raises(ValueError, match="mask"):
            transformer_encoder_layer((5, 3, 8), 8, 2, src_mask=mask)
    # said to be causal and with nothing to hide, no layer reads the mask's sizes
    assert transformer_encoder_layer((5, 3, 8), 8, 2, src_mask=(4, 4), is_causal=True) == (5, 3, 8)


def test_a_mask_that_nobody_reads() -> None:
    given = {"embed_dim": 8, "num_heads": 2, "attn_mask": (4, 4), "is_causal": True, "need_weights": False}
    assert multihead_attention((5, 3, 8), **given) == (5, 3, 8)
    for other in ({"key_padding_mask": (3, 5)}, {"need_weights": True}, {"attn_mask": (4,)}):
        with pytest.raises(ValueError, match="mask"):
            multihead_attention((5, 3, 8), **{**given, **other})


def test_defaults_and_empty_pairs() -> None:
    assert max_pool2d((1, 6, 6), 2, ()) == (1, 3, 3)
    assert deformable_conv2d((4, 8, 8), 4) == (4, 8, 8)
    with pytest.raises(ValueError, match="offset_groups"):
        deformable_conv2d((4, 8, 8), 4, offset_groups=0)
    with pytest.raises(ValueError, match="0 channels"):
        deformable_conv2d((0, 8, 8), 4)


def test_things_are_stacked_in_front() -> None:
    assert stack([(3, 4), (3, 4)]) == tuple(torch.stack([torch.zeros(3, 4)] * 2).shape) == (2, 3, 4)


def test_nothing_to_join() -> None:
    for shapes in ([(), (2,)], [(2,), ()], [()]):
        with pytest.raises(ValueError, match="axis to join"):
            cat(shapes)
        with pytest.raises(RuntimeError):
            torch.cat([torch.zeros(s) for s in shapes])
