"""Legal cases and laws of views."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, called, real
from refops.parity.spec import POINTWISE, Spec

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Pair = tuple[Tensor, Tensor]
TRIVIAL = "only the labels change, every number stays"


def factored(separate: bool) -> SearchStrategy[Case]:
    """A shape and another of the same product, one size perhaps left open."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        parts = draw(st.lists(st.sampled_from([1, 2, 3, 5]), min_size=1, max_size=4))
        new = draw(st.permutations(parts))
        cut = draw(st.integers(0, len(new)))
        merged = [int(torch.Size(new[:cut]).numel()), *new[cut:]]
        left_open = draw(st.integers(-1, len(merged) - 1))
        shape = tuple(-1 if i == left_open else n for i, n in enumerate(merged))
        return called(real(*parts), *shape) if separate else called(real(*parts), shape)

    return cases()


def permute_cases() -> SearchStrategy[Case]:
    """Any order of any axes, counted from either end."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(0, 4), max_size=4))
        order = draw(st.permutations(range(len(shape))))
        dims = tuple(axis - len(shape) * draw(st.integers(0, 1)) for axis in order)
        return called(real(*shape), dims)

    return cases()


def expand_cases() -> SearchStrategy[Case]:
    """Some axes repeated, some kept by -1, some new."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.sampled_from([1, 1, 2, 3]), max_size=3))
        new = draw(st.lists(st.integers(1, 3), max_size=2))
        sizes = [draw(st.sampled_from([-1, n, draw(st.integers(0, 4)) if n == 1 else n])) for n in shape]
        return called(real(*shape), (*new, *sizes))

    return cases()


def slicing_cases() -> SearchStrategy[Case]:
    """Ints, slices of any bounds, None and an Ellipsis."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
        bound = st.none() | st.integers(-6, 6)
        part = st.builds(slice, bound, bound, st.none() | st.integers(1, 3))
        entries: list[Any] = [draw(part | st.integers(-n, n - 1)) for n in shape[: draw(st.integers(0, len(shape)))]]
        if draw(st.booleans()):
            entries.append(...)
        if draw(st.booleans()):
            entries.insert(draw(st.integers(0, len(entries))), None)
        return called(real(*shape), *entries)

    return cases()


def reads_in_order(build: Callable[..., Any], x: Tensor) -> Pair:
    """Reading a transpose in order is not reading the tensor in order, and twice is."""
    there = build()(x.transpose(0, 1), (13 * 7,))
    return build()(build()(there, (7, 13)).transpose(0, 1), (-1,)), build()(x, (-1,))


def undone(build: Callable[..., Any], x: Tensor) -> Pair:
    """(2, 0, 1) is undone by (1, 2, 0), not by itself."""
    return build()(build()(x, (2, 0, 1)), (1, 2, 0)), x


def twice(build: Callable[..., Any], x: Tensor) -> Pair:
    """Exchanged twice, the axes are back."""
    return build()(build()(x, 0, 2), 0, 2), x


def repeated(build: Callable[..., Any], x: Tensor) -> Pair:
    """Expanding is repeating."""
    return build()(x, 6, 7, 5), x.repeat(6, 1, 5)


def every_second(build: Callable[..., Any], x: Tensor) -> Pair:
    """Even and odd places, laid side by side again."""
    even, odd = build()(x, slice(None), slice(0, None, 2)), build()(x, slice(None), slice(1, None, 2))
    return torch.stack([even, odd], 2).reshape(7, 12), x


def _spec(name: str, reference: Any, native: Any, cases: tuple[Case, ...], **rest: Any) -> Spec:
    return Spec(
        f"tensor.{name}", "tensor", reference, native, cases, regimes=POINTWISE, trivial=TRIVIAL, **rest
    )  # fmt: skip
