"""Laws of losses on distances and similarities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from refops.parity.specs.loss import Loss, Pair

if TYPE_CHECKING:
    pass

INFINITE = float("inf")
PAIR = (0, 0, 1)


def none_sums_to_sum(make: Callable[..., Loss], *tensors: Tensor) -> Pair:
    """The sum is that of the single losses."""
    return make(reduction="none")(*tensors).sum(), make(reduction="sum")(*tensors)


def batch_split(make: Callable[..., Loss], *tensors: Tensor) -> Pair:
    """The losses of a batch are those of its parts."""
    parts = [make(reduction="none")(*(t[part] for t in tensors)) for part in (slice(33), slice(33, None))]
    return torch.cat(parts), make(reduction="none")(*tensors)


def translation(make: Callable[..., Loss], x: Tensor, y: Tensor, t: Tensor) -> Pair:
    """Only differences matter."""
    return make(margin=4.0)(x - y, y * 0, t), make(margin=4.0)(x, y, t)


def symmetric(make: Callable[..., Loss], x: Tensor, y: Tensor, t: Tensor) -> Pair:
    """The points of a pair may change places."""
    return make(margin=4.0, reduction="none")(x, y, t), make(margin=4.0, reduction="none")(y, x, t)


def similar_are_squared(make: Callable[..., Loss], x: Tensor, y: Tensor, t: Tensor) -> Pair:
    """Label 0: half the squared distance, whatever the margin."""
    return make(reduction="none")(x, y, t * 0), (x - y).square().sum(1) / 2


def dissimilar_are_pushed(make: Callable[..., Loss], x: Tensor, y: Tensor, t: Tensor) -> Pair:
    """Label 1, equal points: half the squared margin."""
    return make(margin=3.0, reduction="none")(x, x, t * 0 + 1), x[:, 0] * 0 + 4.5


def equal_points(make: Callable[..., Loss], a: Tensor, p: Tensor, n: Tensor) -> Pair:
    """Positive and negative alike: the margin."""
    return make(margin=3.0, reduction="none")(a, p, p), a[:, 0] * 0 + 3


def swapped_is_no_less(make: Callable[..., Loss], a: Tensor, p: Tensor, n: Tensor) -> Pair:
    """With swap: the larger of the two losses, of the anchor's negative and the positive's."""
    settings = {"margin": 4.0, "eps": 0.0, "reduction": "none"}
    pair = make(**settings)(a, p, n), make(**settings)(p, a, n)
    return make(**settings, swap=True)(a, p, n), torch.maximum(*pair)


def another_order(make: Callable[..., Loss], x: Tensor, labels: Tensor) -> Pair:
    """Points in another order: losses in another order."""
    left = make(reduction="none")(x.flip(0), labels.flip(0)).flip(0)
    return left, make(reduction="none")(x, labels)


def renamed(make: Callable[..., Loss], x: Tensor, labels: Tensor) -> Pair:
    """Labels are but names."""
    return make(mining="semi-hard")(x, 100 - 3 * labels), make(mining="semi-hard")(x, labels)


def scaled(make: Callable[..., Loss], x: Tensor, labels: Tensor) -> Pair:
    """Points and margin twice as large: loss twice as large."""
    return make(margin=3.0)(2 * x, labels), 2 * make(margin=1.5)(x, labels)


def one_triplet(make: Callable[..., Loss], x: Tensor, labels: Tensor) -> Pair:
    """Where each anchor has one positive and one negative, mining finds just those; the third has no positive."""
    x, pair = x[:3], labels.new_tensor(PAIR)
    d = [(x[i] - x[j]).square().sum() for i, j in ((0, 1), (0, 2), (1, 2))]
    settings = {"margin": 20.0, "squared": True}
    return make(mining="hard", **settings)(x, pair), (40 + 2 * d[0] - d[1] - d[2]) / 2


def all_of_them(make: Callable[..., Loss], x: Tensor, labels: Tensor) -> Pair:
    """Of one anchor's worth of triplets, all are the hard one."""
    x, pair = x[:3], labels.new_tensor(PAIR)
    return make(mining="all", margin=2.5)(x, pair), make(mining="hard", margin=2.5)(x, pair)


def loners_have_no_triplet(make: Callable[..., Loss], x: Tensor, labels: Tensor) -> Pair:
    """Nobody has a positive: 0."""
    return make(reduction="none")(x, torch.arange(len(x), device=x.device)), x[:, 0] * 0


def length_is_nothing(make: Callable[..., Loss], z1: Tensor, z2: Tensor) -> Pair:
    """Only directions matter."""
    return make()(4 * z1, z2 / 2), make()(z1, z2)


def views_change_places(make: Callable[..., Loss], z1: Tensor, z2: Tensor) -> Pair:
    """Both views are alike; the losses change places with them."""
    return make(reduction="none")(z2, z1).roll(len(z1)), make(reduction="none")(z1, z2)


def another_order_of_things(make: Callable[..., Loss], z1: Tensor, z2: Tensor) -> Pair:
    """Things in another order change nothing."""
    return make()(z1.flip(0), z2.flip(0)), make()(z1, z2)


def cross_entropy_of_cosines(make: Callable[..., Loss], z1: Tensor, z2: Tensor) -> Pair:
    """It is the cross-entropy of cosine / temperature, a view's class being its partner."""
    z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    logits = (z @ z.T / 0.2).fill_diagonal_(-INFINITE)
    partner = torch.arange(len(z), device=z.device).roll(len(z1))
    expected = torch.nn.functional.cross_entropy(logits, partner, reduction="none")
    return make(temperature=0.2, reduction="none")(z1, z2), expected


def all_alike(make: Callable[..., Loss], z1: Tensor, z2: Tensor) -> Pair:
    """Where all views are one, the partner is one of 2 B - 1."""
    z = z1[:1].expand_as(z1)
    return make(reduction="none")(z, z), torch.cat([z1, z2])[:, 0] * 0 + torch.log(z1.new_tensor(2.0 * len(z1) - 1))
