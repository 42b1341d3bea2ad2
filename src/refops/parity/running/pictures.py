"""Pictures of numbers as inline SVG: what was expected and got around the worst element, and the error in budgets.

Colours are left to the page's style sheet, so that light, dark and print are the page's own business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP = 640.0, 96.0, 26.0, 132.0, 8.0, 8.0
LINEAR = 8.0  # budgets up to which the error's axis is linear; above it is drawn by asinh, the band stays visible
HEIGHT = TOP + 2 * PANEL + GAP + 22.0


def plot(series: Mapping[str, Sequence[float]]) -> str:
    """Two panels over the elements: the values; and the error over the budget, with the band in which it may lie.

    Args:
        series: `expected`, `got` and `budget`, equally long, and perhaps `first`, the index of the first element.

    Returns:
        An `<svg>` element, or nothing where there is nothing to draw.
    """
    expected, got, budget = (list(series.get(name, ())) for name in ("expected", "got", "budget"))
    if not expected or not len(expected) == len(got) == len(budget):
        return ""
    first = int(next(iter(series.get("first", ())), 0))
    errors = [_in_budgets(*triple) for triple in zip(expected, got, budget, strict=True)]
    parts = [*_values(expected, got), *_errors(errors), *_elements(first, len(expected))]
    label = f"expected, got and error over budget for elements {first} to {first + len(expected) - 1}"
    head = f'<svg class="plot" role="img" aria-label="{label}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">'
    return head + "".join(parts) + "</svg>"


def warmth(value: float | None, low: float, high: float) -> float:
    """Where a value stands between two bounds on a logarithmic scale, from 0 to 1; what is infinite or no number is 1.

    Example:
        >>> warmth(10.0, 1.0, 100.0), warmth(0.2, 1.0, 100.0), warmth(None, 1.0, 100.0)
        (0.5, 0.0, 0.0)
    """
    if value is None or value <= low:
        return 0.0
    if not math.isfinite(value):
        return 1.0
    return min(1.0, math.log(value / low) / math.log(high / low))


def _in_budgets(expected: float, got: float, budget: float) -> float:
    """Signed error in budgets; infinite where the one is no number and the other is."""
    if expected == got or (math.isnan(expected) and math.isnan(got)):
        return 0.0
    error = got - expected
    if not math.isfinite(error):
        return math.inf
    return error / budget if budget > 0 else math.copysign(math.inf, error)


def _x(i: int, n: int) -> float:
    inner = WIDTH - LEFT - RIGHT
    return LEFT + inner * (i + 0.5) / n


def _values(expected: Sequence[float], got: Sequence[float]) -> list[str]:
    numbers = [v for v in (*expected, *got) if math.isfinite(v)] or [0.0]
    low, high = min(numbers), max(numbers)
    if low == high:
        low, high = low - 1, high + 1
    n, bottom = len(expected), TOP + PANEL

    def y(value: float) -> float:
        return bottom - 6 - (PANEL - 12) * (value - low) / (high - low) if math.isfinite(value) else TOP

    parts = [_frame(TOP), _tick(y(high), f"{high:.4g}"), _tick(y(low), f"{low:.4g}"), _name(TOP, "value")]
    if n > 1:
        points = " ".join(f"{_x(i, n):.1f},{y(v):.1f}" for i, v in enumerate(expected) if math.isfinite(v))
        parts.append(f'<polyline class="line" points="{points}"/>')
    parts += [_mark("expected", _x(i, n), y(v), v, 4.5) for i, v in enumerate(expected)]
    return parts + [_mark("got", _x(i, n), y(v), v, 2.5) for i, v in enumerate(got)]


def _errors(errors: Sequence[float]) -> list[str]:
    top, n = TOP + PANEL + GAP, len(errors)
    finite = [abs(e) for e in errors if math.isfinite(e)]
    most = max([1.5, *finite])
    middle, half = top + PANEL / 2, PANEL / 2 - 6
    bend = 1.0 if most <= LINEAR else math.asinh(most) / most

    def y(error: float) -> float:
        if not math.isfinite(error):
            return top if error > 0 else top + PANEL
        part = error / most if bend == 1.0 else math.asinh(error) / math.asinh(most)
        return middle - half * part

    band = f'<rect class="band" x="{LEFT}" y="{y(1):.1f}" width="{WIDTH - LEFT - RIGHT}" height="{y(-1) - y(1):.1f}"/>'
    parts = [_frame(top), band, _name(top, "error")]
    apart = y(-1) - y(1) > 24  # so far apart that two labels do not touch
    parts += [_tick(y(1), "+ budget"), _tick(y(-1), "− budget")] if apart else [_tick(middle, "± budget")]
    if y(1) - y(most) > 12:
        parts += [_tick(y(most), f"{most:.3g} budgets"), _tick(y(-most), f"−{most:.3g}")]
    for i, error in enumerate(errors):
        kind = "over" if abs(error) > 1 else "within"
        parts.append(
            f'<line class="{kind}" x1="{_x(i, n):.1f}" x2="{_x(i, n):.1f}" y1="{middle}" y2="{y(error):.1f}"/>'
        )
        parts.append(_mark(kind, _x(i, n), y(error), error, 2.5))
    return parts


def _elements(first: int, n: int) -> list[str]:
    """The axis below both panels."""
    at, y = sorted({0, n // 2, n - 1}), HEIGHT - 6
    marks = [f'<text class="axis" x="{_x(i, n):.1f}" y="{y}" text-anchor="middle">{first + i}</text>' for i in at]
    return [*marks, f'<text class="axis" x="0" y="{y}">element</text>']


def _mark(kind: str, x: float, y: float, value: float, size: float) -> str:
    if math.isfinite(value):
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size}"/>'
    arms = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return f'<path class="{kind} cross" d="{arms}"><title>{value}</title></path>'


def _frame(top: float) -> str:
    return f'<rect class="frame" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}"/>'


def _tick(y: float, text: str) -> str:
    return f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def _name(top: float, text: str) -> str:
    return f'<text class="name" x="0" y="{top + PANEL / 2 + 4}">{text}</text>'
