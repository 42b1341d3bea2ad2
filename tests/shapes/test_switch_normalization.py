"""The formulas of switchable norm against BatchNorm, whose demands it shares, and against the layer itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from refops.nn import switch_normalization as layers
from refops.shapes import switch_normalization as shapes

FORMULAS = {n: getattr(shapes, f"switch_norm{n}d") for n in (1, 2, 3)}


def assert_same(layer: torch.nn.Module, formula: Any, input: tuple[int, ...], **kwargs: Any) -> None:
    try:
        expected = tuple(layer(torch.zeros(input)).shape)
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError):
            formula(input, **kwargs)
    else:
        assert formula(input, **kwargs) == expected


@pytest.mark.parametrize("n", [1, 2, 3])
def test_over_a_grid(n: int) -> None:
    for lead, size, training in itertools.product([(2, 3), (1, 3), (0, 3), (2, 4), (3,)], (0, 1, 2), (True, False)):
        for given in ({}, {"affine": False}, {"affine": False, "track_running_stats": False}, {"eps": 0.0}):
            kwargs: dict[str, Any] = {"num_features": 3, **given}
            layer = getattr(layers, f"SwitchNorm{n}d")(**kwargs).train(training)
            own = training or not kwargs.get("track_running_stats", True)
            assert_same(layer, FORMULAS[n], (*lead, *(size,) * n), training=own, **kwargs)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_batch_norm_takes_it_takes(n: int) -> None:
    for lead, size in itertools.product([(2, 3), (1, 3), (0, 3), (2, 4), (3,), (1, 2, 3)], (1, 2)):
        if n == 1 and len(lead) == 1:
            continue  # BatchNorm1d takes (N, C) too, of which there is no instance norm
        input = (*lead, *(size,) * n)
        native = getattr(torch.nn, f"BatchNorm{n}d")(3)
        assert_same(native, FORMULAS[n], input, num_features=3)


@pytest.mark.parametrize(
    ("input", "kwargs", "named"),
    [
        ((2, 3), {}, "input"),
        ((2, 4, 5), {"num_features": 3}, "input"),
        ((1, 3, 1), {}, "input"),
        ((2, 3, 4), {"eps": 0.0}, "eps"),
    ],
)
def test_the_message_names_the_argument(input: tuple[int, ...], kwargs: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        shapes.switch_norm(input, **kwargs)


def test_every_formula_is_tried() -> None:
    assert set(shapes.__all__) == {"switch_norm", *(f.__name__ for f in FORMULAS.values())}
