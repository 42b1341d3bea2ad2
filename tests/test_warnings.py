"""Warnings are there, and point at the line that called, where native's do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from refops.functional.dropout import dropout3d
from refops.functional.loss import reduction, robust
from refops.functional.softmax import softmax
from refops.nn import rectifier

X = torch.ones(2, 3)
LOSSES = (robust.huber_loss, F.huber_loss)


def told(call: Callable[[], Any]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda: softmax(X),
        lambda: dropout3d(torch.ones(2, 3, 4), 0.5, False),
        lambda: rectifier.Hardtanh(min_value=-2.0),
    ],
    ids=["softmax without dim", "dropout3d of three axes", "hardtanh's old word"],
)
def test_a_warning_points_here(call: FunctionType) -> None:
    (one,) = told(call)
    assert (Path(one.filename), one.lineno) == (Path(__file__), call.__code__.co_firstlineno)


@pytest.mark.parametrize("switches", [{"size_average": True}, {"reduce": False}, {"size_average": False}])
def test_the_deprecated_switches_are_told(switches: dict[str, bool]) -> None:
    (one,) = told(lambda: reduction.chosen_reduction("mean", **switches))
    assert "size_average and reduce are deprecated" in str(one.message)


def test_hubers_deprecated_word() -> None:
    found = told(lambda: robust.huber_loss(X, X + 1, "elementwise_mean"))
    assert ["elementwise_mean" in str(one.message) for one in found] == [True]
    for loss in LOSSES:  # weights do not know it
        with pytest.raises(ValueError, match=r"'none', 'mean'|none, mean"):
            loss(X, X + 1, reduction="elementwise_mean", weight=X)
