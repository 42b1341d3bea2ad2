"""The inventory is whole, and every row names something that exists."""

from __future__ import annotations

import dataclasses

import pytest

from refops.cli import main
from refops.coverage import Row, exists, gaps, inventory

ROWS = inventory()


def test_the_inventory_is_whole() -> None:
    assert [row.number for row in ROWS] == list(range(1, 254))
    assert all(row.what and row.discharged_by for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row{row.number}")
def test_what_a_row_names_exists(row: Row) -> None:
    assert row.missing() == []


@pytest.mark.parametrize(
    "word",
    [
        "spec:Linnear",
        "shape:conv9d",
        "symbol:refops.nn.Nothing",
        "symbol:nothing",
        "test:tests/documents/test_shapes.py::test_nothing",
        "test:tests/documents/test_shapes.py::test_layer[1000]",
        "test:tests/nothing.py",
        "page:docs/nothing.md",
    ],
)
def test_what_does_not_exist_is_found_out(word: str) -> None:
    assert not exists(word)
    assert [row.number for row, _ in gaps([dataclasses.replace(ROWS[0], discharged_by=(word,))])] == [1]


def test_a_word_of_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="word must be one of"):
        exists("LayerNorm")


def test_the_command_prints_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.split(maxsplit=1)[0].isdigit() for line in lines[:-1] if line.strip()) == 253
    assert lines[-1].startswith("253 rows")
