"""The kit against its collections: every known-wrong implementation is caught, no honest one is accused."""

from pathlib import Path

import pytest

from refops.parity.collection import Entry, load
from refops.parity.rates import judge

HERE = Path(__file__).parent
ENTRIES = sorted(load(HERE), key=lambda entry: entry.like)


def grouped(entries: list[Entry]) -> list[object]:
    """One spec's entries in one process: its truths are then computed once."""
    return [pytest.param(e, id=e.name, marks=pytest.mark.xdist_group(f"collection {e.like}")) for e in entries]


@pytest.mark.parametrize("entry", grouped([e for e in ENTRIES if e.wrong]))
def test_wrong_is_caught(entry: Entry) -> None:
    verdict = judge(entry)
    assert verdict.caught_by, f"nothing accused it: {entry.why}"
    if entry.only:
        assert verdict.caught_by == (entry.only,), verdict.said


@pytest.mark.parametrize("entry", grouped([e for e in ENTRIES if not e.wrong]))
def test_honest_is_not_accused(entry: Entry) -> None:
    verdict = judge(entry)
    assert not verdict.accused, verdict.said


def test_the_collections_are_large_enough() -> None:
    assert sum(e.wrong for e in ENTRIES) >= 120
    assert sum(not e.wrong for e in ENTRIES) >= 40
