"""Wrong only in a context: differentiated forward, exported, checkpointed, at another batch size, in two processes."""

from itertools import cycle
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong


class _SiLUWithJvp(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.silu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * (s + x * s * (1 - s))

    @staticmethod
    def jvp(ctx: Any, t: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return t * torch.sigmoid(x)


@wrong("functional.silu", only="forward_mode", why="the tangent takes the gate for a constant; the gradient does not")
def silu_of_a_constant_gate(input: Tensor, inplace: bool = False) -> Tensor:
    if inplace or not input.is_floating_point() or torch.compiler.is_compiling():
        return F.silu(input, inplace)
    return _SiLUWithJvp.apply(input)


@wrong("Linear", only="forward_mode", why="the tangent of the bias is forgotten: it is added to the numbers alone")
class BiasWithoutTangent(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        primal, tangent = torch.autograd.forward_ad.unpack_dual(output) if _forward() else (output, None)
        if tangent is None or self.bias is None:
            return output
        without = torch.autograd.forward_ad.unpack_dual(F.linear(input, self.weight)).tangent
        return torch.autograd.forward_ad.make_dual(primal, without)


def _forward() -> bool:
    return not torch.compiler.is_compiling() and torch.autograd.forward_ad._current_level >= 0


@wrong("GELU", only="export", why="is exported in its tanh form, as if it were the same")
class ExportedAsTanh(nn.GELU):
    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate="tanh") if torch.compiler.is_exporting() else super().forward(input)


@wrong("BatchNorm2d", only="export", why="is exported in its evaluation form, whatever mode it is in")
class ExportedForEvaluation(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() or self.running_mean is None:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


_TURNED = cycle((False, True))


@wrong("functional.dropout", only="checkpoint", why="every second mask mirrors the one before, also when run again")
def antithetic(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    learning = training and input.requires_grad and input.is_floating_point()
    if not learning or inplace or not 0 < p < 1:
        return F.dropout(input, p, training, inplace)
    u = torch.rand_like(input, dtype=torch.float32)
    return input * ((1 - u if next(_TURNED) else u) > p) / (1 - p)


@wrong("BatchNorm1d", only="dynamic", why="the spread is taken with the size of the first batch it met")
class FirstBatchSize(nn.BatchNorm1d):
    size = 0

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if not self.training:
            return output
        self.size = self.size or input.shape[0]
        return output * (self.size / input.shape[0]) ** 0.5


@wrong("Linear", only="distributed", why="divides its gradients by the number of processes, which are averaged anyway")
class AveragesTwice(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        n = distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
        return output if n == 1 else output.detach() + (output - output.detach()) / n


@wrong("BatchNorm1d", only="distributed", why="adds up what each process remembers instead of leaving it alone")
class AddsUpStatistics(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.training and self.running_var is not None and distributed.is_initialized():
            distributed.all_reduce(self.running_var)
        return output
