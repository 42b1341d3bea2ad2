"""Dropout of weights, feature maps and blocks. Legend: N batch, C channels, H, W axes, I, O features, * any axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import structured_dropout as F
from refops.nn import structured_dropout as nn
from refops.parity.case import Case, buffer, built, called, param, real
from refops.parity.spec import FINITE, Law, Randomness, Refusal, Spec
from refops.parity.specs._structured_dropout_statistics import (
    BlockOracle,
    ConnectOracle,
    MapsOracle,
    block_rate,
    block_statistics,
    blocks_oracle,
    connect_oracle,
    connect_rate,
    connect_statistics,
    map_rate,
    maps_oracle,
    moments_of_all_masks,
    moments_oracle,
    moments_without_p,
)
from refops.shapes import structured_dropout as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
Call = Callable[[Tensor, int], Tensor]


def connect_shape(
    input: tuple[int, ...], weight: tuple[int, ...], p: float = 0.5, inference: str = "mean"
) -> tuple[int, ...]:
    """The formula, told the sizes by the weight."""
    return shapes.drop_connect(input, weight[0], p, inference, weight[1])


def moments_shape(
    input: tuple[int, ...], weight: tuple[int, ...], p: float = 0.5
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The formula, told the sizes by the weight."""
    return shapes.drop_connect_moments(input, weight[0], p, weight[1])


def connect_cases(module: bool, moments: bool = False) -> Callable[[], SearchStrategy[Case]]:
    """Any sizes and p, in evaluation and training."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            inside, outside = draw(st.integers(1, 5)), draw(st.integers(1, 5))
            x = real(*draw(st.lists(st.integers(0, 4), max_size=3)), inside)
            p, bias = draw(st.sampled_from((0.0, 0.3, 0.5, 1.0))), draw(st.booleans())
            if module:
                return built(inside, outside, bias, p).on(x).but(mode=draw(st.sampled_from(("train", "eval"))))
            rest = () if moments else (draw(st.booleans()),)
            return called(x, param(outside, inside), param(outside) if bias else None, p, *rest)

        return cases()

    return strategy


def map_cases(module: bool, blocks: bool) -> Callable[[], SearchStrategy[Case]]:
    """Images with and without batch, any p, any block."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            x = real(*draw(st.lists(st.integers(0, 6), min_size=3, max_size=4)))
            settings = (draw(st.sampled_from((0.0, 0.2, 1.0))), *((draw(st.integers(1, 8)),) if blocks else ()))
            if module:
                return built(*settings).on(x).but(mode=draw(st.sampled_from(("train", "eval"))))
            return called(x, *settings, training=draw(st.booleans()))

        return cases()

    return strategy


def linear_without_p(build: Build, x: Tensor) -> Pair:
    """Without p it is the linear map, in training too."""
    layer = build(9, 5, p=0.0)
    weight, bias = (t.detach().to(x.dtype) for t in layer.parameters())
    return layer(x), x @ weight.t() + bias


def linear_in_evaluation(build: Build, x: Tensor) -> Pair:
    """Evaluation is the linear map, whatever p."""
    layer = build(9, 5, p=0.9)
    weight, bias = (t.detach().to(x.dtype) for t in layer.parameters())
    return layer(x), x @ weight.t() + bias


def everything_dropped(build: Build, x: Tensor) -> Pair:
    """All of p gives zeros in training."""
    return build(9, 5, p=1.0)(x), x.new_zeros(70, 5)


def one_weight(build: Build, x: Tensor) -> Pair:
    """One weight without bias: 0, or the product divided by 1 - p."""
    layer = build(1, 1, False, 0.75)
    y, product = layer(x), x * next(layer.parameters()).detach().to(x.dtype).item()
    return torch.where(y == 0, torch.zeros_like(y), y / 4), torch.where(y == 0, torch.zeros_like(y), product)


def gradient_has_the_mask(build: Build, x: Tensor) -> Pair:
    """Without bias <x, dy/dx> = y: forward and backward use one mask."""
    x = x.detach().requires_grad_()
    y = build(9, 5, False, 0.4)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return (x * gradient).sum(-1).detach(), y.sum(-1).detach()


def unchanged(build: Build, x: Tensor) -> Pair:
    """In evaluation nothing happens."""
    return build(0.9)(x), x


def zeros(build: Build, x: Tensor) -> Pair:
    """All of p gives zeros."""
    return build(1.0)(x), torch.zeros_like(x)


def whole_maps(build: Build, x: Tensor) -> Pair:
    """All positions of a map are scaled by one number, with a batch and without."""
    y = torch.cat([build(0.5)(torch.ones_like(x)), build(0.5)(torch.ones_like(x[0]))[None]]).flatten(2)
    return y, y[..., :1].expand_as(y)


def dropout_of_pixels(build: Build, x: Tensor) -> Pair:
    """Blocks of one pixel: kept are scaled by count / kept."""
    y = build(0.3, 1)(torch.ones_like(x))
    kept = (y != 0).to(x.dtype)
    return y, kept * (kept.numel() / kept.sum())


def block_of_everything(build: Build, x: Tensor) -> Pair:
    """A block larger than a square map drops it whole."""
    y = build(0.5, 99)(torch.ones_like(x[..., :5, :5])).flatten(2)
    return y, y[..., :1].expand_as(y)


def block_gradient_is_the_mask(build: Build, x: Tensor) -> Pair:
    """Of y = x m, dy/dx = m: x dy/dx = y."""
    x = x.detach().requires_grad_()
    y = build(0.3, 2)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return x.detach() * gradient, y.detach()


IMAGES = (real(6, 5, 5, 7),)
MAP_LAWS = (Law("evaluation", unchanged, IMAGES, mode="eval"), Law("p = 1", zeros, IMAGES))
REFUSED_P = (1.5, -0.1)
SHARES = (("inputs", "as by torch's dropouts the input itself is returned where nothing is dropped, or overwritten"),)

SPECS = (
    Spec(
        "DropConnect",
        "structured_dropout",
        nn.DropConnect,
        None,
        (
            built(7, 9).on(real(6, 7)).but(mode="eval"),
            built(7, 9).on(real(6, 7)),
            built(4, 3, False).on(real(5, 4)).but(mode="eval"),
            built(4, 3, p=0.2).on(real(5, 4)),
            built(4, 3, p=0.0).on(real(5, 4)),
            built(4, 3, p=1.0).on(real(5, 4)),
            built(4, 3, p=1.0).on(real(5, 4)).but(mode="eval"),
            built(4, 3, p=0.5).on(real(4)).but(mode="eval"),
            built(4, 3, p=0.5).on(real(0, 4)),
            built(4, 3, True, 0.3).on(real(2, 3, 4)),
            built(6, 5, p=0.25, inference="gaussian").on(real(33, 6)).but(mode="eval"),
            built(4, 3, p=0.0, inference="gaussian").on(real(5, 4)).but(mode="eval"),
            built(4, 3, p=1.0, inference="gaussian").on(real(5, 4)).but(mode="eval"),
            built(1025, 3).on(real(3, 1025)).but(mode="eval"),
        ),
        oracle=ConnectOracle,
        shape=shapes.drop_connect,
        strategy=connect_cases(True),
        regimes=FINITE,
        laws=(
            Law("p = 0", linear_without_p, (real(70, 9),)),
            Law("evaluation", linear_in_evaluation, (real(70, 9),), mode="eval"),
            Law("p = 1", everything_dropped, (real(70, 9),)),
            Law("one weight", one_weight, (real(70, 1),)),
            Law("one mask forward and backward", gradient_has_the_mask, (real(70, 9),)),
        ),
        refusals=(
            *(Refusal(built(4, 3, p=p).on(real(5, 4)), "p") for p in REFUSED_P),
            Refusal(built(4, 3, inference="median").on(real(5, 4)), "inference"),
            Refusal(built(4, 3).on(real(5, 3)), "input"),
            Refusal(built(4, 3).on(real()), "input"),
        ),
        randomness=Randomness(connect_rate, statistics=connect_statistics),
    ),
    Spec(
        "functional.drop_connect",
        "structured_dropout",
        F.drop_connect,
        None,
        (
            called(real(6, 7), param(9, 7), param(9), 0.5, False),
            called(real(5, 4), param(3, 4), None, 0.0),
            called(real(5, 4), param(3, 4), param(3), 1.0),
            called(real(4), param(3, 4), param(3), p=0.2, training=False, inference="mean"),
            called(real(0, 4), param(3, 4), None, 0.3, False),
            called(real(6, 7), param(9, 7), param(9), 0.3),
            called(real(6, 7), param(9, 7), param(9), 0.3, False, "gaussian"),
            called(real(2, 3, 4), param(3, 4), param(3), 1.0, False, "gaussian"),
            called(real(5, 4), param(3, 4), param(3), 0.0, False, "gaussian"),
        ),
        oracle=connect_oracle,
        shape=connect_shape,
        strategy=connect_cases(False),
        regimes=FINITE,
        refusals=(
            *(Refusal(called(real(5, 4), param(3, 4), None, p), "p") for p in REFUSED_P),
            Refusal(called(real(5, 4), param(3, 4), None, 0.5, True, "median"), "inference"),
            Refusal(called(real(5, 3), param(3, 4)), "input"),
        ),
        randomness=Randomness(connect_rate, statistics=connect_statistics),
    ),
    Spec(
        "functional.drop_connect_moments",
        "structured_dropout",
        F.drop_connect_moments,
        None,
        (
            called(real(6, 7), param(9, 7), param(9), 0.4),
            called(real(5, 4), param(3, 4)),
            called(real(4), param(3, 4), None, 0.75),
            called(real(0, 4), param(3, 4), param(3), 0.3),
            called(real(5, 4), param(3, 4), param(3), 0.0),
            called(real(5, 4), param(3, 4), param(3), p=1.0),
            called(real(2, 3, 4), param(3, 4), param(3)),
            called(real(3, 513), param(3, 513), param(3), 0.2),
        ),
        oracle=moments_oracle,
        shape=moments_shape,
        strategy=connect_cases(False, moments=True),
        regimes=FINITE,
        laws=(
            Law("p = 0", moments_without_p, (real(70, 9), real(5, 9), real(5))),
            Law("all masks", moments_of_all_masks, (real(70, 4), real(5, 4))),
        ),
        refusals=(
            *(Refusal(called(real(5, 4), param(3, 4), None, p), "p") for p in REFUSED_P),
            Refusal(called(real(5, 3), param(3, 4)), "input"),
        ),
    ),
    Spec(
        "SpatialDropout2d",
        "structured_dropout",
        nn.SpatialDropout2d,
        None,
        (
            built().on(real(10, 16, 3, 2)),
            built(0.2).on(real(0, 3, 2, 4)),
            built(0.0).on(real(3, 4, 5, 2)),
            built(1.0).on(real(3, 4, 5, 2)),
            built(1.0).on(real(4, 5, 2)),
            built(0.5).on(real(16, 5, 2)),
            built(p=0.7, inplace=True).on(buffer(7, 33, 3, 5)),
            built(p=0.7, inplace=True).on(buffer(33, 3, 5)),
            built(0.5).on(real(3, 4, 5, 2)).but(mode="eval"),
            built(0.5).on(real(4, 5, 2)).but(mode="eval"),
        ),
        oracle=MapsOracle,
        shape=shapes.spatial_dropout2d,
        strategy=map_cases(True, blocks=False),
        regimes=FINITE,
        laws=(*MAP_LAWS, Law("whole maps", whole_maps, IMAGES)),
        refusals=(
            *(Refusal(built(p).on(real(2, 3, 4, 5)), "p") for p in REFUSED_P),
            Refusal(built().on(real(3, 4)), "input"),
            Refusal(built().on(real(2, 3, 4, 5, 2)), "input"),
        ),
        randomness=Randomness(map_rate, (-2, -1)),
        no_check=SHARES,
    ),
    Spec(
        "functional.spatial_dropout2d",
        "structured_dropout",
        F.spatial_dropout2d,
        None,
        (
            called(real(3, 4, 5, 2), 0.4, False),
            called(real(10, 16, 3, 2)),
            called(real(16, 3, 2)),
            called(real(3, 4, 5, 2), 0.0),
            called(real(4, 5, 2), 1.0),
            called(buffer(7, 33, 3, 5), p=0.7, training=True, inplace=True),
        ),
        oracle=maps_oracle,
        shape=shapes.spatial_dropout2d,
        strategy=map_cases(False, blocks=False),
        regimes=FINITE,
        refusals=(
            *(Refusal(called(real(2, 3, 4, 5), p), "p") for p in REFUSED_P),
            Refusal(called(real(3, 4)), "input"),
        ),
        randomness=Randomness(map_rate, (-2, -1)),
        no_check=SHARES,
    ),
    Spec(
        "DropBlock2d",
        "structured_dropout",
        nn.DropBlock2d,
        None,
        (
            built().on(real(2, 3, 9, 8)).but(mode="eval"),
            built().on(real(2, 3, 9, 14)),
            built(0.2, 4).on(real(2, 3, 8, 11)),
            built(0.0, 3).on(real(3, 4, 5, 7)),
            built(1.0, 3).on(real(3, 4, 5, 7)),
            built(1.0, 2).on(real(4, 5, 7)),
            built(0.3, 1).on(real(2, 3, 5, 7)),
            built(0.3, 7).on(real(2, 3, 5, 5)),
            built(0.3, 6).on(real(2, 3, 6, 4)),
            built(0.15, block_size=3, gamma="paper").on(real(2, 3, 10, 7)),
            built(0.6, 3).on(real(2, 3, 10, 7)),
            built(0.2, 3, True).on(buffer(2, 3, 10, 7)),
            built(0.2, 3).on(real(0, 3, 5, 5)),
            built(0.2, 3).on(real(3, 17, 9)).but(mode="eval"),
        ),
        oracle=BlockOracle,
        shape=shapes.drop_block2d,
        strategy=map_cases(True, blocks=True),
        regimes=FINITE,
        laws=(
            *MAP_LAWS,
            Law("blocks of one pixel", dropout_of_pixels, IMAGES),
            Law("block of everything", block_of_everything, IMAGES),
            Law("the gradient is the mask", block_gradient_is_the_mask, IMAGES),
        ),
        refusals=(
            *(Refusal(built(p).on(real(2, 3, 4, 5)), "p") for p in REFUSED_P),
            Refusal(built(0.1, 0).on(real(2, 3, 4, 5)), "block_size"),
            Refusal(built(0.1, 2.5).on(real(2, 3, 4, 5)), "block_size"),
            Refusal(built(gamma="other").on(real(2, 3, 4, 5)), "gamma"),
            Refusal(built().on(real(3, 4)), "input"),
        ),
        randomness=Randomness(block_rate, statistics=block_statistics),
        no_check=SHARES,
    ),
    Spec(
        "functional.drop_block2d",
        "structured_dropout",
        F.drop_block2d,
        None,
        (
            called(real(2, 3, 9, 8), 0.2, 3, False),
            called(real(2, 3, 9, 14)),
            called(real(2, 3, 8, 11), 0.2, 4),
            called(real(3, 4, 5, 7), 0.0),
            called(real(4, 5, 7), 1.0, 3),
            called(real(2, 3, 10, 7), p=0.15, block_size=3, gamma="paper"),
            called(buffer(2, 3, 10, 7), 0.2, 3, True, True),
        ),
        oracle=blocks_oracle,
        shape=shapes.drop_block2d,
        strategy=map_cases(False, blocks=True),
        regimes=FINITE,
        refusals=(
            *(Refusal(called(real(2, 3, 4, 5), p), "p") for p in REFUSED_P),
            Refusal(called(real(2, 3, 4, 5), 0.1, 0), "block_size"),
            Refusal(called(real(2, 3, 4, 5), gamma="other"), "gamma"),
            Refusal(called(real(3, 4)), "input"),
        ),
        randomness=Randomness(block_rate, statistics=block_statistics),
        no_check=SHARES,
    ),
)
