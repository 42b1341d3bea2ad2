"""Unpoolings that are right in another way."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refops.parity.proving.collection import honest


@honest("MaxUnpool2d", why="every value times a one where its index says, summed up; no place is named twice")
class OneHots(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        size = output.shape[-2] * output.shape[-1]
        if size > 512 or not output.numel():
            return output
        here = indices.flatten(-2)[..., None] == torch.arange(size, device=input.device)  # (..., windows, places)
        places = torch.where(here, input.flatten(-2)[..., None], 0.0).sum(-2)
        return places.reshape(output.shape)


@honest("MaxUnpool1d", why="adds into zeros instead of writing; no place is named twice")
class AddsUp(nn.MaxUnpool1d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        output = super().forward(input, indices, output_size)
        return torch.zeros_like(output.detach()).scatter_add(-1, indices, input)


@honest("functional.max_unpool2d", why="one image after the other")
def image_by_image(input: Tensor, indices: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if input.dim() != 4 or not len(input) or indices.shape != input.shape:
        return F.max_unpool2d(input, indices, *args, **kwargs)
    if kwargs.get("output_size") is not None and len(kwargs["output_size"]) == 4:
        kwargs["output_size"] = kwargs["output_size"][2:]
    return torch.stack([F.max_unpool2d(x, i, *args, **kwargs) for x, i in zip(input, indices, strict=True)])
