"""LayerNorm and RMSNorm: the norms over the last axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.normalization import layer_norm, rms_norm
from refops.nn.normalization import LayerNorm, RMSNorm
from refops.parity.case import Case, built, called, param, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes.normalization import layer_norm as layer_norm_shape
from refops.shapes.normalization import rms_norm as rms_norm_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def functional_layer_norm_shape(
    input: Shape, normalized_shape: Shape, weight: Shape | None = None, bias: Shape | None = None
) -> Shape:
    """Weight and bias have the shape of `normalized_shape`, nothing is broadcast; an int is not a shape here."""
    if isinstance(normalized_shape, int):
        raise ValueError(f"normalized_shape must be a sequence of ints, got {normalized_shape}")
    for name, shape in (("weight", weight), ("bias", bias)):
        if shape is not None and shape != tuple(normalized_shape):
            raise ValueError(f"{name} must have shape {normalized_shape}, got {shape}")
    return layer_norm_shape(input, normalized_shape)


def functional_rms_norm_shape(input: Shape, normalized_shape: Shape, weight: Shape | None = None) -> Shape:
    """As for layer norm, without a bias."""
    return functional_layer_norm_shape(input, normalized_shape, weight)


def rms_norm_module_shape(x: Shape, normalized_shape: int | Shape) -> Shape:
    """Native calls the input of this module `x`."""
    return rms_norm_shape(x, normalized_shape)


def last_axes_cases(module: bool, centred: bool) -> Callable[[], SearchStrategy[Case]]:
    """One to three normalized axes behind any number of others, with and without weight, bias and eps."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            last = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
            lead = draw(st.lists(st.integers(0, 4), max_size=2))
            weight, bias = draw(st.booleans()), centred and draw(st.booleans())
            keywords: dict[str, Any] = {"eps": draw(st.sampled_from((1e-5, 1e-3, 0.5)))} if draw(st.booleans()) else {}
            if module:
                keywords |= {} if weight else {"elementwise_affine": False}
                keywords |= {"bias": False} if centred and not bias else {}
                only = draw(st.booleans()) and len(last) == 1
                return built(last[0] if only else last, **keywords).on(real(*lead, *last))
            keywords |= {"weight": param(*last)} if weight else {}
            keywords |= {"bias": param(*last)} if bias else {}
            return called(real(*lead, *last), last, **keywords)

        return cases()

    return strategy


def split_layer(build: Build, x: Tensor) -> Pair:
    """Rows know nothing of each other: a batch in two parts gives the parts of the whole."""
    norm = build(12)
    return torch.cat([norm(x[:33]), norm(x[33:])]), norm(x)


def axes_together(build: Build, x: Tensor) -> Pair:
    """Several axes are normed as one: their elements could stand in a row."""
    return build((5, 7), elementwise_affine=False)(x.reshape(23, 5, 7)).reshape(23, 35), build(
        35, elementwise_affine=False
    )(x)


def scaled(build: Build, x: Tensor) -> Pair:
    """Twice the input and four times eps give the same."""
    return build(37, eps=4e-2, elementwise_affine=False)(2 * x), build(37, eps=1e-2, elementwise_affine=False)(x)


def mirrored(build: Build, x: Tensor) -> Pair:
    """Odd: f(-x) = -f(x)."""
    norm = build(37, elementwise_affine=False)
    return norm(-x), -norm(x)


def permuted(build: Build, x: Tensor) -> Pair:
    """Without weights the order along the normalized axis does not matter."""
    norm = build(37, elementwise_affine=False)
    return norm(x.flip(-1)), norm(x).flip(-1)


def layer_affine(build: Build, x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """Weight and bias act on the standardised values."""
    plain = build()(x, (5, 7))
    return build()(x, (5, 7), weight, bias), plain * weight + bias


def rms_affine(build: Build, x: Tensor, weight: Tensor) -> Pair:
    """The weight acts on the divided values."""
    return build()(x, (5, 7), weight, 1e-3), build()(x, (5, 7), eps=1e-3) * weight


_LAST_REFUSALS = (
    Refusal(built(10).on(real(4, 1)), "input"),
    Refusal(built(1).on(real(4, 10)), "input"),
    Refusal(built((4, 10)).on(real(10)), "input"),
    Refusal(built(4).on(real(4, 10)), "input"),
    Refusal(built((10, 4), elementwise_affine=False).on(real(4, 10)), "input"),
    Refusal(built(()).on(real(4, 10)), "normalized_shape"),
    Refusal(built(3).on(real()), "input"),
)

_CALLED_LAST_REFUSALS = (
    Refusal(called(real(4, 10), (1,)), "input"),
    Refusal(called(real(4, 1), (10,)), "input"),
    Refusal(called(real(4, 10), 10), "normalized_shape"),
    Refusal(called(real(4, 10), ()), "normalized_shape"),
    Refusal(called(real(10), (4, 10)), "input"),
    Refusal(called(real(4, 10), (10,), param(1)), "weight"),
    Refusal(called(real(4, 10), (10,), param(4, 10)), "weight"),
)


SPECS = (
    Spec(
        "LayerNorm",
        "normalization",
        LayerNorm,
        torch.nn.LayerNorm,
        (
            built(10).on(real(5, 10)),
            built(7).on(real(7)),
            built(7, eps=0.5).on(real(3, 7)),
            built(7, 1e-3, False).on(real(3, 7)),
            built(7, bias=False).on(real(3, 7)),
            built((2, 5)).on(real(2, 5)),
            built((5, 3, 4), bias=False).on(real(2, 5, 3, 4)),
            built([3, 4], eps=1e-2).on(real(2, 5, 3, 4)),
            built((2, 1, 3, 2)).on(real(3, 2, 1, 3, 2)),
            built(10).on(real(0, 10)),
            built(10).on(real(20, 5, 10)),
            built(33).on(real(31, 33)),
            built(4097).on(real(3, 4097)),
        ),
        shape=layer_norm_shape,
        strategy=last_axes_cases(module=True, centred=True),
        laws=(
            Law("batch split", split_layer, (real(70, 12),)),
            Law("several axes as one", axes_together, (real(23, 35),)),
            Law("scale and eps", scaled, (real(23, 37),)),
            Law("mirrored", mirrored, (real(23, 37),)),
            Law("permutation", permuted, (real(23, 37),)),
        ),
        refusals=_LAST_REFUSALS,
    ),
    Spec(
        "RMSNorm",
        "normalization",
        RMSNorm,
        torch.nn.RMSNorm,
        (
            built(10).on(real(5, 10)),
            built(1, 0.5).on(real(4, 1)),
            built(7).on(real(7)),
            built(7, eps=0.5).on(real(3, 7)),
            built(7, 1e-3, False).on(real(3, 7)),
            built((2, 5)).on(real(2, 5)),
            built((5, 3, 4)).on(real(2, 5, 3, 4)),
            built([3, 4], eps=1e-2).on(real(2, 5, 3, 4)),
            built(10).on(real(0, 10)),
            built(10).on(real(20, 5, 10)),
            built(33).on(real(31, 33)),
            built(4097).on(real(3, 4097)),
        ),
        shape=rms_norm_module_shape,
        strategy=last_axes_cases(module=True, centred=False),
        laws=(
            Law("batch split", split_layer, (real(70, 12),)),
            Law("several axes as one", axes_together, (real(23, 35),)),
            Law("scale and eps", scaled, (real(23, 37),)),
            Law("mirrored", mirrored, (real(23, 37),)),
            Law("permutation", permuted, (real(23, 37),)),
        ),
        refusals=_LAST_REFUSALS,
    ),
    Spec(
        "functional.layer_norm",
        "normalization",
        layer_norm,
        torch.nn.functional.layer_norm,
        (
            called(real(5, 10), (10,), param(10), param(10)),
            called(real(7), (7,), param(7), param(7), 0.5),
            called(real(3, 7), (7,)),
            called(real(3, 7), [7], weight=param(7)),
            called(real(3, 7), (7,), bias=param(7), eps=1e-3),
            called(real(3, 4), (3, 4), param(3, 4), param(3, 4)),
            called(real(2, 5, 3, 4), (3, 4), param(3, 4), param(3, 4), eps=1e-2),
            called(real(0, 10), (10,), param(10), param(10)),
            called(real(31, 33), (33,), param(33), param(33)),
            called(real(3, 4097), (4097,), param(4097), param(4097)),
        ),
        shape=functional_layer_norm_shape,
        strategy=last_axes_cases(module=False, centred=True),
        laws=(Law("weight and bias", layer_affine, (real(23, 5, 7), param(5, 7), param(5, 7))),),
        refusals=(*_CALLED_LAST_REFUSALS, Refusal(called(real(4, 10), (10,), param(10), param(1)), "bias")),
    ),
    Spec(
        "functional.rms_norm",
        "normalization",
        rms_norm,
        torch.nn.functional.rms_norm,
        (
            called(real(5, 10), (10,), param(10)),
            called(real(7), (7,), param(7), 0.5),
            called(real(3, 7), (7,)),
            called(real(3, 7), [7], weight=param(7), eps=None),
            called(real(3, 7), (7,), eps=1e-3),
            called(real(2, 5, 3, 4), (3, 4), param(3, 4), eps=1e-2),
            called(real(0, 10), (10,), param(10)),
            called(real(31, 33), (33,), param(33)),
            called(real(3, 4097), (4097,), param(4097)),
        ),
        shape=functional_rms_norm_shape,
        strategy=last_axes_cases(module=False, centred=False),
        laws=(Law("weight", rms_affine, (real(23, 5, 7), param(5, 7))),),
        refusals=_CALLED_LAST_REFUSALS,
    ),
)
