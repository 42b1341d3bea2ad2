"""Honest variants of structured dropout: right, but drawn or computed in another way."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.structured_dropout import DropBlock2d, DropConnect, SpatialDropout2d
from refops.parity.proving.collection import honest


@honest("DropConnect", why="row by row, each with a dropped copy of the layer")
class RowByRow(DropConnect):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or input.dim() != 2 or input.dtype != self.weight.dtype:
            return super().forward(input)
        rows = [F.linear(row.float(), F.dropout(self.weight.float(), self.p), self._dropped_bias()) for row in input]
        return torch.stack(rows).to(input.dtype) if rows else super().forward(input)

    def _dropped_bias(self):
        return None if self.bias is None else F.dropout(self.bias.float(), self.p)


@honest("DropConnect", why="masks from uniform numbers, the sum by einsum")
class ByEinsum(DropConnect):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or input.dim() != 2 or input.dtype != self.weight.dtype:
            return super().forward(input)
        if input.shape[-1] != self.in_features:
            return super().forward(input)
        keep = (torch.rand(len(input), self.out_features, self.in_features) >= self.p).float() / (1 - self.p)
        output = torch.einsum("noi,oi,ni->no", keep, self.weight.float(), input.float())
        if self.bias is not None:
            output = output + (torch.rand(output.shape) >= self.p) * self.bias.float() / (1 - self.p)
        return output.to(input.dtype)


@honest("SpatialDropout2d", why="native's Dropout2d, an image as a batch of one")
class NativeMaps(nn.Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        self.drop = nn.Dropout2d(p, inplace)

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError(f"input must have 3 or 4 axes, got {input.dim()}")
        if input.dim() == 4:
            return self.drop(input)
        return self.drop(input[None])[0]


@honest("SpatialDropout2d", why="element dropout of one number per map")
class OneNumberPerMap(SpatialDropout2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or self.inplace or input.dim() not in (3, 4):
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[..., :1, :1]), self.p)


@honest("DropBlock2d", why="max-pool of padded seeds with the paper's gamma, as in torchvision")
class PooledSeeds(DropBlock2d):
    def forward(self, input):
        if not self.training or self.p in (0, 1) or self.inplace or input.dim() not in (3, 4) or not input.numel():
            return super().forward(input)
        h, w = input.shape[-2:]
        side = min(self.block_size, h, w)
        gamma = min(1.0, self.p * h * w / (side**2 * (h - side + 1) * (w - side + 1)))
        seeds = torch.empty((*input.shape[:-2], h - side + 1, w - side + 1)).bernoulli_(gamma)
        kept = 1 - F.max_pool2d(F.pad(seeds, [side - 1] * 4), side, 1)
        return (input.float() * kept * (kept.numel() / kept.sum().clamp(min=1))).to(input.dtype)


@honest("functional.drop_connect_moments", why="second moments less squared means")
def moments_by_outer_products(input, weight, bias=None, p=0.5):
    if not 0 <= p <= 1:
        raise ValueError(f"p must be between 0 and 1, got {p}")
    mean = F.linear(input, weight, bias)
    if p == 1:
        return mean * 0, mean * 0
    wide = torch.float64 if input.dtype == torch.float64 else torch.float32
    terms = input.to(wide)[..., None, :] * weight.to(wide)
    variance = terms.square().sum(-1)
    if bias is not None:
        variance = variance + bias.to(wide).square()
    return mean, (variance * p / (1 - p)).to(mean.dtype)
