"""Triplets mined from a batch: which points to compare is chosen by their distances.

Which pairs are the hardest is looked up in the Gram matrix, N x N numbers; their distances are then computed from the
differences of those few, because the Gram matrix knows the distances of close points only roughly.

Legend: N points, B pairs, D features; a anchor, p positive (of the anchor's class), n negative.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.functional.autocast import without_autocast
from refops.functional.derivative import widened
from refops.functional.loss.metric import check_positive, root
from refops.functional.loss.reduction import answered, chosen_reduction, reduced
from refops.hand_derived import HandDerived, call, keep

__all__ = ["triplet_mining_loss"]

MINING = ("hard", "semi-hard", "all")
CHUNK = 1 << 22  # numbers held at a time while all pairs are compared


def triplet_mining_loss(
    embeddings: Tensor,
    labels: Tensor,
    margin: float = 1.0,
    mining: str = "hard",
    squared: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(a, p) - d(a, n)) over triplets mined from a batch, reduced; d the Euclidean distance.

    hard: for each anchor its farthest positive and its nearest negative.
    semi-hard: for each anchor and positive the nearest negative that lies farther than the positive.
    all: every triplet; the only one that builds an array of N x N x N numbers.

    Where there is no such triplet (an anchor without a positive or negative) it counts nothing, not in the mean either;
    the mean over none is 0. An anchor is no positive of its own. Among equals the first is taken.

    Native: none.

    Args:
        embeddings: the points.
        labels: the class of each.
        margin: how much farther the negative is to be.
        mining: hard, semi-hard or all.
        squared: whether d is the squared distance.
        reduction: none, mean (over the triplets there are) or sum.

    Shape: (N, D) and (N,) to (); with `reduction="none"` to (N,) for hard, (N, N) for semi-hard and (N, N, N) for all,
        indexed by anchor, positive and negative.

    Raises:
        NotImplementedError: if embeddings is not floating.
        ValueError: if embeddings has not two axes, labels not one number for each, margin is not more than 0, or there
            is no such mining or reduction.

    Trap: an anchor alone in its class has no positive: its distance 0 to itself must not stand for one. The root of a
        zero distance has an infinite slope.

    Source: Hermans, Beyer and Leibe, arXiv 1703.07737 (hard, all); Schroff et al., FaceNet, arXiv 1503.03832
        (semi-hard).

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
        >>> triplet_mining_loss(x, torch.tensor([0, 0, 1, 1]), reduction="none")
        tensor([0.5000, 1.5000, 8.0000, 0.5000])
    """
    check_positive("margin", margin)
    reduction = chosen_reduction(reduction)
    if mining not in MINING:
        raise ValueError(f"mining must be one of {', '.join(MINING)}, got {mining!r}")
    if not torch.is_floating_point(embeddings):
        raise NotImplementedError(f"embeddings must have a floating dtype, got {embeddings.dtype}")
    if embeddings.dim() != 2:
        raise ValueError(f"embeddings must have two axes, points and features, got size {tuple(embeddings.shape)}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have size ({len(embeddings)},), one for each point, got {tuple(labels.shape)}")
    x = widened(embeddings)
    near, far, counts = _MINERS[mining](x, labels)
    if not squared:
        near, far = root(near), root(far)
    losses = torch.where(counts, (margin + near - far).clamp(min=0), 0)
    result = reduced(losses, reduction if reduction == "none" else "sum")
    if reduction == "mean":
        result = result / counts.sum().clamp(min=1)
    return answered(result, embeddings.dtype)


Triplets = tuple[Tensor, Tensor, Tensor]
"""Squared distances of positives and of negatives, and which triplets there are."""


def _squares(x: Tensor) -> Tensor:
    """Squared distances of all pairs, good enough to choose by: |x|^2 + |y|^2 - 2 x y. (N, D) to (N, N).

    Measured from the first point: a common offset drops out instead of swallowing the digits.
    """
    x = (x - x[:1]).detach()
    lengths = (x * x).sum(1)
    with without_autocast(x):
        return torch.addmm(lengths, x, x.t(), alpha=-2) + lengths.unsqueeze(1)


def _relations(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which are positives and which negatives of each point, (N, N)."""
    same = labels.unsqueeze(1) == labels
    itself = torch.arange(len(labels), device=labels.device)
    return same & (itself.unsqueeze(1) != itself), ~same


def _apart(x: Tensor, index: Tensor) -> Tensor:
    """Squared distance of each point from the one chosen for it: (N, D) and (N,) to (N,)."""
    d = x - x.index_select(0, index)
    return (d * d).sum(1)


class _PairSquares(HandDerived):
    """Squared distances of all pairs from their differences, some points at a time, (N, D) to (N, N)."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        some = max(1, CHUNK // max(1, x.numel()))
        return torch.cat([(a.unsqueeze(1) - x).square_().sum(2) for a in x.split(some)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        keep(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        both = g + g.t()
        x = x - x[:1]
        gradient: Tensor = (both.sum(1, keepdim=True) * x - both @ x) * 2
        return gradient

    @staticmethod
    def tangent(ctx: Any, t: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        some = max(1, CHUNK // max(1, x.numel()))
        pairs = zip(x.split(some), t.split(some), strict=True)
        return torch.cat([((a.unsqueeze(1) - x) * (b.unsqueeze(1) - t)).sum(2) * 2 for a, b in pairs])


def _hardest(x: Tensor, labels: Tensor) -> Triplets:
    """For each anchor the farthest positive and the nearest negative, (N,)."""
    positive, negative = _relations(labels)
    if not len(x):
        return x.sum(1), x.sum(1), negative.any(1)
    squares = _squares(x)
    farthest = torch.where(positive, squares, -torch.inf).argmax(1)
    nearest = torch.where(negative, -squares, -torch.inf).argmax(1)
    return _apart(x, farthest), _apart(x, nearest), positive.any(1) & negative.any(1)


def _semi_hard(x: Tensor, labels: Tensor) -> Triplets:
    """For each anchor and positive the nearest negative that is farther, (N, N)."""
    positive, negative = _relations(labels)
    squares: Tensor = call(_PairSquares, x)
    n = len(x)
    rivals = torch.where(negative, squares.detach(), torch.inf)
    nearest = rivals.argsort(dim=1, stable=True)
    order = torch.cat([rivals, squares.detach()], 1).argsort(
        dim=1, stable=True
    )  # a rival as far as a positive precedes it
    passed = order.new_zeros(n, 2 * n).scatter(1, order, (order < n).cumsum(1))[:, n:]  # rivals that are no farther
    chosen = nearest.gather(1, passed.clamp(max=max(n - 1, 0)))
    return squares, squares.gather(1, chosen), positive & (passed < negative.sum(1, keepdim=True))


def _every(x: Tensor, labels: Tensor) -> Triplets:
    """Every anchor, positive and negative, (N, N, N)."""
    positive, negative = _relations(labels)
    squares: Tensor = call(_PairSquares, x)
    return squares.unsqueeze(2), squares.unsqueeze(1), positive.unsqueeze(2) & negative.unsqueeze(1)


_MINERS = {"hard": _hardest, "semi-hard": _semi_hard, "all": _every}
