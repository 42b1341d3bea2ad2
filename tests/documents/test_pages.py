"""Every example on the pages under docs/ runs and prints what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if ">>>" in page.read_text(encoding="utf-8"))
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).with_suffix("").as_posix())
def test_examples(page: Path) -> None:
    failed, ran = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert ran
    assert failed == 0
