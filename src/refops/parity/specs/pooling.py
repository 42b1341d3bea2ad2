"""Maximum and average pooling. Legend: N batch, C channels, L, H, W, D spatial sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch

from refops.functional import pooling as functional
from refops.nn.pooling import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d
from refops.parity.case import Arguments, Case, built, called, real
from refops.parity.spec import POINTWISE, Spec
from refops.parity.specs._pooling_laws import laws, refusals
from refops.shapes import pooling as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]


def as_calls(rows: tuple[Case, ...], positional: int = 6) -> tuple[Case, ...]:
    """The rows of a layer for its function: the input, then its arguments, after `positional` of them by name."""
    made = []
    for row in rows:
        init = row.init or Arguments()
        named = (*zip(("return_indices", "ceil_mode"), init.args[positional:], strict=False), *init.kwargs)
        made.append(Case(Arguments((*row.call.args, *init.args[:positional]), named)))
    return tuple(made)


def cases(n: int, kind: str, *, function: bool) -> SearchStrategy[Case]:
    """Every argument at once; sizes reach over a dilated window, so that none lies in padding altogether.

    Native reads beyond the plane for a window that does: its index for `max_pool2d(ones(1, 1, 1, 1), 2, 1, 1, 2)` is 2.
    """
    from hypothesis import strategies as st

    def each(low: int, high: int) -> SearchStrategy[Any]:
        number = st.integers(low, high)
        return number | st.tuples(*[number] * n)

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        kernel = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
        options: dict[str, Any] = {"padding": tuple(draw(st.integers(0, k // 2)) for k in kernel)}
        if draw(st.booleans()):
            options["stride"] = draw(each(1, 3))
        dilation = [1] * n
        if kind == "max":
            dilation = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
            options |= {"dilation": tuple(dilation), "return_indices": draw(st.booleans())}
        else:
            options["count_include_pad"] = draw(st.booleans())
            if n > 1:
                options["divisor_override"] = draw(st.none() | st.integers(-3, 5).filter(bool))
        options["ceil_mode"] = draw(st.booleans())
        spatial = [draw(st.integers(d * (k - 1) + 1, d * (k - 1) + 5)) for k, d in zip(kernel, dilation, strict=True)]
        x = real(*draw(st.sampled_from([(), (0,), (1,), (2,)])), draw(st.integers(1, 3)), *spatial)
        return called(x, tuple(kernel), **options) if function else built(tuple(kernel), **options).on(x)

    return draw_case()


# --- rows ------------------------------------------------------------------------------------------------------------

MAX_ROWS = {
    1: (
        built(3, stride=2, padding=1).on(real(2, 3, 13)),
        built(1, 2).on(real(1, 7)),
        built(2).on(real(3, 5)),
        built(2, ceil_mode=True).on(real(2, 2, 5)),
        built(3).on(real(0, 2, 7)),
        built(2, 3, return_indices=True).on(real(2, 3, 11)),
        built((4,), (3,), (2,), (2,), True, True).on(real(2, 2, 17)),
        built(300, stride=150, padding=7).on(real(1, 2, 613)),
        built(2000).on(real(1, 2, 4001)),
    ),
    2: (
        built(3, stride=2, padding=1).on(real(2, 2, 9, 8)),
        built(1).on(real(1, 2, 3)),
        built(2).on(real(2, 6, 5)),
        built(1, 3, ceil_mode=True).on(real(1, 2, 5, 5)),
        built(3, stride=1).on(real(0, 2, 5, 4)),
        built(2, return_indices=True).on(real(2, 2, 5, 7)),
        built(2, 3, ceil_mode=True).on(real(2, 2, 7, 8)),
        built(3, 2, 1, 1, True, True).on(real(2, 3, 8, 6)),
        built((3, 2), stride=(2, 1)).on(real(2, 3, 10, 7)),
        built((2, 3), (1, 2), (1, 0), (1, 3)).on(real(2, 2, 7, 13)),
        built((3, 5), (2, 1), (1, 2), (3, 2), True).on(real(3, 11, 12)),
        built(3, 1, 1).on(real(1, 2, 17, 13)),
        built((47, 43), (5, 3)).on(real(1, 1, 53, 47)),
    ),
    3: (
        built(2, stride=2, padding=1).on(real(2, 2, 5, 4, 3)),
        built(2, ceil_mode=True).on(real(1, 2, 3, 5, 2)),
        built(2, 1).on(real(0, 2, 3, 2, 4)),
        built(2).on(real(2, 3, 5, 4)),
        built((1, 2, 3), return_indices=True).on(real(2, 2, 3, 5, 7)),
        built(3, (2, 1, 3), (1, 0, 1), (1, 2, 1), True, True).on(real(2, 2, 7, 6, 5)),
        built((3, 3, 2), 1, (1, 1, 0), (2, 1, 3)).on(real(1, 2, 5, 4, 9)),
        built((9, 17, 13), 2).on(real(1, 1, 11, 17, 14)),
    ),
}

AVG_ROWS = {
    1: (
        built(3, stride=2, padding=1).on(real(2, 3, 13)),
        built(1, 2).on(real(1, 7)),
        built(2).on(real(3, 5)),
        built(2, ceil_mode=True).on(real(2, 2, 5)),
        built(3).on(real(0, 2, 7)),
        built(3, 2, 1, count_include_pad=False).on(real(2, 3, 7)),
        built((4,), (3,), (2,), True, False).on(real(2, 2, 17)),
        built(4, 3, 2, True).on(real(2, 2, 12)),
        built(2000).on(real(1, 2, 4001)),
    ),
    2: (
        built(3, stride=2, padding=1).on(real(2, 2, 9, 8)),
        built(1, 2).on(real(1, 3, 5)),
        built(2).on(real(2, 6, 5)),
        built(2, 2, ceil_mode=True).on(real(1, 2, 5, 5)),
        built(3, stride=1).on(real(0, 2, 5, 4)),
        built(2, divisor_override=3).on(real(1, 2, 4, 4)),
        built(2, 1, 1, count_include_pad=False).on(real(2, 2, 3, 4)),
        built(3, 2, 1, True).on(real(2, 2, 6, 6)),
        built((3, 2), stride=(2, 1)).on(real(2, 3, 10, 7)),
        built((2, 4), (3, 2), (1, 2), True, False).on(real(3, 9, 11)),
        built((3, 2), (2, 3), (1, 0), True, False, -5).on(real(2, 2, 6, 7)),
        built(3, 1, 1).on(real(1, 2, 17, 13)),
        built((47, 43), (5, 3)).on(real(1, 1, 53, 47)),
    ),
    3: (
        built(2, stride=2, padding=1).on(real(2, 2, 5, 4, 3)),
        built(2, ceil_mode=True).on(real(1, 2, 3, 5, 2)),
        built(2, 1).on(real(0, 2, 3, 2, 4)),
        built(2).on(real(2, 3, 5, 4)),
        built((1, 2, 3), divisor_override=7).on(real(2, 2, 3, 5, 7)),
        built(3, (2, 1, 3), (1, 0, 1), True, False).on(real(2, 2, 6, 5, 8)),
        built((2, 3, 2), 2, 1, True).on(real(1, 2, 5, 4, 7)),
        built((2, 1, 3), (1, 2, 2), (1, 0, 1), False, False, 2).on(real(2, 2, 4, 3, 5)),
        built((9, 17, 13), 2).on(real(1, 1, 11, 17, 14)),
    ),
}

# The functions put `ceil_mode` before `return_indices`, the layers after it.
MAX_CALLS = {
    1: (*as_calls(MAX_ROWS[1], 4), called(real(2, 11), (3,), (2,), (1,), (2,), True, True)),
    2: (*as_calls(MAX_ROWS[2], 4), called(real(2, 11, 8), 3, (2, 3), (1, 0), (2, 1), True, True)),
    3: (*as_calls(MAX_ROWS[3], 4), called(real(2, 5, 6, 4), 2, (2, 3, 1), (1, 0, 1), 1, True, True)),
}
AVG_CALLS = {n: as_calls(rows) for n, rows in AVG_ROWS.items()}


# --- specs -----------------------------------------------------------------------------------------------------------


def layer(n: int, kind: str, reference: Callable[..., Any], rows: tuple[Case, ...]) -> Spec:
    """The spec of a layer."""
    return Spec(
        reference.__name__,
        "pooling",
        reference,
        getattr(torch.nn, reference.__name__),
        rows,
        shape=getattr(shapes, f"{kind}_pool{n}d"),
        strategy=lambda: cases(n, kind, function=False),
        regimes=POINTWISE,
        mixing=kind == "avg",
        laws=laws(n, kind, function=False),
        refusals=refusals(n, kind, function=False),
    )


def function(n: int, kind: str, reference: Callable[..., Any], rows: tuple[Case, ...]) -> Spec:
    """The spec of a function."""
    formula = getattr(shapes, f"{kind}_pool{n}d")
    return Spec(
        f"functional.{reference.__name__}",
        "pooling",
        reference,
        getattr(torch.nn.functional, reference.__name__),
        rows,
        shape=in_pairs(formula) if reference.__name__.endswith("_with_indices") else formula,
        strategy=lambda: cases(n, kind, function=True),
        regimes=POINTWISE,
        mixing=kind == "avg",
        laws=laws(n, kind, function=True),
        refusals=refusals(n, kind, function=True),
    )


def in_pairs(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula of a maximum that always gives its indices."""

    @wraps(formula)
    def pair(*args: Any, **kwargs: Any) -> Any:
        return formula(*args, **{**kwargs, "return_indices": True})

    return pair


SPECS = (
    layer(1, "max", MaxPool1d, MAX_ROWS[1]),
    layer(2, "max", MaxPool2d, MAX_ROWS[2]),
    layer(3, "max", MaxPool3d, MAX_ROWS[3]),
    layer(1, "avg", AvgPool1d, AVG_ROWS[1]),
    layer(2, "avg", AvgPool2d, AVG_ROWS[2]),
    layer(3, "avg", AvgPool3d, AVG_ROWS[3]),
    function(1, "max", functional.max_pool1d, MAX_CALLS[1]),
    function(2, "max", functional.max_pool2d, MAX_CALLS[2]),
    function(3, "max", functional.max_pool3d, MAX_CALLS[3]),
    function(1, "max", functional.max_pool1d_with_indices, MAX_CALLS[1]),
    function(2, "max", functional.max_pool2d_with_indices, MAX_CALLS[2]),
    function(3, "max", functional.max_pool3d_with_indices, MAX_CALLS[3]),
    function(1, "avg", functional.avg_pool1d, AVG_CALLS[1]),
    function(2, "avg", functional.avg_pool2d, AVG_CALLS[2]),
    function(3, "avg", functional.avg_pool3d, AVG_CALLS[3]),
)
