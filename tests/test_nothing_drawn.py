"""Where a dropout changes nothing it draws nothing either: the numbers a caller draws next are the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from refops.functional.dropout import dropout, dropout2d
from refops.functional.structured_dropout import drop_block2d, drop_connect

IMAGES, NONE = torch.ones(2, 3, 4, 5), torch.ones(2, 3, 0, 5)
CALLS: dict[str, Callable[[], Tensor]] = {
    "dropout": lambda: dropout(IMAGES, 0.0),
    "dropout2d": lambda: dropout2d(IMAGES, 0.0),
    "dropout2d of nothing": lambda: dropout2d(NONE, 0.5),
    "drop_block2d": lambda: drop_block2d(IMAGES, 0.0),
    "drop_connect": lambda: drop_connect(torch.ones(2, 5), torch.ones(3, 5), p=0.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_generator_stays_where_it_is(name: str) -> None:
    before = torch.get_rng_state()
    CALLS[name]()
    assert torch.equal(torch.get_rng_state(), before)
