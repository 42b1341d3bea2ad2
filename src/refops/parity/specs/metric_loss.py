"""Metric losses. Legend: N points, B pairs, D features, *S any shape; a anchor, p positive, n negative."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import loss as F
from refops.nn.loss import metric as nn
from refops.parity.case import Case, Draw, built, called, flag, index, literal, real
from refops.parity.spec import FINITE, Law, Refusal, Spec
from refops.parity.specs.loss import FUNCTION, MODULE, REDUCTIONS, Build, Loss, Pair, Settings
from refops.shapes import metric_loss as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

MINING = ("hard", "semi-hard", "all")
INFINITE = float("inf")


def row(module: bool, *tensors: Draw, **settings: Any) -> Case:
    """One case: settings go to a module's constructor, or to the function."""
    return built(**settings).on(*tensors) if module else called(*tensors, **settings)


def total(losses: Tensor, reduction: str) -> Tensor:
    """The oracles' reduction."""
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


# -- contrastive -------------------------------------------------------------------------------------------------------


def contrastive_rows(module: bool) -> tuple[Case, ...]:
    """Every shape, kind of target, margin and reduction."""
    return (
        row(module, real(43, 3), real(43, 3), index(43, high=2), margin=4.0, reduction="none"),
        row(module, real(5, 3), real(5, 3), index(5, high=2)),
        row(module, real(7), real(7), index(high=2), margin=9.0),
        row(module, real(5, 3), real(5, 3), flag(5), margin=3, reduction="sum"),
        row(module, real(4, 2), real(4, 2), literal([0.0, 1.0, 1.0, 0.25]), margin=5.0, reduction="none"),
        row(module, real(0, 3), real(0, 3), index(0, high=2)),
        row(module, real(0, 3), real(0, 3), index(0, high=2), reduction="none"),
        row(module, real(2, 3, 5), real(2, 3, 5), index(2, 3, high=2), margin=2.5, reduction="none"),
        row(module, real(33, 1), real(33, 1), index(33, high=2), margin=0.5),
        row(module, real(3, 4097), real(3, 4097), literal([1, 1, 0]), margin=95.0, reduction="none"),
        row(module, real(6, 17), real(6, 17), literal([1] * 6), margin=7.0),
    )


def contrastive_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    x, y, t = real(4, 3), real(4, 3), index(4, high=2)
    return (
        Refusal(row(module, x, y, index(4, 1, high=2)), "target"),
        Refusal(row(module, x, y, index(3, high=2)), "target"),
        Refusal(row(module, x, y, index(high=2)), "target"),
        Refusal(row(module, x, real(1, 3), t), "input2"),
        Refusal(row(module, x, real(4, 2), t), "input2"),
        Refusal(row(module, x, y, t, margin=0.0), "margin"),
        Refusal(row(module, x, y, t, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 3, high=9), y, t), "input"),
    )


def contrastive_oracle(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The two partial losses of the paper, chosen by the label; labels between the two mix them."""
    d = torch.linalg.vector_norm(input1 - input2, dim=-1)
    similar, dissimilar = 0.5 * d**2, 0.5 * torch.relu(margin - d) ** 2
    return total(torch.lerp(similar, dissimilar, target.to(d.dtype)), reduction)


# -- triplets ----------------------------------------------------------------------------------------------------------


def triplet_rows(module: bool) -> tuple[Case, ...]:
    """Every norm, swap, eps, margin, shape and reduction."""

    def three(*shape: int, **settings: Any) -> Case:
        return row(module, real(*shape), real(*shape), real(*shape), **settings)

    norms = [three(11, 5, p=p, reduction="none", margin=2.0) for p in (1, 2, 3.0, 1.5, 0.5, INFINITE, -INFINITE, 0)]
    return (
        three(43, 3, reduction="none"),
        three(4, 5),
        three(5, reduction="none"),
        *norms,
        three(7, 4, swap=True, margin=0.5),
        three(7, 4, swap=True, p=1, reduction="sum"),
        three(7, 4, eps=0.25, reduction="none"),
        three(7, 4, eps=0.0, margin=3, reduction="none"),
        three(2, 3, 4, reduction="none"),
        three(0, 3),
        three(0, 3, reduction="none"),
        three(3, 1, margin=1.5),
        three(3, 4097, reduction="none", margin=4.0),
        row(module, real(4, 5), real(1, 5), real(4, 5), reduction="none"),
        three(4, 3, size_average=False),
        three(4, 3, reduce=False),
    )


def triplet_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    a, p, n = real(4, 3), real(4, 3), real(4, 3)
    return (
        Refusal(row(module, a, p, n, margin=0.0), "margin"),
        Refusal(row(module, a, p, n, margin=-1.0), "margin"),
        Refusal(row(module, a, real(3), n), "positive"),
        Refusal(row(module, a, p, real(3)), "negative"),
        Refusal(row(module, a, real(3, 3), n), "positive"),
        Refusal(row(module, a, p, real(4, 2)), "negative"),
        Refusal(row(module, a, p, n, reduction="average"), "reduction"),
    )


# -- mining ------------------------------------------------------------------------------------------------------------

GROUPS = (0, 1, 0, 2, 1, 0, 3, 1, 2, 0, 1)  # class 3 is alone
PAIR = (0, 0, 1)


def mining_rows(module: bool) -> tuple[Case, ...]:
    """Every way of mining, anchors without a positive, batches without a triplet."""
    group = literal(GROUPS)
    every = [
        row(module, real(11, 3), group, mining=m, squared=s, margin=1.5, reduction=r)
        for m in MINING
        for s, r in ((False, "none"), (True, "none"), (False, "mean"), (True, "sum"))
    ]
    return (
        row(module, real(53, 3), index(53, high=9), reduction="none"),
        row(module, real(11, 3), group),
        *every[1:],
        row(module, real(17, 4), index(17, high=12), margin=0.5),
        row(module, real(6, 2), literal([0, 1, 2, 3, 4, 5])),
        row(module, real(6, 2), literal([4] * 6), reduction="sum"),
        row(module, real(6, 2), literal([4] * 6), mining="semi-hard"),
        row(module, real(2, 3), literal([0, 1]), mining="all"),
        row(module, real(1, 3), literal([0])),
        *(row(module, real(0, 3), index(0, high=2), mining=m, reduction="none") for m in MINING),
        row(module, real(0, 3), index(0, high=2)),
        row(module, real(5, 1), literal([-1, 7, 7, -1, 7]), mining="semi-hard", reduction="none"),
        row(module, real(7, 4097), index(7, high=3), margin=9.0, reduction="none"),
        row(module, real(9, 5), flag(9), mining="semi-hard"),
    )


def mining_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    x, labels = real(4, 3), index(4, high=2)
    return (
        Refusal(row(module, x, labels, mining="semi"), "mining"),
        Refusal(row(module, x, labels, margin=0.0), "margin"),
        Refusal(row(module, x, index(3, high=2)), "labels"),
        Refusal(row(module, x, index(4, 1, high=2)), "labels"),
        Refusal(row(module, real(4), labels), "embeddings"),
        Refusal(row(module, real(4, 3, 2), labels), "embeddings"),
        Refusal(row(module, x, labels, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 3, high=9), labels), "embeddings"),
    )


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


# -- views -------------------------------------------------------------------------------------------------------------


def view_rows(module: bool) -> tuple[Case, ...]:
    """Every size and temperature, one pair alone too."""
    return (
        row(module, real(21, 5), real(21, 5), reduction="none"),
        row(module, real(4, 5), real(4, 5)),
        row(module, real(2, 3), real(2, 3), temperature=0.07),
        row(module, real(1, 6), real(1, 6), reduction="none"),
        row(module, real(7, 3), real(7, 3), temperature=1, reduction="sum"),
        row(module, real(7, 3), real(7, 3), temperature=0.02, reduction="none"),
        row(module, real(17, 1), real(17, 1)),
        row(module, real(3, 4097), real(3, 4097), reduction="none"),
        row(module, real(13, 8), real(13, 8), temperature=0.1),
    )


def view_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    z = real(4, 3)
    return (
        Refusal(row(module, real(0, 3), real(0, 3)), "z1"),
        Refusal(row(module, z, real(3, 3)), "z2"),
        Refusal(row(module, z, real(1, 3)), "z2"),
        Refusal(row(module, z, real(4, 2)), "z2"),
        Refusal(row(module, real(3), real(3)), "z1"),
        Refusal(row(module, z, z, temperature=0.0), "temperature"),
        Refusal(row(module, z, z, temperature=-0.5), "temperature"),
        Refusal(row(module, z, z, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 3, high=9), z), "nt_xent_loss"),
    )


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


class Oracle(torch.nn.Module):
    """An oracle's function as a module: the settings at construction."""

    def __init__(self, function: Callable[..., Tensor], **settings: Any) -> None:
        super().__init__()
        self.function, self.settings = function, settings

    def forward(self, *tensors: Tensor) -> Tensor:
        """The function at the settings."""
        return self.function(*tensors, **self.settings)


def as_module(function: Callable[..., Tensor]) -> Callable[..., Oracle]:
    """The constructor of the oracle's module."""
    return lambda **settings: Oracle(function, **settings)


# -- laws --------------------------------------------------------------------------------------------------------------


def laws(module: bool, *equations: Callable[..., Pair], inputs: tuple[Draw, ...]) -> tuple[Law, ...]:
    """Equations over `make`, where `make(**settings)` is the loss of the inputs, for modules and functions alike."""

    def made(build: Build, **settings: Any) -> Loss:
        loss = build(**settings) if module else build()
        return loss if module else lambda *tensors: loss(*tensors, **settings)

    def bound(equation: Callable[..., Pair]) -> Callable[..., Pair]:
        return lambda build, *tensors: equation(lambda **settings: made(build, **settings), *tensors)

    return tuple(Law(equation.__name__.replace("_", " "), bound(equation), inputs) for equation in equations)


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


PAIR_INPUTS = (real(70, 9), real(70, 9), index(70, high=2))
POINTS = (real(70, 9), index(70, high=9))


def drawn(module: bool, kind: str) -> Callable[[], SearchStrategy[Case]]:
    """Legal sizes and settings of one of the four."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS))}
            n, d = draw(st.integers(0 if kind != "views" else 1, 6)), draw(st.integers(1, 5))
            if kind == "pairs":
                shape = (*draw(st.lists(st.integers(0, 4), max_size=2)), d)
                settings["margin"] = draw(st.sampled_from([0.5, 1, 4.0]))
                return row(module, real(*shape), real(*shape), index(*shape[:-1], high=2), **settings)
            if kind == "triplets":
                settings |= {"p": draw(st.sampled_from([0.5, 1, 2, INFINITE])), "swap": draw(st.booleans())}
                return row(module, real(n, d), real(draw(st.sampled_from([n, 1])), d), real(n, d), **settings)
            if kind == "views":
                return row(module, real(n, d), real(n, d), temperature=draw(st.sampled_from([0.1, 1])), **settings)
            settings |= {"mining": draw(st.sampled_from(MINING)), "squared": draw(st.booleans())}
            return row(module, real(n, d), index(n, high=draw(st.integers(1, 4))), **settings)

        return cases()

    return strategy


SPECS = (
    *(
        Spec(
            name,
            "metric_loss",
            reference,
            None,
            contrastive_rows(module),
            oracle=as_module(contrastive_oracle) if module else contrastive_oracle,
            shape=shapes.contrastive_loss,
            strategy=drawn(module, "pairs"),
            regimes=FINITE,
            laws=laws(
                module,
                none_sums_to_sum,
                batch_split,
                translation,
                symmetric,
                similar_are_squared,
                dissimilar_are_pushed,
                inputs=PAIR_INPUTS,
            ),
            refusals=contrastive_refusals(module),
        )
        for name, module, reference in (
            ("ContrastiveLoss", MODULE, nn.ContrastiveLoss),
            ("functional.contrastive_loss", FUNCTION, F.contrastive_loss),
        )
    ),
    *(
        Spec(
            name,
            "metric_loss",
            reference,
            native,
            triplet_rows(module),
            shape=shapes.triplet_margin_loss,
            strategy=drawn(module, "triplets"),
            regimes=FINITE,
            laws=laws(
                module,
                none_sums_to_sum,
                batch_split,
                equal_points,
                swapped_is_no_less,
                inputs=(real(70, 9), real(70, 9), real(70, 9)),
            ),
            refusals=triplet_refusals(module),
        )
        for name, module, reference, native in (
            ("TripletMarginLoss", MODULE, nn.TripletMarginLoss, torch.nn.TripletMarginLoss),
            (
                "functional.triplet_margin_loss",
                FUNCTION,
                F.triplet_margin_loss,
                torch.nn.functional.triplet_margin_loss,
            ),
        )
    ),
    *(
        Spec(
            name,
            "metric_loss",
            reference,
            None,
            mining_rows(module),
            oracle=as_module(mining_oracle) if module else mining_oracle,
            shape=shapes.triplet_mining_loss,
            strategy=drawn(module, "points"),
            regimes=FINITE,
            laws=laws(
                module,
                none_sums_to_sum,
                another_order,
                renamed,
                scaled,
                one_triplet,
                all_of_them,
                loners_have_no_triplet,
                inputs=POINTS,
            ),
            refusals=mining_refusals(module),
        )
        for name, module, reference in (
            ("TripletMiningLoss", MODULE, nn.TripletMiningLoss),
            ("functional.triplet_mining_loss", FUNCTION, F.triplet_mining_loss),
        )
    ),
    *(
        Spec(
            name,
            "metric_loss",
            reference,
            None,
            view_rows(module),
            oracle=as_module(view_oracle) if module else view_oracle,
            shape=shapes.nt_xent_loss,
            strategy=drawn(module, "views"),
            regimes=FINITE,
            laws=laws(
                module,
                none_sums_to_sum,
                length_is_nothing,
                views_change_places,
                another_order_of_things,
                cross_entropy_of_cosines,
                all_alike,
                inputs=(real(37, 9), real(37, 9)),
            ),
            refusals=view_refusals(module),
        )
        for name, module, reference in (
            ("NTXentLoss", MODULE, nn.NTXentLoss),
            ("functional.nt_xent_loss", FUNCTION, F.nt_xent_loss),
        )
    ),
)
