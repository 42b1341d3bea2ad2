"""Oracles of losses on distances and similarities, pair by pair and triplet by triplet in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    pass

MINING = ("hard", "semi-hard", "all")


def total(losses: Tensor, reduction: str) -> Tensor:
    """The oracles' reduction."""
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def contrastive_oracle(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The two partial losses of the paper, chosen by the label; labels between the two mix them."""
    d = torch.linalg.vector_norm(input1 - input2, dim=-1)
    similar, dissimilar = 0.5 * d**2, 0.5 * torch.relu(margin - d) ** 2
    return total(torch.lerp(similar, dissimilar, target.to(d.dtype)), reduction)


def _between(x: Tensor, y: Tensor, squared: bool) -> Tensor:
    return ((x - y) ** 2).sum(-1) if squared else torch.linalg.vector_norm(x - y, dim=-1)


def mining_oracle(
    embeddings: Tensor, labels: Tensor, margin: float = 1.0, mining: str = "hard", squared: bool = False,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Anchor by anchor, in plain loops over what the papers let one choose from."""
    n = len(embeddings)
    known, label = _between(embeddings.detach()[:, None], embeddings.detach(), squared).tolist(), labels.tolist()
    shape = (n,) * (1 + MINING.index(mining))
    chosen: dict[tuple[int, ...], tuple[int, int, int]] = {}
    for a in range(n):
        positives = [i for i in range(n) if label[i] == label[a] and i != a]
        negatives = [i for i in range(n) if label[i] != label[a]]
        if mining == "hard" and positives and negatives:
            chosen[(a,)] = a, max(positives, key=known[a].__getitem__), min(negatives, key=known[a].__getitem__)
        for p in positives if mining != "hard" else ():
            farther = [i for i in negatives if known[a][i] > known[a][p]]
            if mining == "semi-hard" and farther:
                chosen[a, p] = a, p, min(farther, key=known[a].__getitem__)
            elif mining == "all":
                chosen |= {(a, p, i): (a, p, i) for i in negatives}
    losses = embeddings.new_zeros(shape) + embeddings.sum() * 0
    if chosen:
        a, p, i = embeddings[torch.tensor(list(chosen.values())).T]  # three times (triplets, D)
        hinges = (margin + _between(a, p, squared) - _between(a, i, squared)).clamp(min=0)
        losses = losses.index_put(tuple(torch.tensor(list(chosen)).T), hinges)
    return losses if reduction == "none" else losses.sum() / (max(len(chosen), 1) if reduction == "mean" else 1)


def view_oracle(z1: Tensor, z2: Tensor, temperature: float = 0.5, reduction: str = "mean") -> Tensor:
    """View by view: the softmax over the cosines with all the others."""
    pairs = len(z1)
    views = torch.stack([z / z.norm() if bool((z != 0).any()) else z * 0 for z in (*z1, *z2)])
    losses = []
    for i, view in enumerate(views):
        others = [j for j in range(2 * pairs) if j != i]
        cosines = views[others] @ view
        losses.append(-(cosines / temperature).log_softmax(0)[others.index((i + pairs) % (2 * pairs))])
    return total(torch.stack(losses), reduction)
