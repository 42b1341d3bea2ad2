"""Packages whose parts are imported when they are first asked for, so that nobody waits for what is not used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def late(package: str, places: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that offers these names of these modules of its own.

    Example:
        >>> late("refops.parity", {"record": ("Finding",)})("Finding").__name__
        'Finding'
    """

    def find(name: str) -> Any:
        for place, names in places.items():
            if name in names:
                return getattr(import_module(f"{package}.{place}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
