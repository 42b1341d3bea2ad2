"""Every example in a docstring of the package runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import refops

MODULES = [m.name for m in pkgutil.walk_packages(refops.__path__, "refops.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", ["refops", *MODULES])
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
