"""Softplus and mish. Legend: *S any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from refops.functional import smooth_activation as F
from refops.nn import smooth_activation as nn
from refops.parity.case import built, called, index, real
from refops.parity.spec import POINTWISE, Difference, Law, Refusal, Spec
from refops.parity.specs.activation import FUNCTION, MODULE, arrangement, difference_is_identity, pointwise_cases, rows
from refops.shapes import smooth_activation as shapes

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
Settings = tuple[dict[str, Any], ...]


def softplus_oracle(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """As native, but e^(beta x) does not overflow below a large threshold."""
    z = input * beta
    over = z > threshold
    bent = torch.logaddexp(torch.where(over, 0, z), torch.zeros_like(z)) / beta
    return torch.where(over, input, bent)


def mish_oracle(input: Tensor, inplace: bool = False) -> Tensor:
    """The quotient of polynomials in e^x, differentiated by torch; from 300 on the identity."""
    over = input > 300
    w = torch.exp(torch.where(over, 0, input))
    share = w * (w + 2) / (w * w + 2 * w + 2)
    return torch.where(over, input, torch.where(over, 0, input) * share)


class SoftplusOracle(torch.nn.Softplus):
    """Native, but computed by `softplus_oracle`."""

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return softplus_oracle(input, self.beta, self.threshold)


class MishOracle(torch.nn.Mish):
    """Native, but computed by `mish_oracle`."""

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return mish_oracle(input)


def scaled(build: Build, x: Tensor) -> Pair:
    """It is f(x; beta) = f(beta x; 1) / beta."""
    return build(4.0)(x), build()(4 * x) / 4


def scaled_function(build: Build, x: Tensor) -> Pair:
    """It is f(x; beta) = f(beta x; 1) / beta."""
    f = build()
    return f(x, 4.0), f(4 * x) / 4


def linear_above(build: Build, x: Tensor) -> Pair:
    """Above the threshold, which is compared with beta x, it is the identity."""
    return build(2.0, 1.0)(x.abs() + 0.5 + 2**-10), x.abs() + 0.5 + 2**-10


def linear_above_function(build: Build, x: Tensor) -> Pair:
    """Above the threshold, which is compared with beta x, it is the identity."""
    return build()(x.abs() + 0.5 + 2**-10, 2.0, 1.0), x.abs() + 0.5 + 2**-10


def by_its_definition(build: Build, x: Tensor) -> Pair:
    """With s = (1 + e^x)^2, f = x (s - 1) / (s + 1)."""
    s = (1 + x.exp()) ** 2
    return build()(x), x * (s - 1) / (s + 1)


ARRANGEMENT = Law("arrangement", arrangement, (real(70),))
DIFFERENCE = Law("difference", difference_is_identity, (real(70),))
DEFINITION = Law("definition", by_its_definition, (real(70),))

BENDS: Settings = (
    {"beta": 2.0},
    {"beta": 0.3, "threshold": 5.0},
    {"threshold": 0.0},
    {"threshold": 1.5},
    {"beta": -1.0},
    {"beta": 1.5, "threshold": 1e4},
)
INPLACE: Settings = ({"inplace": True}, {"inplace": False})

OVERFLOW = Difference(
    "a large threshold lets native's exponential overflow",
    "softplus(800, threshold=1000) in float64: native inf, here 800",
    "log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)",
)
ENDLESS = Difference("the derivative at inf", "mish'(inf): native nan, here 1, the limit", "inf * 0 is not taken")
CANCELS = Difference(
    "the derivative for very negative numbers in float32",
    "mish'(-100): native 3.8e-44, truth and float64 native -3.7e-42",
    "x (1 - tanh^2) sigmoid underflows there before it is multiplied",
)

SPECS = (
    Spec(
        "Softplus",
        "smooth_activation",
        nn.Softplus,
        torch.nn.Softplus,
        (*rows(MODULE, *BENDS), built(1.0, 1e4).on(real(4, 9)).but(only=("ordinary", "saturation"))),
        oracle=SoftplusOracle,
        shape=shapes.softplus,
        strategy=pointwise_cases(MODULE, beta=(0.5, 1.0, 3.0, -2.0), threshold=(0.0, 5.0, 20.0)),
        regimes=POINTWISE,
        laws=(
            ARRANGEMENT,
            DIFFERENCE,
            Law("scaled", scaled, (real(70),)),
            Law("linear above the threshold", linear_above, (real(70),)),
        ),
        refusals=(
            Refusal(built().on(index(3, 4, high=9)), "input"),
            Refusal(built(None).on(real(3, 4)), "beta"),
            Refusal(built(1.0, None).on(real(3, 4)), "threshold"),
        ),
        differences=(OVERFLOW,),
    ),
    Spec(
        "functional.softplus",
        "smooth_activation",
        F.softplus,
        torch.nn.functional.softplus,
        (*rows(FUNCTION, *BENDS), called(real(4, 9), 1.0, 1e4).but(only=("ordinary", "saturation"))),
        oracle=softplus_oracle,
        shape=shapes.softplus,
        strategy=pointwise_cases(FUNCTION, beta=(0.5, 1.0, 3.0, -2.0), threshold=(0.0, 5.0, 20.0)),
        regimes=POINTWISE,
        laws=(
            ARRANGEMENT,
            DIFFERENCE,
            Law("scaled", scaled_function, (real(70),)),
            Law("linear above the threshold", linear_above_function, (real(70),)),
        ),
        refusals=(
            Refusal(called(index(3, 4, high=9)), "input"),
            Refusal(called(real(3, 4), "1"), "beta"),
            Refusal(called(real(3, 4), 1.0, None), "threshold"),
        ),
        differences=(OVERFLOW,),
    ),
    Spec(
        "Mish",
        "smooth_activation",
        nn.Mish,
        torch.nn.Mish,
        rows(MODULE, *INPLACE),
        oracle=MishOracle,
        shape=shapes.mish,
        strategy=pointwise_cases(MODULE),
        regimes=POINTWISE,
        laws=(ARRANGEMENT, DEFINITION),
        refusals=(Refusal(built().on(index(3, 4, high=9)), "input"), Refusal(built(True).on(real(3, 4)), "inplace")),
        differences=(ENDLESS, CANCELS),
    ),
    Spec(
        "functional.mish",
        "smooth_activation",
        F.mish,
        torch.nn.functional.mish,
        rows(FUNCTION, *INPLACE),
        oracle=mish_oracle,
        shape=shapes.mish,
        strategy=pointwise_cases(FUNCTION),
        regimes=POINTWISE,
        laws=(ARRANGEMENT, DEFINITION),
        refusals=(Refusal(called(index(3, 4, high=9)), "input"), Refusal(called(real(3, 4), True), "inplace")),
        differences=(ENDLESS, CANCELS),
    ),
)
