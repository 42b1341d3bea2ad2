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
from refops.parity.specs._metric_loss_laws import (
    all_alike,
    all_of_them,
    another_order,
    another_order_of_things,
    batch_split,
    cross_entropy_of_cosines,
    dissimilar_are_pushed,
    equal_points,
    length_is_nothing,
    loners_have_no_triplet,
    none_sums_to_sum,
    one_triplet,
    renamed,
    scaled,
    similar_are_squared,
    swapped_is_no_less,
    symmetric,
    translation,
    views_change_places,
)
from refops.parity.specs._metric_loss_oracles import contrastive_oracle, mining_oracle, view_oracle
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
