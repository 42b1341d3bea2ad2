"""Transplants: a changed module's code is put into the functions already loaded, so that all who hold them run it.

Importing everything anew for each mutant would cost seconds; giving a function object another `__code__` costs nothing
and needs nobody to import again. Meant for a process that ends with the mutant: nothing is put back.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any


def compiled(module: ModuleType, tree: ast.Module) -> CodeType:
    """The code of a changed module."""
    return compile(tree, str(module.__file__), "exec")


def loaded(module: ModuleType, code: CodeType) -> dict[str, Any]:
    """What the changed module would hold if it were imported; what importing it raises is raised."""
    fresh: dict[str, Any] = {name: getattr(module, name) for name in ("__name__", "__file__", "__package__")}
    exec(code, fresh)
    return fresh


def transplant(module: ModuleType, fresh: dict[str, Any]) -> None:
    """Have every function, method and number of `module` be what it is in `fresh`."""
    for name, new in fresh.items():
        old = vars(module).get(name)
        if name.startswith("__") or getattr(old, "__module__", module.__name__) != module.__name__:
            continue
        if isinstance(new, int | float) and new != old:
            _rename(name, old, new)
        elif isinstance(new, type) and isinstance(old, type):
            _members(old, new)
        else:
            _function(old, new)
    forget()


def _members(old: type, new: type) -> None:
    for name, member in vars(new).items():
        if not _function(vars(old).get(name), member):
            setattr(old, name, member)  # `super()` came or went: the new method must stand for itself


def _function(old: Any, new: Any) -> bool:
    """Give the old function the code and defaults of the new; whether that could be done, or nothing was to do."""
    for before, after in zip(functions(old), functions(new), strict=False):
        if before.__code__.co_freevars != after.__code__.co_freevars:
            return False
        before.__code__, before.__defaults__ = after.__code__, after.__defaults__
        before.__kwdefaults__ = after.__kwdefaults__
    return True


def functions(holder: Any) -> Iterator[FunctionType]:
    """The plain functions inside a static or class method, a property, or a decorated function."""
    if isinstance(holder, property):
        for part in (holder.fget, holder.fset, holder.fdel):
            yield from functions(part)
    while holder is not None:
        if isinstance(holder, FunctionType) and not hasattr(holder, "__wrapped__"):
            yield holder
        holder = getattr(holder, "__func__", None) or getattr(holder, "__wrapped__", None)


def _rename(name: str, old: Any, new: Any) -> None:
    """Set a module's number, there and wherever it was imported by this name."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("refops.") and vars(module).get(name) is old:
            setattr(module, name, new)


def forget() -> None:
    """Empty every cache of the package: what the old code computed is not to answer for the new."""
    for module in [m for n, m in sys.modules.items() if n.startswith("refops.") and ".parity" not in n]:
        for value in list(vars(module).values()):
            clear: Callable[[], None] | None = getattr(value, "cache_clear", None)
            if clear is not None:
                clear()
