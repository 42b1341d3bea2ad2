"""What goes wrong in layer, group and RMS norm.

A `Rule` standardises x, given its mean, its biased variance and the number of values n behind them; `RULES` are the
wrong ones, and every norm is built from any of them.

Legend: N batch, C channels, G groups, *S any spatial axes, *D normalized axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

Rule = Callable[[Tensor, Tensor, Tensor, int, float], Tensor]

# over x, its mean, its biased variance, the number of values, eps
RULES: dict[str, Rule] = {
    "eps outside the root": lambda x, mean, var, n, eps: (x - mean) / (var.sqrt() + eps),
    "unbiased variance": lambda x, mean, var, n, eps: (x - mean) / (var * n / (n - 1) + eps).sqrt(),
    "unbiased variance and eps outside the root": lambda x, mean, var, n, eps: (
        (x - mean) / ((var * n / (n - 1)).sqrt() + eps)
    ),
    "eps is left out": lambda x, mean, var, n, eps: (x - mean) / var.sqrt(),
    "the mean is not subtracted": lambda x, mean, var, n, eps: x / (var + eps).sqrt(),
    "the mean is not subtracted, as in RMS norm": lambda x, mean, var, n, eps: x / (var + mean * mean + eps).sqrt(),
    "divided by the variance, not by its root": lambda x, mean, var, n, eps: (x - mean) / (var + eps),
    "the mean is a constant in backward": lambda x, mean, var, n, eps: (x - mean.detach()) / (var + eps).sqrt(),
    "the variance is a constant in backward": lambda x, mean, var, n, eps: (x - mean) / (var.detach() + eps).sqrt(),
    "mean and variance are constants in backward": lambda x, mean, var, n, eps: (
        (x - mean.detach()) / (var.detach() + eps).sqrt()
    ),
}


def standard(x: Tensor, mean: Tensor, var: Tensor, n: int, eps: float) -> Tensor:
    """The right rule, for hypotheses that spoil something else."""
    return (x - mean) / (var + eps).sqrt()


def by(rule: Rule, x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """The rule with the statistics of these axes."""
    mean = x.mean(axes, keepdim=True)
    var = ((x - mean) ** 2).mean(axes, keepdim=True)
    return rule(x, mean, var, math.prod(x.shape[a] for a in axes), eps)


def affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Weight and bias, where there are any."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def per_channel(p: Tensor | None, x: Tensor) -> Tensor | None:
    """Of shape (C, 1, ...), to stand beside (N, C, *S)."""
    return None if p is None else p.reshape(-1, *(1,) * (x.dim() - 2))


# -- layer norm --------------------------------------------------------------------------------------------------------

Axes = Callable[[Tensor, tuple[int, ...]], tuple[int, ...]]


def _last(input: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(shape), 0))


def _layer(rule: Rule = standard, axes: Axes = _last, finish: Any = affine) -> tuple[Any, Any]:
    """Module and function."""

    def layer_norm(
        input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> Any:
        return finish(by(rule, input, axes(input, normalized_shape), eps), weight, bias)

    def forward(self: Any, input: Tensor) -> Any:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    return instead(nn.LayerNorm, forward), layer_norm


def _one_more(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    return affine(x, None if weight is None else 1 + weight, bias)


def _bias_first(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if bias is None else x + bias
    return x if weight is None else x * weight


_LAYERS = {name: _layer(rule) for name, rule in RULES.items()} | {
    "statistics of the last axis only": _layer(axes=lambda x, shape: (-1,)),
    "statistics of axis 1": _layer(axes=lambda x, shape: (1,) if x.dim() > 2 else _last(x, shape)),
    "statistics over the batch as well": _layer(axes=lambda x, shape: tuple(range(x.dim()))),
    "the weight is taken as its distance from one": _layer(finish=_one_more),
    "the bias is added before the weight": _layer(finish=_bias_first),
}

# -- RMS norm ----------------------------------------------------------------------------------------------------------

RMSRule = Callable[[Tensor, tuple[int, ...], float], Tensor]


def _square(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return (x * x).mean(axes, keepdim=True)


_RMS_RULES: dict[str, RMSRule] = {
    "eps outside the root": lambda x, axes, eps: x / (_square(x, axes).clamp(min=1e-30).sqrt() + eps),
    "eps is left out": lambda x, axes, eps: x / _square(x, axes).sqrt(),
    "the mean is subtracted first": lambda x, axes, eps: (
        (x - x.mean(axes, keepdim=True)) / (_square(x - x.mean(axes, keepdim=True), axes) + eps).sqrt()
    ),
    "divided by the norm, without the root of n": lambda x, axes, eps: (
        x / ((x * x).sum(axes, keepdim=True) + eps).sqrt()
    ),
    "divided by the mean square, not by its root": lambda x, axes, eps: x / (_square(x, axes) + eps),
    "the root mean square is a constant in backward": lambda x, axes, eps: x / (_square(x, axes) + eps).sqrt().detach(),
}


def _rms_right(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    return x / (_square(x, axes) + eps).sqrt()


def _rms(rule: RMSRule = _rms_right, default: float | None = None, last: bool = False, one: bool = False) -> Any:
    """Module and function."""

    def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Any:
        usual = default if default is not None else torch.finfo(torch.float32).eps
        axes = (-1,) if last else tuple(range(-len(normalized_shape), 0))
        weight = 1 + weight if one and weight is not None else weight
        return affine(rule(input, axes, usual if eps is None else eps), weight, None)

    def forward(self: Any, x: Tensor) -> Any:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    return instead(nn.RMSNorm, forward), rms_norm


_RMS = {name: _rms(rule) for name, rule in _RMS_RULES.items()} | {
    "the default eps is 1e-6": _rms(default=1e-6),
    "the default eps is 1e-5": _rms(default=1e-5),
    "the default eps is 1e-8": _rms(default=1e-8),
    "statistics of the last axis only": _rms(last=True),
    "the weight is taken as its distance from one": _rms(one=True),
}

# -- group norm --------------------------------------------------------------------------------------------------------


def _group(rule: Rule = standard, axes: Axes | None = None) -> tuple[Any, Any]:
    """Module and function."""

    def group_norm(input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
        x = input.reshape(input.shape[0], num_groups, input.shape[1] // num_groups, *input.shape[2:])  # (N, G, C/G, *S)
        own = tuple(range(2, x.dim()))
        plain = by(rule, x, axes(x, own) if axes else own, eps).reshape(input.shape)
        return affine(plain, per_channel(weight, input), per_channel(bias, input))

    return _grouped(group_norm), group_norm


def _grouped(group_norm: Callable[..., Any]) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    return instead(nn.GroupNorm, forward)


def _interleaved(input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    order = torch.arange(input.shape[1]).reshape(-1, num_groups).t().reshape(-1)
    plain = F.group_norm(input[:, order], num_groups, eps=eps)[:, order.argsort()]
    return affine(plain, per_channel(weight, input), per_channel(bias, input))


def _so_large(input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    return F.group_norm(input, max(input.shape[1] // num_groups, 1), weight, bias, eps)


def _both(input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    return F.group_norm(input, num_groups, weight if bias is not None else None, bias, eps)


_GROUPS = {name: _group(rule) for name, rule in RULES.items()} | {
    "statistics over the batch as well": _group(axes=lambda x, own: (0, *own)),
    "statistics over space only, as in instance norm": _group(axes=lambda x, own: own[1:] or own),
    "channels are dealt out to the groups in turn": (_grouped(_interleaved), _interleaved),
    "groups are as large as asked, not as many": (_grouped(_so_large), _so_large),
    "the weight is left out where there is no bias": (_grouped(_both), _both),
}


def _hypotheses(table: dict[str, tuple[Any, Any]], place: int) -> tuple[Hypothesis, ...]:
    return tuple(Hypothesis(name, pair[place]) for name, pair in table.items())


HYPOTHESES = {
    "LayerNorm": _hypotheses(_LAYERS, 0),
    "functional.layer_norm": _hypotheses(_LAYERS, 1),
    "RMSNorm": _hypotheses(_RMS, 0),
    "functional.rms_norm": _hypotheses(_RMS, 1),
    "GroupNorm": _hypotheses(_GROUPS, 0),
    "functional.group_norm": _hypotheses(_GROUPS, 1),
}
