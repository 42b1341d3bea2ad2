"""Hypotheses: what a wrong implementation of an operator usually gets wrong, each under the name its author would use.

Where a subject's numbers are wrong, the kit runs these in float64 too; the one that the subject agrees with on every
failing case is named as the cause: "behaves like: eps outside the root".

Every module of this package, one per family, has `HYPOTHESES`: spec name to hypotheses. Nothing lists the files.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from refops.parity.spec import Spec


@dataclass(frozen=True)
class Hypothesis:
    """One way of being wrong.

    Args:
        name: what is wrong, in a few words: `eps outside the root`.
        operator: a class or function with native's signature and, for a module, native's state; run in float64.
    """

    name: str
    operator: Callable[..., Any]


def instead(native: type[Any], forward: Callable[..., Any]) -> type[Any]:
    """A native class with another forward pass."""
    return type(native.__name__, (native,), {"forward": forward})


@cache
def _all() -> dict[str, tuple[Hypothesis, ...]]:
    found: dict[str, tuple[Hypothesis, ...]] = {}
    for info in pkgutil.iter_modules(__path__):
        for name, hypotheses in importlib.import_module(f"{__name__}.{info.name}").HYPOTHESES.items():
            found[name] = (*found.get(name, ()), *hypotheses)
    return found


def hypotheses_of(spec: Spec) -> tuple[Hypothesis, ...]:
    """What is usually wrong with this operator; likeliest first."""
    return _all().get(spec.name, ())
