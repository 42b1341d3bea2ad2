"""No reference is left out of this folder, and none is without a spec."""

from pathlib import Path

import torch

from refops import nn, optim
from refops.parity.specs import all_specs


def test_every_family_has_its_file_here():
    here = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {spec.family for spec in all_specs()} <= here


def test_every_module_and_optimizer_has_a_spec():
    named = {spec.name for spec in all_specs()}
    modules = {
        n for n in nn.__all__ if isinstance(getattr(nn, n), type) and getattr(nn, n).__module__.startswith("refops")
    }
    optimizers = {
        f"optim.{n}"
        for n in optim.__all__
        if getattr(getattr(optim, n), "__module__", "").startswith("refops") and isinstance(getattr(optim, n), type)
    }
    assert modules <= named
    assert optimizers <= named
    assert not any(issubclass(getattr(nn, name), torch.nn.Linear) for name in modules)
