"""Layers, functions and losses: forward, and forward + backward, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refops.parity.timing.bench import COMPILED
from refops.parity.timing.sizes import SIZES, Row

OPERATORS = [row for row in SIZES if "step" not in row.modes and not row.whole]
MODES = ["forward", "forward+backward", COMPILED + "forward", COMPILED + "forward+backward"]


@pytest.mark.parametrize("side", ["reference", "native"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", OPERATORS, ids=lambda row: f"{row.spec} {row.label}")
def test_operator(compare: Callable[[Row, str, str], None], row: Row, mode: str, side: str) -> None:
    compare(row, mode, side)
