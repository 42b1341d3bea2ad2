"""What a project declares of its own operators in the `[tool.refops]` table of its pyproject.toml.

    [tool.refops.subjects."mypkg.norms:FastLayerNorm"]
    like = "LayerNorm"
    dtypes = ["float32", "bfloat16"]
    without = ["bias"]
    arguments = { elementwise_affine = "affine" }
    defaults = { eps = 1e-6 }
    state = { weight = "gain", bias = ["shift", "mypkg.norms:negated"] }
    accepts = { accepts-int64 = "cast to float32 on purpose" }

`refops check mypkg.norms:FastLayerNorm` then needs no options.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from refops.parity.domain import Domain

FIELDS = ("arguments", "defaults", "fixed", "without", "accepts", "dtypes", "state", "unsupported")
FILE = "pyproject.toml"


def declared(folder: Path) -> dict[str, dict[str, Any]]:
    """The subjects declared in the folder's pyproject.toml, by `module:Name`; none where there is no such file.

    Raises:
        ValueError: if the table holds a key that means nothing.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("refops", {})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{FILE} must be TOML, got {error}") from error
    subjects: dict[str, dict[str, Any]] = table.get("subjects", {})
    for name, said in subjects.items():
        unknown = set(said) - {*FIELDS, "like", "strict", "drop_in", "by_hand"}
        if unknown:
            known = ", ".join(("like", *FIELDS, "strict", "drop_in", "by_hand"))
            raise ValueError(f"[tool.refops.subjects.{name!r}] may hold {known}, got {sorted(unknown)[0]!r}")
    return subjects


def domain_of(said: Mapping[str, Any]) -> Domain:
    """The domain that a table or the command line describes; functions are written `module:name`."""
    fields = {k: v for k, v in said.items() if k in FIELDS and v}
    if "state" in fields:
        fields["state"] = {k: v if isinstance(v, str) else (v[0], *map(load, v[1:])) for k, v in said["state"].items()}
    if isinstance(fields.get("unsupported"), str):
        fields["unsupported"] = load(fields["unsupported"])
    return Domain(**fields)


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two descriptions in one; where both speak of the same thing the second has the word."""
    both = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping):
            both[key] = {**both.get(key, {}), **value}
        elif value:
            both[key] = value
    return both


def pairs(option: str, texts: Iterable[str], *, literal: bool = False) -> dict[str, Any]:
    """`name=value` texts of the command line as a dictionary; values are read as Python literals where asked for.

    Raises:
        ValueError: if a text lacks one of its halves.

    Example:
        >>> pairs("--default", ["eps=1e-6"], literal=True), pairs("--state", ["weight=w,bias=b"])
        ({'eps': 1e-06}, {'weight': 'w', 'bias': 'b'})
    """
    found: dict[str, Any] = {}
    for text in texts:
        for part in [text] if literal or option == "--accept" else text.split(","):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not (name and equals and value):
                raise ValueError(f"{option} must be written name=value, got {text!r}")
            found[name] = _literal(value) if literal else value
    return found


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def load(name: str) -> Any:
    """The class or function written `module:Name` or `path/to/file.py:Name`, the current folder included.

    Raises:
        ValueError: if there is no such module or no such name in it.
    """
    place, _, attribute = name.rpartition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        found: Any = module
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise ValueError(f"subject must be importable as module:Name, got {name!r} ({error})") from error
    return found


def _from_file(path: Path) -> Any:
    if path.stem in sys.modules and getattr(sys.modules[path.stem], "__file__", None) == str(path.resolve()):
        return sys.modules[path.stem]
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
