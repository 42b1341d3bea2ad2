"""Reach: which specs can notice a change in a function, found by reading whose names its callers use.

From a spec's reference, or its shape formula, the names in the code lead to other functions and classes of the package,
and so on. The number of such steps ranks the specs: what is one call away notices first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any

from refops.parity.proving.transplant import functions
from refops.parity.spec import Spec

Place = tuple[str, str]  # module, qualified name


def distances(spec: Spec) -> dict[Place, int]:
    """Every function that the reference or the shape formula can come to, and in how many steps."""
    found: dict[Place, int] = {}
    waiting: list[tuple[Any, int]] = [(spec.reference, 0), (spec.shape, 0)]
    while waiting:
        holder, steps = waiting.pop(0)
        for function in functions(holder) if not isinstance(holder, type) else _methods(holder):
            place = (function.__module__, function.__qualname__)
            if place in found:
                continue
            found[place] = steps
            waiting += [(value, steps + 1) for value in _named(function)]
    return found


def _methods(cls: type) -> Iterator[Any]:
    """The functions of a class and of those it inherits from inside the package."""
    for base in cls.__mro__:
        if base.__module__.startswith("refops."):
            for member in vars(base).values():
                yield from functions(member)


def _named(function: Any) -> Iterator[Any]:
    """The functions and classes of the package whose names a function's code contains."""
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else (value,)
        if isinstance(value, ModuleType) and value.__name__.startswith("refops."):
            values = [vars(value).get(n) for n in _names(function.__code__)]
        yield from (v for v in values if callable(v) and str(getattr(v, "__module__", "")).startswith("refops."))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def nearest(specs: tuple[Spec, ...]) -> dict[Place, list[Spec]]:
    """For each function the specs that come to it, nearest first."""
    found: dict[Place, list[tuple[int, int, Spec]]] = defaultdict(list)
    for order, spec in enumerate(specs):
        for place, steps in distances(spec).items():
            found[place].append((steps, order, spec))
    return {place: [s for _, _, s in sorted(ranked, key=lambda r: r[:2])] for place, ranked in found.items()}
