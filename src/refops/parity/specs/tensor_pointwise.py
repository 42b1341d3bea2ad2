"""Pointwise operations of tensors, and the rule by which their shapes meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, called, flag, index, literal, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.shapes import tensor as shapes
from refops.tensor.pointwise import add, div, maximum, minimum, mul, sqrt, sub, where

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]

ROWS = (
    called(real(8, 1, 6), real(5, 1)),
    called(real(3, 1), real(4)),
    called(real(7), real(7)),
    called(real(), real(3, 2)),
    called(real(2, 3), real()),
    called(real(), real()),
    called(real(1), real(0)),
    called(real(0, 3), real(1, 3)),
    called(real(2, 1, 3, 1), real(4, 1, 5)),
    called(input=real(3, 4), other=real(4)),
    called(index(3, high=9, low=1), real(3)),
    called(real(17, 1), real(1, 33)),
)
NUMBERS = (
    called(real(3, 4), 2.5),
    called(real(3, 4), 3),
    called(0.5, real(3, 4)),
    called(index(3, high=9, low=1), 2.5),
    called(index(3, high=9, low=1), 2),
)
APART = (
    Refusal(called(real(3), real(4)), "input"),
    Refusal(called(real(2, 3), real(2)), "input"),
    Refusal(called(real(3, 1, 2), real(4, 2, 3)), "input"),
)


def broadcast(input: Any, other: Any) -> Shape:
    """Numbers have no axes."""
    return shapes.broadcast_shape(*(s if isinstance(s, tuple) else () for s in (input, other)))


def where_shape(condition: Shape, input: Any, other: Any) -> Shape:
    """Three shapes meet."""
    return shapes.broadcast_shape(condition, broadcast(input, other))


def pairs(three: bool) -> SearchStrategy[Case]:
    """Shapes that meet: of one shape some axes are made 1, some leading ones left out."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(0, 4), max_size=4))

        def part() -> list[int]:
            return [n if draw(st.booleans()) else 1 for n in shape][draw(st.integers(0, len(shape))) :]

        return called(*([flag(*part())] if three else []), real(*part()), real(*part()))

    return cases()


def unary() -> SearchStrategy[Case]:
    """Any shape."""
    from hypothesis import strategies as st

    return st.lists(st.integers(0, 4), max_size=3).map(lambda shape: called(real(*shape)))


def one_by_one(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """Expanding beforehand changes nothing."""
    return build()(x.repeat(1, 7), y.repeat(5, 1)), build()(x, y)


def exchanged(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """The order of the two does not matter."""
    return build()(x, y), build()(y, x)


def of_itself(build: Callable[..., Any], x: Tensor) -> Pair:
    """Of a number and itself it is the number."""
    return build()(x, x.clone()), x


def negated(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """Choosing by the opposite condition from the exchanged pair."""
    return build()(x > 0, x, y), build()(x <= 0, y, x)


BROADCAST = Law("one by one", one_by_one, (real(5, 1), real(7)))
EXCHANGED = Law("exchanged", exchanged, (real(5, 1), real(7)))


def _spec(name: str, reference: Any, native: Any, cases: tuple[Case, ...], **rest: Any) -> Spec:
    usual: dict[str, Any] = {"shape": broadcast, "strategy": lambda: pairs(three=False), "refusals": APART}
    return Spec(f"tensor.{name}", "tensor", reference, native, cases, regimes=POINTWISE, **(usual | rest))


ODD, DIVISORS = literal((7.0, -7.0, 9.5, -0.5, 6.0, 2.5)), literal((2.0, 2.0, -3.0, 3.0, 3.0, -1.0))

SPECS = (
    _spec(
        "add",
        add,
        torch.add,
        (
            *ROWS,
            *NUMBERS,
            called(real(3, 4), real(4), alpha=10),
            called(real(3, 4), real(3, 1), alpha=-0.5),
            called(index(3, high=9), index(3, high=9), alpha=2),
        ),
        laws=(BROADCAST, EXCHANGED),
        refusals=(
            *APART,
            Refusal(called(index(3, high=9), index(3, high=9), alpha=1.5), "alpha"),
            Refusal(called(real(3), real(3), alpha=True), "alpha"),
            Refusal(called(real(3), "1"), "other"),
        ),
    ),
    _spec(
        "sub",
        sub,
        torch.sub,
        (
            *ROWS,
            *NUMBERS,
            called(real(3, 4), real(4), alpha=10),
            called(real(3, 4), real(3, 1), alpha=-0.5),
        ),
        laws=(BROADCAST,),
        refusals=(
            *APART,
            Refusal(called(index(3, high=9), index(3, high=9), alpha=1.5), "alpha"),
            Refusal(called(flag(3), flag(3)), "input"),
        ),
    ),
    _spec("mul", mul, torch.mul, (*ROWS, *NUMBERS), laws=(BROADCAST, EXCHANGED)),
    _spec(
        "div",
        div,
        torch.div,
        (
            *ROWS,
            *NUMBERS,
            called(index(6, high=9, low=-9), index(6, high=9, low=1)),
            called(index(6, high=9, low=-9), index(6, high=9, low=1), rounding_mode="floor"),
            called(index(6, high=9, low=-9), index(6, high=9, low=1), rounding_mode="trunc"),
            called(ODD, DIVISORS, rounding_mode="floor"),
            called(ODD, DIVISORS, rounding_mode="trunc"),
            called(literal((1.0, 0.0, -3.0)), literal((0.0, 0.0, 1e30)), rounding_mode="floor"),
            called(literal((5.5, -5.5)), 2, rounding_mode="floor"),
        ),
        laws=(BROADCAST,),
        refusals=(*APART, Refusal(called(real(3), real(3), rounding_mode="ceil"), "rounding_mode")),
    ),
    _spec(
        "maximum", maximum, torch.maximum, ROWS, laws=(BROADCAST, EXCHANGED, Law("of itself", of_itself, (real(7),)))
    ),
    _spec(
        "minimum", minimum, torch.minimum, ROWS, laws=(BROADCAST, EXCHANGED, Law("of itself", of_itself, (real(7),)))
    ),
    _spec(
        "sqrt",
        sqrt,
        torch.sqrt,
        (
            called(real(8, 6)),
            called(real(4)),
            called(real()),
            called(real(0, 3)),
            called(index(5, high=30)),
            called(literal((0.0, 4.0, 2.0))),
            called(real(17, 33)),
        ),
        shape=lambda input: tuple(input),
        strategy=unary,
        refusals=(Refusal(called(2.0), "input"),),
    ),
    _spec(
        "where",
        where,
        torch.where,
        (
            called(flag(8, 1, 6), real(5, 1), real(6)),
            called(flag(3, 1), real(4), real(3, 4)),
            called(flag(7), real(7), real(7)),
            called(flag(), real(3), real()),
            called(flag(3, 4), real(3, 4), 0.0),
            called(flag(3, 4), -1.5, real(4)),
            called(flag(3, 4), 1.0, 0.0),
            called(flag(0, 3), real(3), real(1, 3)),
            called(condition=flag(2, 3), input=real(2, 3), other=real(3)),
            called(flag(17, 1), real(1, 33), real(17, 33)),
        ),
        shape=where_shape,
        strategy=lambda: pairs(three=True),
        laws=(Law("negated", negated, (real(5, 7), real(5, 7))),),
        refusals=(
            Refusal(called(flag(3), real(4), real(3)), "condition"),
            Refusal(called(real(3), real(3), real(3)), "condition"),
            Refusal(called(flag(3), real(3), real(2)), "condition"),
        ),
        trivial="numbers are chosen, none is computed",
    ),
)
