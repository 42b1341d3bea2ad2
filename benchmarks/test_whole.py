"""Losses against the form torch would take, and training steps of whole models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refops.parity.timing.sizes import SIZES, Row

WHOLE = [row for row in SIZES if row.whole]


@pytest.mark.parametrize("side", ["reference", "native"])
@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.whole)
def test_whole(compare: Callable[[Row, str, str], None], row: Row, side: str) -> None:
    compare(row, row.modes[0], side)
