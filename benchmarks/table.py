"""Write a run of `refops bench --compile --json` into this folder's README: `python benchmarks/table.py run.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from refops.parity.timing.bench import Timing, closing_line, duration

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MODES = ("forward", "forward+backward", "compiled forward", "compiled forward+backward")
HEADS = ("spec", "size", "native", *MODES, "mark")


def table(results: list[Timing]) -> str:
    """One line per operator and size; in each mode the median ratio, with its spread for the eager backward."""
    rows: dict[tuple[str, str], dict[str, Timing]] = {}
    for r in results:
        rows.setdefault((r.spec, r.label), {})[r.mode] = r
    lines = [_line(HEADS), _line(["---"] * len(HEADS))]
    for (spec, label), modes in rows.items():
        both = modes.get("forward+backward") or modes["step"]
        cells = [_ratio(modes.get(mode, both if mode == "forward+backward" else None)) for mode in MODES]
        cells[1] += f" ({both.low:.2f} to {both.high:.2f})"
        lines.append(_line([spec, label, duration(both.native), *cells, f"{both.mark:.2f}" if both.mark else ""]))
    return "\n".join(lines)


def _ratio(timing: Timing | None) -> str:
    return "" if timing is None else timing.failed or f"{timing.ratio:.2f}"


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    timings = [Timing(**r) for r in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    measured = f"{table(timings)}\n\n{closing_line(timings)}."
    PAGE.write_text(f"{head}{BEGIN}\n{measured}\n{END}{tail}", encoding="utf-8")
