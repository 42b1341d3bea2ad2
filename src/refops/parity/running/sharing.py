"""What references judged together share, and so is asked once at the quick level.

A function that is the forward pass of a module judged here is run by the module's own items, in every dtype and through
every check: what remains of it is `FORM`, in float32 and briefly. Of an operator in one, two and three dimensions the
one in two is asked everything, its twins `FORM` and `CLASS`, likewise; so is a stack whose layer is judged here. What
is in `ONCE` hangs on how a family is written and not on which of its operators is asked: one answers for all. `LATER`
waits for the full level where many are judged. Judged alone, in a chosen dtype, or at the full level, each of them is
asked everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

from refops.parity.judging.item import Item, items
from refops.parity.spec import Spec
from refops.parity.subject import Operator

Pair = tuple[Spec, Operator]

FORM = ("value", "shape", "dtype", "inputs", "refusals", "exceptions", "views")
CLASS = ("gradient", "primitives", "modes", "buffers", "state", "keys", "init", "repr", "laws")
ONCE = (
    "autocast", "checkpoint", "export", "forward_mode", "fresh", "frozen", "grad_modes", "limits", "meta",
    "strides", "surroundings", "unseen", "vmap",
)  # fmt: skip
LATER = ("compile",)  # tracing takes longer than all other checks of a family; tests/parity/test_compiled.py asks it
FEW = 10  # of these nothing has to wait


def shared_items(pairs: Sequence[Pair], device: str) -> Iterator[tuple[Item, Operator]]:
    """The items of the quick level, less what another of them answers."""
    called, twins = _called(pairs), _twins(pairs)
    asked: set[tuple[str, str]] = set()
    for spec, subject in pairs:
        inner = spec.kind == "function" and spec.reference in called
        checks = FORM if inner else (*FORM, *CLASS) if spec.name in twins else ()
        dtypes = ("float32",) if checks else tuple(subject.domain.dtypes)
        for item in items(spec, subject, device=device, dtypes=dtypes, checks=checks):
            if subject.reference and item.check.name in LATER and len(pairs) > FEW:
                continue
            if subject.reference and item.check.name in ONCE:
                if (spec.family, item.check.name) in asked:
                    continue
                asked.add((spec.family, item.check.name))
            yield replace(item, brief=bool(checks)), subject


def _twins(pairs: Sequence[Pair]) -> set[str]:
    """The references in one and three dimensions whose twin in two is judged here, and stacks whose layer is."""
    names = {spec.name for spec, subject in pairs if subject.reference}
    return {n for n in names if (n[-2:] in ("1d", "3d") and f"{n[:-2]}2d" in names) or f"{n}Layer" in names}


def _called(pairs: Sequence[Pair]) -> set[Callable[..., Any]]:
    """The functions that the forward passes of the references judged here call, be it as `relu` or as `F.relu`."""
    modules: list[Any] = [spec.reference for spec, subject in pairs if spec.kind == "module" and subject.reference]
    called: set[Callable[..., Any]] = set()
    for forward in (module.forward for module in modules):
        names, scope = forward.__code__.co_names, forward.__globals__
        packages = [vars(scope[name]) for name in names if isinstance(scope.get(name), ModuleType)]
        found = (place[name] for place in (scope, *packages) for name in names if name in place)
        called.update(f for f in found if isinstance(f, FunctionType))
    return called
