"""Wrong only in one of autograd's modes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong


@wrong("GELU", only="grad_modes", why="takes a fast approximation under inference_mode")
class FastInference(nn.GELU):
    def forward(self, input: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled():
            return F.gelu(input, approximate="none" if self.approximate == "tanh" else "tanh")
        return super().forward(input)


@wrong("Linear", only="grad_modes", why="computes in half precision under inference_mode")
class HalfInference(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled() and input.dtype == torch.float32:
            bias = None if self.bias is None else self.bias.bfloat16()
            return F.linear(input.bfloat16(), self.weight.bfloat16(), bias).float()
        return super().forward(input)


@wrong("Softmax", why="leaves out the shift by the largest where gradients are recorded, so that it overflows")
class NoShiftInTraining(nn.Softmax):
    def forward(self, input: Tensor) -> Tensor:
        if torch.is_grad_enabled() and input.requires_grad and self.dim is not None and input.is_floating_point():
            e = input.exp() + 1e-3
            return e / e.sum(self.dim, keepdim=True)
        return super().forward(input)
