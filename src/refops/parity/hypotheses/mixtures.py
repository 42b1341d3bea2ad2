"""What goes wrong in mixtures: of experts, and of statistics in switchable norm; and in octave convolution.

Legend: N batch, C channels, H W image, K experts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from refops.functional.octave_convolution import low_channels
from refops.nn.mixture_of_experts import MixtureOfExperts
from refops.nn.octave_convolution import OctaveConv2d
from refops.nn.switch_normalization import SwitchNorm2d
from refops.parity.hypotheses import Hypothesis, instead

# -- experts -----------------------------------------------------------------------------------------------------------


class _Mixture(MixtureOfExperts):
    """Every expert on every row, then shares."""

    def forward(self, input: Tensor, need_balance: bool = False) -> Any:
        logits = self.gate(input)
        output = (self.shares(logits)[..., None] * self.answers(input)).sum(-2)
        return (output, self.balance(logits)) if need_balance else output

    def shares(self, logits: Tensor) -> Tensor:
        if self.top_k is None:
            return logits.softmax(-1)
        best, chosen = logits.topk(self.top_k, -1)
        return torch.zeros_like(logits).scatter(-1, chosen, best.softmax(-1))

    def answers(self, input: Tensor) -> Tensor:
        return torch.stack([expert(input) for expert in self.experts], -2)

    def balance(self, logits: Tensor) -> Tensor:
        rows = logits.reshape(-1, logits.shape[-1])
        used = torch.zeros_like(rows).scatter(-1, rows.topk(self.top_k or rows.shape[-1], -1)[1], 1.0)
        share = used.sum(0) / used.sum().clamp(min=1)
        return logits.shape[-1] * (share * rows.softmax(-1).sum(0) / max(len(rows), 1)).sum()


def _as_they_are(m: Any, logits: Tensor) -> Tensor:
    shares = logits.softmax(-1)
    if m.top_k is None:
        return shares
    return torch.zeros_like(shares).scatter(-1, logits.topk(m.top_k, -1)[1], 1.0) * shares


def _least(m: Any, logits: Tensor) -> Tensor:
    if m.top_k is None:
        return logits.softmax(-1)
    best, chosen = (-logits).topk(m.top_k, -1)
    return torch.zeros_like(logits).scatter(-1, chosen, (-best).softmax(-1))


def _only_one(m: Any, logits: Tensor) -> Tensor:
    return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits) if m.top_k else logits.softmax(-1)


def _if_all(other: Callable[[Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    return lambda m, logits: other(logits) if m.top_k is None else _Mixture.shares(m, logits)


def _without_bias(m: Any, input: Tensor) -> Tensor:
    return torch.stack([F.linear(input, e.weight) + 0 * e.bias for e in m.experts], -2)


_MIXTURES: dict[str, dict[str, Any]] = {
    "the shares of the chosen are not renormalised": {"shares": _as_they_are},
    "top_k is ignored: every expert counts": {"shares": lambda m, logits: logits.softmax(-1)},
    "softmax over the rows, not over the experts": {
        "shares": _if_all(lambda logits: logits.softmax(0) if logits.dim() > 1 else logits.softmax(-1))
    },
    "gates are sigmoids": {"shares": _if_all(torch.sigmoid)},
    "the likeliest expert is the only one": {"shares": _only_one},
    "the least likely experts are chosen": {"shares": _least},
    "shares carry no gradient": {"shares": lambda m, logits: _Mixture.shares(m, logits).detach()},
    "the experts' biases are left out": {"answers": _without_bias},
    "the balance lacks the factor of the number of experts": {
        "balance": lambda m, logits: _Mixture.balance(m, logits) / logits.shape[-1]
    },
    "the balance has no gradient": {"balance": lambda m, logits: _Mixture.balance(m, logits).detach()},
}

# -- statistics --------------------------------------------------------------------------------------------------------

Pair = tuple[Tensor, Tensor]


def _moments(x: Tensor, axes: tuple[int, ...], correction: int = 0) -> Pair:
    var, mean = torch.var_mean(x, axes, correction=correction, keepdim=True)
    return mean, var


class _Switch(SwitchNorm2d):
    """The equations in steps."""

    def forward(self, input: Tensor) -> Any:
        SwitchNorm2d.forward(self, input.detach())  # remembers
        output = self.mixed(input)
        output = output if self.weight is None else output * self.weight[:, None, None]
        return output if self.bias is None else output + self.bias[:, None, None]

    def batch(self, x: Tensor) -> Pair:
        if self.training or self.running_mean is None or self.running_var is None:
            return _moments(x, (0, 2, 3))
        return self.running_mean[:, None, None], self.running_var[:, None, None]

    def statistics(self, x: Tensor) -> list[Pair]:
        return [_moments(x, (2, 3)), _moments(x, (1, 2, 3)), self.batch(x)]

    def weights(self) -> Pair:
        return self.mean_weight.softmax(0), self.var_weight.softmax(0)

    def mixed(self, x: Tensor) -> Tensor:
        w, v = self.weights()
        found = self.statistics(x)
        mean = torch.stack([a * m for a, (m, _) in zip(w, map(_full(x), found), strict=True)]).sum(0)
        var = torch.stack([a * s for a, (_, s) in zip(v, map(_full(x), found), strict=True)]).sum(0)
        return (x - mean) / (var + self.eps).sqrt()


def _full(x: Tensor) -> Callable[[Pair], Pair]:
    shape = (*x.shape[:2], 1, 1)
    return lambda pair: (pair[0].expand(shape), pair[1].expand(shape))


def _outputs_mixed(m: Any, x: Tensor) -> Tensor:
    w = m.mean_weight.softmax(0)
    normed = [(x - mean) / (var + m.eps).sqrt() for mean, var in m.statistics(x)]
    return torch.stack([a * y for a, y in zip(w, normed, strict=True)]).sum(0)


def _unbiased(m: Any, x: Tensor) -> list[Pair]:
    return [_moments(x, (2, 3), 1), _moments(x, (1, 2, 3), 1), m.batch(x)]


_SWITCHES: dict[str, dict[str, Any]] = {
    "one set of logits for means and variances": {
        "weights": lambda m: (m.mean_weight.softmax(0), m.mean_weight.softmax(0))
    },
    "the logits are weights as they are": {"weights": lambda m: (m.mean_weight, m.var_weight)},
    "instance and batch logits are exchanged": {
        "weights": lambda m: (m.mean_weight.softmax(0).flip(0), m.var_weight.softmax(0).flip(0))
    },
    "variances are unbiased": {"statistics": _unbiased},
    "outputs are mixed, not statistics": {"mixed": _outputs_mixed},
    "evaluation goes on using the batch": {"batch": lambda m, x: _moments(x, (0, 2, 3))},
}


def _chosen_channels(m: Any, x: Tensor) -> Any:
    w, v = m.weights()
    found = [_moments(x, (2, 3)), _moments(x, (1,)), m.batch(x)]
    mean, var = (sum(a * pair[k] for a, pair in zip(s, found, strict=True)) for k, s in ((0, w), (1, v)))
    return (x - mean) / (var + m.eps).sqrt()


_SWITCHES["layer statistics at each position by itself"] = {"mixed": _chosen_channels}

# -- octaves -----------------------------------------------------------------------------------------------------------


class _Octave(OctaveConv2d):
    """The four paths in steps."""

    def pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)

    def enlarge(self, x: Tensor, size: Any) -> Tensor:
        return F.interpolate(x if x.dim() == 4 else x[None], size=size).view(*x.shape[:-2], *size)

    def convolve(self, x: Tensor, kernel: Tensor) -> Tensor:
        return F.conv2d(x, kernel, None, 1, "same", self.dilation, self.groups)

    def shrink(self, x: Tensor) -> Tensor:
        return self.pool(x) if self.stride == 2 else x

    def down(self, x: Tensor, kernel: Tensor) -> Tensor:
        return self.convolve(self.pool(x), kernel)

    def up(self, x: Tensor, kernel: Tensor, size: Any) -> Tensor:
        return self.enlarge(self.convolve(x, kernel), size)

    def join(self, paths: list[Tensor], bias: Tensor | None) -> Tensor:
        total = torch.stack(paths).sum(0)
        return total if bias is None else total + bias[:, None, None]

    def cuts(self) -> tuple[int, int]:
        into = self.in_channels - low_channels(self.alpha_in, self.in_channels)
        return into // self.groups, self.out_channels - low_channels(self.alpha_out, self.out_channels)

    def forward(self, high: Tensor | None, low: Tensor | None = None) -> Any:
        (i, o), w, b = self.cuts(), self.weight, self.bias
        fine = None if high is None else self.shrink(high)
        size = fine.shape[-2:] if fine is not None else [2 * s // self.stride for s in low.shape[-2:]]  # type: ignore[union-attr]
        to_high: list[Tensor] = []
        to_low: list[Tensor] = []
        if high is not None and fine is not None:
            to_high += [self.convolve(fine, w[:o, :i])] if o else []
            to_low += [self.down(fine, w[o:, :i])] if o < len(w) else []
        if low is not None:
            to_high += [self.up(low, w[:o, i:], size)] if o else []
            to_low += [self.convolve(self.shrink(low), w[o:, i:])] if o < len(w) else []
        parts = (None, None) if b is None else (b[:o], b[o:])
        return tuple(self.join(p, c) if p else None for p, c in zip((to_high, to_low), parts, strict=True))


def _every_second(x: Tensor) -> Tensor:
    return x[..., : x.shape[-2] // 2 * 2 : 2, : x.shape[-1] // 2 * 2 : 2]


def _bilinear(m: Any, x: Tensor, size: Any) -> Tensor:
    return F.interpolate(x if x.dim() == 4 else x[None], size=size, mode="bilinear").view(*x.shape[:-2], *size)


_OCTAVES: dict[str, dict[str, Any]] = {
    "the largest of each cell, not the mean": {"pool": lambda m, x: F.max_pool2d(x, 2)},
    "every second pixel, not the mean of four": {"pool": lambda m, x: _every_second(x)},
    "convolves first and pools afterwards": {"down": lambda m, x, kernel: m.pool(m.convolve(x, kernel))},
    "enlarges first and convolves afterwards": {
        "up": lambda m, x, kernel, size: m.convolve(m.enlarge(x, size), kernel)
    },
    "enlarges by bilinear interpolation": {"enlarge": _bilinear},
    "low channels take nothing from the high map": {"down": lambda m, x, kernel: 0 * _Octave.down(m, x, kernel)},
    "no gradient through what the low map takes from the high one": {
        "down": lambda m, x, kernel: _Octave.down(m, x.detach(), kernel)
    },
    "the mean of the two paths, not their sum": {
        "join": lambda m, paths, bias: _Octave.join(m, [p / len(paths) for p in paths], bias)
    },
    "every path adds the bias": {
        "join": lambda m, paths, bias: _Octave.join(m, paths, None if bias is None else bias * len(paths))
    },
    "a stride of 2 is one of the convolutions": {"shrink": lambda m, x: _every_second(x) if m.stride == 2 else x},
    "only the path within a map is dilated": {
        "down": lambda m, x, kernel: F.conv2d(m.pool(x), kernel, None, 1, "same", 1, m.groups)
    },
}


def _of(base: type[Any], table: dict[str, dict[str, Any]]) -> tuple[Hypothesis, ...]:
    return tuple(Hypothesis(name, type(base.__name__.strip("_"), (base,), steps)) for name, steps in table.items())


def _old_momentum(self: Any, input: Tensor) -> Any:
    momentum, self.momentum = self.momentum, None if self.momentum is None else 1 - self.momentum
    try:
        return SwitchNorm2d.forward(self, input)
    finally:
        self.momentum = momentum


HYPOTHESES = {
    "MixtureOfExperts": _of(_Mixture, _MIXTURES),
    "SwitchNorm2d": (
        *_of(_Switch, _SWITCHES),
        Hypothesis("momentum is the weight of the old value", instead(SwitchNorm2d, _old_momentum)),
    ),
    "OctaveConv2d": _of(_Octave, _OCTAVES),
}
