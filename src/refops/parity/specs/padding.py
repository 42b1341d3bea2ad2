"""Padding as a function. Legend: b before, a after, counted from the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.padding import pad
from refops.parity.case import Case, called, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.shapes.padding import pad as pad_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]


def pad_cases() -> SearchStrategy[Case]:
    """Any mode on as many axes as it supports, also shortening; `constant` with a value."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
        axes, lead = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        shape = draw(st.lists(st.integers(3, 6), min_size=axes + lead, max_size=axes + lead))
        if lead == 2:
            shape[0] = draw(st.integers(0, 3))
        widths = draw(st.lists(st.integers(0, 2) | st.just(-1), min_size=2 * axes, max_size=2 * axes))
        if mode != "constant":
            return called(real(*shape), tuple(widths), mode)
        value = draw(st.sampled_from([None, 0.0, -1.5, 3.0]))
        return called(real(*shape), tuple(widths), **({} if value is None else {"value": value}))

    return cases()


def undone(build: Callable[..., Any], x: Tensor) -> Pair:
    """What was added can be taken away again."""
    longer = build()(x, (3, 1, 2, 4), mode="circular")
    return build()(longer, (-3, -1, -2, -4)), x


def in_turn(build: Callable[..., Any], x: Tensor) -> Pair:
    """Axis by axis is the same as all at once."""
    rows = build()(x.transpose(2, 3), (2, 4), value=0.5).transpose(2, 3)
    return build()(rows, (3, 1), value=0.5), build()(x, (3, 1, 2, 4), value=0.5)


def mirrored(build: Callable[..., Any], x: Tensor) -> Pair:
    """Reflecting the reversed input with exchanged widths gives the reversed output."""
    return build()(x.flip(2), (5, 9), mode="reflect").flip(2), build()(x, (9, 5), mode="reflect")


def periodic(build: Callable[..., Any], x: Tensor) -> Pair:
    """A circular input repeats itself: padded by its whole size it is there twice."""
    return build()(x, (0, 13), mode="circular"), torch.cat([x, x], 2)


SPECS = (
    Spec(
        "functional.pad",
        "padding",
        pad,
        torch.nn.functional.pad,
        (
            called(real(2, 3, 4, 5), (1, 2, 2, 1), value=0.25),
            called(real(5), (1, 2)),
            called(real(), ()),
            called(real(5), (0, 3), value=1.5),
            called(real(2, 5), (1, 2), mode="replicate"),
            called(real(2, 5), (4, 3), mode="reflect"),
            called(real(2, 5), (5, 2), mode="circular"),
            called(real(2, 3, 4), (0, 0), mode="constant"),
            called(real(1, 2, 5), (0, 0), mode="circular"),
            called(real(2, 3, 4), (2, 1), "replicate"),
            called(real(2, 3, 4), [2, 1], "circular", None),
            called(real(2, 3, 4), (-1, 2), "constant", -2.0),
            called(real(2, 3, 7), (-2, 3), "circular"),
            called(real(2, 3, 7), (-2, 3), "reflect"),
            called(real(2, 3, 7), (3, -2), "replicate"),
            called(real(2, 3, 4, 5), (1, 2, 0, 3), "reflect"),
            called(real(2, 3, 4, 5), (0, 1, 2, 1, 3, 3)),
            called(real(2, 3, 4, 5), (1, 0, 3, 2), "circular"),
            called(real(3, 4, 5), (1, 2, 0, 3), "replicate"),
            called(real(3, 4, 5), (1, 2, 0, 3), "reflect", value=0.0),
            called(real(2, 2, 3, 4, 5), (1, 2, 0, 3, 2, 1), "circular"),
            called(real(2, 2, 3, 4, 5), (1, 2, 0, 3, 2, 1), "replicate"),
            called(real(2, 3, 4, 5), (1, 2, 0, 3, 2, 1), "reflect"),
            called(real(0, 3, 4), (1, 2), "reflect"),
            called(real(0, 3, 4), (1, 2), "circular"),
            called(real(2, 0, 4), (1, 2), value=3.0),
            called(real(1, 2, 31, 17), (16, 8, 30, 15), "reflect"),
            called(real(1, 2, 4097), (64, 33), "circular"),
        ),
        shape=pad_shape,
        strategy=pad_cases,
        regimes=POINTWISE,
        laws=(
            Law("undone", undone, (real(2, 3, 7, 5),)),
            Law("in turn", in_turn, (real(2, 3, 7, 5),)),
            Law("mirrored", mirrored, (real(2, 3, 11),)),
            Law("periodic", periodic, (real(2, 3, 13),)),
        ),
        refusals=(
            Refusal(called(real(2, 3, 4), (1,)), "pad"),
            Refusal(called(real(2, 3, 4), (1, 1, 1)), "pad"),
            Refusal(called(real(5), (1, 1, 1, 1)), "pad"),
            Refusal(called(real(2, 3, 4), 1), "pad"),
            Refusal(called(real(2, 3, 4), (1.0, 1)), "pad"),
            Refusal(called(real(2, 3, 4), (-3, -2)), "pad"),
            Refusal(called(real(2, 3, 4), (-5, 2)), "pad"),
            Refusal(called(real(2, 3, 4), (2, -5)), "pad"),
            Refusal(called(real(2, 3, 4), (4, 0), "reflect"), "pad"),
            Refusal(called(real(2, 3, 4), (0, 5), "reflect"), "pad"),
            Refusal(called(real(2, 3, 4), (5, 0), "circular"), "pad"),
            Refusal(called(real(5), (1, 1), "reflect"), "pad"),
            Refusal(called(real(1, 2, 5, 5), (1, 1), "reflect"), "pad"),
            Refusal(called(real(5, 5), (1, 1, 1, 1), "circular"), "pad"),
            Refusal(called(real(2, 2, 2, 3, 4), (1, 1, 1, 1), "replicate"), "pad"),
            Refusal(called(real(2, 3, 0), (1, 1), "replicate"), "input"),
            Refusal(called(real(2, 0, 3), (1, 1), "reflect"), "input"),
            Refusal(called(real(2, 3, 4), (1, 1), "zeros"), "mode"),
            Refusal(called(real(2, 3, 4), (1, 1), "edge"), "mode"),
            Refusal(called(real(2, 3, 4), (1, 1), "reflect", 1.0), "value"),
        ),
    ),
)
