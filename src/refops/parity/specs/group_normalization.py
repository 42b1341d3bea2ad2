"""GroupNorm. Legend: N batch, C channels, G groups, *S spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.normalization import group_norm
from refops.nn.normalization import GroupNorm
from refops.parity.case import Case, built, called, param, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes.normalization import group_norm as group_norm_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def functional_shape(input: Shape, num_groups: int, weight: Shape | None = None, bias: Shape | None = None) -> Shape:
    """Weight and bias have one value per channel, nothing is broadcast."""
    for name, shape in (("weight", weight), ("bias", bias)):
        if shape is not None and shape != input[1:2]:
            raise ValueError(f"{name} must have shape {input[1:2]}, got {shape}")
    return group_norm_shape(input, num_groups)


def cases_of(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """Groups and channels per group drawn together, up to three spatial axes, with and without weight, bias and eps."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            groups, each, batch = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(0, 4))
            space = draw(st.lists(st.integers(1, 5), max_size=3))
            if batch * each * torch.Size(space).numel() == 1:
                batch = 2  # one value per group in the whole batch is refused
            shape, channels = (batch, groups * each, *space), groups * each
            weight, bias = draw(st.booleans()), draw(st.booleans())
            keywords: dict[str, Any] = {"eps": draw(st.sampled_from((1e-5, 1e-3, 0.5)))} if draw(st.booleans()) else {}
            if module:
                keywords |= {} if weight else {"affine": False}
                return built(groups, channels, **keywords | ({} if bias else {"bias": False})).on(real(*shape))
            keywords |= {"weight": param(channels)} if weight else {}
            keywords |= {"bias": param(channels)} if bias and weight else {}  # native has no gradient for bias alone
            return called(real(*shape), groups, **keywords)

        return cases()

    return strategy


def splitting(build: Build, x: Tensor) -> Pair:
    """Samples know nothing of each other."""
    norm = build(2, 6)
    return torch.cat([norm(x[:33]), norm(x[33:])]), norm(x)


def groups_apart(build: Build, x: Tensor) -> Pair:
    """Groups know nothing of each other: G groups of channels are G calls with one group."""
    apart = [build(1, 3, affine=False)(part) for part in x.split(3, dim=1)]
    return torch.cat(apart, dim=1), build(5, 15, affine=False)(x)


def group_of_one_axis(build: Build, x: Tensor) -> Pair:
    """How the spatial elements are arranged does not matter."""
    norm = build(3, 6)
    return norm(x.reshape(11, 6, 5, 7)).reshape(11, 6, 35), norm(x)


def affine(build: Build, x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """Weight and bias act per channel, not per group."""
    plain = build()(x, 3)
    return build()(x, 3, weight, bias), plain * weight[:, None] + bias[:, None]


SPECS = (
    Spec(
        "GroupNorm",
        "normalization",
        GroupNorm,
        torch.nn.GroupNorm,
        (
            built(2, 6).on(real(2, 6, 3, 2)),
            built(1, 1, 0.5).on(real(3, 1, 2)),
            built(2, 6).on(real(4, 6)),
            built(6, 6, eps=0.5).on(real(2, 6, 3)),
            built(1, 6, 1e-3, False).on(real(2, 6, 3)),
            built(2, 4, bias=False).on(real(2, 4, 5)),
            built(2, 4, 0.5, affine=False).on(real(1, 4, 1)),
            built(2, 4).on(real(0, 4, 3)),
            built(2, 4).on(real(2, 4, 2, 3, 5)),
            built(3, 6).on(real(4, 6, 10, 7)),
            built(11, 33).on(real(3, 33, 5)),
            built(2, 2).on(real(2, 2, 41, 25)),
        ),
        shape=group_norm_shape,
        strategy=cases_of(module=True),
        laws=(
            Law("batch split", splitting, (real(70, 6, 5),)),
            Law("groups apart", groups_apart, (real(13, 15, 7),)),
            Law("spatial axes as one", group_of_one_axis, (real(11, 6, 35),)),
        ),
        refusals=(
            Refusal(built(4, 6).on(real(2, 6, 2)), "num_groups"),
            Refusal(built(0, 6).on(real(2, 6, 2)), "num_groups"),
            Refusal(built(-2, 6).on(real(2, 6, 2)), "num_groups"),
            Refusal(built(1, 6).on(real(2, 1, 3, 3)), "weight"),
            Refusal(built(2, 6).on(real(2, 4, 2)), "weight"),
            Refusal(built(2, 6, affine=False).on(real(2, 5, 2)), "num_groups"),
            Refusal(built(6, 6).on(real(1, 6)), "input"),
            Refusal(built(6, 6).on(real(1, 6, 1, 1)), "input"),
            Refusal(built(2, 6).on(real(6)), "input"),
        ),
    ),
    Spec(
        "functional.group_norm",
        "normalization",
        group_norm,
        torch.nn.functional.group_norm,
        (
            called(real(2, 6, 3, 2), 2, param(6), param(6)),
            called(real(4, 6), 2, param(6), param(6), 0.5),
            called(real(2, 6, 3), num_groups=6),
            called(real(2, 6, 3), 1, weight=param(6)),
            called(real(2, 6, 3), 2, weight=param(6), bias=param(6), eps=1e-3),
            called(real(0, 6, 3), 2, param(6), param(6)),
            called(real(2, 4, 2, 3, 5), 2, param(4), param(4)),
            called(real(3, 33, 5), 11, param(33), param(33)),
            called(real(2, 2, 41, 25), 2, param(2), param(2)),
        ),
        shape=functional_shape,
        strategy=cases_of(module=False),
        laws=(Law("weight and bias", affine, (real(23, 6, 7), param(6), param(6))),),
        refusals=(
            Refusal(called(real(2, 5, 3), 2), "num_groups"),
            Refusal(called(real(2, 6, 3), 0), "num_groups"),
            Refusal(called(real(2, 6, 3), -1), "num_groups"),
            Refusal(called(real(6), 2), "input"),
            Refusal(called(real(1, 6), 6), "input"),
            Refusal(called(real(2, 6, 3), 2, param(1)), "weight"),
            Refusal(called(real(2, 6, 3), 2, param(2)), "weight"),
            Refusal(called(real(2, 6, 3), 2, param(6), param(3)), "bias"),
        ),
    ),
)
