"""Robust regression losses. Legend: *S any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from refops.functional.loss import robust as F
from refops.nn.loss import robust as nn
from refops.parity.case import Case, index, literal, positive, real
from refops.parity.spec import FINITE, Law, Refusal, Spec
from refops.parity.specs.loss import (
    FUNCTION,
    MODULE,
    PAIRS,
    REDUCTIONS,
    Loss,
    Pair,
    Settings,
    _laws,
    batch_split,
    none_sums_to_sum,
    row,
    symmetric,
    translation,
)
from refops.shapes import robust_loss as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

KINKS = ("ordinary", "ties", "large", "tiny")
CORNER = [0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 0.75]


def robust_rows(module: bool, bend: str, *bends: float) -> tuple[Case, ...]:
    """Every shape and reduction; differences on the very bends."""
    far = bends[0] if bend == "quantile" else 400.0  # half of 300^2 is a float16, 300^2 is not
    corner = [row(module, real(10), literal(CORNER), reduction="none", **{bend: b}) for b in bends]
    return (
        row(module, real(7, 9), real(7, 9), reduction="none"),
        row(module, real(10), literal([300.0] * 10), **{bend: far}).but(only=("ordinary",)),
        row(module, real(), real()),
        row(module, real(3), real(3), **{bend: bends[0]}),
        row(module, real(3), real(3), reduction="sum"),
        row(module, real(2, 3, 5), real(2, 3, 5), **{bend: bends[1]}),
        row(module, real(0, 3), real(0, 3)),
        row(module, real(0, 3), real(0, 3), reduction="none", **{bend: bends[0]}),
        row(module, real(32, 1), real(32, 1)),
        row(module, real(3, 4097), real(3, 4097), **{bend: bends[1]}),
        row(module, real(1031), real(1031), reduction="sum"),
        row(module, real(5, 1), real(5, 4)),
        row(module, real(4, 1), real(4), reduction="none"),
        *(case.but(only=("zeros", "ties", "ordinary")) for case in corner),
        row(module, real(17, 2), real(17, 2), reduction="none", **{bend: bends[0]}).but(only=KINKS),
    )


def robust_refusals(module: bool, bend: str, *wrong: float) -> tuple[Refusal, ...]:
    """What people get wrong with pairs of numbers."""
    x, y = real(4, 3), real(4, 3)
    return (
        Refusal(row(module, x, real(3, 3)), "target"),
        Refusal(row(module, x, real(4)), "target"),
        Refusal(row(module, x, y, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 3, high=9), index(4, 3, high=9)), "input"),
        *(Refusal(row(module, x, y, **{bend: w}), bend) for w in wrong),
    )


def robust(module: bool, bend: str, *bends: float) -> Callable[[], SearchStrategy[Case]]:
    """Any shape, also empty and without axes, and where the line bends."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = draw(st.lists(st.integers(0, 5), max_size=4))
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS)), bend: draw(st.sampled_from(bends))}
            if bend == "delta" and not module and draw(st.booleans()):
                settings["weight"] = positive(*shape)
            return row(module, real(*shape), real(*shape), **settings)

        return cases()

    return strategy


def sharp_is_absolute(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """With beta 0 it is the absolute error."""
    return make(beta=0.0, reduction="none")(x, y), (x - y).abs()


def scaled(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """Numbers and beta twice as large, loss twice as large."""
    return make(beta=1.5, reduction="none")(2 * x, 2 * y), 2 * make(beta=0.75, reduction="none")(x, y)


def scaled_twice(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """Numbers and delta twice as large, loss four times as large."""
    return make(delta=1.5, reduction="none")(2 * x, 2 * y), 4 * make(delta=0.75, reduction="none")(x, y)


def far_bend_is_square(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """Where delta lies beyond all differences it is half the square."""
    return make(delta=1e4, reduction="none")(x, y), (x - y).square() / 2


def halves_add_up(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """The losses of a quantile and of its counterpart add up to the absolute error."""
    return make(quantile=0.25, reduction="none")(x, y) + make(quantile=0.75, reduction="none")(x, y), (x - y).abs()


def mirrored(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """Input and target change places as quantile and its counterpart do."""
    return make(quantile=0.25)(x, y), make(quantile=0.75)(y, x)


def pinball(input: Tensor, target: Tensor, quantile: float = 0.5, reduction: str = "mean") -> Tensor:
    """The oracle: one side at a time, as costs of falling short and of overshooting."""
    short, over = target - input, input - target
    losses = quantile * (short * (short >= 0)) + (1 - quantile) * (over * (over > 0))
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


class Pinball(torch.nn.Module):
    """The oracle as a module."""

    def __init__(self, quantile: float = 0.5, reduction: str = "mean") -> None:
        super().__init__()
        self.quantile, self.reduction = quantile, reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """One side at a time."""
        return pinball(input, target, self.quantile, self.reduction)


def _both(*laws: Callable[..., Pair]) -> Callable[[bool], tuple[Law, ...]]:
    return lambda module: _laws(module, none_sums_to_sum, batch_split, translation, *laws, inputs=PAIRS)


SMOOTH_L1 = _both(symmetric, sharp_is_absolute, scaled)
HUBER = _both(symmetric, far_bend_is_square, scaled_twice)
QUANTILE = _both(halves_add_up, mirrored)

WEIGHTED = (
    row(FUNCTION, real(7, 9), real(7, 9), weight=positive(7, 9)),
    row(FUNCTION, real(7, 9), real(7, 9), weight=positive(7, 9), reduction="none", delta=0.5),
    row(FUNCTION, real(7, 9), real(7, 9), weight=real(7, 9), reduction="sum"),
    row(FUNCTION, real(5, 4), real(5, 1), weight=positive(5, 4)),
)
WEIGHTED_REFUSALS = (
    Refusal(row(FUNCTION, real(4, 3), real(4, 3), weight=positive(4)), "weight"),
    Refusal(row(FUNCTION, real(4, 3), real(4, 3), weight=positive(4, 1)), "weight"),
    Refusal(row(FUNCTION, real(4, 3), real(4, 3), weight=positive(4, 3), reduction="average"), "reduction"),
)

SPECS = (
    *(
        Spec(
            name,
            "robust_loss",
            reference,
            native,
            (
                *robust_rows(module, "beta", 0.5, 2.0),
                row(module, real(7, 9), real(7, 9), beta=0.0),
                row(module, real(3, 4), real(3, 4), size_average=False),
                row(module, real(3, 4), real(3, 4), size_average=True, reduce=False),
            ),
            shape=shapes.smooth_l1_loss,
            strategy=robust(module, "beta", 0.0, 0.5, 1.0, 3.0),
            regimes=FINITE,
            laws=SMOOTH_L1(module),
            refusals=robust_refusals(module, "beta", -1.0),
        )
        for name, module, reference, native in (
            ("SmoothL1Loss", MODULE, nn.SmoothL1Loss, torch.nn.SmoothL1Loss),
            ("functional.smooth_l1_loss", FUNCTION, F.smooth_l1_loss, torch.nn.functional.smooth_l1_loss),
        )
    ),
    *(
        Spec(
            name,
            "robust_loss",
            reference,
            native,
            (*robust_rows(module, "delta", 0.5, 2.0), *(() if module else WEIGHTED)),
            shape=shapes.huber_loss,
            strategy=robust(module, "delta", 0.5, 1.0, 3.0),
            regimes=FINITE,
            laws=HUBER(module),
            refusals=(*robust_refusals(module, "delta", 0.0, -1.0), *(() if module else WEIGHTED_REFUSALS)),
        )
        for name, module, reference, native in (
            ("HuberLoss", MODULE, nn.HuberLoss, torch.nn.HuberLoss),
            ("functional.huber_loss", FUNCTION, F.huber_loss, torch.nn.functional.huber_loss),
        )
    ),
    *(
        Spec(
            name,
            "robust_loss",
            reference,
            None,
            robust_rows(module, "quantile", 0.1, 0.9),
            oracle=oracle,
            shape=shapes.quantile_loss,
            strategy=robust(module, "quantile", 0.1, 0.5, 0.95),
            regimes=FINITE,
            laws=QUANTILE(module),
            refusals=robust_refusals(module, "quantile", 0.0, 1.0, 1.5, -0.5),
        )
        for name, module, reference, oracle in (
            ("QuantileLoss", MODULE, nn.QuantileLoss, Pinball),
            ("functional.quantile_loss", FUNCTION, F.quantile_loss, pinball),
        )
    ),
)
