"""The sizes that are timed, and what the timing says of itself; no time is asserted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from refops.parity.specs import all_specs, find
from refops.parity.timing.bench import (
    Timing,
    closing_line,
    draw,
    duration,
    geometric_mean,
    measure,
    pair,
    select,
    table,
)
from refops.parity.timing.sizes import RESNET18, SIZES, Row

SMALL = [row for row in SIZES if not row.realistic]
MADE = Timing("Linear", "small [x]", "forward", True, 1.1, 2e-3, 1e-3, 2.0, 1.5, 2.5)
FAILED = Timing("Linear", "small", "forward", True, 1.1, *[math.nan] * 5, failed="RuntimeError: no")


def test_every_native_module_and_every_optimizer_has_a_size() -> None:
    sized = {row.spec for row in SIZES}
    compared = [s.name for s in all_specs() if s.kind == "optimizer" or (s.kind == "module" and s.native)]
    assert [name for name in compared if name not in sized] == []
    assert all(find(row.spec).name == row.spec for row in SIZES if not row.whole)


@pytest.mark.parametrize("row", [r for r in SIZES if r.whole], ids=lambda r: r.whole)
def test_whole_models_and_losses_can_be_timed(row: Row) -> None:
    for call in pair(row, row.modes[0]):
        call()


def test_rows_have_different_names() -> None:
    names = [(row.spec, row.label) for row in SIZES]
    assert len(set(names)) == len(names)


def test_the_optimizers_net_is_resnet18() -> None:
    assert len(RESNET18) == 62
    assert sum(math.prod(d.shape) for d in RESNET18) == 11_689_512


def same(ours: Any, native: Any) -> bool:
    if isinstance(ours, tuple):
        return len(ours) == len(native) and all(map(same, ours, native))
    return isinstance(ours, Tensor) and ours.shape == native.shape and ours.dtype == native.dtype


@pytest.mark.parametrize(
    "row", [r for r in SMALL if not r.spec.startswith("optim.")], ids=lambda r: f"{r.spec} {r.label}"
)
@pytest.mark.parametrize("mode", ["forward", "forward+backward"])
def test_both_sides_do_the_same_work(row: Row, mode: str) -> None:
    reference, native = pair(row, mode)
    torch.manual_seed(0)
    ours = reference()
    torch.manual_seed(0)
    assert same(ours, native())


@pytest.mark.parametrize("row", [r for r in SMALL if r.spec.startswith("optim.")], ids=lambda r: r.spec)
def test_an_optimizers_step_can_be_timed(row: Row) -> None:
    result = measure(row, "step", seconds=0.001)
    assert result.failed == ""
    assert result.low <= result.ratio <= result.high


def test_what_cannot_be_timed_says_why() -> None:
    broken = Row("Linear", "broken", select(["Flatten"])[0].case)
    assert measure(broken, "forward", seconds=0.001).failed.startswith("TypeError")
    assert table([FAILED])[1][0][-3:] == ("failed", "RuntimeError: no", "")


def test_mean_table_and_closing_line() -> None:
    assert geometric_mean([MADE, FAILED], "forward") == pytest.approx(2.0)
    assert math.isnan(geometric_mean([MADE], "step"))
    assert table([MADE])[1][0][3:] == ("2.00 ms", "1.00 ms", "2.00", "1.50 to 2.50", "1.10")
    assert closing_line([MADE, FAILED]).endswith("forward 2.00; 1 could not be timed")
    assert [duration(x) for x in (2.0, 2e-3, 2e-6, 2e-9)] == ["2.00 s", "2.00 ms", "2.00 us", "0.00 us"]


def test_the_plot_is_written_or_refused(tmp_path: Path) -> None:
    draw([MADE, FAILED], tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="nothing to plot"):
        draw([FAILED], tmp_path / "none.png")
    with pytest.raises(ValueError, match="xyz"):
        draw([MADE], tmp_path / "ratios.xyz")
