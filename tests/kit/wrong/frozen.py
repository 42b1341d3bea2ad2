"""Wrong only where some of the tensors require no gradient: frozen layers, adapters beside frozen weights."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong


@wrong(
    "Linear", only="frozen", why="the weight gets no gradient where the input needs none: the first layer of a model"
)
class NoWeightWithoutInput(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight if input.requires_grad else self.weight.detach(), self.bias)


@wrong("functional.layer_norm", only="frozen", why="the bias gets a gradient only where the weight does")
def bias_with_weight(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    if weight is not None and bias is not None and not weight.requires_grad:
        bias = bias.detach()
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


@wrong("Conv2d", only="frozen", why="the input gets no gradient where the weight is frozen")
class NoInputWithoutWeight(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if self.weight.requires_grad else input.detach())
