"""A layer of one's own, in a file outside the package: judged by one line of pytest, one call, and one command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from refops.parity import check, conforms
from refops.parity.case import called, real
from refops.parity.record import Record, read_records
from refops.parity.spec import Spec

MINE = """
import os, time, torch

class Right(torch.nn.Module):
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        self.inner = torch.nn.LayerNorm(normalized_shape, eps, elementwise_affine, bias, device, dtype)

    def forward(self, input):
        return self.inner(input)

class EpsOutside(torch.nn.LayerNorm):
    def forward(self, input):
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        axes = tuple(range(-len(self.normalized_shape), 0))
        if tuple(input.shape[len(input.shape) - len(axes):]) != self.normalized_shape:
            raise RuntimeError("input must end in normalized_shape")
        centred = x - x.mean(axes, keepdim=True)
        y = (centred / ((centred * centred).mean(axes, keepdim=True).sqrt() + self.eps)).to(input.dtype)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias

class Raises(torch.nn.LayerNorm):
    def forward(self, input):
        raise RuntimeError("out of order")

class Hangs(torch.nn.LayerNorm):
    def forward(self, input):
        while True:
            time.sleep(0.01)

class Dies(torch.nn.LayerNorm):
    def forward(self, input):
        os._exit(3)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the layers in `mine.py`."""
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program there."""
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def judged(folder: Path, name: str, *words: str) -> tuple[int, str, list[Record]]:
    """Exit code, output and records of `refops check` on one of the layers."""
    made = run(folder, "refops", "check", f"mine:{name}", "--like", "LayerNorm", "--json", "run.json", *words)
    return made.returncode, made.stdout + made.stderr, list(read_records(folder / "run.json"))


def test_one_line_in_a_test_file(folder: Path) -> None:
    (folder / "test_mine.py").write_text(
        "import mine\nfrom refops.parity import conforms\n"
        'test_right = conforms(mine.Right, to="LayerNorm", checks=["value", "gradient"], dtypes=["float32"])\n'
        'test_wrong = conforms(mine.EpsOutside, to="LayerNorm", checks=["value"], dtypes=["float32"])\n'
    )
    made = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py")
    assert "2 passed" in made.stdout
    assert "1 failed" in made.stdout
    assert "test_wrong::LayerNorm-value-float32-cpu" in made.stdout
    assert "over budget" in made.stdout


def test_one_command_passes_a_right_layer_with_other_parameter_names(folder: Path) -> None:
    code, output, records = judged(folder, "Right", "--dtype", "float32")
    assert code == 0, output
    assert len(records) > 10


def test_eps_outside_the_root_fails_with_a_small_case_and_a_script_that_runs(folder: Path) -> None:
    code, output, records = judged(folder, "EpsOutside", "--dtype", "float32", "--check", "value")
    assert code == 1, output
    (record,) = records
    finding = record.findings[0]
    assert finding.case == "built(2).on(real(2))"
    assert finding.index
    assert finding.expected != finding.got
    assert finding.script.splitlines()[-1].strip() in output
    assert len(finding.script.splitlines()) <= 15
    (folder / "script.py").write_text(finding.script)
    shown = run(folder, "script").stdout
    assert shown.count("tensor(") == 2
    assert len(set(shown.split("tensor("))) == 3, "native and mine print different numbers"


def test_a_subject_that_raises_is_reported_as_such(folder: Path) -> None:
    code, output, records = judged(folder, "Raises", "--dtype", "float32", "--check", "value", "--check", "gradient")
    assert code == 1
    assert {r.outcome for r in records} == {"differs"}, "to refuse is not to be wrong"
    assert "out of order" in output
    assert "too little was judged" in output


@pytest.mark.parametrize(("name", "said", "limit"), [("Hangs", "hung", "2"), ("Dies", "process died", "60")])
def test_a_subject_that_hangs_or_dies_is_reported_and_the_run_goes_on(
    folder: Path, name: str, said: str, limit: str
) -> None:
    words = ("--dtype", "float32", "--check", "value", "--check", "state", "--timeout", limit)
    code, output, records = judged(folder, name, *words)
    assert code == 1, output
    assert len(records) == 2, "both checks are told of"
    assert all(said in r.reason for r in records), [r.reason for r in records]
    assert json.loads((folder / "run.json").read_text())["torch"]


def test_a_function_inside_a_judged_module_is_asked_only_what_is_its_own() -> None:
    def asked(*names: str, **options: Any) -> set[tuple[str, str]]:
        found = (item for item, _ in conforms(to=names, **options).items())
        return {(item.check.name, item.dtype) for item in found if item.spec.kind == "function"}

    alone, beside = asked("functional.relu"), asked("functional.relu", "ReLU")
    assert {dtype for _, dtype in beside} == {"float32"}
    assert ("value", "float32") in beside < alone
    assert ("compile", "float32") in alone - beside
    assert asked("functional.relu", "ReLU", level="full") >= alone
    assert asked("tensor.sum", "LocalAttention") == asked("tensor.sum")  # a method of that name is another thing


def test_a_subject_that_always_dies_is_reported_once_and_the_run_ends(folder: Path) -> None:
    code, output, records = judged(folder, "Dies", "--check", "value", "--dtype", "float32", "-n", "0")
    assert code == 1, output
    assert [r.outcome for r in records] == ["error"], "never tried again"
    code, output, records = judged(folder, "Dies", "--dtype", "float32", "-n", "1")
    assert code == 1, output
    assert len(records) < 8, "after three deaths in a row the rest is not asked"
    assert "3 times in a row" in output


@pytest.mark.parametrize("times", [2, 3])
def test_operators_of_ones_own_may_share_a_name(times: int) -> None:
    def scaled(x: Tensor) -> Tensor:
        return x * times

    report = check(scaled, like=Spec.of(scaled, cases=[called(real(4, 8))]), checks=["value"], dtypes=["float32"])
    assert report.passed, report
