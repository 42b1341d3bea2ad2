"""Linear and Identity. Legend: I in_features, O out_features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.linear import linear
from refops.nn.linear import Identity, Linear
from refops.parity.case import Case, built, called, param, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.shapes.linear import identity as identity_shape
from refops.shapes.linear import linear as linear_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]


def functional_shape(input: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
    """Read O from the weight's shape; a weight of one axis (I) gives (*)."""
    if len(weight) == 1:
        if bias is not None and len(input) == 2:
            raise ValueError(f"weight must have two axes where input has two and bias is given, got {weight}")
        return linear_shape(input, 1, weight[0])[:-1]
    if len(weight) != 2:
        raise ValueError(f"weight must have shape (O, I) or (I), got {weight}")
    if bias not in (None, (), (1,), weight[:1]):
        raise ValueError(f"bias must have shape {weight[:1]}, got {bias}")
    return linear_shape(input, weight[0], weight[1])


def module_cases() -> SearchStrategy[Case]:
    """Sizes, bias and any number of leading axes, also empty ones."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        into, out = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        lead = draw(st.lists(st.integers(0, 4), max_size=3))
        bias = draw(st.booleans())
        return built(into, out, **({} if bias else {"bias": False})).on(real(*lead, into))

    return cases()


def function_cases() -> SearchStrategy[Case]:
    """As for the module, and weights of one axis and without inputs."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        into, out = draw(st.integers(0, 12)), draw(st.integers(0, 12))
        lead = draw(st.lists(st.integers(0, 4), max_size=3))
        if draw(st.booleans()):
            return called(real(*lead, into), param(into))
        bias = (param(out),) if draw(st.booleans()) else ()
        return called(real(*lead, into), param(out, into), *bias)

    return cases()


def splitting(build: Callable[..., Any], x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(5, 3)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def leading_axes(build: Callable[..., Any], x: Tensor) -> Pair:
    """How the rows are arranged in leading axes does not matter."""
    layer = build(5, 3)
    return layer(x.reshape(7, 2, 5, 5)).reshape(70, 3), layer(x)


def additive(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """f(x + y) + f(0) = f(x) + f(y)."""
    layer = build(6, 11)
    return layer(x + y) + layer(torch.zeros_like(x)), layer(x) + layer(y)


def additive_in_weight(build: Callable[..., Any], x: Tensor, a: Tensor, b: Tensor) -> Pair:
    """f(x; A + B) = f(x; A) + f(x; B)."""
    return build()(x, a + b), build()(x, a) + build()(x, b)


def bias_alone(build: Callable[..., Any], bias: Tensor) -> Pair:
    """Without inputs the bias is left: a map from no features."""
    return build()(bias.new_zeros(13, 0), bias.new_zeros(19, 0), bias), bias.expand(13, 19)


SPECS = (
    Spec(
        "Identity",
        "linear",
        Identity,
        torch.nn.Identity,
        (
            built().on(real(4, 10)),
            built(54, unused_argument1=0.1, unused_argument2=False).on(real(3, 5, 2)),
            built().on(real()),
            built().on(real(0, 3)),
        ),
        shape=identity_shape,
        regimes=POINTWISE,
        trivial="the input itself is the answer",
    ),
    Spec(
        "Linear",
        "linear",
        Linear,
        torch.nn.Linear,
        (
            built(7, 9).on(real(6, 7)),
            built(17, 13).on(real(2, 5, 17)),
            built(1, 1).on(real(4, 1)),
            built(5, 3).on(real(5)),
            built(5, 3, bias=False).on(real(5)),
            built(5, 3).on(real(0, 5)),
            built(5, 3).on(real(3, 0, 5)),
            built(5, 4, False).on(real(3, 5)),
            built(17, 13, bias=False).on(real(2, 5, 17)),
            built(4, 6, True).on(real(2, 1, 3, 4)),
            built(20, 30).on(real(9, 20)),
            built(33, 31).on(real(31, 33)),
            built(512, 10).on(real(4, 512)),
            built(4097, 3).on(real(5, 4097)),
        ),
        shape=linear_shape,
        strategy=module_cases,
        laws=(
            Law("batch split", splitting, (real(70, 5),)),
            Law("leading axes", leading_axes, (real(70, 5),)),
            Law("additive", additive, (real(23, 6), real(23, 6))),
        ),
        refusals=(
            Refusal(built(5, 3).on(real(4, 6)), "input"),
            Refusal(built(5, 3).on(real(4, 1)), "input"),
            Refusal(built(1, 3).on(real(4, 5)), "input"),
            Refusal(built(5, 3).on(real()), "input"),
            Refusal(built(-1, 3).on(real(4, 5)), "in_features"),
            Refusal(built(5, -3).on(real(4, 5)), "out_features"),
        ),
    ),
    Spec(
        "functional.linear",
        "linear",
        linear,
        torch.nn.functional.linear,
        (
            called(real(6, 7), param(9, 7), param(9)),
            called(real(2, 5, 17), param(13, 17), bias=param(13)),
            called(real(7), param(9, 7), param(9)),
            called(real(7), param(9, 7)),
            called(real(4, 7), param(7)),
            called(real(3, 2, 4), param(4), param()),
            called(real(0, 5), param(3, 5), param(3)),
            called(real(3, 0), param(5, 0), param(5)),
            called(real(3, 5), param(0, 5), param(0)),
            called(real(5, 4), param(3, 4), param(1)),
            called(real(2, 5, 17), weight=param(13, 17)),
            called(real(2, 1, 3, 4), param(6, 4), param(6)),
            called(real(31, 33), param(31, 33), param(31)),
            called(real(5, 4097), param(3, 4097), param(3)),
        ),
        shape=functional_shape,
        strategy=function_cases,
        laws=(
            Law("additive in the weight", additive_in_weight, (real(23, 6), param(11, 6), param(11, 6))),
            Law("the bias alone", bias_alone, (param(19),)),
        ),
        refusals=(
            Refusal(called(real(4, 6), param(3, 5)), "input"),
            Refusal(called(real(4, 1), param(3, 5), param(3)), "input"),
            Refusal(called(real(), param(3, 5)), "input"),
            Refusal(called(real(4, 5), param(2, 3, 5)), "weight"),
            Refusal(called(real(4, 5), param(5), param()), "weight"),
            Refusal(called(real(4, 5), param(3, 5), param(4)), "bias"),
            Refusal(called(real(5), param(3, 5), param(2)), "bias"),
        ),
    ),
)
