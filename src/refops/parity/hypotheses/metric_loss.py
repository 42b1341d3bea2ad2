"""What goes wrong in metric losses: what is squared, which label means similar, which pairs are compared.

Legend: N points, B pairs, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.nn.loss.metric import ContrastiveLoss, NTXentLoss, TripletMiningLoss
from refops.parity.hypotheses import Hypothesis, instead


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def root(squares: Tensor) -> Tensor:
    """The square root, its slope at 0 being 0."""
    nothing = squares == 0
    return torch.where(nothing, 0, torch.where(nothing, 1, squares).sqrt())


# -- contrastive -------------------------------------------------------------------------------------------------------

Curve = Callable[[Tensor, Tensor, float], Tensor]  # distances, labels, margin


def _contrastive(curve: Curve, distance: Callable[[Tensor, Tensor], Tensor] | None = None) -> type[Any]:
    def forward(self: Any, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        d = distance(input1, input2) if distance else root(((input1 - input2) ** 2).sum(-1))
        return _reduced(curve(d, target.to(d), self.margin), self.reduction)

    return instead(ContrastiveLoss, forward)


def _right(d: Tensor, y: Tensor, margin: float) -> Tensor:
    return ((1 - y) * d**2 + y * F.relu(margin - d) ** 2) / 2


_CONTRASTIVE = {
    "1 means similar": _contrastive(lambda d, y, margin: _right(d, 1 - y, margin)),
    "the factors 1/2 are missing": _contrastive(lambda d, y, margin: 2 * _right(d, y, margin)),
    "an eps is added to the difference, as by pairwise_distance": _contrastive(_right, F.pairwise_distance),
    "the hinge is not squared": _contrastive(lambda d, y, margin: ((1 - y) * d**2 + y * F.relu(margin - d)) / 2),
    "the margin less the squared distance": _contrastive(
        lambda d, y, margin: ((1 - y) * d**2 + y * F.relu(margin - d**2)) / 2
    ),
    "distances are not squared": _contrastive(lambda d, y, margin: ((1 - y) * d + y * F.relu(margin - d)) / 2),
}

# -- triplets ----------------------------------------------------------------------------------------------------------


def _triplet(losses: Callable[[Any, Tensor, Tensor, Tensor], Tensor]) -> type[Any]:
    def forward(self: Any, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return _reduced(losses(self, anchor, positive, negative), self.reduction)

    return instead(nn.TripletMarginLoss, forward)


def _distance(m: Any, x: Tensor, y: Tensor) -> Tensor:
    return F.pairwise_distance(x, y, m.p, m.eps)


def _far(m: Any, a: Tensor, p: Tensor, n: Tensor) -> Tensor:
    far = _distance(m, a, n)
    return torch.minimum(far, _distance(m, p, n)) if m.swap else far


def _larger(m: Any, a: Tensor, p: Tensor, n: Tensor) -> Tensor:
    far = _distance(m, a, n)
    far = torch.maximum(far, _distance(m, p, n)) if m.swap else far
    return F.relu(m.margin + _distance(m, a, p) - far)


_TRIPLET = {
    "swap takes the larger of both distances": _triplet(_larger),
    "softplus in place of the hinge": _triplet(
        lambda m, a, p, n: F.softplus(m.margin + _distance(m, a, p) - _far(m, a, p, n))
    ),
    "distances are squared": _triplet(
        lambda m, a, p, n: F.relu(m.margin + _distance(m, a, p) ** 2 - _far(m, a, p, n) ** 2)
    ),
    "positive and negative are exchanged": _triplet(
        lambda m, a, p, n: F.relu(m.margin + _distance(m, a, n) - _far(m, a, n, p))
    ),
    "there is no hinge": _triplet(lambda m, a, p, n: m.margin + _distance(m, a, p) - _far(m, a, p, n)),
}


class _Mining(TripletMiningLoss):
    """Hard mining by a table of distances; the other ways are the reference's."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if self.mining != "hard" or len(embeddings) < 2:
            return super().forward(embeddings, labels)
        d, same = self.table(embeddings), labels[:, None] == labels
        positive = same & ~torch.eye(len(d), dtype=torch.bool)
        near = d.masked_fill(~self.positives(positive, same), -1e30).amax(1)
        far = d.masked_fill(same, 1e30).amin(1)
        valid = self.positives(positive, same).any(1) & (~same).any(1)
        losses = torch.where(valid, F.relu(self.margin + near - far), 0)
        total = valid.sum().clamp(min=1) if self.reduction == "mean" else 1
        return losses if self.reduction == "none" else losses.sum() / total

    def table(self, x: Tensor) -> Tensor:
        squares = ((x[:, None] - x) ** 2).sum(-1)
        return squares if self.squared else root(squares)

    def positives(self, positive: Tensor, same: Tensor) -> Tensor:
        return positive


def _counted(self: Any, embeddings: Tensor, labels: Tensor) -> Tensor:
    loss = TripletMiningLoss.forward(self, embeddings, labels)
    if self.mining != "hard" or self.reduction != "mean" or not len(labels):
        return loss
    same = labels[:, None] == labels
    return loss * ((same.sum(1) > 1) & ~same.all(1)).sum() / len(labels)


def _unsquared(self: Any, embeddings: Tensor, labels: Tensor) -> Tensor:
    squared, self.squared = self.squared, False
    try:
        return TripletMiningLoss.forward(self, embeddings, labels)
    finally:
        self.squared = squared


_MINING = {
    "an anchor is a positive of its own": type("M", (_Mining,), {"positives": lambda s, positive, same: same}),
    "the mean counts anchors without a triplet": instead(TripletMiningLoss, _counted),
    "the easiest positive and negative": type("M", (_Mining,), {"table": lambda s, x: -_Mining.table(s, x)}),
    "squared is not used": instead(TripletMiningLoss, _unsquared),
}

# -- views -------------------------------------------------------------------------------------------------------------


class _Views(NTXentLoss):
    """NT-Xent from a table of cosines."""

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        z = torch.cat([self.direction(z1), self.direction(z2)])
        scores = self.masked(z @ z.T / self.temperature)
        return _reduced(F.cross_entropy(scores, self.partner(len(z1)), reduction="none"), self.reduction)

    def direction(self, z: Tensor) -> Tensor:
        length = root((z * z).sum(1, keepdim=True))
        return z / torch.where(length == 0, 1, length)

    def masked(self, scores: Tensor) -> Tensor:
        return scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), -torch.inf)

    def partner(self, pairs: int) -> Tensor:
        return torch.arange(2 * pairs).roll(pairs)


def _first_only(self: Any, z1: Tensor, z2: Tensor) -> Tensor:
    reduction, self.reduction = self.reduction, "none"
    try:
        losses = NTXentLoss.forward(self, z1, z2)
    finally:
        self.reduction = reduction
    return losses if reduction == "none" else _reduced(losses[: len(z1)], reduction)


def _multiplied(self: Any, z1: Tensor, z2: Tensor) -> Tensor:
    temperature, self.temperature = self.temperature, 1 / self.temperature
    try:
        return NTXentLoss.forward(self, z1, z2)
    finally:
        self.temperature = temperature


_VIEWS = {
    "a view is compared with itself": type("V", (_Views,), {"masked": lambda s, scores: scores}),
    "views are not normalised": type("V", (_Views,), {"direction": lambda s, z: z}),
    "the temperature multiplies": instead(NTXentLoss, _multiplied),
    "views of one thing are taken to lie side by side": type(
        "V", (_Views,), {"partner": lambda s, pairs: torch.arange(2 * pairs) ^ 1}
    ),
    "only views of the first kind are anchors": instead(NTXentLoss, _first_only),
}


def _hypotheses(table: dict[str, type[Any]]) -> tuple[Hypothesis, ...]:
    return tuple(Hypothesis(name, operator) for name, operator in table.items())


HYPOTHESES = {
    "ContrastiveLoss": _hypotheses(_CONTRASTIVE),
    "TripletMarginLoss": _hypotheses(_TRIPLET),
    "TripletMiningLoss": _hypotheses(_MINING),
    "NTXentLoss": _hypotheses(_VIEWS),
}
