"""Wrong implementations of metric losses."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.loss.metric import ContrastiveLoss, NTXentLoss, TripletMiningLoss
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def reduced(losses, reduction):
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


class Contrastive(ContrastiveLoss):
    """The right formula over a distance of its own; subclasses spoil a step."""

    def forward(self, input1, input2, target):
        right = super().forward(input1, input2, target)
        d = self.distance(wide(input1), wide(input2))
        losses = self.losses(d, target.to(d.dtype))
        return reduced(losses, self.reduction).to(right.dtype)

    def distance(self, x, y):
        return torch.linalg.vector_norm(x - y, dim=-1)

    def losses(self, d, y):
        return ((1 - y) * d**2 + y * F.relu(self.margin - d) ** 2) / 2


@wrong("ContrastiveLoss", why="1 means similar: it trains backwards", cause="1 means similar")
class OneIsSimilar(Contrastive):
    def losses(self, d, y):
        return super().losses(d, 1 - y)


@wrong("ContrastiveLoss", why="the factors 1/2 are missing", cause="the factors 1/2 are missing")
class NotHalved(Contrastive):
    def losses(self, d, y):
        return 2 * super().losses(d, y)


@wrong(
    "ContrastiveLoss",
    why="pairwise_distance adds an eps to the difference: equal points repel each other",
    cause="an eps is added to the difference, as by pairwise_distance",
)
class EpsInDifference(Contrastive):
    def distance(self, x, y):
        return F.pairwise_distance(x, y)


@wrong(
    "ContrastiveLoss",
    why="the root of a sum has the gradient nan where points are equal",
    cause="inf or nan where the answer is finite",
)
class PlainRoot(Contrastive):
    def distance(self, x, y):
        return (x - y).square().sum(-1).sqrt()


@wrong("ContrastiveLoss", why="the hinge is not squared", cause="the hinge is not squared")
class HingeNotSquared(Contrastive):
    def losses(self, d, y):
        return ((1 - y) * d**2 + y * F.relu(self.margin - d)) / 2


@wrong("ContrastiveLoss", why="margin minus squared distance", cause="the margin less the squared distance")
class MarginOfSquare(Contrastive):
    def losses(self, d, y):
        return ((1 - y) * d**2 + y * F.relu(self.margin - d**2)) / 2


@wrong(
    "ContrastiveLoss",
    only="refusals",
    why="labels of one column broadcast against the distances",
    cause="must be refused for its target",
)
class ColumnOfLabels(ContrastiveLoss):
    def forward(self, input1, input2, target):
        if target.dim() == 2 and input1.dim() == 2 and target.shape == (len(input1), 1):
            d = torch.linalg.vector_norm(input1 - input2, dim=-1)
            return reduced(((1 - target) * d**2 + target * F.relu(self.margin - d) ** 2) / 2, self.reduction)
        return super().forward(input1, input2, target)


@differs("functional.contrastive_loss", why="labels must be numbers: bool labels fail")
def contrastive_loss_of_numbers(input1, input2, target, margin=1.0, reduction="mean"):
    from refops.functional.loss.metric import contrastive_loss

    if target.dtype == torch.bool:
        raise RuntimeError("subtraction with a bool tensor is not supported")
    return contrastive_loss(input1, input2, target, margin, reduction)


@wrong("TripletMarginLoss", why="distances are squared")
class SquaredDistances(nn.TripletMarginLoss):
    def forward(self, anchor, positive, negative):
        loss = super().forward(anchor, positive, negative)
        if self.p != 2 or self.swap or self.reduction == "average":
            return loss
        near, far = ((wide(anchor) - wide(o)).square().sum(-1) for o in (positive, negative))
        return reduced(F.relu(self.margin + near - far), self.reduction).to(loss.dtype)


@wrong(
    "TripletMarginLoss", why="swap takes the larger of both distances", cause="swap takes the larger of both distances"
)
class SwapsToLarger(nn.TripletMarginLoss):
    def forward(self, anchor, positive, negative):
        loss = super().forward(anchor, positive, negative)
        if not self.swap:
            return loss
        near, far, other = (
            F.pairwise_distance(wide(x), wide(y), self.p, self.eps)
            for x, y in ((anchor, positive), (anchor, negative), (positive, negative))
        )
        return reduced(F.relu(self.margin + near - torch.maximum(far, other)), self.reduction).to(loss.dtype)


@wrong("TripletMarginLoss", why="swap is not used", cause="argument swap is ignored")
class NeverSwaps(nn.TripletMarginLoss):
    def forward(self, *points):
        return F.triplet_margin_loss(*points, margin=self.margin, p=self.p, eps=self.eps, reduction=self.reduction)


@wrong("TripletMarginLoss", why="p is not used", cause="argument p is ignored")
class AlwaysEuclidean(nn.TripletMarginLoss):
    def forward(self, *points):
        settings = {"margin": self.margin, "eps": self.eps, "swap": self.swap, "reduction": self.reduction}
        return F.triplet_margin_loss(*points, **settings)


@wrong("TripletMarginLoss", why="eps is fixed at its default", cause="argument eps is ignored")
class EpsFixed(nn.TripletMarginLoss):
    def forward(self, *points):
        settings = {"margin": self.margin, "p": self.p, "swap": self.swap, "reduction": self.reduction}
        return F.triplet_margin_loss(*points, **settings)


@wrong("TripletMarginLoss", why="softplus in place of the hinge")
class SoftMargin(nn.TripletMarginLoss):
    def forward(self, anchor, positive, negative):
        loss = super().forward(anchor, positive, negative)
        if self.swap or self.reduction == "average" or not anchor.is_floating_point():
            return loss
        near, far = (F.pairwise_distance(wide(anchor), wide(o), self.p, self.eps) for o in (positive, negative))
        return reduced(F.softplus(self.margin + near - far), self.reduction).to(loss.dtype)


class HardMining(TripletMiningLoss):
    """Hard mining by a table of distances; subclasses spoil a step. The other ways are the reference's."""

    def forward(self, embeddings, labels):
        right = super().forward(embeddings, labels)
        if self.mining != "hard" or len(embeddings) < 2:
            return right
        x = wide(embeddings)
        d = self.table(x)
        same = labels[:, None] == labels
        positive = same & ~torch.eye(len(x), dtype=torch.bool)
        near = d.masked_fill(~self.positives(positive, same), -1e30).amax(1)
        far = d.masked_fill(same, 1e30).amin(1)
        valid = self.valid(positive.any(1), (~same).any(1))
        losses = torch.where(valid, F.relu(self.margin + near - far), 0)
        if self.reduction == "none":
            return losses.to(right.dtype)
        return (losses.sum() / (valid.sum().clamp(min=1) if self.reduction == "mean" else 1)).to(right.dtype)

    def table(self, x):
        squares = (x[:, None] - x).square().sum(-1)
        if self.squared:
            return squares
        zero = squares == 0
        return torch.where(zero, 0, torch.where(zero, 1, squares).sqrt())

    def positives(self, positive, same):
        return positive

    def valid(self, has_positive, has_negative):
        return has_positive & has_negative


@wrong(
    "TripletMiningLoss",
    why="an anchor is a positive of its own: without another, distance 0 stands for one",
    cause="an anchor is a positive of its own",
)
class ItsOwnPositive(HardMining):
    def positives(self, positive, same):
        return same

    def valid(self, has_positive, has_negative):
        return has_negative


@wrong(
    "TripletMiningLoss",
    why="the mean counts anchors without a triplet",
    cause="the mean counts anchors without a triplet",
)
class SkippedCounted(TripletMiningLoss):
    def forward(self, embeddings, labels):
        loss = super().forward(embeddings, labels)
        if self.mining != "hard" or self.reduction != "mean" or not len(labels):
            return loss
        same = labels[:, None] == labels
        valid = (same.sum(1) > 1) & ~same.all(1)
        return loss * (valid.sum() / len(labels)).to(loss)


@wrong(
    "TripletMiningLoss", why="the root of a zero distance: gradient nan", cause="inf or nan where the answer is finite"
)
class RootOfZero(HardMining):
    def table(self, x):
        squares = (x[:, None] - x).square().sum(-1)
        return squares if self.squared else squares.sqrt()


@wrong(
    "TripletMiningLoss",
    why="distances out of the Gram matrix cancel where the offset is large",
    cause="right in float64: digits cancel where the mean is large beside the spread",
)
class FromGram(HardMining):
    def table(self, x):
        lengths = x.square().sum(1)
        squares = (lengths[:, None] + lengths - 2 * x @ x.T).clamp(min=0)
        return squares if self.squared else (squares + 1e-12).sqrt()


@differs("TripletMiningLoss", why="anything but hard is not written")
class HardOnly(TripletMiningLoss):
    def forward(self, embeddings, labels):
        if self.mining in ("semi-hard", "all"):
            raise UnboundLocalError("cannot access local variable 'loss'")
        return super().forward(embeddings, labels)


@wrong("TripletMiningLoss", why="the easiest positive and negative", cause="the easiest positive and negative")
class Easiest(HardMining):
    def table(self, x):
        return -super().table(x)


@wrong("TripletMiningLoss", why="squared is not used", cause="squared is not used")
class NeverSquared(TripletMiningLoss):
    def forward(self, embeddings, labels):
        kept, self.squared = self.squared, False
        try:
            return super().forward(embeddings, labels)
        finally:
            self.squared = kept


@wrong("TripletMiningLoss", only="refusals", why="an unknown way of mining is hard mining")
class AnyMining(TripletMiningLoss):
    def __init__(self, margin=1.0, mining="hard", *args, **kwargs):
        super().__init__(margin, mining if mining in ("hard", "semi-hard", "all") else "hard", *args, **kwargs)


class Views(NTXentLoss):
    """NT-Xent from a table of cosines; subclasses spoil a step."""

    def forward(self, z1, z2):
        right = super().forward(z1, z2)
        z = torch.cat([self.direction(wide(z1)), self.direction(wide(z2))])
        scores = self.masked(z @ z.T / self.temperature)
        return reduced(F.cross_entropy(scores, self.partner(len(z1)), reduction="none"), self.reduction).to(right.dtype)

    def direction(self, z):
        squares = z.square().sum(1, keepdim=True)
        return z * torch.where(squares == 0, 0, torch.where(squares == 0, 1, squares).rsqrt())

    def masked(self, scores):
        return scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), float("-inf"))

    def partner(self, pairs):
        return torch.arange(2 * pairs).roll(pairs)


@wrong("NTXentLoss", why="a view is compared with itself")
class ComparesItself(Views):
    def masked(self, scores):
        return scores


@wrong("NTXentLoss", why="views are not normalised", cause="views are not normalised")
class NotNormalised(Views):
    def direction(self, z):
        return z


@wrong("NTXentLoss", why="the temperature multiplies", cause="the temperature multiplies")
class Multiplies(NTXentLoss):
    def forward(self, z1, z2):
        kept, self.temperature = self.temperature, 1 / self.temperature if self.temperature > 0 else 0.0
        try:
            return super().forward(z1, z2)
        finally:
            self.temperature = kept


@wrong(
    "NTXentLoss",
    why="views of one thing are taken to lie side by side",
    cause="views of one thing are taken to lie side by side",
)
class SideBySide(Views):
    def partner(self, pairs):
        return torch.arange(2 * pairs) ^ 1


@wrong("NTXentLoss", why="only views of the first kind are anchors", cause="only views of the first kind are anchors")
class FirstViewsOnly(NTXentLoss):
    def forward(self, z1, z2):
        loss = super().forward(z1, z2)
        if self.reduction == "none":
            return loss
        kept, self.reduction = self.reduction, "none"
        half = super().forward(z1, z2)[: len(z1)]
        self.reduction = kept
        return reduced(wide(half), kept).to(loss.dtype)


@wrong("NTXentLoss", why="exponentials without a shift under- and overflow at a low temperature")
class Unshifted(Views):
    def forward(self, z1, z2):
        right = NTXentLoss.forward(self, z1, z2)
        z = torch.cat([self.direction(wide(z1)), self.direction(wide(z2))])
        e = (z @ z.T / self.temperature / 0.5).exp().fill_diagonal_(0) ** 0.5
        own = e.gather(1, self.partner(len(z1))[:, None])[:, 0]
        return reduced(-(own / e.sum(1)).log(), self.reduction).to(right.dtype)


@wrong("NTXentLoss", only="refusals", why="a batch of none gives nan", cause="must be refused for its z1")
class NoViews(NTXentLoss):
    def forward(self, z1, z2):
        if not len(z1) and z1.shape == z2.shape and z1.dim() == 2:
            return z1.sum() / 0
        return super().forward(z1, z2)


@wrong(
    "functional.nt_xent_loss",
    why="the second views are detached, as in methods without negatives",
    cause="no gradient of z2",
)
def nt_xent_loss_stopped(z1, z2, temperature=0.5, reduction="mean"):
    from refops.functional.loss.metric import nt_xent_loss

    return nt_xent_loss(z1, z2.detach(), temperature, reduction)
