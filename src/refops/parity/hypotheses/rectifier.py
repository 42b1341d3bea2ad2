"""What goes wrong in rectifiers and smooth gates: constants, the slope at the kink, what is cut where."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead
from refops.parity.hypotheses.activation import Formula, function, module


def _held(value: Tensor, x: Tensor, gate: Tensor) -> Tensor:
    """The value, with the gradient of x times a gate held constant."""
    slope = x * gate.detach()
    return slope + (value - slope).detach()


_ELU: dict[str, Formula] = {
    "alpha stands in the exponent too, as in CELU": lambda m, x: (
        torch.where(x > 0, x, m.alpha * torch.expm1(x.clamp(max=0) / m.alpha)) if m.alpha else x.relu()
    ),
    "scaled, as SELU": lambda m, x: 1.0507009873554805 * F.elu(x, m.alpha),
    "slope 1 at 0, also where alpha is another": lambda m, x: torch.where(
        x < 0, m.alpha * torch.expm1(torch.where(x < 0, x, 0)), x
    ),
    "the 1 is not subtracted": lambda m, x: torch.where(x > 0, x, m.alpha * x.clamp(max=0).exp()),
}
_HARDSWISH: dict[str, Formula] = {
    "the gate is 0.2 x + 0.5, as in Keras": lambda m, x: x * (0.2 * x + 0.5).clamp(0, 1),
    "straight pieces all through": lambda m, x: torch.where(x < -3, 0 * x, torch.where(x > 3, x, (x + 3) / 2)),
    "divided by 3, not by 6": lambda m, x: x * F.relu6(x + 3) / 3,
    "the gate is a constant in backward": lambda m, x: _held(F.hardswish(x), x, F.relu6(x + 3) / 6),
    "the gate alone, as Hardsigmoid": lambda m, x: F.hardsigmoid(x),
    "smooth, as SiLU": lambda m, x: F.silu(x),
}
_RELU6: dict[str, Formula] = {
    "not cut at 6": lambda m, x: x.relu(),
    "slope 1 at 0 and 6, as by clamp": lambda m, x: x.clamp(0, 6),
    "cut at 1": lambda m, x: x.clamp(0, 1),
}


def _smooth(m: Any, x: Tensor) -> Any:
    middle, half = (m.max_val + m.min_val) / 2, (m.max_val - m.min_val) / 2
    return middle + half * torch.tanh((x - middle) / half)


_HARDTANH: dict[str, Formula] = {
    "smooth, as tanh": _smooth,
    "the limits given are not used": lambda m, x: F.hardtanh(x),
    "slope 1 at the limits, as by clamp": lambda m, x: x.clamp(m.min_val, m.max_val),
}


def _last_axis(m: Any, x: Tensor) -> Tensor:
    if x.dim() < 3 or m.num_parameters != x.shape[-1]:
        return F.prelu(x, m.weight)
    return torch.where(x > 0, x, m.weight * x)


def _larger(m: Any, x: Tensor) -> Tensor:
    scaled = torch.where(x > 0, -F.prelu(-x, m.weight), F.prelu(x, m.weight))
    return torch.where(x > scaled, x, scaled)


_PRELU: dict[str, Formula] = {
    "slopes lie along the last axis": _last_axis,
    "only the first slope is used": lambda m, x: F.prelu(x, m.weight[:1]) + 0 * F.prelu(x, m.weight),
    "slope 1 at 0": lambda m, x: torch.where(x == 0, x, F.prelu(x, m.weight)),
    "the larger of x and slope * x": _larger,
    "the slope is subtracted": lambda m, x: F.prelu(x, -m.weight),
}
_RRELU: dict[str, Formula] = {
    "the slope of evaluation is the upper bound": lambda m, x: F.leaky_relu(x, m.upper),
    "the slope of evaluation is the lower bound": lambda m, x: F.leaky_relu(x, m.lower),
}
_SOFTPLUS: dict[str, Formula] = {
    "the threshold is compared with x, not with beta x": lambda m, x: F.softplus(x, m.beta, m.threshold * m.beta),
    "not divided by beta": lambda m, x: F.softplus(m.beta * x, 1.0, m.threshold),
    "the threshold given is not used": lambda m, x: F.softplus(x, m.beta),
    "beta is not used": lambda m, x: F.softplus(x, 1.0, m.threshold),
    "there is no threshold": lambda m, x: F.softplus(x, m.beta, math.inf),
}


_MISH: dict[str, Formula] = {
    "x sigmoid(x), as SiLU": lambda m, x: F.silu(x),
    "tanh without the softplus": lambda m, x: x * torch.tanh(x.clamp(min=0)),
    "x tanh(x)": lambda m, x: x * x.tanh(),
    "the gate is a constant in backward": lambda m, x: _held(F.mish(x), x, torch.tanh(F.softplus(x))),
}


def _in_evaluation(formula: Formula) -> Any:
    return instead(nn.RReLU, lambda self, x: nn.RReLU.forward(self, x) if self.training else formula(self, x))


HYPOTHESES = {
    "ELU": module(nn.ELU, _ELU),
    "Hardswish": module(nn.Hardswish, _HARDSWISH),
    "functional.hardswish": function(_HARDSWISH),
    "ReLU6": module(nn.ReLU6, _RELU6),
    "functional.relu6": function(_RELU6),
    "Hardtanh": module(nn.Hardtanh, _HARDTANH),
    "PReLU": module(nn.PReLU, _PRELU),
    "RReLU": tuple(Hypothesis(name, _in_evaluation(formula)) for name, formula in _RRELU.items()),
    "Softplus": module(nn.Softplus, _SOFTPLUS),
    "Mish": module(nn.Mish, _MISH),
    "functional.mish": function(_MISH),
}
