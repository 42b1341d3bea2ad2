"""Unpoolings that do not do what they say."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refops.nn import unpooling as reference
from refops.parity.proving.collection import wrong


@wrong("MaxUnpool2d", why="output_size is not looked at", cause="output_size is ignored")
class UsualSize(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        try:
            return super().forward(input, indices)
        except RuntimeError:
            return output


@wrong(
    "MaxUnpool2d",
    why="the usual size first, then cut or padded to output_size: the maxima land in other rows",
    cause="cut or padded to output_size afterwards",
)
class PadsAfterwards(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        try:
            usual = super().forward(input, indices)
        except RuntimeError:
            return output
        h, w = output.shape[-2] - usual.shape[-2], output.shape[-1] - usual.shape[-1]
        return F.pad(usual, (0, w, 0, h))


@wrong(
    "MaxUnpool2d",
    why="repeats the maximum over its window, as upsampling does",
    cause="the maximum is repeated over its window",
)
class FillsTheWindow(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        if not output.numel():
            return output
        rows = torch.arange(output.shape[-2], device=input.device) * input.shape[-2] // output.shape[-2]
        columns = torch.arange(output.shape[-1], device=input.device) * input.shape[-1] // output.shape[-1]
        return input[..., rows, :][..., columns]


@wrong(
    "MaxUnpool2d", why="rows and columns of an index are exchanged", cause="rows and columns of an index are exchanged"
)
class ColumnMajor(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        h, w = output.shape[-2:]
        return super().forward(input, indices % w * h + indices // w, output_size) if h * w else output


@wrong("MaxUnpool2d", why="the gradient is cut off", cause="no gradient of input")
class Detached(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        return output.detach() + 0 * input.sum().nan_to_num(0, 0, 0) if output.isfinite().all() else output


@wrong("MaxUnpool2d", why="padding is added to the size and not taken away")
class PaddingAdded(nn.MaxUnpool2d):
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__(kernel_size, stride, padding)
        self.padding = tuple(-p for p in self.padding)


@wrong("MaxUnpool1d", why="every stride is the kernel's size", cause="stride is ignored: the kernel's size")
class StrideIsKernel(nn.MaxUnpool1d):
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__(kernel_size, None, padding)


@wrong(
    "MaxUnpool1d",
    only="refusals",
    why="an index beyond the output is left out silently",
    cause="must be refused for its indices",
)
class LeavesOut(nn.MaxUnpool1d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        try:
            return super().forward(input, indices, output_size)
        except RuntimeError as error:
            if "invalid max index" not in str(error):
                raise
            return super().forward(input, torch.zeros_like(indices), output_size)


@wrong("functional.max_unpool2d", why="writes the zeros where a value is negative")
def clamps(input: Tensor, indices: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return F.max_unpool2d(input, indices, *args, **kwargs).clamp(min=0)


class DropIn(reference.MaxUnpool2d):
    def _get_name(self) -> str:
        return "MaxUnpool2d"


@wrong("MaxUnpool2d", why="its repr leaves out the padding", only="repr", drop_in=True)
class ShortRepr(DropIn):
    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"
