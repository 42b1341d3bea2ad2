"""Native itself, wrapped, as the subject: whoever is native is never accused, whatever the seed and the threads."""

from __future__ import annotations

import dataclasses
import functools
import os
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from refops.parity.judging.item import items, run_item
from refops.parity.running.conformance import operator
from refops.parity.spec import Spec
from refops.parity.specs import all_specs

SEEDS = (11, 12, 13)
CHECKS = ("value", "gradient", "layout", "modes", "buffers", "trajectory")
# A quarter of the specs, always the same; `nox -s collection` asks them all.
EVERY = os.environ.get("REFOPS_COLLECTION") == "all"
SPECS = [s for s in all_specs() if s.native is not None and (EVERY or zlib.crc32(s.name.encode()) % 4 == 0)]


def wrapped(native: Any) -> Any:
    """Native under another identity, so that nothing is known of it."""
    if isinstance(native, type):
        return type(f"Wrapped{native.__name__}", (native,), {})

    @functools.wraps(native)
    def function(*args: Any, **kwargs: Any) -> Any:
        return native(*args, **kwargs)

    return function


def reseeded(spec: Spec, seed: int) -> Spec:
    """The spec with other numbers in its cases."""
    return dataclasses.replace(spec, cases=tuple(case.but(seed=seed) for case in spec.cases))


@pytest.fixture(params=[1, 2], ids=["1-thread", "2-threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("place", range(len(SPECS)), ids=[spec.name for spec in SPECS])
def test_native_is_not_accused(place: int, threads: int) -> None:
    spec = reseeded(SPECS[place], SEEDS[(place + threads) % len(SEEDS)])
    subject = operator(wrapped(spec.native), spec)
    records = [run_item(item, subject, shrinking=False) for item in items(spec, subject, checks=CHECKS)]
    found = [f"{record.key} {finding}" for record in records for finding in record.findings]
    assert not found
    assert all(record.outcome in ("passed", "skipped") for record in records)
