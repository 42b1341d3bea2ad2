"""What goes wrong in softmax and its logarithm: the axis, an eps, what the sum's gradient is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

Along = Callable[[Tensor, int], Tensor]  # x and the axis

_SOFTMAX: dict[str, Along] = {
    "always along the last axis": lambda x, dim: F.softmax(x, -1),
    "always along axis 0": lambda x, dim: F.softmax(x, 0),
    "always along axis 1": lambda x, dim: F.softmax(x, 1 if x.dim() > 1 else dim),
    "over everything, not along one axis": lambda x, dim: F.softmax(x.flatten(), 0).view(x.shape),
    "an eps of 1e-5 in the denominator": lambda x, dim: _shifted(x, dim) / (_sum(x, dim) + 1e-5),
    "an eps of 1e-6 in the denominator": lambda x, dim: _shifted(x, dim) / (_sum(x, dim) + 1e-6),
    "an eps of 1e-8 in the denominator": lambda x, dim: _shifted(x, dim) / (_sum(x, dim) + 1e-8),
    "the sum is a constant in backward": lambda x, dim: _shifted(x, dim) / _sum(x, dim).detach(),
    "divided by the length, not by the sum": lambda x, dim: F.normalize(F.softmax(x, dim), dim=dim, eps=0),
    "powers of 2 instead of e": lambda x, dim: F.softmax(x * math.log(2), dim),
    "the logarithm of it": lambda x, dim: F.log_softmax(x, dim),
}
_LOG_SOFTMAX: dict[str, Along] = {
    "always along the last axis": lambda x, dim: F.log_softmax(x, -1),
    "an eps of 1e-8 inside the logarithm": lambda x, dim: (F.softmax(x, dim) + 1e-8).log(),
    "an eps of 1e-7 inside the logarithm": lambda x, dim: (F.softmax(x, dim) + 1e-7).log(),
    "an eps of 1e-12 inside the logarithm": lambda x, dim: (F.softmax(x, dim) + 1e-12).log(),
    "logarithm to base 2": lambda x, dim: F.log_softmax(x, dim) / math.log(2),
    "the sum is a constant in backward": lambda x, dim: x + (F.log_softmax(x, dim) - x).detach(),
    "the logarithm is missing": lambda x, dim: F.softmax(x, dim),
}


def _shifted(x: Tensor, dim: int) -> Tensor:
    return (x - x.amax(dim, keepdim=True).detach()).exp()


def _sum(x: Tensor, dim: int) -> Tensor:
    return _shifted(x, dim).sum(dim, keepdim=True)


def _by_old_rule(x: Tensor, dim: int | None) -> int:
    """Where no dim is given, native takes axis 0 of one to three axes but two, else axis 1."""
    return dim if dim is not None else 0 if x.dim() in (0, 1, 3) else 1


def _module(native: type[Any], formulas: dict[str, Along]) -> tuple[Hypothesis, ...]:
    def spoiled(formula: Along) -> type[Any]:
        return instead(native, lambda self, input: formula(input, _by_old_rule(input, self.dim)))

    return tuple(Hypothesis(name, spoiled(formula)) for name, formula in formulas.items())


def _function(formulas: dict[str, Along]) -> tuple[Hypothesis, ...]:
    def spoiled(formula: Along) -> Callable[..., Tensor]:
        def softmax(
            input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
        ) -> Tensor:
            return formula(input if dtype is None else input.to(dtype), _by_old_rule(input, dim))

        return softmax

    return tuple(Hypothesis(name, spoiled(formula)) for name, formula in formulas.items())


def _last_if_missing(self: Any, input: Tensor) -> Tensor:
    return F.softmax(input, -1 if self.dim is None else self.dim)


HYPOTHESES = {
    "Softmax": (
        *_module(nn.Softmax, _SOFTMAX),
        Hypothesis("a missing dim means the last axis", instead(nn.Softmax, _last_if_missing)),
    ),
    "functional.softmax": _function(_SOFTMAX),
    "LogSoftmax": _module(nn.LogSoftmax, _LOG_SOFTMAX),
    "functional.log_softmax": _function(_LOG_SOFTMAX),
}
