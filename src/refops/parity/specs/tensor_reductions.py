"""Reductions of tensors: sum, mean, variance, and the two extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, called, index, literal, real
from refops.parity.spec import FINITE, Law, Refusal, Spec
from refops.shapes import tensor as shapes
from refops.tensor.reductions import max, mean, min, sum, var

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]

ROWS = (
    called(real(60, 7), 1),
    called(real(4, 4), 1, True),
    called(real(4, 5, 6), (2, 1)),
    called(real(3, 4)),
    called(real(3, 5, 2), dim=[0, -1], keepdim=True),
    called(real(3, 4), ()),
    called(real()),
    called(real(), 0),
    called(real(5), -1),
    called(real(0, 3), 1),
    called(real(3, 0), 1),
    called(real(2, 4097), 1),
    called(real(1031, 3), 0),
)

REFUSED = (
    Refusal(called(real(2, 3), 2), "dim"),
    Refusal(called(real(2, 3), (0, -3)), "dim"),
    Refusal(called(real(2, 3), (0, 0)), "dim"),
    Refusal(called(real(2, 3), (1, -1)), "dim"),
    Refusal(called(real(2, 3), 1.0), "dim"),
)

WHOLE = (Refusal(called(index(2, 3, high=5), 1), "input"), Refusal(called(index(4, high=5)), "input"))


def two_pass(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The variance with the mean taken off first, summed by torch: nearer to the truth than native's running update."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dim = tuple(range(input.dim())) if dim is None else dim
    taken = correction if correction is not None else 1 if unbiased is None else int(unbiased)
    squares = (input - input.mean(dim, keepdim=True)) ** 2
    total = squares.sum(dim, keepdim=keepdim)
    left = torch.ones_like(input.detach()).sum(dim, keepdim=keepdim) - taken
    return total / left.clamp(min=0)


def reduced_cases(several: bool) -> SearchStrategy[Case]:
    """Any axes of any shape, kept or not."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
        axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=3, unique=True))
        dims = tuple(axis - len(shape) * draw(st.integers(0, 1)) for axis in axes)
        return called(real(*shape), dims if several else dims[0], keepdim=draw(st.booleans()))

    return cases()


def in_turn(build: Callable[..., Any], x: Tensor) -> Pair:
    """Axis by axis is all at once."""
    return build()(build()(x, 2), 0), build()(x, (0, 2))


def of_halves(build: Callable[..., Any], x: Tensor) -> Pair:
    """The whole is its two halves together."""
    return build()(x[:35], 0) + build()(x[35:], 0), build()(x, 0)


def mean_of_means(build: Callable[..., Any], x: Tensor) -> Pair:
    """Of halves of one size the means have the mean of all."""
    return (build()(x[:35], 0) + build()(x[35:], 0)) / 2, build()(x, 0)


def shifted(build: Callable[..., Any], x: Tensor) -> Pair:
    """A shift changes no distance from the mean."""
    return build()(x + 16, 1), build()(x, 1)


def bessel(build: Callable[..., Any], x: Tensor) -> Pair:
    """The divisor is one less where nothing is said."""
    return build()(x, 1), build()(x, 1, correction=0) * (70 / 69)


def points_at(build: Callable[..., Any], x: Tensor) -> Pair:
    """The index names the value."""
    values, indices = build()(x, 1)
    return x.gather(1, indices.unsqueeze(1)).squeeze(1), values


def first_of_equals(build: Callable[..., Any], x: Tensor) -> Pair:
    """Repeated behind itself, the first place stays the place."""
    return build()(torch.cat([x, x], 1), 1)[1], build()(x, 1)[1]


EXTREMES = (
    called(real(60, 7), 1),
    called(real(4, 4), 1),
    called(real(4, 4), 0, True),
    called(real(3, 4)).but(only=("ordinary", "zeros")),
    called(real(3, 5, 2), dim=-2, keepdim=True),
    called(real()),
    called(real(), 0),
    called(real(5), -1),
    called(real(0, 3), 1),
    called(literal(((1.0, 5.0, 5.0), (4.0, 2.0, 4.0), (0.0, 0.0, 0.0))), 1),
    called(literal(((1.0, 5.0, 5.0), (4.0, 2.0, 4.0)))),
    called(literal((3, 1, 2, 3, 1)), 0),
    called(index(4, 9, high=4), 1),
    called(real(2, 4097), 1),
)

WITHOUT = (
    Refusal(called(real(0, 3), 0), "dim"),
    Refusal(called(real(0, 3)), "input"),
    Refusal(called(real(2, 3), 2), "dim"),
    Refusal(called(real(2, 3), (0, 1)), "dim"),
)

SPECS = (
    Spec(
        "tensor.sum",
        "tensor",
        sum,
        torch.sum,
        (*ROWS, called(index(4, 5, 6, high=9), (2, 1)), called(index(5, high=9, low=-3))),
        shape=shapes.sum,
        strategy=lambda: reduced_cases(several=True),
        regimes=FINITE,
        laws=(Law("in turn", in_turn, (real(5, 7, 11),)), Law("of halves", of_halves, (real(70, 3),))),
        refusals=REFUSED,
    ),
    Spec(
        "tensor.mean",
        "tensor",
        mean,
        torch.mean,
        ROWS,
        shape=shapes.mean,
        strategy=lambda: reduced_cases(several=True),
        regimes=FINITE,
        laws=(Law("in turn", in_turn, (real(5, 7, 11),)), Law("mean of means", mean_of_means, (real(70, 3),))),
        refusals=(*REFUSED, *WHOLE),
    ),
    Spec(
        "tensor.var",
        "tensor",
        var,
        torch.var,
        (
            called(real(60, 7), 1),
            called(real(4, 4), 1, keepdim=True),
            called(real(4, 5, 6), (2, 1)),
            called(real(3, 4)),
            called(real(3, 4), False),
            called(real(3, 4), 0, False),
            called(real(3, 4), 0, True, True),
            called(real(3, 5, 2), dim=[0, -1], correction=0),
            called(real(3, 5), 1, correction=2, keepdim=True),
            called(real(3, 5), None, correction=0),
            called(real(0, 3), 1),
            called(real(2, 4097), 1),
        ),
        oracle=two_pass,
        shape=shapes.var,
        strategy=lambda: reduced_cases(several=True).filter(lambda case: _more_than_one(case)),
        regimes=FINITE,
        laws=(Law("shifted", shifted, (real(3, 70),)), Law("bessel", bessel, (real(3, 70),))),
        refusals=(*REFUSED, *WHOLE, Refusal(called(real(3, 5), 1, True, correction=1), "correction")),
    ),
    Spec(
        "tensor.max",
        "tensor",
        max,
        torch.max,
        EXTREMES,
        shape=shapes.max,
        strategy=lambda: reduced_cases(several=False),
        regimes=FINITE,
        laws=(
            Law("points at", points_at, (real(5, 70),)),
            Law("first of equals", first_of_equals, (real(5, 33),)),
        ),
        refusals=WITHOUT,
    ),
    Spec(
        "tensor.min",
        "tensor",
        min,
        torch.min,
        EXTREMES,
        shape=shapes.min,
        strategy=lambda: reduced_cases(several=False),
        regimes=FINITE,
        laws=(
            Law("points at", points_at, (real(5, 70),)),
            Law("first of equals", first_of_equals, (real(5, 33),)),
        ),
        refusals=WITHOUT,
    ),
)


def _more_than_one(case: Case) -> bool:
    """Of one number there is no variance: nothing to compare."""
    shape, dims = case.call.args[0].shape, case.call.args[1]
    return torch.Size([shape[d] for d in dims]).numel() > 1
