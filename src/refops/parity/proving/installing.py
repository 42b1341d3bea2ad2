"""Have this process run a changed module: its code is transplanted, and what the old code had a part in forgotten."""

from __future__ import annotations

import ast
import importlib
from collections import OrderedDict
from types import ModuleType
from typing import Any

from refops.parity.checks import forms
from refops.parity.judging import runner, training
from refops.parity.judging import trial as trials
from refops.parity.proving.transplant import compiled, loaded, transplant
from refops.parity.specs import registry


def put(name: str, tree: ast.Module) -> bool:
    """Make this process run `tree` as the module of this name; whether it loads: nothing is changed if it does not.

    Whatever else fails is a fault of the jury, and raised.
    """
    module: ModuleType = importlib.import_module(name)
    code = compiled(module, tree)
    try:
        fresh = loaded(module, code)
    except Exception:
        return False
    transplant(module, fresh)
    forget_truths()
    return True


def forget_truths() -> None:
    """Have truths that references may have had a part in computed anew, and signatures read anew."""
    forms._signature.cache_clear()
    kept: tuple[OrderedDict[tuple[Any, ...], Any], ...] = (trials._EXPECTED, training._EXPECTED, runner._LIKE)
    for truths in kept:
        for key in list(truths):
            spec = registry().get(key[0][0])  # None for a spec made on the way, as of an optimizer's relative
            if spec is None or spec.native is None or spec.oracle is not None:
                del truths[key]
