"""Learning curves as a table and as a picture; the curves of two runs over each other."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from refops.training import checkpoint
from refops.training.extras import need
from refops.training.loop import Row, Run

__all__ = ["differences", "draw", "table", "write_tables"]

SPLITS = {"train": "C0", "validation": "C1", "test": "C2"}
STYLES = ({"marker": "o", "linewidth": 2.5, "alpha": 0.5}, {"marker": "x", "linewidth": 1.0, "linestyle": "--"})


def table(rows: Sequence[Row]) -> str:
    """Rows as comma-separated values, every digit kept.

    Example:
        >>> table([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]).splitlines()
        ['epoch,loss', '1,0.5', '2,0.25']
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_tables(run: Run, folder: Path) -> None:
    """`history.csv`, one row an epoch, and `steps.csv`, the loss of each training batch."""
    steps = [{"step": i, "loss": loss} for i, loss in enumerate(run.steps, start=1)]
    for name, rows in (("history.csv", run.history), ("steps.csv", steps)):
        _write(folder / name, table(rows).encode())


def _write(file: Path, content: bytes) -> None:
    checkpoint.write(file, lambda out: out.write(content))


def differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """How far apart two curves are at each point, relative to the first's largest value.

    Example:
        >>> differences([2.0, 1.0], [2.0, 1.5])
        [0.0, 0.25]
    """
    scale = max(map(abs, first))
    return [abs(a - b) / scale for a, b in zip(first, second, strict=True)]


def draw(runs: Mapping[str, Run], file: Path, title: str, *, yardstick: Run | None = None) -> None:
    """Loss and accuracy by epoch, one run over the other; with a yardstick, by step how far the two are apart.

    Raises:
        MissingPackageError: without matplotlib.
    """
    figure_type = need("matplotlib.figure", "a picture of the curves").Figure
    columns = 2 if yardstick is None else 3
    figure = figure_type(figsize=(5 * columns, 4.2), layout="constrained")
    panels = figure.subplots(1, columns)
    for panel, what in zip(panels, ("loss", "accuracy"), strict=False):
        for style, (name, run) in zip(STYLES, runs.items(), strict=False):
            _lines(panel, run.history, what, name, style)
        panel.set(xlabel="epoch", title=what)
        panel.xaxis.get_major_locator().set_params(integer=True)
    if yardstick is not None:
        first, second = runs.values()
        _gap(panels[2], first, second, "refops and torch")
        _gap(panels[2], first, yardstick, "torch and torch moved by one rounding")
        panels[2].set(xlabel="step", title="difference of the training losses (relative)")
    for panel in panels:
        panel.grid(linewidth=0.3)
        panel.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130)
    _write(file, picture.getvalue())


def _lines(panel: Any, rows: Sequence[Row], what: str, name: str, style: Mapping[str, Any]) -> None:
    epochs = [row["epoch"] for row in rows]
    for split, color in SPLITS.items():
        values = [row[f"{split}_{what}"] for row in rows]
        panel.plot(epochs, values, color=color, label=f"{split}, {name}", **style)


def _gap(panel: Any, first: Run, second: Run, label: str) -> None:
    least = torch.finfo(getattr(torch, first.settings.dtype)).eps / 8  # equal losses have no place on the axis
    apart = [max(a, least) for a in differences(first.steps, second.steps)]
    panel.semilogy(range(1, len(apart) + 1), apart, linewidth=0.8, label=label)
