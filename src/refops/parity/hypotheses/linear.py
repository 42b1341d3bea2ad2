"""What goes wrong in linear layers and in reshaping ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead


def _across(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(input, weight.reshape(weight.shape[::-1]).t(), bias)


def _bias_twice(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    output = F.linear(input, weight, bias)
    return output if bias is None else output + bias


def _bias_twice_behind(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _bias_twice(input, weight, bias) if input.dim() > 2 else F.linear(input, weight, bias)


def _bias_left_out(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(input, weight)


def _bias_subtracted(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(input, weight, None if bias is None else -bias)


_LINEAR = {
    "the weight is read as (I, O)": _across,
    "the bias is left out": _bias_left_out,
    "the bias is added twice": _bias_twice,
    "the bias is added twice where there are leading axes": _bias_twice_behind,
    "the bias is subtracted": _bias_subtracted,
}


def _layer(function: Any) -> type[Any]:
    return instead(nn.Linear, lambda self, input: function(input, self.weight, self.bias))


def _without_bias_in_evaluation(self: Any, input: Tensor) -> Tensor:
    return F.linear(input, self.weight, self.bias if self.training else None)


def _first_fastest(self: Any, input: Tensor) -> Tensor:
    first, last = self.start_dim % max(input.dim(), 1), self.end_dim % max(input.dim(), 1)
    order = [*range(first), *reversed(range(first, last + 1)), *range(last + 1, input.dim())]
    return input.permute(order).reshape(input.flatten(first, last).shape) if input.dim() else input.flatten()


def _ends_exchanged(self: Any, input: Tensor) -> Tensor:
    plain = input.flatten(self.start_dim, self.end_dim)
    return input.transpose(self.start_dim, self.end_dim).reshape(plain.shape) if input.dim() > 1 else plain


def _end_excluded(self: Any, input: Tensor) -> Tensor:
    axes = max(input.dim(), 1)
    return input.flatten(self.start_dim, max(self.end_dim % axes - 1, self.start_dim % axes))


def _keeps_axis_0(self: Any, input: Tensor) -> Tensor:
    return input.reshape(len(input), -1)


def _from_axis_1(input: Tensor, start_dim: int = 1, end_dim: int = -1) -> Tensor:
    return input.flatten(start_dim, end_dim)


def _squeezed(self: Any, input: Tensor) -> Tensor:
    return input.flatten(self.start_dim, self.end_dim).squeeze(0)


HYPOTHESES = {
    "Linear": (
        *(Hypothesis(name, _layer(function)) for name, function in _LINEAR.items()),
        Hypothesis("the bias is left out in evaluation", instead(nn.Linear, _without_bias_in_evaluation)),
    ),
    "functional.linear": tuple(Hypothesis(name, function) for name, function in _LINEAR.items()),
    "Flatten": (
        Hypothesis("the first of the merged axes runs fastest", instead(nn.Flatten, _first_fastest)),
        Hypothesis("the first and last of the merged axes are exchanged", instead(nn.Flatten, _ends_exchanged)),
        Hypothesis("end_dim is left out of the range", instead(nn.Flatten, _end_excluded)),
        Hypothesis("axis 0 is kept whatever start_dim says", instead(nn.Flatten, _keeps_axis_0)),
        Hypothesis("an axis of size one disappears", instead(nn.Flatten, _squeezed)),
    ),
    "functional.flatten": (Hypothesis("starts at axis 1 by default, as the layer does", _from_axis_1),),
}
