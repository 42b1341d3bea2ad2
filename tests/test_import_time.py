"""What every program and every run of pytest imports stays light: heavy imports, torch's too, wait for their use."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pytest", "hypothesis", "typer", "rich", "jinja2", "matplotlib", "torch._dynamo")
TIMING = "import time; a = time.process_time(); import torch; b = time.process_time(); "
TIMING += "import refops.nn, refops.optim, refops.tensor, refops.shapes; "
TIMING += "print((time.process_time() - b) / (b - a))"
LOADED = "import torch; torch_has = set(__import__('sys').modules); import refops, refops.nn, refops.optim, sys; "
LOADED += f"print([m for m in {HEAVY} if m in sys.modules and m not in torch_has])"


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_adds_less_than_a_fifth_to_torch() -> None:
    assert any(float(run(TIMING)) < 0.2 for _ in range(5))  # of processor time, which other work moves for both alike


def test_nothing_heavy_is_imported() -> None:
    assert run(LOADED) == "[]"


@pytest.mark.parametrize("part", ["parity.running.plugin", "commands"])  # every run of pytest, and `refops --help`
def test_what_must_not_wait_for_torch(part: str) -> None:
    assert run(f"import refops.{part}, sys; print('torch' in sys.modules)") == "False"


def test_what_is_imported_late_is_there() -> None:
    run(
        "import refops, refops.parity as kit, refops.training as training\n"
        "for module in (refops, kit, training):\n    [getattr(module, name) for name in module.__all__]"
    )
    unknown = "import refops\ntry: refops.nonsense\nexcept AttributeError as error: print(error)"
    assert run(unknown) == "module 'refops' has no attribute 'nonsense'"
