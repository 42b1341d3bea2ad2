"""The subjects of other libraries and of torch: the lists, the pages made of them, and what is recorded of them."""

from __future__ import annotations

import pytest
from foreign_judging import judge_apart, narrowed_for
from foreign_libraries import AbsentError, load, version
from foreign_subjects import SUBJECTS, Foreign
from foreign_tables import found, pages
from foreign_torch import TORCH_SUBJECTS
from foreign_verified import VERIFIED

FOUND = found()
WRONG = [row for row in (*TORCH_SUBJECTS, *SUBJECTS) if FOUND.get((row.name, row.like), {}).get("wrong")]


def test_the_list_is_large_enough() -> None:
    libraries = {row.path.partition(":")[0].partition(".")[0] for row in SUBJECTS}
    assert len(SUBJECTS) >= 60
    assert len(libraries) >= 5
    names = [(row.name, row.like) for row in (*SUBJECTS, *TORCH_SUBJECTS)]
    assert len(names) == len(set(names))


def test_everything_called_wrong_was_verified_without_the_kit() -> None:
    assert [row.name for row in WRONG if (row.name, row.like) not in VERIFIED] == []
    assert [key for key in VERIFIED if key not in {(row.name, row.like) for row in WRONG}] == []


def test_the_pages_say_what_was_found() -> None:
    for path, text in pages().items():
        assert path.read_text() == text, f"run python tests/foreign/foreign_tables.py: {path.name} is out of date"


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in WRONG])
def test_what_is_wrong_is_still_so(row: Foreign) -> None:
    recorded = FOUND[row.name, row.like]
    try:
        load(row.path)
    except AbsentError as error:
        pytest.skip(str(error))
    if version(row.path) != recorded["version"]:
        pytest.skip(f"{recorded['version']} was judged, {version(row.path)} is installed")
    told = judge_apart(row, **narrowed_for(row))
    recorded_kinds = {kind["kind"] for kind in recorded["wrong"]}
    assert {kind["kind"] for kind in told["wrong"]} & recorded_kinds, "fewer cases may show fewer kinds, not none"
