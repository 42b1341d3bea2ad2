"""One thread, and one benchmark per row, mode and side, grouped so that the two sides stand together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from refops.parity.timing.bench import COMPILED, pair
from refops.parity.timing.sizes import Row


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compiled", action="store_true", help="also time the references under torch.compile")
    parser.addoption("--bench-device", default="cpu", help="a torch device string")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--compiled"):
        skip = pytest.mark.skip(reason="asked for with --compiled")
        for item in items:
            if COMPILED in item.name:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Callable[[Row, str, str], None]:
    """Time one side of a row; the reference and native of one row and mode form a group."""

    def run(row: Row, mode: str, side: str) -> None:
        reference, native = pair(row, mode, request.config.getoption("--bench-device"))
        call = reference if side == "reference" else native
        call()  # compilation and first allocations are not timed
        benchmark.group = f"{row.spec} {row.label} {mode}"
        benchmark.extra_info.update(spec=row.spec, size=row.label, mode=mode, side=side, mark=row.mark)
        benchmark(call)

    return run
