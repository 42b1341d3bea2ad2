"""Embedding bags that do not do what they say."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refops.nn import embedding_bag as reference
from refops.parity.proving.collection import wrong


def lengths(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """How many entries each bag has."""
    if offsets is None:
        return torch.full((input.shape[0],), input.shape[1], device=input.device)
    ends = offsets if include_last_offset else torch.cat([offsets, offsets.new_tensor([len(input)])])
    return ends.diff()


@wrong(
    "EmbeddingBag",
    why="the mean divides by the length of the bag, padding and all",
    cause="the mean divides by the length of the bag, padding and all",
)
class DividesByLength(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        output = super().forward(input, offsets, per_sample_weights)
        if self.mode != "mean" or self.padding_idx is None:
            return output
        summed = F.embedding_bag(
            input, self.weight, offsets, mode="sum", sparse=self.sparse, padding_idx=self.padding_idx,
            include_last_offset=self.include_last_offset,
        )  # fmt: skip
        return summed / lengths(input, offsets, self.include_last_offset).clamp(min=1)[:, None].to(summed.dtype)


@wrong(
    "EmbeddingBag", why="padding is looked up and added like any other row", cause="padding counts like any other row"
)
class PaddingCounts(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            self.sparse, per_sample_weights, self.include_last_offset,
        )  # fmt: skip


@wrong("EmbeddingBag", why="empty bags are nan: nothing over nothing", cause="empty bags are nan")
class EmptyIsNan(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        output = super().forward(input, offsets, per_sample_weights)
        if self.mode != "mean":
            return output
        empty = lengths(input, offsets, self.include_last_offset) == 0
        return torch.where(empty[:, None], torch.nan, output)


@wrong(
    "EmbeddingBag",
    why="the end of the last bag is a bag of its own",
    cause="the end of the last bag is a bag of its own",
)
class EndIsABag(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        keep, self.include_last_offset = self.include_last_offset, False
        try:
            return super().forward(input, offsets, per_sample_weights)
        finally:
            self.include_last_offset = keep


@wrong(
    "EmbeddingBag", why="per_sample_weights are normalised to sum up to one", cause="per_sample_weights are normalised"
)
class WeightedMean(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        if per_sample_weights is not None and per_sample_weights.shape == input.shape and self.mode == "sum":
            per_sample_weights = per_sample_weights / per_sample_weights.abs().sum().clamp(min=1e-3)
        return super().forward(input, offsets, per_sample_weights)


@wrong(
    "EmbeddingBag", why="per_sample_weights get no gradient", only="gradient", cause="no gradient of per_sample_weights"
)
class WeightsDetached(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        detached = None if per_sample_weights is None else per_sample_weights.detach()
        return super().forward(input, offsets, detached)


@wrong("EmbeddingBag", why="the sum where no mode is given", cause="the sum where no mode is given")
class SumByDefault(nn.EmbeddingBag):
    def __init__(self, num_embeddings: int, embedding_dim: int, *args: Any, **kwargs: Any) -> None:
        if len(args) < 4:
            kwargs.setdefault("mode", "sum")
        super().__init__(num_embeddings, embedding_dim, *args, **kwargs)


@wrong("EmbeddingBag", why="max_norm is ignored", cause="argument max_norm is ignored")
class NoMaxNorm(nn.EmbeddingBag):
    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, None, *args, **kwargs)


@wrong(
    "EmbeddingBag", why="the maximum starts from zero and so is never negative", cause="the maximum starts from zero"
)
class NeverNegative(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        output = super().forward(input, offsets, per_sample_weights)
        return output.clamp(min=0) if self.mode == "max" else output


@wrong(
    "EmbeddingBag",
    why="a first offset that is not 0 drops the entries before it",
    only="refusals",
    cause="must be refused for its offsets",
)
class DropsTheFirst(nn.EmbeddingBag):
    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        starts = offsets is not None and offsets.dim() == 1 and len(offsets) > 0 and not offsets.is_floating_point()
        if starts and per_sample_weights is None and 0 < int(offsets[0]) <= len(input):
            input, offsets = input[offsets[0] :], offsets - offsets[0]
        return super().forward(input, offsets, per_sample_weights)


@wrong("functional.embedding_bag", only="laws", why="scale_grad_by_freq is ignored where rows differ in frequency")
def frequency_ignored(input: Tensor, weight: Tensor, offsets: Any = None, max_norm: Any = None, norm_type: float = 2, scale_grad_by_freq: bool = False, *args: Any, **kwargs: Any) -> Tensor:  # noqa: E501  # fmt: skip
    if scale_grad_by_freq and input.numel():
        scale_grad_by_freq = len(set(input.flatten().bincount().tolist()) - {0}) == 1
    return F.embedding_bag(input, weight, offsets, max_norm, norm_type, scale_grad_by_freq, *args, **kwargs)


class DropIn(reference.EmbeddingBag):
    def _get_name(self) -> str:
        return "EmbeddingBag"


@wrong(
    "EmbeddingBag",
    why="the padding row starts like any other",
    only="init",
    drop_in=True,
    cause="weight must start from native's values",
)
class PaddingNotEmpty(DropIn):
    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.weight.normal_()
