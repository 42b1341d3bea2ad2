"""Dropout, and the dropping of whole channels in one, two and three spatial dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.dropout import dropout, dropout1d, dropout2d, dropout3d
from refops.nn.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from refops.parity.case import Case, buffer, built, called, real
from refops.parity.spec import POINTWISE, Law, Randomness, Refusal, Spec
from refops.shapes.dropout import dropout as dropout_shape
from refops.shapes.dropout import dropout1d as dropout1d_shape
from refops.shapes.dropout import dropout2d as dropout2d_shape
from refops.shapes.dropout import dropout3d as dropout3d_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]


def module_rate(case: Case) -> float:
    """How often the layer of this case drops: p in training, never in evaluation."""
    given = dict(zip(("p", "inplace"), case.init.args, strict=False)) | case.init.keywords if case.init else {}
    return float(given.get("p", 0.5)) if case.mode == "train" else 0.0


def function_rate(case: Case) -> float:
    """How often this call drops: p, or never without `training`."""
    given = dict(zip(("input", "p", "training", "inplace"), case.call.args, strict=False)) | case.call.keywords
    return float(given.get("p", 0.5)) if given.get("training", True) else 0.0


def module_cases(spatial: int) -> SearchStrategy[Case]:
    """Any p; for `spatial` 0 any shape, else (N, C, *S)."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        axes = (0, 4) if spatial == 0 else (spatial + 2, spatial + 2)
        shape = draw(st.lists(st.integers(0, 5), min_size=axes[0], max_size=axes[1]))
        case = built(draw(st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0)))).on(real(*shape))
        return case.but(mode=draw(st.sampled_from(("train", "eval"))))

    return cases()


def function_cases(spatial: int) -> SearchStrategy[Case]:
    """As for the module, with `training` as an argument."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        axes = (0, 4) if spatial == 0 else (spatial + 2, spatial + 2)
        shape = draw(st.lists(st.integers(0, 5), min_size=axes[0], max_size=axes[1]))
        p = draw(st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0)))
        return called(real(*shape), p, draw(st.booleans()))

    return cases()


def gradient_is_the_mask(build: Callable[..., Any], x: Tensor) -> Pair:
    """With y = x * noise, dy/dx is that same noise: x * dy/dx = y."""
    x = x.detach().requires_grad_()
    y = build(0.3)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return x.detach() * gradient, y.detach()


def kept_are_scaled(build: Callable[..., Any], x: Tensor) -> Pair:
    """What is kept is divided by the chance of being kept."""
    y = build(0.75)(x)
    return torch.where(y == 0, torch.zeros_like(y), y * 0.25), torch.where(y == 0, torch.zeros_like(y), x)


def whole_channels(build: Callable[..., Any], x: Tensor) -> Pair:
    """All positions of a channel are scaled by one number."""
    y = build(0.5)(torch.ones_like(x)).flatten(2)
    return y, y[..., :1].expand_as(y)


def evaluation(build: Callable[..., Any], x: Tensor) -> Pair:
    """In evaluation nothing happens."""
    return build(0.9)(x), x


def drops_everything(build: Callable[..., Any], x: Tensor) -> Pair:
    """All is zero at p = 1."""
    return build(1.0)(x), torch.zeros_like(x)


def not_training(build: Callable[..., Any], x: Tensor) -> Pair:
    """Without training nothing happens."""
    return build()(x, 0.9, False), x


def laws(*shape: int) -> tuple[Law, ...]:
    """The laws of a layer, on inputs of this shape; with spatial axes whole channels go."""
    x = (real(*shape),)
    found = (
        Law("the gradient is the mask", gradient_is_the_mask, x),
        Law("what is kept is scaled", kept_are_scaled, x),
        Law("evaluation", evaluation, x, mode="eval"),
        Law("p = 1", drops_everything, x),
    )
    return (*found, Law("whole channels", whole_channels, x)) if len(shape) > 2 else found


def probabilities(*shape: int) -> tuple[Refusal, ...]:
    """Every layer refuses p outside [0, 1]."""
    return tuple(Refusal(built(p).on(real(*shape)), "p") for p in (1.5, -0.1, 100.0))


def call_probabilities(*shape: int) -> tuple[Refusal, ...]:
    """Every function refuses p outside [0, 1], also where nothing is drawn."""
    return (
        Refusal(called(real(*shape), 1.5), "p"),
        Refusal(called(real(*shape), p=-0.1), "p"),
        Refusal(called(real(*shape), 1.5, False), "p"),
    )


SPECS = (
    Spec(
        "Dropout",
        "dropout",
        Dropout,
        torch.nn.Dropout,
        (
            built().on(real(20, 16)),
            built(0.2).on(real(7)),
            built().on(real(0, 3)),
            built(p=0.9).on(real(5, 3, 17)),
            built(0.0).on(real(5, 33)),
            built(1.0).on(real(5, 33)),
            built(0.3).on(real(2, 3, 4, 5)),
            built(0.3, inplace=True).on(buffer(31, 33)),
            built(0.1).on(real(2, 4097)),
            built(0.5).on(real(4, 33)).but(mode="eval"),
            built(1.0).on(real(4, 33)).but(mode="eval"),
            built(0.2).on(real()).but(mode="eval"),
            built(0.5, True).on(real(4, 33)).but(mode="eval"),
        ),
        shape=dropout_shape,
        strategy=lambda: module_cases(0),
        regimes=POINTWISE,
        laws=laws(37, 41),
        refusals=probabilities(4, 5),
        randomness=Randomness(module_rate),
    ),
    Spec(
        "Dropout1d",
        "dropout",
        Dropout1d,
        torch.nn.Dropout1d,
        (
            built().on(real(10, 16, 3)),
            built(0.2).on(real(16, 5)),
            built(0.2).on(real(0, 3, 2)),
            built(0.0).on(real(3, 4, 5)),
            built(1.0).on(real(3, 4, 5)),
            built(p=0.7, inplace=True).on(buffer(7, 33, 17)),
            built(p=0.7, inplace=True).on(buffer(33, 17)),
            built(0.2).on(real(2, 3, 2049)),
            built(0.5).on(real(3, 4, 5)).but(mode="eval"),
            built(0.5, True).on(real(3, 4, 5)).but(mode="eval"),
        ),
        shape=dropout1d_shape,
        strategy=lambda: module_cases(1),
        regimes=POINTWISE,
        laws=laws(13, 11, 3),
        refusals=(
            *probabilities(2, 4, 5),
            Refusal(built().on(real(2, 3, 4, 5)), "input"),
            Refusal(built().on(real(5)), "input"),
        ),
        randomness=Randomness(module_rate, (-1,)),
    ),
    Spec(
        "Dropout2d",
        "dropout",
        Dropout2d,
        torch.nn.Dropout2d,
        (
            built().on(real(10, 16, 3, 2)),
            built(0.2).on(real(0, 3, 2, 4)),
            built(0.0).on(real(3, 4, 5, 2)),
            built(1.0).on(real(3, 4, 5, 2)),
            built(p=0.7, inplace=True).on(buffer(7, 33, 3, 5)),
            built(0.2).on(real(2, 3, 33, 65)),
            built(0.5).on(real(3, 4, 5, 2)).but(mode="eval"),
            built(0.5, True).on(real(3, 4, 5, 2)).but(mode="eval"),
        ),
        shape=dropout2d_shape,
        strategy=lambda: module_cases(2),
        regimes=POINTWISE,
        laws=laws(13, 11, 2, 3),
        refusals=probabilities(2, 4, 5, 3),
        randomness=Randomness(module_rate, (-2, -1)),
    ),
    Spec(
        "Dropout3d",
        "dropout",
        Dropout3d,
        torch.nn.Dropout3d,
        (
            built().on(real(10, 16, 3, 2, 2)),
            built(0.2).on(real(9, 3, 2, 4)),
            built(0.2).on(real(0, 3, 2, 4, 2)),
            built(0.0).on(real(3, 4, 5, 2, 3)),
            built(1.0).on(real(3, 4, 5, 2, 3)),
            built(p=0.7, inplace=True).on(buffer(7, 17, 3, 5, 2)),
            built(p=0.7, inplace=True).on(buffer(17, 3, 5, 2)),
            built(0.2).on(real(2, 3, 17, 9, 7)),
            built(0.5).on(real(3, 4, 5, 2, 3)).but(mode="eval"),
            built(0.5, True).on(real(3, 4, 5, 2, 3)).but(mode="eval"),
        ),
        shape=dropout3d_shape,
        strategy=lambda: module_cases(3),
        regimes=POINTWISE,
        laws=laws(13, 11, 2, 3, 1),
        refusals=probabilities(2, 4, 5, 3, 2),
        randomness=Randomness(module_rate, (-3, -2, -1)),
    ),
    Spec(
        "functional.dropout",
        "dropout",
        dropout,
        torch.nn.functional.dropout,
        (
            called(real(20, 16)),
            called(real(7), 0.2),
            called(real(0, 3), 0.2),
            called(real(5, 33), 0.0),
            called(real(5, 33), 1.0),
            called(real(5, 33), 0.4, False),
            called(buffer(5, 33), p=0.4, training=True, inplace=True),
            called(real(3, 17, 31), 0.9),
            called(real(2, 4097), 0.1),
        ),
        shape=dropout_shape,
        strategy=lambda: function_cases(0),
        regimes=POINTWISE,
        laws=(Law("without training", not_training, (real(37, 41),)),),
        refusals=call_probabilities(4, 5),
        randomness=Randomness(function_rate),
    ),
    Spec(
        "functional.dropout1d",
        "dropout",
        dropout1d,
        torch.nn.functional.dropout1d,
        (
            called(real(10, 16, 3)),
            called(real(16, 5), 0.2),
            called(real(3, 4, 5), 0.0),
            called(real(3, 4, 5), 1.0),
            called(real(3, 4, 5), 0.4, False),
            called(buffer(7, 33, 17), p=0.7, training=True, inplace=True),
        ),
        shape=dropout1d_shape,
        strategy=lambda: function_cases(1),
        regimes=POINTWISE,
        laws=(Law("without training", not_training, (real(13, 11, 3),)),),
        refusals=(*call_probabilities(2, 4, 5), Refusal(called(real(2, 3, 4, 5)), "input")),
        randomness=Randomness(function_rate, (-1,)),
    ),
    Spec(
        "functional.dropout2d",
        "dropout",
        dropout2d,
        torch.nn.functional.dropout2d,
        (
            called(real(10, 16, 3, 2)),
            called(real(3, 4, 5, 2), 0.0),
            called(real(3, 4, 5, 2), 1.0),
            called(real(3, 4, 5, 2), 0.4, False),
            called(buffer(7, 33, 3, 5), p=0.7, training=True, inplace=True),
        ),
        shape=dropout2d_shape,
        strategy=lambda: function_cases(2),
        regimes=POINTWISE,
        laws=(Law("without training", not_training, (real(13, 11, 2, 3),)),),
        refusals=call_probabilities(2, 4, 5, 3),
        randomness=Randomness(function_rate, (-2, -1)),
    ),
    Spec(
        "functional.dropout3d",
        "dropout",
        dropout3d,
        torch.nn.functional.dropout3d,
        (
            called(real(10, 16, 3, 2, 2)),
            called(real(9, 3, 2, 4), 0.2),
            called(real(3, 4, 5, 2, 3), 0.0),
            called(real(3, 4, 5, 2, 3), 1.0),
            called(real(3, 4, 5, 2, 3), 0.4, False),
            called(buffer(7, 17, 3, 5, 2), p=0.7, training=True, inplace=True),
        ),
        shape=dropout3d_shape,
        strategy=lambda: function_cases(3),
        regimes=POINTWISE,
        laws=(Law("without training", not_training, (real(13, 11, 2, 3, 1),)),),
        refusals=call_probabilities(2, 4, 5, 3, 2),
        randomness=Randomness(function_rate, (-3, -2, -1)),
    ),
)
