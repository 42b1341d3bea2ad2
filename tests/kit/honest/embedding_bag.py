"""Embedding bags that are right in another way."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refops.parity.proving.collection import honest


@honest("EmbeddingBag", why="an Embedding and a reduction wherever the bags are equally long")
class LooksUpFirst(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        output = super().forward(input, offsets, per_sample_weights)
        plain = self.padding_idx is None and not self.sparse and not self.scale_grad_by_freq
        if input.dim() != 2 or self.mode == "max" or not plain:
            return output
        table = self.weight.to(torch.promote_types(self.weight.dtype, torch.float32))
        rows = F.embedding(input, table)  # (B, L, D)
        rows = rows if per_sample_weights is None else rows * per_sample_weights[..., None]
        total = rows.sum(1)
        return (total / input.shape[1] if self.mode == "mean" else total).to(output.dtype)


@honest("EmbeddingBag", why="bags in reverse, given as a vector")
class Reversed(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        if input.dim() != 2 or not input.numel() or offsets is not None or per_sample_weights is not None:
            return super().forward(input, offsets, per_sample_weights)
        ends = torch.arange(0, input.numel(), input.shape[1], device=input.device)
        if self.include_last_offset:
            ends = torch.cat([ends, ends.new_tensor([input.numel()])])
        return super().forward(input.flip(0).flatten(), ends).flip(0)


@honest("functional.embedding_bag", why="a product of counts and table for the sum")
def by_counts(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    output = F.embedding_bag(input, weight, *args, **kwargs)
    plain = not args and set(kwargs) == {"mode"} and kwargs["mode"] == "sum"
    if input.dim() != 2 or not plain or not weight.isfinite().all():
        return output
    wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
    counts = (input[..., None] == torch.arange(len(weight), device=weight.device)).sum(1).to(wide.dtype)
    return (counts @ wide).to(weight.dtype)
