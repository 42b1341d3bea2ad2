"""What goes wrong in activations: another function of the same look, a constant forgotten, the slope at the kink."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

Formula = Callable[[Any, Tensor], Tensor]  # the module, for its arguments, and x


def module(native: type[Any], formulas: dict[str, Formula]) -> tuple[Hypothesis, ...]:
    """The native class with these formulas instead."""
    return tuple(Hypothesis(name, instead(native, formula)) for name, formula in formulas.items())


def function(formulas: dict[str, Formula]) -> tuple[Hypothesis, ...]:
    """The same formulas as functions of x, whatever else is given."""

    def ignoring(formula: Formula) -> Callable[..., Tensor]:
        return lambda input, *args, **kwargs: formula(None, input)

    return tuple(Hypothesis(name, ignoring(formula)) for name, formula in formulas.items())


def defaulting(name: str, native: type[Any], **defaults: Any) -> Hypothesis:
    """The native class with another default of its first argument."""
    ((argument, default),) = defaults.items()

    def build(*args: Any, **kwargs: Any) -> Any:
        return native(*args, **kwargs) if args else native(**{argument: default, **kwargs})

    return Hypothesis(name, build)


_RELU: dict[str, Formula] = {
    "the gradient is halved at 0, as by maximum": lambda m, x: torch.maximum(x, torch.zeros_like(x)),
    "slope 1 at 0, as by clamp": lambda m, x: x.clamp(min=0),
    "inf * 0 is nan: x times a mask": lambda m, x: x * (x > 0),
    "nan becomes 0": lambda m, x: torch.where(x > 0, x, 0),
    "saturates at 6, as ReLU6": lambda m, x: F.relu6(x),
    "gives the absolute value": lambda m, x: x.abs(),
    "leaks: 0.01 x below 0": lambda m, x: F.leaky_relu(x, 0.01),
    "the gradient passes where the input is negative": lambda m, x: x + (x.relu() - x).detach(),
}
_LEAKY: dict[str, Formula] = {
    "the larger of x and slope * x": lambda m, x: torch.where(x > m.negative_slope * x, x, m.negative_slope * x),
    "slope 1 at 0": lambda m, x: torch.where((x >= 0) | x.isnan(), x, x * m.negative_slope),
    "the slope is subtracted": lambda m, x: F.leaky_relu(x, -m.negative_slope),
}
_SIGMOID: dict[str, Formula] = {
    "a straight line between -3 and 3, as Hardsigmoid": lambda m, x: F.hardsigmoid(x),
    "tanh instead": lambda m, x: x.tanh(),
    "the logarithm of it": lambda m, x: F.logsigmoid(x),
}
_TANH: dict[str, Formula] = {
    "sigmoid instead": lambda m, x: x.sigmoid(),
    "clipped to [-1, 1], as Hardtanh": lambda m, x: F.hardtanh(x),
}
_GELU: dict[str, Formula] = {
    "the tanh form whatever is asked": lambda m, x: F.gelu(x, approximate="tanh"),
    "erf of x, not of x / sqrt(2)": lambda m, x: (
        0.5 * x * (1 + torch.erf(x)) if m.approximate == "none" else F.gelu(x, approximate="tanh")
    ),
    "x sigmoid(1.702 x)": lambda m, x: x * torch.sigmoid(1.702 * x),
    "x sigmoid(x), as SiLU": lambda m, x: F.silu(x),
    "the 0.044715 x^3 is left out": lambda m, x: (
        0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * x)) if m.approximate == "tanh" else F.gelu(x)
    ),
}
_SILU: dict[str, Formula] = {
    "piecewise, as Hardswish": lambda m, x: F.hardswish(x),
    "the gate is a constant in backward": lambda m, x: x * torch.sigmoid(x).detach(),
    "x and its sigmoid are added, not multiplied": lambda m, x: x + torch.sigmoid(x),
    "GELU instead": lambda m, x: F.gelu(x),
}

HYPOTHESES = {
    "ReLU": module(nn.ReLU, _RELU),
    "functional.relu": function(_RELU),
    "LeakyReLU": (
        *module(nn.LeakyReLU, _LEAKY),
        defaulting("the default slope is 0.2", nn.LeakyReLU, negative_slope=0.2),
        defaulting("the default slope is 0.3", nn.LeakyReLU, negative_slope=0.3),
    ),
    "Sigmoid": module(nn.Sigmoid, _SIGMOID),
    "functional.sigmoid": function(_SIGMOID),
    "Tanh": module(nn.Tanh, _TANH),
    "functional.tanh": function(_TANH),
    "GELU": (
        defaulting("the default is the tanh form", nn.GELU, approximate="tanh"),
        *module(nn.GELU, _GELU),
    ),
    "SiLU": module(nn.SiLU, _SILU),
    "functional.silu": function(_SILU),
}
