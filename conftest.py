"""For every test: one thread per worker, fixed seeds, and hypothesis examples that do not change by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch

os.environ.setdefault("REFOPS_SEED", "0")  # what the kit draws anew in every run is the same in every run of the tests

# Several workers with several threads each are many times slower than one thread each; small tensors gain nothing.
torch.set_num_threads(1)

hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("search", deadline=None)  # HYPOTHESIS_PROFILE=search: new examples every time
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests that ask for the same truths go to one of pytest-xdist's processes."""
    from refops.parity.running.scheduling import scheduler

    return scheduler(config, log)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Start every test from the same random state and the same default dtype, and leave the latter as it was."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)
