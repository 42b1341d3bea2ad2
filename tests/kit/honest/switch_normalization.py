"""Switchable norms that are right in another way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.functional.switch_normalization import switch_norm
from refops.nn.switch_normalization import SwitchNorm2d
from refops.parity.proving.collection import honest


@honest("SwitchNorm2d", why="each statistic by native's own variance, in float32")
class ByVarMean(SwitchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        own = self.training or self.running_mean is None
        remembered = None if own else (self.running_mean, self.running_var)
        output = super().forward(input)  # refuses what is to be refused, and remembers
        if not len(input):
            return output
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        moments: list[Any] = [torch.var_mean(x, a, correction=0, keepdim=True) for a in ((2, 3), (1, 2, 3))]
        if remembered is None:
            moments.append(torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True))
        else:
            moments.append([r[:, None, None].to(x.dtype) for r in reversed(remembered)])
        w, v = (p.to(x.dtype).softmax(0) for p in (self.mean_weight, self.var_weight))
        var, mean = (sum(a * m[i] for a, m in zip(p, moments, strict=True)) for i, p in ((0, v), (1, w)))
        y = (x - mean) / torch.sqrt(var + self.eps)
        y = y if self.weight is None else y * self.weight[:, None, None]
        return (y if self.bias is None else y + self.bias[:, None, None]).to(input.dtype)


@honest("SwitchNorm2d", why="other names, and the logits a constant off")
class OtherNames(SwitchNorm2d):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.means, self.variances = self.mean_weight, self.var_weight
        del self.mean_weight, self.var_weight

    def forward(self, input: Tensor) -> Tensor:
        self.check_rank(input)
        momentum = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else momentum
        own = self.training or self.running_mean is None
        logits = (self.means - self.means.max(), self.variances - self.variances.max())
        state = (self.running_mean, self.running_var, *logits, self.weight, self.bias)
        return switch_norm(input, *state, own, momentum, self.eps)


@honest("functional.switch_norm", why="the samples in reverse")
def backwards(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if input.dim() < 3:
        return switch_norm(input, *args, **kwargs)
    return switch_norm(input.flip(0), *args, **kwargs).flip(0)
