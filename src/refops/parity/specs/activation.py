"""Activations that treat each number alone. Legend: *S any shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import activation as F
from refops.nn import activation as nn
from refops.parity.case import Case, buffer, built, called, flag, index, real
from refops.parity.spec import POINTWISE, Difference, Law, Refusal, Spec
from refops.shapes import activation as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]

MODULE, FUNCTION = True, False


def tanh_oracle(input: Tensor) -> Tensor:
    """As native, with a derivative that does not cancel: 1 - y^2 has lost every digit from |x| = 19 on in float64."""
    negative = input < 0
    e = torch.exp(-2 * torch.where(negative, -input, input))
    slope = torch.where(negative, e - 1, 1 - e) / (1 + e)
    return torch.tanh(input).detach() + (slope - slope.detach())


def sigmoid_oracle(input: Tensor) -> Tensor:
    """Accurate on both sides: native's value is 0 from -710 on, its derivative y (1 - y) is 0 from 37 on in float64."""
    negative = input < 0
    e = torch.exp(-torch.where(negative, -input, input))
    share: Tensor = torch.where(negative, e, 1) / (1 + e)
    return share


def gelu_oracle(input: Tensor, *, approximate: str = "none") -> Tensor:
    """Both forms without a 1 that cancels: native's 1 + erf and 1 + tanh leave 9 digits of 16 at -5, and none at -9."""
    if approximate != "tanh":
        share: Tensor = torch.special.erfc(-input / math.sqrt(2)) / 2
        return input * share
    return input * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (input + 0.044715 * input**3))


class SigmoidOracle(torch.nn.Sigmoid):
    """Native, but computed by `sigmoid_oracle`."""

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return sigmoid_oracle(input)


class TanhOracle(torch.nn.Tanh):
    """Native, but computed by `tanh_oracle`."""

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return tanh_oracle(input)


class GELUOracle(torch.nn.GELU):
    """Native, but computed by `gelu_oracle`."""

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return gelu_oracle(input, approximate=self.approximate)


def pointwise_cases(module: bool, **choices: tuple[Any, ...]) -> Callable[[], SearchStrategy[Case]]:
    """Any shape, also empty and without axes, and any of the settings; no setting leaves native's default."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = draw(st.lists(st.integers(0, 5), max_size=4))
            settings = {k: draw(st.sampled_from(v)) for k, v in choices.items() if draw(st.booleans())}
            return built(**settings).on(real(*shape)) if module else called(real(*shape), **settings)

        return cases()

    return strategy


def rows(module: bool, *settings: dict[str, Any]) -> tuple[Case, ...]:
    """The shapes every activation is tried on, then each of its settings."""
    shapes = ((4, 13), (), (0, 3), (17,), (2, 3, 5, 4), (3, 4097), *((5, 33),) * len(settings))
    given: tuple[dict[str, Any], ...] = ({},) * 6 + settings
    return tuple(
        built(**s).on(_drawn(shape, s)) if module else called(_drawn(shape, s), **s)
        for shape, s in zip(shapes, given, strict=True)
    )


def _drawn(shape: tuple[int, ...], settings: dict[str, Any]) -> Any:
    return buffer(*shape) if settings.get("inplace") else real(*shape)  # native refuses to overwrite a leaf


def arrangement(build: Build, x: Tensor) -> Pair:
    """Each number is treated alone: how they are arranged does not matter."""
    f = build()
    return f(x.reshape(7, 10).t()).t().reshape(70), torch.cat([f(x[:33]), f(x[33:])])


def difference_is_identity(build: Build, x: Tensor) -> Pair:
    """f(x) - f(-x) = x."""
    f = build()
    return f(x) - f(-x), x


def homogeneous(build: Build, x: Tensor) -> Pair:
    """f(4 x) = 4 f(x): a power of two, so nothing is rounded."""
    f = build()
    return f(4 * x), 4 * f(x)


def slope_one(build: Build, x: Tensor) -> Pair:
    """With a slope of 1 nothing happens."""
    return build(1.0)(x), x


def slope_one_function(build: Build, x: Tensor) -> Pair:
    """With a slope of 1 nothing happens."""
    return build()(x, 1.0), x


def complement(build: Build, x: Tensor) -> Pair:
    """f(x) + f(-x) = 1."""
    f = build()
    return f(x) + f(-x), torch.ones_like(x)


def odd(build: Build, x: Tensor) -> Pair:
    """f(-x) = -f(x)."""
    f = build()
    return f(-x), -f(x)


ARRANGEMENT = Law("arrangement", arrangement, (real(70),))
RELU_LAWS = (
    ARRANGEMENT,
    Law("difference", difference_is_identity, (real(70),)),
    Law("homogeneous", homogeneous, (real(70),)),
)
LEAKY_LAWS = (ARRANGEMENT, Law("homogeneous", homogeneous, (real(70),)))
SIGMOID_LAWS = (ARRANGEMENT, Law("complement", complement, (real(70),)))
TANH_LAWS = (ARRANGEMENT, Law("odd", odd, (real(70),)))
GATE_LAWS = (ARRANGEMENT, Law("difference", difference_is_identity, (real(70),)))

INPLACE: tuple[dict[str, Any], ...] = ({"inplace": True}, {"inplace": False})
SLOPES: tuple[dict[str, Any], ...] = (
    {"negative_slope": 0.2},
    {"negative_slope": 0.0},
    {"negative_slope": 2.5},
    {"negative_slope": -0.5},
    {"negative_slope": 0.3, "inplace": True},
)
INDUCTOR = (
    Difference(
        "compiled by inductor, digits are lost near 0",
        "float32 x = 0.00179632735: 0.0017963507 compiled, 0.0017963253 eager and native, truth 0.0017963254",
        "inductor vectorises expm1 as exp - 1, measured with torch 2.13 on x86-64",
        inductor=True,
    ),
)
GELU_FORMS: tuple[dict[str, Any], ...] = ({"approximate": "none"}, {"approximate": "tanh"})


SPECS = (
    Spec(
        "ReLU",
        "activation",
        nn.ReLU,
        torch.nn.ReLU,
        (*rows(MODULE, *INPLACE), built().on(index(5, 8, low=-6, high=7))),
        shape=shapes.relu,
        strategy=pointwise_cases(MODULE),
        regimes=POINTWISE,
        laws=RELU_LAWS,
        refusals=(Refusal(built().on(flag(3, 4)), "input"), Refusal(built(True).on(real(3, 4)), "inplace")),
    ),
    Spec(
        "functional.relu",
        "activation",
        F.relu,
        torch.nn.functional.relu,
        (*rows(FUNCTION, *INPLACE), called(index(5, 8, low=-6, high=7))),
        shape=shapes.relu,
        strategy=pointwise_cases(FUNCTION),
        regimes=POINTWISE,
        laws=RELU_LAWS,
        refusals=(Refusal(called(flag(3, 4)), "input"), Refusal(called(real(3, 4), True), "inplace")),
    ),
    Spec(
        "LeakyReLU",
        "activation",
        nn.LeakyReLU,
        torch.nn.LeakyReLU,
        rows(MODULE, *SLOPES),
        shape=shapes.leaky_relu,
        strategy=pointwise_cases(MODULE, negative_slope=(0.0, 0.25, 1.0, 3.0, -0.7)),
        regimes=POINTWISE,
        laws=(*LEAKY_LAWS, Law("slope of one", slope_one, (real(70),))),
        refusals=(
            Refusal(built().on(index(3, 4, high=9)), "input"),
            Refusal(built(0.1, True).on(real(3, 4)), "inplace"),
            Refusal(built(None).on(real(3, 4)), "negative_slope"),
        ),
    ),
    Spec(
        "functional.leaky_relu",
        "activation",
        F.leaky_relu,
        torch.nn.functional.leaky_relu,
        rows(FUNCTION, *SLOPES),
        shape=shapes.leaky_relu,
        strategy=pointwise_cases(FUNCTION, negative_slope=(0.0, 0.25, 1.0, 3.0, -0.7)),
        regimes=POINTWISE,
        laws=(*LEAKY_LAWS, Law("slope of one", slope_one_function, (real(70),))),
        refusals=(
            Refusal(called(index(3, 4, high=9)), "input"),
            Refusal(called(real(3, 4), 0.1, True), "inplace"),
            Refusal(called(real(3, 4), None), "negative_slope"),
        ),
    ),
    Spec(
        "Sigmoid",
        "activation",
        nn.Sigmoid,
        torch.nn.Sigmoid,
        rows(MODULE),
        oracle=SigmoidOracle,
        shape=shapes.sigmoid,
        strategy=pointwise_cases(MODULE),
        regimes=POINTWISE,
        laws=SIGMOID_LAWS,
    ),
    Spec(
        "functional.sigmoid",
        "activation",
        F.sigmoid,
        torch.nn.functional.sigmoid,
        rows(FUNCTION),
        oracle=sigmoid_oracle,
        shape=shapes.sigmoid,
        strategy=pointwise_cases(FUNCTION),
        regimes=POINTWISE,
        laws=SIGMOID_LAWS,
    ),
    Spec(
        "Tanh",
        "activation",
        nn.Tanh,
        torch.nn.Tanh,
        rows(MODULE),
        oracle=TanhOracle,
        shape=shapes.tanh,
        strategy=pointwise_cases(MODULE),
        regimes=POINTWISE,
        laws=TANH_LAWS,
        differences=INDUCTOR,
    ),
    Spec(
        "functional.tanh",
        "activation",
        F.tanh,
        torch.nn.functional.tanh,
        rows(FUNCTION),
        oracle=tanh_oracle,
        shape=shapes.tanh,
        strategy=pointwise_cases(FUNCTION),
        regimes=POINTWISE,
        laws=TANH_LAWS,
        differences=INDUCTOR,
    ),
    Spec(
        "GELU",
        "activation",
        nn.GELU,
        torch.nn.GELU,
        (*rows(MODULE, *GELU_FORMS), built("tanh").on(real(4, 13)).but(only=POINTWISE)),
        oracle=GELUOracle,
        shape=shapes.gelu,
        strategy=pointwise_cases(MODULE, approximate=("none", "tanh")),
        regimes=POINTWISE,
        laws=GATE_LAWS,
        refusals=(
            Refusal(built("erf").on(real(3, 4)), "approximate"),
            Refusal(built(None).on(real(3, 4)), "approximate"),
            Refusal(built().on(index(3, 4, high=9)), "input"),
        ),
    ),
    Spec(
        "functional.gelu",
        "activation",
        F.gelu,
        torch.nn.functional.gelu,
        (*rows(FUNCTION, *GELU_FORMS), called(real(4, 13), approximate="tanh").but(only=POINTWISE)),
        oracle=gelu_oracle,
        shape=shapes.gelu,
        strategy=pointwise_cases(FUNCTION, approximate=("none", "tanh")),
        regimes=POINTWISE,
        laws=GATE_LAWS,
        refusals=(
            Refusal(called(real(3, 4), approximate="erf"), "approximate"),
            Refusal(called(real(3, 4), approximate=None), "approximate"),
            Refusal(called(index(3, 4, high=9)), "input"),
        ),
    ),
    Spec(
        "SiLU",
        "activation",
        nn.SiLU,
        torch.nn.SiLU,
        rows(MODULE, *INPLACE),
        shape=shapes.silu,
        strategy=pointwise_cases(MODULE),
        regimes=POINTWISE,
        laws=GATE_LAWS,
        refusals=(
            Refusal(built().on(index(3, 4, high=9)), "input"),
            Refusal(built(True).on(real(3, 4)), "inplace"),
        ),
    ),
    Spec(
        "functional.silu",
        "activation",
        F.silu,
        torch.nn.functional.silu,
        rows(FUNCTION, *INPLACE),
        shape=shapes.silu,
        strategy=pointwise_cases(FUNCTION),
        regimes=POINTWISE,
        laws=GATE_LAWS,
        refusals=(
            Refusal(called(index(3, 4, high=9)), "input"),
            Refusal(called(real(3, 4), True), "inplace"),
        ),
    ),
)
