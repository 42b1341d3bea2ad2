"""Switchable norms that do not do what they say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.functional.switch_normalization import switch_norm
from refops.nn.switch_normalization import SwitchNorm2d
from refops.parity.proving.collection import wrong


def moments(x: Tensor, axes: tuple[int, ...], correction: int = 0) -> tuple[Tensor, Tensor]:
    var, mean = torch.var_mean(x, axes, correction=correction, keepdim=True)
    return mean, var


class Plain(SwitchNorm2d):
    """The equations in a few lines; subclasses spoil one."""

    def forward(self, input: Tensor) -> Tensor:
        SwitchNorm2d.forward(self, input)  # refuses what is to be refused, and remembers
        if not len(input):
            return input.clone()
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        weight = torch.ones((), dtype=x.dtype) if self.weight is None else self.weight.to(x.dtype)[:, None, None]
        bias = 0 if self.bias is None else self.bias.to(x.dtype)[:, None, None]
        return self.mixed(x, weight, bias).to(input.dtype)

    def statistics(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        batch = moments(x, (0, 2, 3))
        if not self.training and self.running_mean is not None and self.running_var is not None:
            batch = self.running_mean[:, None, None].to(x.dtype), self.running_var[:, None, None].to(x.dtype)
        return [moments(x, (2, 3)), moments(x, (1, 2, 3)), batch]

    def weights(self) -> tuple[Tensor, Tensor]:
        return self.mean_weight.softmax(0), self.var_weight.softmax(0)

    def mixed(self, x: Tensor, weight: Any, bias: Any) -> Tensor:
        w, v = (p.to(x.dtype) for p in self.weights())
        statistics = self.statistics(x)
        mean = sum(a * m for a, (m, _) in zip(w, statistics, strict=True))
        var = sum(a * s for a, (_, s) in zip(v, statistics, strict=True))
        return (x - mean) / (var + self.eps).sqrt() * weight + bias


@wrong(
    "SwitchNorm2d", why="one set of logits for means and variances", cause="one set of logits for means and variances"
)
class OneSetOfLogits(Plain):
    def weights(self) -> tuple[Tensor, Tensor]:
        return self.mean_weight.softmax(0), self.mean_weight.softmax(0)


@wrong(
    "SwitchNorm2d",
    why="the logits are weights as they are, without softmax",
    cause="the logits are weights as they are",
)
class NoSoftmax(Plain):
    def weights(self) -> tuple[Tensor, Tensor]:
        return self.mean_weight, self.var_weight


@wrong(
    "SwitchNorm2d",
    why="layer statistics over the channels alone, at each position by itself",
    cause="layer statistics at each position by itself",
)
class ChannelsAlone(Plain):
    def statistics(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        instance, _, batch = super().statistics(x)
        return [instance, moments(x, (1,)), batch]


@wrong("SwitchNorm2d", why="variances unbiased")
class Unbiased(Plain):
    def statistics(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        if x.shape[2] * x.shape[3] < 2:
            return super().statistics(x)
        batch = super().statistics(x)[2]
        return [moments(x, (2, 3), 1), moments(x, (1, 2, 3), 1), batch]


@wrong("SwitchNorm2d", why="instance and batch logits exchanged", cause="instance and batch logits are exchanged")
class OtherOrder(Plain):
    def weights(self) -> tuple[Tensor, Tensor]:
        return self.mean_weight.softmax(0).flip(0), self.var_weight.softmax(0).flip(0)


@wrong(
    "SwitchNorm2d",
    why="mixes three standardised outputs instead of the statistics",
    cause="outputs are mixed, not statistics",
)
class MixesOutputs(Plain):
    def mixed(self, x: Tensor, weight: Any, bias: Any) -> Tensor:
        w = self.mean_weight.softmax(0).to(x.dtype)
        normed = [(x - m) / (s + self.eps).sqrt() for m, s in self.statistics(x)]
        return sum(a * y for a, y in zip(w, normed, strict=True)) * weight + bias  # type: ignore[no-any-return]


@wrong(
    "SwitchNorm2d",
    why="E[x^2] - E[x]^2, which cancels where the mean is large",
    cause="right in float64: digits cancel where the mean is large beside the spread",
)
class Cancels(Plain):
    def statistics(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        axes = ((2, 3), (1, 2, 3), (0, 2, 3))
        found = [(x.mean(a, keepdim=True), (x * x).mean(a, keepdim=True)) for a in axes]
        found = [(m, square - m * m) for m, square in found]
        return found if self.training or self.running_mean is None else [*found[:2], super().statistics(x)[2]]


@wrong(
    "SwitchNorm2d",
    why="evaluates by the batch's own statistics, as in training",
    cause="evaluation goes on using the batch",
)
class EvaluatesByBatch(Plain):
    def statistics(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [moments(x, (2, 3)), moments(x, (1, 2, 3)), moments(x, (0, 2, 3))]


@wrong(
    "SwitchNorm2d",
    why="momentum is the weight of the old statistics, as in the paper's code",
    cause="momentum is the weight of the old value",
)
class OldMomentum(SwitchNorm2d):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.momentum = None if self.momentum is None else 1 - self.momentum


@wrong("SwitchNorm2d", why="the running variance is the biased one", only="buffers")
class BiasedBuffer(SwitchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        before = None if self.running_var is None else self.running_var.clone()
        output = super().forward(input)
        n = input.shape[0] * input.shape[2] * input.shape[3]
        if self.training and before is not None and self.running_var is not None and n:
            momentum = 1 / float(self.num_batches_tracked or 1) if self.momentum is None else self.momentum
            new = (self.running_var - (1 - momentum) * before) * ((n - 1) / n)
            self.running_var.copy_((1 - momentum) * before + new)
        return output


@wrong("functional.switch_norm", why="running statistics take the place of the layer's too")
def all_remembered(input: Tensor, running_mean: Any, running_var: Any, mean_weight: Any, var_weight: Any, *args: Any, **kwargs: Any) -> Tensor:  # noqa: E501  # fmt: skip
    output = switch_norm(input, running_mean, running_var, mean_weight, var_weight, *args, **kwargs)
    training = kwargs.get("training", args[2] if len(args) > 2 else False)
    if training:
        return output
    logits = [torch.cat([p[:1], p[1:].logsumexp(0)[None], p[2:] * 0 - 500]).flip(0).roll(1) for p in (mean_weight, var_weight)]  # noqa: E501  # fmt: skip
    return switch_norm(input, running_mean, running_var, *logits, *args, **kwargs)
