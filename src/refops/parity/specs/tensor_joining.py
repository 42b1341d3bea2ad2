"""Joining and parting of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, called, index, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.shapes import tensor as shapes
from refops.tensor.joining import cat, chunk, split, stack

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
TRIVIAL = "numbers are laid side by side or cut apart, none is computed"


def inside(tensors: Any) -> list[Shape]:
    """The shapes of tensors in a sequence; one tensor alone is none."""
    if any(isinstance(t, int) for t in tensors):
        raise ValueError(f"tensors must be a sequence of tensors, got one of shape {tensors}")
    return [tuple(t.shape) for t in tensors]


def cat_shape(tensors: Any, dim: int = 0) -> Shape:
    """Of every tensor in the sequence its shape."""
    return shapes.cat(inside(tensors), dim)


def stack_shape(tensors: Any, dim: int = 0) -> Shape:
    """Of every tensor in the sequence its shape."""
    return shapes.stack(inside(tensors), dim)


def joined_cases(new_axis: bool) -> SearchStrategy[Case]:
    """One to four tensors that differ along one axis, or not at all."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
        count = draw(st.integers(1, 4))
        axis = draw(st.integers(0, len(shape) - (not new_axis)))
        dim = axis - (len(shape) + new_axis) * draw(st.integers(0, 1))
        if new_axis:
            return called((real(*shape),) * count, dim)
        sizes = [draw(st.integers(0, 4)) for _ in range(count)]
        return called(tuple(real(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes), dim)

    return cases()


def split_cases() -> SearchStrategy[Case]:
    """Pieces of one size, or sections of any."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sections = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
        before, after = draw(st.lists(st.integers(1, 3), max_size=1)), draw(st.lists(st.integers(1, 3), max_size=2))
        whole = torch.tensor(sections).sum().item()
        sizes = draw(st.sampled_from([tuple(sections), draw(st.integers(1, 5))]))
        return called(real(*before, int(whole), *after), sizes, len(before))

    return cases()


def undone(build: Callable[..., Any], x: Tensor) -> Pair:
    """Cut apart and laid side by side it is whole again."""
    return build()((x[:, :3], x[:, 3:4], x[:, 4:]), 1), x


def along_the_new(build: Callable[..., Any], x: Tensor) -> Pair:
    """Stacked along any axis, one part is one part."""
    return build()((x, 2 * x, 3 * x), 1)[:, 1], 2 * x


def whole_again(build: Callable[..., Any], x: Tensor) -> Pair:
    """What was cut apart can be joined."""
    return torch.cat(build()(x, 3, 1), 1), x


SPECS = (
    Spec(
        "tensor.cat",
        "tensor",
        cat,
        torch.cat,
        (
            called((real(5, 4), real(5, 6)), 1),
            called((real(2, 3), real(2, 3), real(2, 3))),
            called((real(2, 3), real(2, 3), real(2, 3)), 1),
            called([real(2, 3), real(4, 3)], dim=-2),
            called((real(7),)),
            called((real(3, 2), real(0, 2))),
            called((real(0), real(3, 2))),
            called((real(3, 2), real(0)), 1),
            called((real(0, 2), real(0, 2))),
            called((index(3, high=5), index(2, high=9))),
            called((index(3, high=5), real(2))),
            called((real(2, 1, 17), real(2, 33, 17), real(2, 3, 17)), 1),
        ),
        shape=cat_shape,
        strategy=lambda: joined_cases(new_axis=False),
        regimes=POINTWISE,
        trivial=TRIVIAL,
        laws=(Law("undone", undone, (real(5, 11),)),),
        refusals=(
            Refusal(called(()), "tensors"),
            Refusal(called((real(2, 3), real(2, 4)), 0), "tensors"),
            Refusal(called((real(2, 3), real(2, 3, 1)), 0), "tensors"),
            Refusal(called((real(2, 3), real(1, 3)), 1), "tensors"),
            Refusal(called((real(), real())), "tensors"),
            Refusal(called((real(3), real())), "tensors"),
            Refusal(called((real(2, 3), real(2, 3)), 2), "dim"),
            Refusal(called(real(2, 3)), "tensors"),
        ),
    ),
    Spec(
        "tensor.stack",
        "tensor",
        stack,
        torch.stack,
        (
            called((real(5, 4), real(5, 4), real(5, 4)), 1),
            called((real(2, 3), real(2, 3)), dim=1),
            called((real(2, 3), real(2, 3))),
            called([real(2, 3), real(2, 3)], -1),
            called((real(2, 3), real(2, 3)), -3),
            called((real(), real(), real())),
            called((real(3),)),
            called((real(0, 2), real(0, 2)), 1),
            called((index(3, high=5), index(3, high=9)), 1),
            called((real(17, 33), real(17, 33)), 2),
        ),
        shape=stack_shape,
        strategy=lambda: joined_cases(new_axis=True),
        regimes=POINTWISE,
        trivial=TRIVIAL,
        laws=(Law("along the new axis", along_the_new, (real(5, 11),)),),
        refusals=(
            Refusal(called(()), "tensors"),
            Refusal(called((real(2, 3), real(2, 1))), "tensors"),
            Refusal(called((real(2, 3), real(3)), 0), "tensors"),
            Refusal(called((real(2, 3), real(2, 3)), 3), "dim"),
            Refusal(called((real(2, 3), real(2, 3)), -4), "dim"),
        ),
    ),
    Spec(
        "tensor.split",
        "tensor",
        split,
        torch.split,
        (
            called(real(10, 6), 4),
            called(real(5, 2), 2),
            called(real(5, 2), [1, 4]),
            called(real(3, 7), 3, 1),
            called(real(3, 7), (2, 0, 5), dim=-1),
            called(real(3, 7), 100),
            called(real(0, 3), 2),
            called(real(0, 3), 0),
            called(real(6), split_size_or_sections=3),
            called(index(5, 2, high=9), 2),
            called(real(3, 257, 2), 64, 1),
        ),
        shape=shapes.split,
        strategy=split_cases,
        regimes=POINTWISE,
        trivial=TRIVIAL,
        laws=(Law("whole again", whole_again, (real(5, 11),)),),
        refusals=(
            Refusal(called(real(5, 2), -1), "split_size_or_sections"),
            Refusal(called(real(5, 2), 0), "split_size_or_sections"),
            Refusal(called(real(5, 2), (2, 2)), "split_size_or_sections"),
            Refusal(called(real(5, 2), (6, -1)), "split_size_or_sections"),
            Refusal(called(real(5, 2), 2.0), "split_size_or_sections"),
            Refusal(called(real(5, 2), 2, 2), "dim"),
            Refusal(called(real(), 1), "tensor"),
        ),
    ),
    Spec(
        "tensor.chunk",
        "tensor",
        chunk,
        torch.chunk,
        (
            called(real(10, 6), 3),
            called(real(5), 4),
            called(real(3, 7), 2, 1),
            called(real(3, 7), chunks=3, dim=-1),
            called(real(3, 7), 100),
            called(real(0, 3), 2),
            called(real(2, 33), 8, 1),
        ),
        shape=shapes.chunk,
        regimes=POINTWISE,
        trivial=TRIVIAL,
        laws=(Law("whole again", whole_again, (real(5, 11),)),),
        refusals=(
            Refusal(called(real(5, 2), 0), "chunks"),
            Refusal(called(real(5, 2), -2), "chunks"),
            Refusal(called(real(5, 2), 2.0), "chunks"),
            Refusal(called(real(5, 2), 2, 2), "dim"),
            Refusal(called(real(), 1), "input"),
        ),
    ),
)
