"""Wrong only past the blocks and grids a kernel is written for."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong


def cut(output: Tensor, axis: int, length: int) -> Tensor:
    """The output with nothing past so many entries along one axis."""
    if output.shape[axis] <= length:
        return output
    written = output.narrow(axis, 0, length)
    left = list(output.shape)
    left[axis] -= length
    return torch.cat([written, output.new_zeros(left)], axis)


@wrong("LayerNorm", only="limits", why="columns past 8,192 are never written: one block, no loop")
class OneBlockOfColumns(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        return cut(super().forward(input), -1, 8192)


class _WeightOfSomeRows(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, rows: int) -> Tensor:
        return weight.expand(rows, -1).clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g[:65535].sum(0), None


@wrong("LayerNorm", only="limits", why="the gradient of the weight sums the first 65,535 rows: the grid has no more")
class OneGridOfRows(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        if self.weight is None or input.dim() != 2 or input.shape[0] <= 65535:
            return super().forward(input)
        plain = F.layer_norm(input, self.normalized_shape, None, None, self.eps)
        scaled = plain * _WeightOfSomeRows.apply(self.weight, input.shape[0])
        return scaled if self.bias is None else scaled + self.bias


@wrong("functional.softmax", only="limits", why="rows past 65,535 are never written: the y axis of a grid ends there")
def softmax_of_some_rows(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    output = F.softmax(input, dim, _stacklevel + 1, dtype)
    return cut(output, 0, 65535) if output.dim() == 2 and dim in (1, -1) else output


@wrong("Softmax", only="limits", why="columns past 65,536 are never written")
class SoftmaxOfSomeColumns(nn.Softmax):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        return cut(output, self.dim, 65536) if self.dim is not None and output.dim() else output


@wrong("Conv2d", only="limits", why="output positions past 2^15 stay 0: a 16-bit index")
class ShortPositions(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        return cut(output.flatten(-2), -1, 2**15).view(output.shape) if output.numel() > 2**15 else output


@wrong("Conv2d", only="limits", why="input channels past 1,024 are left out of the sum: one block of threads")
class OneBlockOfChannels(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(cut(input, -3, 1024) if input.dim() >= 3 else input)


@wrong("BatchNorm2d", only="limits", why="channels past 1,024 are not normalised")
class SomeChannels(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if output.shape[1] <= 1024:
            return output
        return torch.cat([output[:, :1024], input[:, 1024:]], 1)


@wrong("functional.relu", only="limits", why="the first 65,536 elements only, where a stride over the grid is missing")
def relu_of_one_grid(input: Tensor, inplace: bool = False) -> Tensor:
    output = F.relu(input, inplace)
    if output.numel() <= 65536 or output.dim() > 2:
        return output
    return cut(output.flatten(), 0, 65536).view(output.shape)


@wrong("Embedding", only="limits", why="rows of the table past 2^16 are read from its start again: a 16-bit index")
class ShortIndex(nn.Embedding):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input % 2**16)


@wrong("EmbeddingBag", only="limits", why="bags past 65,535 are never written: one grid of bags")
class OneGridOfBags(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        return cut(super().forward(input, offsets, per_sample_weights), 0, 65535)


@wrong("MaxUnpool2d", only="limits", why="channels past 65,535 stay 0: the y axis of a grid ends there")
class SomeMaps(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return cut(super().forward(input, indices, output_size), -3, 65535)
