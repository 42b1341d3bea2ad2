"""Honest variants of metric losses: right, but computed in another way."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.loss.metric import ContrastiveLoss, NTXentLoss, TripletMiningLoss
from refops.parity.proving.collection import honest


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def reduced(losses, reduction):
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


@honest("ContrastiveLoss", why="by torch's vector norm, whose slope at 0 is 0")
class ByNorm(ContrastiveLoss):
    def forward(self, input1, input2, target):
        right = super().forward(input1, input2, target)
        d = torch.linalg.vector_norm(wide(input1) - wide(input2), dim=-1)
        y = target.to(d.dtype)
        losses = torch.lerp(d * d / 2, F.relu(self.margin - d) ** 2 / 2, y)
        return reduced(losses, self.reduction).to(right.dtype)


@honest("TripletMarginLoss", why="native inside another module")
class Wrapped(nn.Module):
    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        self.inner = nn.TripletMarginLoss(margin, p, eps, swap, size_average, reduce, reduction)

    def forward(self, a, p, n):
        return self.inner(a, p, n)


@honest("TripletMiningLoss", why="hard mining out of the table of all differences")
class ByTable(TripletMiningLoss):
    def forward(self, embeddings, labels):
        right = super().forward(embeddings, labels)
        if self.mining != "hard" or len(embeddings) < 2:
            return right
        x = wide(embeddings)
        known = (x.detach()[:, None] - x.detach()).square().sum(-1)
        same = labels[:, None] == labels
        positive = same & ~torch.eye(len(x), dtype=torch.bool)
        p = known.masked_fill(~positive, -1.0).argmax(1)
        n = (-known).masked_fill(same, -torch.inf).argmax(1)
        near, far = ((x - x[i]).square().sum(1) for i in (p, n))
        if not self.squared:
            near, far = (torch.linalg.vector_norm(x - x[i], dim=1) for i in (p, n))
        valid = positive.any(1) & (~same).any(1)
        losses = torch.where(valid, (self.margin + near - far).clamp(min=0), 0)
        total = losses if self.reduction == "none" else losses.sum()
        return (total / valid.sum().clamp(min=1) if self.reduction == "mean" else total).to(right.dtype)


@honest("NTXentLoss", why="native cross-entropy of the table of cosines")
class ByCrossEntropy(NTXentLoss):
    def forward(self, z1, z2):
        right = super().forward(z1, z2)
        z = torch.cat([wide(z1), wide(z2)])
        squares = z.square().sum(1, keepdim=True)
        z = z * torch.where(squares == 0, 0, torch.where(squares == 0, 1, squares).rsqrt())
        scores = (z @ z.T / self.temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
        losses = F.cross_entropy(scores, torch.arange(len(z)).roll(len(z1)), reduction="none")
        return reduced(losses, self.reduction).to(right.dtype)
