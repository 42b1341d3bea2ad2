"""Adaptive and global pooling. Legend: N batch, C channels, L, H, W, D spatial sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from refops.functional import adaptive_pooling as functional
from refops.nn import adaptive_pooling as modules
from refops.parity.case import Arguments, Case, Draw, built, called, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.parity.specs._pooling_laws import first, of_function
from refops.parity.specs.pooling import in_pairs
from refops.shapes import adaptive_pooling as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Build = Callable[..., Any]
Pair = tuple[Tensor, Tensor]


def cases(n: int, kind: str, *, function: bool) -> SearchStrategy[Case]:
    """Sizes in and out by themselves: fewer bins than elements, as many, more."""
    from hypothesis import strategies as st

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        entry = st.integers(1, 6) if n == 1 else st.integers(1, 6) | st.none()
        size = draw(st.integers(1, 4) | st.tuples(*[entry] * n))
        options = {"return_indices": draw(st.booleans())} if kind == "max" else {}
        lead = draw(st.sampled_from([(), (0,), (1,), (2,)]))
        x = real(*lead, draw(st.integers(1, 3)), *draw(st.lists(st.integers(1, 8), min_size=n, max_size=n)))
        return called(x, size, **options) if function else built(size, **options).on(x)

    return draw_case()


def global_cases(*, function: bool) -> SearchStrategy[Case]:
    """Any number of spatial axes."""
    from hypothesis import strategies as st

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        space = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
        x, keepdim = real(draw(st.integers(0, 3)), draw(st.integers(1, 4)), *space), draw(st.booleans())
        return called(x, keepdim=keepdim) if function else built(keepdim=keepdim).on(x)

    return draw_case()


# --- rows ------------------------------------------------------------------------------------------------------------

ROWS: dict[int, tuple[Case, ...]] = {
    1: (
        built(5).on(real(2, 5, 13)),
        built(1).on(real(2, 3, 11)),
        built(2).on(real(3, 7)),
        built(7).on(real(2, 3, 7)),
        built((4,)).on(real(1, 2, 17)),
        built(6).on(real(2, 2, 12)),
        built(11).on(real(2, 3, 4)),  # more bins than elements
        built(5).on(real(0, 2, 8)),
        built(3).on(real(1, 1, 1)),
        built(2).on(real(1, 2, 4001)),
        built(257).on(real(1, 2, 613)),
    ),
    2: (
        built((5, 7)).on(real(1, 3, 8, 9)),
        built(7).on(real(1, 4, 10, 9)),
        built((None, 7)).on(real(1, 4, 10, 9)),
        built(1).on(real(2, 3, 7, 5)),
        built((3, None)).on(real(2, 7, 6)),
        built((None, None)).on(real(2, 3, 4, 5)),
        built((2, 3)).on(real(2, 3, 8, 9)),
        built((1, 4)).on(real(2, 2, 13, 11)),
        built((9, 2)).on(real(2, 2, 4, 17)),
        built(3).on(real(0, 2, 5, 4)),
        built([6, 1]).on(real(1, 2, 13, 13)),
        built((2, 1)).on(real(1, 1, 53, 67)),
    ),
    3: (
        built((2, 3, 4)).on(real(1, 2, 5, 7, 6)),
        built(2).on(real(2, 2, 3, 5, 4)),
        built((None, 2, None)).on(real(1, 2, 3, 5, 2)),
        built(1).on(real(2, 3, 3, 4, 5)),
        built(2).on(real(2, 5, 4, 3)),
        built((4, 1, 3)).on(real(2, 2, 3, 5, 7)),
        built(2).on(real(0, 2, 3, 4, 5)),
        built((1, 2, 1)).on(real(1, 1, 11, 17, 13)),
    ),
}
WITH_INDICES: dict[int, tuple[Case, ...]] = {
    1: (built(4, True).on(real(2, 3, 11)), built(7, return_indices=True).on(real(2, 5))),
    2: (built((3, 4), True).on(real(2, 3, 7, 9)), built((None, 1), return_indices=True).on(real(2, 4, 9))),
    3: (built((2, 3, 2), True).on(real(2, 2, 3, 5, 4)), built((1, None, 2), return_indices=True).on(real(2, 4, 3, 5))),
}
GLOBAL = (
    built().on(real(6, 7, 5, 3)),
    built(keepdim=True).on(real(2, 3, 7, 5)),
    built().on(real(2, 3, 11)),
    built(True).on(real(2, 3, 2, 3, 5)),
    built().on(real(1, 2, 1, 1)),
    built().on(real(0, 4, 3, 3)),
    built().on(real(2, 3, 2, 2, 3, 2)),
    built(keepdim=False).on(real(1, 2, 53, 67)),
)


def as_calls(rows: tuple[Case, ...]) -> tuple[Case, ...]:
    """The rows of a layer for its function: the input, then the layer's own arguments."""
    inits = (row.init or Arguments() for row in rows)
    return tuple(Case(Arguments((*r.call.args, *i.args), i.kwargs)) for r, i in zip(rows, inits, strict=True))


# --- laws ------------------------------------------------------------------------------------------------------------


def splitting(build: Build, x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    pool = build(output_size=5)
    return torch.cat([first(pool(x[:33])), first(pool(x[33:]))]), first(pool(x))


def one_by_one(build: Build, x: Tensor) -> Pair:
    """An image alone gives what it gives in a batch, and a channel what it gives among others."""
    pool = build(output_size=3)
    apart = [torch.cat([first(pool(channel[None])) for channel in image]) for image in x]
    return torch.stack(apart), first(pool(x))


def doubling(build: Build, x: Tensor) -> Pair:
    """Twice the input gives twice the output, to the bit."""
    pool = build(output_size=5)
    return first(pool(2 * x)), 2 * first(pool(x))


def mirror(build: Build, x: Tensor) -> Pair:
    """Bins lie symmetrically: the mirrored input gives the mirrored output."""
    pool, axes = build(output_size=5), tuple(range(2, x.dim()))
    return first(pool(x.flip(axes))), first(pool(x)).flip(axes)


def same_size(build: Build, x: Tensor) -> Pair:
    """As many bins as elements: every bin is one element."""
    return first(build(output_size=tuple(x.shape[2:]))(x)), x


def repeating(build: Build, x: Tensor) -> Pair:
    """Twice as many bins as elements: every element twice."""
    upsampled = x
    for axis in range(2, x.dim()):
        upsampled = upsampled.repeat_interleave(2, axis)
    return first(build(output_size=tuple(2 * s for s in x.shape[2:]))(x)), upsampled


def one_bin(kind: str, build: Build, x: Tensor) -> Pair:
    """One bin is the mean, or the maximum, of everything."""
    flat = x.flatten(2)
    return first(build(output_size=1)(x)).flatten(1), flat.mean(-1) if kind == "avg" else flat.amax(-1)


def dividing(kind: str, build: Build, x: Tensor) -> Pair:
    """Where the sizes divide, it is pooling by windows side by side."""
    pool = getattr(torch.nn.functional, f"{kind}_pool{x.dim() - 2}d")
    out = tuple(s // 4 for s in x.shape[2:])
    return first(build(output_size=out)(x)), pool(x, 4)


def middle_bin(build: Build, x: Tensor) -> Pair:
    """Of 5 bins the middle one is one bin of what lies from floor(2 S / 5) to ceil(3 S / 5)."""
    whole, part = first(build(output_size=5)(x)), x
    for axis in range(2, x.dim()):
        size = x.shape[axis]
        part = part.narrow(axis, 2 * size // 5, -(-3 * size // 5) - 2 * size // 5)
        whole = whole.narrow(axis, 2, 1)
    return whole, first(build(output_size=1)(part))


def pointing(build: Build, x: Tensor) -> Pair:
    """The indices point at the maxima in the flattened plane."""
    values, at = build(output_size=5, return_indices=True)(x)
    return x.flatten(2).gather(2, at.flatten(2)), values.flatten(2)


def additive(build: Build, x: Tensor, y: Tensor) -> Pair:
    """f(x + y) = f(x) + f(y)."""
    pool = build(output_size=5)
    return pool(x + y), pool(x) + pool(y)


def constant(build: Build, x: Tensor) -> Pair:
    """The mean of ones is one: every bin is divided by its own size."""
    pool = build(output_size=5)
    return pool(torch.ones_like(x)), torch.ones_like(pool(x))


def laws(n: int, kind: str) -> tuple[Law, ...]:
    """The laws in n dimensions, on sizes that stand in no row."""
    odd, even = (13, 9, 7)[:n], (12, 8, 16)[:n]
    both = (
        Law("batch split", splitting, (real(70, 2, *odd),)),
        Law("one by one", one_by_one, (real(3, 5, *odd),)),
        Law("doubling", doubling, (real(2, 3, *odd),)),
        Law("mirror", mirror, (real(2, 3, *odd),)),
        Law("same size", same_size, (real(2, 3, *odd),)),
        Law("more bins", repeating, (real(2, 2, *odd),)),
        Law("one bin", partial(one_bin, kind), (real(2, 3, *odd),)),
        Law("the sizes divide", partial(dividing, kind), (real(2, 3, *even),)),
        Law("middle bin", middle_bin, (real(2, 3, *odd),)),
    )
    if kind == "max":
        return (*both, Law("indices", pointing, (real(2, 2, *odd),)))
    return (
        *both,
        Law("additive", additive, (real(2, 3, *odd), real(2, 3, *odd))),
        Law("ones stay ones", constant, (real(3, 2, *odd),)),
    )


def global_mean(build: Build, x: Tensor) -> Pair:
    """What adaptive pooling to size 1 gives, flattened."""
    return build()(x), torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)


def positions_alike(build: Build, x: Tensor) -> Pair:
    """Where something stands does not matter: rows and columns may change places."""
    return build()(x.transpose(2, 3).flip(2)), build()(x)


# --- refusals --------------------------------------------------------------------------------------------------------


def refusals(n: int, kind: str, *, function: bool) -> tuple[Refusal, ...]:
    """What native refuses."""
    x = real(2, 3, *(5,) * n)
    rows: list[tuple[Draw, Any, str]] = [
        (x, -1, "output_size"),
        (x, (2,) * (n + 1), "output_size"),
        (x, (2,) * (n + 2), "output_size"),
        (x, None, "output_size"),
        (x, 2.5, "output_size"),
        (real(1, 2, 3, *(5,) * n), 2, "input"),
        (real(*(5,) * n), 2, "input"),
        (real(2, 3, *(0,) * n), 2, "input"),
        (real(2, 3, *(5,) * (n - 1), 0), 3, "input"),
    ]
    rows += [(x, (None,), "output_size")] if n == 1 else [(x, (2,), "output_size")]
    rows += [(real(*(5,) * n), (2,) * n, "output_size")] if n > 1 else []
    rows += [(real(2, 0, *(5,) * n), 2, "input")] if kind == "max" or n == 3 else []
    return tuple(Refusal(called(i, o) if function else built(o).on(i), named) for i, o, named in rows)


# --- specs -----------------------------------------------------------------------------------------------------------


def layer(n: int, kind: str) -> Spec:
    """The spec of a layer."""
    name = f"Adaptive{kind.capitalize()}Pool{n}d"
    return Spec(
        name,
        "adaptive_pooling",
        getattr(modules, name),
        getattr(torch.nn, name),
        ROWS[n] + (WITH_INDICES[n] if kind == "max" else ()),
        shape=getattr(shapes, f"adaptive_{kind}_pool{n}d"),
        strategy=partial(cases, n, kind, function=False),
        regimes=POINTWISE,
        mixing=kind == "avg",
        laws=laws(n, kind),
        refusals=refusals(n, kind, function=False),
    )


def function(n: int, kind: str, suffix: str = "") -> Spec:
    """The spec of a function."""
    name = f"adaptive_{kind}_pool{n}d"
    formula = getattr(shapes, name)
    return Spec(
        f"functional.{name}{suffix}",
        "adaptive_pooling",
        getattr(functional, name + suffix),
        getattr(torch.nn.functional, name + suffix),
        as_calls(ROWS[n] + (WITH_INDICES[n] if kind == "max" else ())),
        shape=in_pairs(formula) if suffix else formula,
        strategy=partial(cases, n, kind, function=True),
        regimes=POINTWISE,
        mixing=kind == "avg",
        laws=tuple(Law(law.name, of_function(law.law), law.inputs) for law in laws(n, kind)),
        refusals=refusals(n, kind, function=True),
    )


class AxisByAxis(nn.Module):
    """Oracle of global pooling: the mean of the rows' means of the planes' means."""

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, input: Tensor) -> Tensor:
        """One axis at a time."""
        return axis_by_axis(input, self.keepdim)


def axis_by_axis(input: Tensor, keepdim: bool = False) -> Tensor:
    """The last axis as a product with ones over its length, until N and C are left."""
    means = input
    while means.dim() > 2:
        size = means.shape[-1]
        means = means @ means.new_ones(size) / size
    return means.reshape(*means.shape, *(1,) * (input.dim() - 2)) if keepdim else means


def global_spec(*, is_function: bool) -> Spec:
    """Global pooling as a layer and as a function."""
    global_laws = (
        Law("adaptive pooling to 1", global_mean, (real(70, 3, 9, 4),)),
        Law("positions alike", positions_alike, (real(5, 11, 6, 7),)),
    )
    wrong = (real(2, 3), real(3), real(2, 3, 0), real(2, 3, 4, 0))
    return Spec(
        "functional.global_average_pool" if is_function else "GlobalAveragePool",
        "adaptive_pooling",
        functional.global_average_pool if is_function else modules.GlobalAveragePool,
        None,
        as_calls(GLOBAL) if is_function else GLOBAL,
        oracle=axis_by_axis if is_function else AxisByAxis,
        shape=shapes.global_average_pool,
        strategy=partial(global_cases, function=is_function),
        laws=tuple(Law(x.name, of_function(x.law), x.inputs) for x in global_laws) if is_function else global_laws,
        refusals=tuple(Refusal(called(x) if is_function else built().on(x), "input") for x in wrong),
    )


SPECS = (
    *(layer(n, kind) for kind in ("avg", "max") for n in (1, 2, 3)),
    *(function(n, kind) for kind in ("avg", "max") for n in (1, 2, 3)),
    *(function(n, "max", "_with_indices") for n in (1, 2, 3)),
    global_spec(is_function=False),
    global_spec(is_function=True),
)
