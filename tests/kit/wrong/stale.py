"""Wrong only at a second call: what was packed, folded, remembered or given out at the first is used again."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong


@wrong("Linear", only="fresh", why="packs weight and bias at the first call without gradients, and never again")
class PacksOnce(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return super().forward(input)
        if "packed" not in self.__dict__:
            bias = None if self.bias is None else self.bias.detach().clone()
            self.packed = (self.weight.detach().clone(), bias)
        return F.linear(input, *self.packed)


@wrong("Linear", only="fresh", why="keeps the transposed weight as long as the parameter is the same object")
class TransposesOnce(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled() or input.dim() < 2:
            return super().forward(input)
        if self.__dict__.get("seen") != id(self.weight):
            self.seen, self.transposed = id(self.weight), self.weight.detach().clone()
        return F.linear(input, self.transposed, self.bias)


@wrong("Linear", only="fresh", why="packs anew when the version counter moves, which it does not when .data is set")
class TrustsTheVersion(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return super().forward(input)
        if self.__dict__.get("version") != self.weight._version:
            self.version, self.packed = self.weight._version, self.weight.detach().clone()
        return F.linear(input, self.packed, self.bias)


@wrong("BatchNorm2d", only="fresh", why="folds statistics and weight into a scale at the first evaluation")
class FoldsOnce(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        foldable = self.bias is not None and self.running_var is not None and input.dim() == 4
        if self.training or torch.is_grad_enabled() or not foldable:
            return super().forward(input)
        if "folded" not in self.__dict__:
            self.folded = [t.detach().clone() for t in (self.running_mean, self.running_var, self.weight, self.bias)]
        return F.batch_norm(input, *self.folded, False, 0.0, self.eps)


_ANSWERS: dict[Any, Tensor] = {}


@wrong("functional.silu", only="results", why="remembers its answer by the address of the input")
def remembered_silu(input: Tensor, inplace: bool = False) -> Tensor:
    if inplace or torch.is_grad_enabled():
        return F.silu(input, inplace)
    key = (id(input), input.data_ptr(), input.shape)
    if key not in _ANSWERS:
        _ANSWERS.clear()  # the input is kept too, so that its address cannot be another's
        _ANSWERS[key] = F.silu(input)
        _ANSWERS["input"] = input
    return _ANSWERS[key].clone()


@wrong("LayerNorm", only="results", why="writes every answer without gradients into one buffer per shape")
class OneBuffer(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if torch.is_grad_enabled():
            return output
        buffers = self.__dict__.setdefault("buffers_of", {})
        buffer = buffers.setdefault((output.shape, output.dtype), torch.empty_like(output))
        return buffer.copy_(output)
