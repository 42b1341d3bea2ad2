"""Adaptive poolings that are right in another way."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refops.parity.proving.collection import honest


def wide(input: Tensor) -> Tensor:
    return input.to(torch.promote_types(input.dtype, torch.float32))


def bins(size: int, out: int) -> list[slice]:
    return [slice(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


@honest("AdaptiveAvgPool2d", why="native inside another class, with other names")
class Wrapped(nn.Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.smaller = nn.AdaptiveAvgPool2d(output_size)

    def forward(self, image: Tensor) -> Tensor:
        return self.smaller(image)


@honest("AdaptiveAvgPool2d", why="bin by bin, columns before rows, in float32")
class BinByBin(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if not output.numel() or input.dim() < 3:
            return output
        x, (o, p) = wide(input), output.shape[-2:]
        columns = torch.stack([x[..., b].sum(-1) for b in bins(input.shape[-1], p)], -1)
        total = torch.stack([columns[..., b, :].sum(-2) for b in bins(input.shape[-2], o)], -2)
        lengths = [[torch.tensor([b.stop - b.start for b in bins(s, n)], device=x.device)] for s, n in
                   zip(input.shape[-2:], (o, p), strict=True)]  # fmt: skip
        return (total / (lengths[0][0][:, None] * lengths[1][0])).to(input.dtype)


@honest("AdaptiveMaxPool2d", why="pools the rows, then the columns, by native's one-dimensional one")
class RowsThenColumns(nn.AdaptiveMaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if self.return_indices or not output.numel():
            return output
        o, p = output.shape[-2:]
        flat = input.reshape(-1, *input.shape[-2:])
        rows = F.adaptive_max_pool1d(flat, p)  # (N * C, H, P)
        return F.adaptive_max_pool1d(rows.transpose(-1, -2), o).transpose(-1, -2).reshape(output.shape)


@honest("GlobalAveragePool", why="adaptive pooling of everything in one long row")
class OneLongRow(nn.Module):
    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() < 3 or 0 in input.shape[2:]:
            raise ValueError(f"input must be (N, C, *S) with at least one position, got {tuple(input.shape)}")
        if not input.is_floating_point():
            raise NotImplementedError(f"input must be floating, got {input.dtype}")
        output = wide(input).flatten(2).mean(-1).to(input.dtype)
        return output.reshape(*output.shape, *(1,) * (input.dim() - 2)) if self.keepdim else output
