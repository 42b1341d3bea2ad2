"""The one test file behind `refops check`: pytest collects here what the command line asked for."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refops.parity.running.conformance import Conformance, operator, reference
from refops.parity.specs import all_specs, find


class FromOptions:
    """A conformance that is known only when pytest's options are."""

    def conformance(self, config: Any) -> Conformance:
        """What `--refops` asks for."""
        return conformance(json.loads(config.getoption("refops") or "{}"))


def conformance(asked: dict[str, Any]) -> Conformance:
    """The conformance for the options of one `refops check`."""
    names, like = asked.get("names", ()), asked.get("like")
    if like:
        spec = find(like)
        own = dict(asked.get("state_map", ()))
        judged = [(spec, operator(load(n), spec, own, drop_in=asked.get("drop_in", False))) for n in names]
    else:
        judged = [(spec, reference(spec)) for spec in (map(find, names) if names else all_specs())]
    return Conformance(
        tuple(judged), asked.get("device", "cpu"), tuple(asked.get("dtypes", ())), tuple(asked.get("checks", ())),
        asked.get("level", "quick"), asked.get("timeout") or 600.0,
    )  # fmt: skip


def load(name: str) -> Callable[..., Any]:
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
    except (ImportError, AttributeError, OSError) as error:
        raise ValueError(f"subject must be importable as module:Name, got {name!r} ({error})") from error
    if not callable(found):
        raise ValueError(f"subject must be a class or a function, got {name!r}, which is {type(found).__name__}")
    result: Callable[..., Any] = found
    return result


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


test = FromOptions()
