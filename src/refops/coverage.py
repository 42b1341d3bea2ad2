"""What the package was commissioned to hold, row by row, and what in it holds each row.

`inventory.tsv` lists 253 operators, formulas, examples, questions and claims of five documents on deep learning. A row
is discharged by words of these kinds, separated by spaces:

    spec:LayerNorm          a spec of the kit
    shape:conv2d            an output-shape formula of `refops.shapes`
    symbol:refops.MHA       anything that can be imported
    test:tests/x.py::test_y a test, with [8] one whose table has a line for row 8; without a function, the whole file
    page:docs/x.md          a page
"""

from __future__ import annotations

import ast
import csv
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parents[1]  # of a checkout; an installed package has neither tests nor pages


@dataclass(frozen=True)
class Row:
    """One row of the inventory."""

    number: int
    document: str
    lines: str
    kind: str
    what: str
    discharged_by: tuple[str, ...]

    def missing(self) -> list[str]:
        """What the row names and the package does not have.

        Example:
            >>> Row(1, "000", "3-5", "layer", "an example", ("spec:LayerNorm", "shape:conv9d")).missing()
            ['shape:conv9d']
        """
        return [word for word in self.discharged_by if not exists(word)]


def inventory() -> list[Row]:
    """Every row, in order."""
    with (PACKAGE / "inventory.tsv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [
        Row(int(number), document, place, kind, what, tuple(words.split()))
        for number, document, place, kind, what, words in lines
    ]


def in_checkout() -> bool:
    """Whether tests and pages are there to be looked for."""
    return (ROOT / "pyproject.toml").is_file() and (ROOT / "tests").is_dir()


def exists(word: str) -> bool:
    """Whether what a row names is there; tests and pages are taken for granted outside a checkout.

    Raises:
        ValueError: if the word is of no known kind.

    Example:
        >>> exists("symbol:refops.nn.Linear"), exists("spec:Linnear")
        (True, False)
    """
    kind, _, name = word.partition(":")
    if kind not in KINDS or not name:
        raise ValueError(f"word must be one of {', '.join(KINDS)} and a name after a colon, got {word!r}")
    return KINDS[kind](name)


def _is_spec(name: str) -> bool:
    from refops.parity.specs import registry

    return name in registry()


def _is_shape(name: str) -> bool:
    from refops import shapes

    return hasattr(shapes, name)


def _is_symbol(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ImportError:
        try:
            return hasattr(importlib.import_module(module), attribute)
        except (ImportError, ValueError):  # ValueError: there is no dot in the name
            return False
    return True


def _is_test(name: str) -> bool:
    path, _, function = name.partition("::")
    function, _, row = function.rstrip("]").partition("[")
    if not in_checkout():
        return True
    if not (ROOT / path).is_file():
        return False
    functions, starts = _contents(ROOT / path)
    return (not function or function in functions) and (not row or int(row) in starts)


@cache
def _contents(path: Path) -> tuple[set[str], set[int]]:
    """The functions of a test file, and the numbers that lines of its tables begin with."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    tables = (node.elts[0] for node in ast.walk(tree) if isinstance(node, ast.Tuple) and node.elts)
    return functions, {n.value for n in tables if isinstance(n, ast.Constant) and isinstance(n.value, int)}


def _is_page(name: str) -> bool:
    return not in_checkout() or (ROOT / name).is_file()


KINDS: dict[str, Callable[[str], bool]] = {
    "spec": _is_spec, "shape": _is_shape, "symbol": _is_symbol, "test": _is_test, "page": _is_page,
}  # fmt: skip


def gaps(rows: list[Row]) -> Iterator[tuple[Row, list[str]]]:
    """The rows that name nothing, or something that is not there."""
    for row in rows:
        missing = row.missing()
        if missing or not row.discharged_by:
            yield row, missing
