"""What goes wrong in batch and instance norm: the rule, the axes of the statistics, and what is remembered of them.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead
from refops.parity.hypotheses.normalization import RULES, Rule, affine, by, per_channel, standard

Remember = Callable[
    [Tensor, Tensor, Tensor, float], Tensor
]  # old, batch mean or biased variance, n / (n - 1), momentum


def _batch(native: type[Any], rule: Rule = standard, over: str = "batch and space") -> type[Any]:
    """Batch norm by another rule or over other axes; running statistics are native's."""

    def forward(self: Any, input: Tensor) -> Tensor:
        before = None if self.running_mean is None else (self.running_mean.clone(), self.running_var.clone())
        right = native.forward(self, input)
        if not input.numel():
            return right  # type: ignore[no-any-return]
        if self.training or before is None:
            plain = by(rule, input, _axes(input, over), self.eps)
        else:
            mean, var = (per_channel(p, input) for p in before)
            plain = rule(input, mean, var, 2**62, self.eps)  # type: ignore[arg-type]
        return affine(plain, per_channel(self.weight, input), per_channel(self.bias, input))

    return instead(native, forward)


def _axes(input: Tensor, over: str) -> tuple[int, ...]:
    space = tuple(range(2, input.dim()))
    return {"batch and space": (0, *space), "batch": (0,), "space": space or (0,)}[over]


def _remembering(native: type[Any], mean: Remember, var: Remember) -> type[Any]:
    """Batch norm whose running statistics move otherwise."""

    def forward(self: Any, input: Tensor) -> Tensor:
        old = None if self.running_mean is None else (self.running_mean.clone(), self.running_var.clone())
        output: Tensor = native.forward(self, input)
        if self.training and old is not None and input.numel():
            x, n = input.detach().transpose(0, 1).flatten(1), input.numel() // input.shape[1]
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.data.copy_(mean(old[0], x.mean(1), torch.ones(()), momentum))
            self.running_var.data.copy_(var(old[1], x.var(1, correction=0), torch.tensor(n / max(n - 1, 1)), momentum))
        return output

    return instead(native, forward)


def _lerp(old: Tensor, new: Tensor, correction: Tensor, momentum: float) -> Tensor:
    return (1 - momentum) * old + momentum * new * correction.to(new)


def _swapped(old: Tensor, new: Tensor, correction: Tensor, momentum: float) -> Tensor:
    return _lerp(old, new, correction, 1 - momentum if momentum < 1 else momentum)


def _with_momentum(native: type[Any], momentum: Callable[[float | None], float | None]) -> type[Any]:
    """Batch norm that reads its momentum in another way."""

    def forward(self: Any, input: Tensor) -> Any:
        given, self.momentum = self.momentum, momentum(self.momentum)
        try:
            return native.forward(self, input)
        finally:
            self.momentum = given

    return instead(native, forward)


def _evaluates_by_batch(native: type[Any]) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        if self.training or self.running_mean is None:
            return native.forward(self, input)
        if native.__name__.startswith("Instance"):
            return F.instance_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return F.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)

    return instead(native, forward)


def _trains_by_running(native: type[Any]) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        output = native.forward(self, input)
        if not self.training or self.running_mean is None:
            return output
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    return instead(native, forward)


def _along_width(native: type[Any]) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        weight, bias, self.weight, self.bias = self.weight, self.bias, None, None
        try:
            plain = native.forward(self, input)
        finally:
            self.weight, self.bias = weight, bias
        width = input.shape[-1]
        wide = [None if p is None else p.repeat(width // len(p) + 1)[:width] for p in (weight, bias)]
        return affine(plain, *wide)

    return instead(native, forward)


def _batches(native: type[Any]) -> tuple[Hypothesis, ...]:
    rules = [Hypothesis(name, _batch(native, rule)) for name, rule in RULES.items()]
    return (
        Hypothesis("running_var takes the biased variance", _remembering(native, _lerp, _biased)),
        Hypothesis("momentum is the weight of the old value", _remembering(native, _swapped, _swapped)),
        Hypothesis("momentum=None is taken as 0.1", _with_momentum(native, lambda m: 0.1 if m is None else m)),
        Hypothesis("momentum is fixed at 0.1", _with_momentum(native, lambda m: m if m is None else 0.1)),
        Hypothesis("running statistics never move", _with_momentum(native, lambda m: 0.0)),
        Hypothesis("evaluation goes on using the batch", _evaluates_by_batch(native)),
        Hypothesis("training uses the running statistics", _trains_by_running(native)),
        *rules,
        Hypothesis("statistics over the batch only, one for each position", _batch(native, over="batch")),
        Hypothesis("statistics over space only, as in instance norm", _batch(native, over="space")),
        Hypothesis("weight and bias broadcast along the width", _along_width(native)),
    )


def _biased(old: Tensor, new: Tensor, correction: Tensor, momentum: float) -> Tensor:
    return (1 - momentum) * old + momentum * new


# -- instance norm -----------------------------------------------------------------------------------------------------


def _over_the_batch(native: type[Any]) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        right = native.forward(self, input)
        unbatched = input.dim() == right.dim() == self._get_no_batch_dim()
        if unbatched or not input.numel() or (self.track_running_stats and not self.training):
            return right
        return F.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)

    return instead(native, forward)


def _rows_of_vectors(native: type[Any]) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        if input.dim() != self._get_no_batch_dim() or not (self.training or not self.track_running_stats):
            return native.forward(self, input)
        return by(standard, input, (0,), self.eps)

    return instead(native, forward)


def _instances(native: type[Any]) -> tuple[Hypothesis, ...]:
    return (
        Hypothesis("statistics over the batch, as in batch norm", _over_the_batch(native)),
        Hypothesis("evaluation goes on using the sample", _evaluates_by_batch(native)),
        Hypothesis("an unbatched input is taken as a batch of vectors", _rows_of_vectors(native)),
    )


# -- functions ---------------------------------------------------------------------------------------------------------


def _old_momentum(
    input: Tensor, mean: Any, var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    return F.batch_norm(input, mean, var, weight, bias, training, 1 - momentum, eps)


def _running_in_training(
    input: Tensor, mean: Any, var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    output = F.batch_norm(input, mean, var, weight, bias, training, momentum, eps)
    return F.batch_norm(input, mean, var, weight, bias, False, momentum, eps) if mean is not None else output


HYPOTHESES = {
    **{n.__name__: _batches(n) for n in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)},
    **{n.__name__: _instances(n) for n in (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)},
    "functional.batch_norm": (
        Hypothesis("momentum is the weight of the old value", _old_momentum),
        Hypothesis("training uses the running statistics", _running_in_training),
    ),
}
