"""Output-shape formulas have the defaults of what they are the formulas of."""

from __future__ import annotations

import inspect

import pytest

from refops.parity.spec import Spec
from refops.parity.specs import all_specs

LAYERS = [spec for spec in all_specs() if spec.shape is not None and spec.kind != "optimizer"]
NONE = inspect.Parameter.empty


@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: spec.name)
def test_defaults_are_the_references(spec: Spec) -> None:
    functions = [spec.reference] + ([spec.reference.forward] if spec.kind == "module" else [])
    own = {k: p.default for f in functions for k, p in inspect.signature(f).parameters.items()}
    told = {k: p.default for k, p in inspect.signature(spec.shape).parameters.items() if p.default is not NONE}
    both = [name for name in told if own.get(name, NONE) is not NONE]
    assert {name: told[name] for name in both} == {name: own[name] for name in both}
