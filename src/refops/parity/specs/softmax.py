"""Softmax and its logarithm. Legend: *S any shape; both normalise along one axis of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import activation as F
from refops.nn import activation as nn
from refops.parity.case import Case, additive, built, called, index, real
from refops.parity.spec import SATURATING, Law, Refusal, Spec
from refops.shapes import activation as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]

MODULE, FUNCTION = True, False


def softmax_cases(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """Any shape and any of its axes, counted from either end."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = draw(st.lists(st.integers(0, 6), max_size=4))
            axes = max(len(shape), 1)
            dim = draw(st.integers(-axes, axes - 1))
            return built(dim).on(real(*shape)) if module else called(real(*shape), dim=dim)

        return cases()

    return strategy


def _softmax_laws(module: bool, log: bool) -> tuple[Law, ...]:
    def along(build: Build, dim: int) -> Callable[[Tensor], Tensor]:
        function = build(dim) if module else build()
        return function if module else lambda x: function(x, dim)

    def sums_to_one(build: Build, x: Tensor) -> Pair:
        y = along(build, 0)(x)
        return (y.exp() if log else y).sum(0), x.new_ones(x.shape[1:])

    def shift(build: Build, x: Tensor) -> Pair:
        f = along(build, 1)
        return f(x - 8), f(x)

    def permutation(build: Build, x: Tensor) -> Pair:
        f = along(build, -1)
        return f(x.flip(-1)), f(x).flip(-1)

    def splitting(build: Build, x: Tensor) -> Pair:
        f = along(build, 1)
        return torch.cat([f(x[:33]), f(x[33:])]), f(x)

    def axes(build: Build, x: Tensor) -> Pair:
        return along(build, 0)(x.t()), along(build, 1)(x).t()

    laws = (sums_to_one, shift, permutation, splitting, axes)
    return tuple(Law(law.__name__.replace("_", " "), law, (real(70, 9),)) for law in laws)


def _softmax_rows(module: bool) -> tuple[Case, ...]:
    shapes_and_dims = (
        ((5, 11), 1), ((), 0), ((0, 3), 1), ((3, 0), 1), ((7,), 0), ((4, 1), 1), ((1, 6), 0),
        ((2, 3, 5), 1), ((2, 3, 5), -3), ((2, 3, 4, 5), -2), ((33, 31), -1), ((3, 4097), 1), ((1025, 3), 0),
        ((6,), None), ((4, 5), None), ((2, 5, 3), None), ((2, 5, 3, 2), None),
    )  # fmt: skip
    masked = (built(-1).on(additive(6, 9)) if module else called(additive(6, 9), -1),)
    if module:
        return tuple(built(dim).on(real(*s)) for s, dim in shapes_and_dims) + masked
    return (*(called(real(*s), dim) for s, dim in shapes_and_dims), *masked, called(real(4, 7), dim=0, _stacklevel=4))


def _softmax_refusals(module: bool) -> tuple[Refusal, ...]:
    wrong_dims: tuple[Any, ...] = (2, -3, "1", 1.0)
    if module:
        return (
            *(Refusal(built(dim).on(real(4, 5)), "dim") for dim in wrong_dims),
            Refusal(built(1).on(index(4, 5, high=9)), "input"),
            Refusal(built(1).on(real()), "dim"),
        )
    return (
        *(Refusal(called(real(4, 5), dim), "dim") for dim in wrong_dims),
        Refusal(called(index(4, 5, high=9), 1), "input"),
        Refusal(called(real(), 1), "dim"),
    )


SPECS = (
    Spec(
        "Softmax",
        "activation",
        nn.Softmax,
        torch.nn.Softmax,
        _softmax_rows(MODULE),
        shape=shapes.softmax,
        strategy=softmax_cases(MODULE),
        regimes=SATURATING,
        laws=_softmax_laws(MODULE, log=False),
        refusals=_softmax_refusals(MODULE),
    ),
    Spec(
        "functional.softmax",
        "activation",
        F.softmax,
        torch.nn.functional.softmax,
        _softmax_rows(FUNCTION),
        shape=shapes.softmax,
        strategy=softmax_cases(FUNCTION),
        regimes=SATURATING,
        laws=_softmax_laws(FUNCTION, log=False),
        refusals=_softmax_refusals(FUNCTION),
    ),
    Spec(
        "LogSoftmax",
        "activation",
        nn.LogSoftmax,
        torch.nn.LogSoftmax,
        _softmax_rows(MODULE),
        summing=True,
        shape=shapes.log_softmax,
        strategy=softmax_cases(MODULE),
        regimes=SATURATING,
        laws=_softmax_laws(MODULE, log=True),
        refusals=_softmax_refusals(MODULE),
    ),
    Spec(
        "functional.log_softmax",
        "activation",
        F.log_softmax,
        torch.nn.functional.log_softmax,
        _softmax_rows(FUNCTION),
        summing=True,
        shape=shapes.log_softmax,
        strategy=softmax_cases(FUNCTION),
        regimes=SATURATING,
        laws=_softmax_laws(FUNCTION, log=True),
        refusals=_softmax_refusals(FUNCTION),
    ),
)
