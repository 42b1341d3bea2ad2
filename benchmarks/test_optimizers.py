"""Optimizers: one step over the parameters of a small net and of ResNet-18."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refops.parity.timing.sizes import SIZES, Row

OPTIMIZERS = [row for row in SIZES if row.spec.startswith("optim.")]


@pytest.mark.parametrize("side", ["reference", "native"])
@pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: f"{row.spec} {row.label}")
def test_step(compare: Callable[[Row, str, str], None], row: Row, side: str) -> None:
    compare(row, "step", side)
