"""Which items pytest-xdist keeps in one process: those that ask for the same truths.

pytest-xdist tells a group by the end of a test's id, where its worker writes it; under pytest 9.2 its release 3.8
writes nothing there, and every item goes its own way. So here the group is read from the id itself.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

from refops.parity.running.plugin import group

DTYPES = ("float64", "float32", "bfloat16", "float16")


class SpecScheduling(LoadGroupScheduling):  # type: ignore[misc]
    """Items of one spec together, those in half precision apart; other tests by what follows their id's `@`."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of an item by its id.

    Example:
        >>> group_of("suite.py::test::LayerNorm-value-bfloat16-cpu")
        'LayerNorm-half'
        >>> group_of("test_collection.py::test_wrong[EpsOutside@LayerNorm]")
        'LayerNorm'
        >>> group_of("test_readme.py::test_commands")
        'test_readme.py::test_commands'
    """
    _, at, named = nodeid.rpartition("@")
    if at:
        return named.rstrip("]")
    words = nodeid.rpartition("::")[2].rsplit("-", 3)
    return group(words[0], words[2]) if len(words) == 4 and words[2] in DTYPES else nodeid


def scheduler(config: Any, log: Any) -> SpecScheduling | None:
    """Ours where groups are asked for, else pytest-xdist's own."""
    return SpecScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
