"""Rectifiers: fixed, learned and drawn slopes. Legend: N batch, C channels, *S any shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import rectifier as F
from refops.nn import rectifier as nn
from refops.parity.case import Case, additive, built, called, flag, index, literal, param, real
from refops.parity.spec import POINTWISE, SATURATING, Law, Randomness, Refusal, Spec
from refops.parity.specs._rectifier_laws import (
    bounded,
    difference_is_identity,
    drawn_rate,
    eval_mean,
    function_mean,
    level,
    odd,
    parabola,
    reflected,
    slope_statistics,
    slopes_by_channel,
    slopes_by_channel_function,
)
from refops.parity.specs.activation import FUNCTION, MODULE, arrangement, homogeneous, pointwise_cases, rows
from refops.shapes import rectifier as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
Settings = tuple[dict[str, Any], ...]


def prelu_shape(input: tuple[int, ...], weight: tuple[int, ...]) -> tuple[int, ...]:
    """The formula, told the slopes themselves."""
    if len(weight) > 1:
        raise ValueError(f"weight must have one axis or none, got {weight}")
    return shapes.prelu(input, math.prod(weight))


def hardtanh_shape(input: tuple[int, ...], min_val: float = -1.0, max_val: float = 1.0) -> tuple[int, ...]:
    """The formula of the module, which refuses equal limits too."""
    if min_val == max_val:
        raise ValueError(f"max_val must be greater than min_val = {min_val}, got {max_val}")
    return shapes.hardtanh(input, min_val, max_val)


def prelu_cases(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """One slope for any shape, or one for each channel."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = draw(st.lists(st.integers(0, 5), max_size=5))
            slopes = shape[1] if len(shape) > 1 and draw(st.booleans()) else 1
            if module:
                return built(slopes, init=draw(st.sampled_from((0.0, 0.25, -0.5, 2.0)))).on(real(*shape))
            one = slopes == 1 and draw(st.booleans())
            return called(real(*shape), param() if one else param(slopes))

        return cases()

    return strategy


ARRANGEMENT = Law("arrangement", arrangement, (real(70),))
ELU_LAWS = (ARRANGEMENT, Law("difference", level, (real(70),)))
RELU6_LAWS = (ARRANGEMENT, Law("bounded", bounded, (real(70),)), Law("reflected", reflected, (real(70),)))
HARDTANH_LAWS = (ARRANGEMENT, Law("bounded", bounded, (real(70),)), Law("odd", odd, (real(70),)))
HARDSWISH_LAWS = (
    ARRANGEMENT,
    Law("difference", difference_is_identity, (real(70),)),
    Law("parabola", parabola, (real(70),)),
)

ALPHAS: Settings = (
    {"alpha": 0.3},
    {"alpha": 2.5},
    {"alpha": 0.0},
    {"alpha": -0.5},
    {"alpha": 0.7, "inplace": True},
)
BOUNDS: Settings = (
    {"lower": 0.25},
    {"upper": 0.5},
    {"lower": 0.4, "upper": 0.4},
    {"lower": -0.5, "upper": 1.5},
    {"lower": 0.1, "upper": 0.3, "inplace": True},
)
LIMITS: Settings = (
    {"min_val": -0.5},
    {"max_val": 0.25},
    {"min_val": 0.0, "max_val": 2.0},
    {"min_val": -2.0, "max_val": -0.5},
    {"min_val": -0.5, "max_val": 0.7, "inplace": True},
)
INPLACE: Settings = ({"inplace": True}, {"inplace": False})

# Where a slope changes, and where exponentials and products overflow, in half precision too. Native's derivative at nan
# hangs on the memory layout (relu6: 0 where it is contiguous, 1 where not), so nan is left out; -inf has a row.
EDGES = literal([-3.0, -0.0, 0.0, 3.0, 6.0, -6.0, 1.0, -1.0, 12.0, -12.0, 89.0, 710.0, 1000.0, 12000.0, -1e-4, -1e-7])
ENDLESS = additive(5, 9)


def edges(module: bool) -> tuple[Case, ...]:
    """Rows of their own for them."""
    return (built().on(EDGES), built().on(ENDLESS)) if module else (called(EDGES), called(ENDLESS))


def evaluated(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The same rows in evaluation mode."""
    return tuple(case.but(mode="eval") for case in cases)


SPECS = (
    Spec(
        "PReLU",
        "rectifier",
        nn.PReLU,
        torch.nn.PReLU,
        (
            built(13).on(real(4, 13)),
            built().on(real()),
            built().on(real(17)),
            built(3).on(real(0, 3)),
            built(1, 0.5).on(real(2, 3, 5, 4)),
            built(3, init=-0.3).on(real(2, 3, 5, 4)),
            built(num_parameters=33).on(real(5, 33, 7)),
            built(2).on(real(3, 2, 2049)),
            built(3).on(real(1, 3, 2, 1, 3)),  # as many along the last axis as there are channels
            built(0).on(real(3, 0, 2)),
        ),
        shape=shapes.prelu,
        strategy=prelu_cases(MODULE),
        regimes=POINTWISE,
        laws=(
            ARRANGEMENT,
            Law("homogeneous", homogeneous, (real(70),)),
            Law("slopes by channel", slopes_by_channel, (real(7, 5, 3),)),
        ),
        refusals=(
            Refusal(built(3).on(real(4, 5)), "weight"),
            Refusal(built(4).on(real(4)), "weight"),
            Refusal(built(4).on(real(4, 5, 4)), "weight"),
            Refusal(built(2).on(real()), "weight"),
            Refusal(built(-1).on(real(4)), "num_parameters"),
            Refusal(built(2.0).on(real(4, 2)), "num_parameters"),
        ),
    ),
    Spec(
        "functional.prelu",
        "rectifier",
        F.prelu,
        torch.nn.functional.prelu,
        (
            called(real(4, 13), param(13)),
            called(real(), param()),
            called(real(17), param(1)),
            called(real(0, 3), param(3)),
            called(real(2, 3, 5, 4), param()),
            called(real(2, 3, 5, 4), weight=param(3)),
            called(real(3, 2, 2049), param(2)),
            called(real(5, 33), param(1)),
        ),
        shape=prelu_shape,
        strategy=prelu_cases(FUNCTION),
        regimes=POINTWISE,
        laws=(Law("slopes by channel", slopes_by_channel_function, (real(7, 5, 3), real(5))),),
        refusals=(
            Refusal(called(real(4, 5), param(3)), "weight"),
            Refusal(called(real(4), param(4)), "weight"),
            Refusal(called(real(4, 5), param(1, 5)), "weight"),
            Refusal(called(real(4, 5), 0.3), "weight"),
            Refusal(called(index(4, 5, high=9), param(5)), "weight"),
        ),
    ),
    Spec(
        "RReLU",
        "rectifier",
        nn.RReLU,
        torch.nn.RReLU,
        (*evaluated(rows(MODULE, *BOUNDS)), *rows(MODULE, *BOUNDS)),
        shape=shapes.rrelu,
        strategy=pointwise_cases(MODULE, lower=(0.0, 0.125, -0.5), upper=(0.25, 1.0)),
        regimes=POINTWISE,
        laws=(Law("mean of the bounds", eval_mean, (real(70),), mode="eval"),),
        refusals=(
            Refusal(built(0.5, 0.1).on(real(3, 4)), "lower"),
            Refusal(built().on(index(3, 4, high=9)), "input"),
            Refusal(built(inplace=True).on(real(3, 4)), "inplace"),
        ),
        randomness=Randomness(drawn_rate, statistics=slope_statistics),
        dtypes=("float64", "float32", "bfloat16"),  # native draws no slopes for float16 on the CPU
    ),
    Spec(
        "functional.rrelu",
        "rectifier",
        F.rrelu,
        torch.nn.functional.rrelu,
        (*rows(FUNCTION, *BOUNDS), *rows(FUNCTION, *({**b, "training": True} for b in ({}, *BOUNDS)))[6:]),
        shape=shapes.rrelu,
        strategy=pointwise_cases(FUNCTION, lower=(0.0, 0.125, -0.5), upper=(0.25, 1.0), training=(True, False)),
        regimes=POINTWISE,
        laws=(Law("mean of the bounds", function_mean, (real(70),)),),
        refusals=(
            Refusal(called(real(3, 4), 0.5, 0.1), "lower"),
            Refusal(called(real(3, 4), 0.5, 0.1, True), "lower"),
            Refusal(called(real(3, 4), None), "lower"),
            Refusal(called(index(3, 4, high=9), training=True), "input"),
            Refusal(called(real(3, 4), training=True, inplace=True), "inplace"),
        ),
        randomness=Randomness(drawn_rate, statistics=slope_statistics),
        dtypes=("float64", "float32", "bfloat16"),  # native draws no slopes for float16 on the CPU
    ),
    Spec(
        "ELU",
        "rectifier",
        nn.ELU,
        torch.nn.ELU,
        (*rows(MODULE, *ALPHAS), *edges(MODULE)),
        shape=shapes.elu,
        strategy=pointwise_cases(MODULE, alpha=(0.0, 0.25, 1.0, 3.0, -0.7)),
        regimes=SATURATING,
        laws=ELU_LAWS,
        refusals=(
            Refusal(built().on(index(3, 4, high=9)), "input"),
            Refusal(built(1.0, True).on(real(3, 4)), "inplace"),
            Refusal(built(None).on(real(3, 4)), "alpha"),
        ),
    ),
    Spec(
        "functional.elu",
        "rectifier",
        F.elu,
        torch.nn.functional.elu,
        (*rows(FUNCTION, *ALPHAS), *edges(FUNCTION)),
        shape=shapes.elu,
        strategy=pointwise_cases(FUNCTION, alpha=(0.0, 0.25, 1.0, 3.0, -0.7)),
        regimes=SATURATING,
        laws=ELU_LAWS,
        refusals=(
            Refusal(called(index(3, 4, high=9)), "input"),
            Refusal(called(real(3, 4), 1.0, True), "inplace"),
            Refusal(called(real(3, 4), "1"), "alpha"),
        ),
    ),
    Spec(
        "Hardtanh",
        "rectifier",
        nn.Hardtanh,
        torch.nn.Hardtanh,
        (*rows(MODULE, *LIMITS), *edges(MODULE), built(-2, 5).on(index(5, 8, low=-6, high=9))),
        shape=hardtanh_shape,
        strategy=pointwise_cases(MODULE, min_val=(-1.0, 0.0, -30.0), max_val=(0.5, 3.0, 1e9)),
        regimes=SATURATING,
        laws=HARDTANH_LAWS,
        refusals=(
            Refusal(built(2.0, 1.0).on(real(3, 4)), "min_val"),
            Refusal(built(1.0, 1.0).on(real(3, 4)), "max_val"),
            Refusal(built().on(flag(3, 4)), "input"),
            Refusal(built(inplace=True).on(real(3, 4)), "inplace"),
        ),
    ),
    Spec(
        "functional.hardtanh",
        "rectifier",
        F.hardtanh,
        torch.nn.functional.hardtanh,
        (
            *rows(FUNCTION, *LIMITS),
            *edges(FUNCTION),
            called(real(5, 7), 0.25, 0.25),
            called(index(5, 8, low=-6, high=9), -2, 5),
        ),
        shape=shapes.hardtanh,
        strategy=pointwise_cases(FUNCTION, min_val=(-1.0, 0.0, -30.0), max_val=(0.5, 3.0, 1e9)),
        regimes=SATURATING,
        laws=HARDTANH_LAWS,
        refusals=(
            Refusal(called(real(3, 4), 2.0, 1.0), "min_val"),
            Refusal(called(real(3, 4), None), "min_val"),
            Refusal(called(flag(3, 4)), "input"),
            Refusal(called(real(3, 4), inplace=True), "inplace"),
        ),
    ),
    Spec(
        "ReLU6",
        "rectifier",
        nn.ReLU6,
        torch.nn.ReLU6,
        (*rows(MODULE, *INPLACE), *edges(MODULE), built().on(index(5, 8, low=-6, high=9))),
        shape=shapes.relu6,
        strategy=pointwise_cases(MODULE),
        regimes=SATURATING,
        laws=RELU6_LAWS,
        refusals=(Refusal(built().on(flag(3, 4)), "input"), Refusal(built(True).on(real(3, 4)), "inplace")),
    ),
    Spec(
        "functional.relu6",
        "rectifier",
        F.relu6,
        torch.nn.functional.relu6,
        (*rows(FUNCTION, *INPLACE), *edges(FUNCTION), called(index(5, 8, low=-6, high=9))),
        shape=shapes.relu6,
        strategy=pointwise_cases(FUNCTION),
        regimes=SATURATING,
        laws=RELU6_LAWS,
        refusals=(Refusal(called(flag(3, 4)), "input"), Refusal(called(real(3, 4), True), "inplace")),
    ),
    Spec(
        "Hardswish",
        "rectifier",
        nn.Hardswish,
        torch.nn.Hardswish,
        (*rows(MODULE, *INPLACE), *edges(MODULE)),
        shape=shapes.hardswish,
        strategy=pointwise_cases(MODULE),
        regimes=SATURATING,
        laws=HARDSWISH_LAWS,
        refusals=(Refusal(built().on(index(3, 4, high=9)), "input"), Refusal(built(True).on(real(3, 4)), "inplace")),
    ),
    Spec(
        "functional.hardswish",
        "rectifier",
        F.hardswish,
        torch.nn.functional.hardswish,
        (*rows(FUNCTION, *INPLACE), *edges(FUNCTION)),
        shape=shapes.hardswish,
        strategy=pointwise_cases(FUNCTION),
        regimes=SATURATING,
        laws=HARDSWISH_LAWS,
        refusals=(Refusal(called(index(3, 4, high=9)), "input"), Refusal(called(real(3, 4), True), "inplace")),
    ),
)
