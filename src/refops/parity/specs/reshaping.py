"""Flatten and Unflatten, as layers and as the functions torch keeps beside its functional namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.reshaping import flatten, unflatten
from refops.nn.reshaping import Flatten, Unflatten
from refops.parity.case import Case, built, called, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.shapes.reshaping import flatten as flatten_shape
from refops.shapes.reshaping import unflatten as unflatten_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
TRIVIAL = "only the shape changes, every number stays"


def functional_flatten_shape(input: Shape, start_dim: int = 0, end_dim: int = -1) -> Shape:
    """The function starts at axis 0, the layer at axis 1."""
    return flatten_shape(input, start_dim, end_dim)


def functional_unflatten_shape(input: Shape, dim: int, sizes: Shape) -> Shape:
    """The function calls `sizes` what the layer calls `unflattened_size`."""
    return unflatten_shape(input, dim, sizes)


def flatten_cases(function: bool) -> SearchStrategy[Case]:
    """Any shape and any two axes of it in order, counted from either end."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
        axes = len(shape)
        first = draw(st.integers(0, axes - 1))
        last = draw(st.integers(first, axes - 1))
        dims = [axis - axes * draw(st.integers(0, 1)) for axis in (first, last)]
        return called(real(*shape), *dims) if function else built(*dims).on(real(*shape))

    return cases()


def unflatten_cases(function: bool) -> SearchStrategy[Case]:
    """Any axis as the product of its parts, one of them perhaps left open."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        parts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
        before, after = (draw(st.lists(st.integers(0, 3), max_size=2)) for _ in range(2))
        whole = int(torch.Size(parts).numel())
        axis = len(before) - draw(st.integers(0, 1)) * (len(before) + 1 + len(after))
        open_part = draw(st.integers(-1, len(parts) - 1))
        sizes = tuple(-1 if i == open_part else n for i, n in enumerate(parts))
        x = real(*before, whole, *after)
        return called(x, axis, sizes) if function else built(axis, sizes).on(x)

    return cases()


def in_two_steps(build: Callable[..., Any], x: Tensor) -> Pair:
    """Merging three axes is merging two and then two."""
    return build(0, 1)(build(1, 2)(x)), build(0, 2)(x)


def undone(build: Callable[..., Any], x: Tensor) -> Pair:
    """Splitting an axis and reading it out again gives it back."""
    return build(1, (3, -1, 2))(x).reshape(5, 42), x


SPECS = (
    Spec(
        "Flatten",
        "reshaping",
        Flatten,
        torch.nn.Flatten,
        (
            built().on(real(5, 2, 3, 4)),
            built(0).on(real(6)),
            built(0).on(real()),
            built().on(real(0, 3, 2)),
            built().on(real(3, 0, 2)),
            built(2).on(real(2, 3, 5, 7)),
            built(0, 2).on(real(2, 1, 5, 5)),
            built(1, -2).on(real(2, 3, 4, 5)),
            built(start_dim=-3, end_dim=2).on(real(2, 3, 4, 5)),
            built(1, 1).on(real(4, 5, 2)),
            built().on(real(3, 1, 17, 33)),
        ),
        shape=flatten_shape,
        strategy=lambda: flatten_cases(function=False),
        regimes=POINTWISE,
        trivial=TRIVIAL,
        laws=(Law("in two steps", in_two_steps, (real(2, 3, 5, 7),)),),
        refusals=(
            Refusal(built(2, 1).on(real(2, 3, 4)), "start_dim"),
            Refusal(built().on(real(6)), "start_dim"),
            Refusal(built(0, 3).on(real(2, 3, 4)), "end_dim"),
            Refusal(built(0, -4).on(real(2, 3, 4)), "end_dim"),
        ),
    ),
    Spec(
        "Unflatten",
        "reshaping",
        Unflatten,
        torch.nn.Unflatten,
        (
            built(1, (2, 5, 5)).on(real(2, 50)),
            built(0, (2, 3)).on(real(6)),
            built(0, (2, 3)).on(real(6, 4)),
            built(-2, (2, -1)).on(real(3, 6, 4)),
            built(-1, (3, 1, 2)).on(real(3, 6)),
            built(1, (-1,)).on(real(3, 7)),
            built(1, (3, 2)).on(real(0, 6)),
            built(0, (-1, 3)).on(real(0, 2)),
            built(dim=0, unflattened_size=(0, 4)).on(real(0, 2)),
            built(1, (17, 33)).on(real(2, 561, 2)),
        ),
        shape=unflatten_shape,
        strategy=lambda: unflatten_cases(function=False),
        regimes=POINTWISE,
        trivial=TRIVIAL,
        laws=(Law("undone", undone, (real(5, 42),)),),
        refusals=(
            Refusal(built(1, (2, 4)).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (2, 2)).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (-1, 4)).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (-1, -1)).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (-2, -3)).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (-1, 0)).on(real(2, 0)), "unflattened_size"),
            Refusal(built(1, ()).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, 6).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (2.0, 3)).on(real(2, 6)), "unflattened_size"),
            Refusal(built(1, (("a", 2), ("b", 3))).on(real(2, 6)), "unflattened_size"),
            Refusal(built(2, (2, 3)).on(real(2, 6)), "dim"),
            Refusal(built(0, (1,)).on(real()), "input"),
        ),
    ),
    Spec(
        "functional.flatten",
        "reshaping",
        flatten,
        torch.flatten,
        (
            called(real(5, 2, 3, 4), 1),
            called(real(6)),
            called(real()),
            called(real(2, 2, 2)),
            called(real(0, 3, 2), 1),
            called(real(2, 3, 5, 7), 1, 2),
            called(real(2, 3, 4, 5), start_dim=-3, end_dim=-2),
            called(real(4, 5, 2), 1, 1),
            called(real(3, 17, 33), 1),
        ),
        shape=functional_flatten_shape,
        strategy=lambda: flatten_cases(function=True),
        regimes=POINTWISE,
        trivial=TRIVIAL,
        refusals=(
            Refusal(called(real(2, 3, 4), 2, 1), "start_dim"),
            Refusal(called(real(2, 3, 4), 3), "start_dim"),
            Refusal(called(real(2, 3, 4), 0, -4), "end_dim"),
        ),
    ),
    Spec(
        "functional.unflatten",
        "reshaping",
        unflatten,
        torch.unflatten,
        (
            called(real(2, 50), 1, (2, 5, 5)),
            called(real(6), 0, (2, -1)),
            called(real(3, 6, 4), -2, sizes=(3, 2)),
            called(real(3, 7), dim=1, sizes=(7,)),
            called(real(0, 6), 1, (3, 2)),
            called(real(2, 561, 2), 1, (17, 33)),
        ),
        shape=functional_unflatten_shape,
        strategy=lambda: unflatten_cases(function=True),
        regimes=POINTWISE,
        trivial=TRIVIAL,
        refusals=(
            Refusal(called(real(2, 6), 1, (2, 4)), "sizes"),
            Refusal(called(real(2, 6), 1, (-1, -1)), "sizes"),
            Refusal(called(real(2, 6), 1, ()), "sizes"),
            Refusal(called(real(2, 6), 1, 6), "sizes"),
            Refusal(called(real(2, 6), 2, (2, 3)), "dim"),
        ),
    ),
)
