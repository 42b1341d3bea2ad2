"""Adaptive poolings that do not do what they say."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refops.nn import adaptive_pooling as reference
from refops.parity.proving.collection import wrong


def sizes(pool: Any, input: Tensor) -> tuple[int, ...]:
    out = pool.output_size
    out = (out, out) if isinstance(out, int) else out
    return tuple(s if o is None else o for o, s in zip(out, input.shape[-2:], strict=True))


def averaging(size: int, out: int, like: Tensor) -> Tensor:
    """The matrix whose rows average the bins."""
    o, s = torch.arange(out)[:, None], torch.arange(size)
    inside = (s >= o * size // out) & (s < -(-(o + 1) * size // out))
    return (inside / inside.sum(1, keepdim=True)).to(like)


@wrong(
    "AdaptiveAvgPool2d",
    why="the end of a bin is rounded down, so that bins never overlap",
    cause="the end of a bin is rounded down",
)
class RoundsDown(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if not output.numel() or input.dim() < 3:
            return output
        (h, w), (o, p) = input.shape[-2:], sizes(self, input)
        rows = [(i * h // o, max((i + 1) * h // o, i * h // o + 1)) for i in range(o)]
        columns = [(j * w // p, max((j + 1) * w // p, j * w // p + 1)) for j in range(p)]
        planes = [torch.stack([input[..., a:b, c:d].mean((-2, -1)) for c, d in columns], -1) for a, b in rows]
        return torch.stack(planes, -2)


@wrong(
    "AdaptiveAvgPool2d",
    why="one kernel and stride for all bins, as the division says: sizes that do not divide differ",
    cause="one kernel and stride for all bins",
)
class OneKernel(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        (h, w), (o, p) = input.shape[-2:], sizes(self, input)
        if o > h or p > w:
            return output
        stride = (h // o, w // p)
        return F.avg_pool2d(input, (h - (o - 1) * stride[0], w - (p - 1) * stride[1]), stride)


@wrong(
    "AdaptiveAvgPool2d",
    why="height and width of the output are exchanged",
    cause="height and width of the output are exchanged",
)
class WidthFirst(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        super().forward(input)
        return F.adaptive_avg_pool2d(input, sizes(self, input)[::-1])


@wrong(
    "AdaptiveAvgPool2d",
    why="None stands for 1 and not for the input's size",
    cause="None stands for 1, not for the input's size",
)
class NoneIsOne(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        super().forward(input)
        out = self.output_size
        return F.adaptive_avg_pool2d(input, out if isinstance(out, int) else [o or 1 for o in out])


@wrong("AdaptiveAvgPool2d", why="a product with averaging matrices: one infinity makes its rows and columns nan")
class ByMatrices(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if not output.numel() or input.dim() < 3:
            return output
        (h, w), (o, p) = input.shape[-2:], sizes(self, input)
        wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        with torch.autocast(input.device.type, enabled=False):
            left, right = averaging(h, o, wide), averaging(w, p, wide)
            return (left @ wide @ right.T).to(input.dtype)


@wrong(
    "AdaptiveAvgPool2d",
    why="global average pooling whatever the size asked for, copied to every bin",
    cause="the mean of everything, whatever the size asked for",
)
class AlwaysGlobal(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        return F.adaptive_avg_pool2d(input, 1).expand(output.shape).clone() if output.numel() else output


@wrong("AdaptiveAvgPool1d", why="means from differences of running sums, which cancel")
class RunningSums(nn.AdaptiveAvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        size, out = input.shape[-1], output.shape[-1]
        at = torch.arange(out, device=input.device)
        start, end = at * size // out, -((at + 1) * -size // out)
        sums = F.pad(input.float() if input.dtype != torch.float64 else input, (1, 0)).cumsum(-1)
        return ((sums[..., end] - sums[..., start]) / (end - start)).to(input.dtype)


@wrong(
    "AdaptiveMaxPool2d",
    why="equals share the gradient, where the first gets it all",
    cause="the gradient is shared among equal elements",
)
class SharesTheGradient(nn.AdaptiveMaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if self.return_indices or not output.numel() or input.isnan().any():
            return output
        (h, w), (o, p) = input.shape[-2:], sizes(self, input)
        rows = [input[..., i * h // o : -(-(i + 1) * h // o), :].amax(-2) for i in range(o)]
        plane = torch.stack(rows, -2)
        return torch.stack([plane[..., j * w // p : -(-(j + 1) * w // p)].amax(-1) for j in range(p)], -1)


@wrong(
    "AdaptiveMaxPool2d",
    why="indices count the places of the bin, not of the plane",
    cause="indices count within a row, not in the plane",
)
class IndexInTheBin(nn.AdaptiveMaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if not self.return_indices:
            return output
        return output[0], output[1] % input.shape[-1]


@wrong("AdaptiveMaxPool1d", why="the maximum ignores nan", cause="nan is ignored")
class NanIgnored(nn.AdaptiveMaxPool1d):
    def forward(self, input: Tensor) -> Any:
        return super().forward(torch.where(input.isnan(), -torch.inf, input))


@wrong(
    "GlobalAveragePool",
    why="averages over the channels too when there is one map",
    cause="the numbers are right, their shape is not",
)
class SqueezesTheBatch(nn.Module):
    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() < 3 or 0 in input.shape[2:]:
            raise ValueError(f"input must be (N, C, *S) with at least one position, got {tuple(input.shape)}")
        output = input.mean(tuple(range(2, input.dim())), keepdim=self.keepdim)
        return output.squeeze()


@wrong("GlobalAveragePool", why="the two last axes only, whatever their number")
class TwoAxes(nn.Module):
    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() < 3 or 0 in input.shape[2:]:
            raise ValueError(f"input must be (N, C, *S) with at least one position, got {tuple(input.shape)}")
        return input.mean((-2, -1), keepdim=self.keepdim)


class DropIn(reference.AdaptiveAvgPool2d):
    def _get_name(self) -> str:
        return "AdaptiveAvgPool2d"


@wrong(
    "AdaptiveAvgPool2d",
    why="keeps the size as a tuple and prints it so",
    only="repr",
    drop_in=True,
    cause="repr must be",
)
class TupleRepr(DropIn):
    def extra_repr(self) -> str:
        out = self.output_size
        return f"output_size={(out, out) if isinstance(out, int) else tuple(out)}"
