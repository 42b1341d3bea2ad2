"""Max unpooling. Legend: N batch, C channels, *O windows, *S sizes of what was pooled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import unpooling as functional
from refops.nn import unpooling as modules
from refops.parity.case import Arguments, Case, Draw, built, called, index, literal, real
from refops.parity.spec import POINTWISE, Law, Refusal, Spec
from refops.shapes import unpooling as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Build = Callable[..., Any]
Pair = tuple[Tensor, Tensor]
Sizes = Sequence[int]


def places(shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, size: Sizes) -> Draw:
    """Indices as pooling could have given them, no place twice: one in each window, before the next window begins."""
    n = len(size)
    firsts: list[list[tuple[int, int]]] = []
    for o, k, s, p, e in zip(shape[-n:], kernel, stride, padding, size, strict=True):
        starts = [max(i * s - p, 0) for i in range(o)]
        firsts.append([(a, max(min(i * s - p + min(k, s), e) - a, 1)) for i, a in enumerate(starts)])
    flat = []
    for count, at in enumerate(product(*map(range, shape))):
        index = 0
        for axis, (first, width) in enumerate(firsts[a][at[a - n]] for a in range(n)):
            index = index * size[axis] + first + (3 * count + 5 * axis) % width
        flat.append(index)
    return literal(nested(flat, shape))


def nested(flat: Sequence[int], shape: Sizes) -> Any:
    """A flat list as nested tuples of this shape."""
    if len(shape) == 1:
        return tuple(flat)
    step = math.prod(shape[1:])
    return tuple(nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0]))


def row(shape: Sizes, kernel: Any, stride: Any = None, padding: Any = 0, size: Sizes | None = None, n: int = 2) -> Case:
    """A case of a layer; its indices fit into `size`, which is passed on where it is given."""
    spread = [(v,) * n if isinstance(v, int) else tuple(v) for v in (kernel, stride or kernel, padding)]
    usual = [(o - 1) * s + k - 2 * p for o, k, s, p in zip(shape[-n:], *spread, strict=True)]
    indices = places(shape, spread[0], spread[1], spread[2], usual if size is None else size[-n:])
    layer = built(kernel, *(() if stride is None and not padding else (stride, padding)))
    return layer.on(real(*shape), indices, *(() if size is None else (tuple(size),)))


ROWS: dict[int, tuple[Case, ...]] = {
    1: (
        row((3, 4, 5), 2, n=1),
        row((2, 3), 2, n=1),
        row((2, 2, 7), 2, size=(15,), n=1),
        row((2, 3, 5), 3, 2, 1, n=1),
        row((1, 2, 4), (4,), (3,), (2,), n=1),
        row((1, 3, 6), 1, 3, n=1),
        row((2, 2, 4), 3, 3, 0, size=(2, 2, 11), n=1),
        row((1, 2, 5), 1, n=1),
        row((1, 1, 257), 3, 2, n=1),
    ),
    2: (
        row((2, 3, 3, 4), 2),
        row((1, 1, 2, 2), (2, 2), (2, 2)),
        row((2, 3, 2), 2),
        row((1, 2, 2, 3), 2, size=(5, 7)),
        row((2, 2, 2, 3), 2, size=(9, 9, 4, 7)),  # the batch in `output_size` is not looked at
        row((2, 2, 3, 2), (3, 2), (2, 1), (1, 0)),
        row((1, 3, 4, 3), 3, 2, 1),
        row((2, 3, 2), (1, 3), (2, 4), size=(6, 8)),
        row((1, 2, 17, 7), 2),
        row((1, 1, 31, 33), (2, 3), 3, size=[93, 98]),
    ),
    3: (
        row((2, 2, 2, 3, 2), 2, n=3),
        row((2, 2, 1, 3), 2, n=3),
        row((1, 2, 2, 2, 3), 2, size=(5, 4, 7), n=3),
        row((1, 2, 2, 3, 2), (1, 2, 3), n=3),
        row((1, 2, 2, 2, 3), 3, 2, 1, n=3),
        row((1, 1, 2, 3, 2), (2, 1, 3), (2, 3, 3), size=(1, 1, 5, 8, 6), n=3),
        row((1, 1, 5, 7, 9), 2, n=3),
    ),
}


def long_rows(n: int) -> tuple[Case, ...]:
    """Very many maps of one window each: many examples, and many channels."""
    shapes = ((66_561, 1, *(1,) * n), (1, 66_561, *(1,) * n))
    return tuple(built(2).on(real(*shape), index(*shape, high=2**n)) for shape in shapes)


def as_call(case: Case) -> Case:
    """The row of a layer for its function: input and indices, the windows, the size by name."""
    init = case.init or Arguments()
    size = (("output_size", case.call.args[2]),) if len(case.call.args) > 2 else ()
    return Case(Arguments((*case.call.args[:2], *init.args), size))


def cases(n: int, *, function: bool) -> SearchStrategy[Case]:
    """Windows that overlap, touch or leave gaps; the usual size, or one that is as good."""
    from hypothesis import strategies as st

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        def three(low: int, high: int) -> list[int]:
            return draw(st.lists(st.integers(low, high), min_size=n, max_size=n))

        kernel, stride, windows = three(1, 3), three(1, 3), three(1, 4)
        padding = [draw(st.integers(0, min(k // 2, s - 1))) for k, s in zip(kernel, stride, strict=True)]
        shape = (*draw(st.sampled_from([(), (1,), (2,)])), draw(st.integers(1, 2)), *windows)
        usual = [(o - 1) * s + k - 2 * p for o, k, s, p in zip(windows, kernel, stride, padding, strict=True)]
        more = [draw(st.integers(0, s - 1)) for s in stride]
        size = tuple(max(u + m, 1) for u, m in zip(usual, more, strict=True))
        given = size if min(usual) < 1 or draw(st.booleans()) else None
        case = row(shape, tuple(kernel), tuple(stride), tuple(padding), given, n)
        return as_call(case) if function else case

    return draw_case()


# --- laws ------------------------------------------------------------------------------------------------------------


def pooled(x: Tensor) -> tuple[Tensor, Tensor]:
    """Native maxima over windows of 2, side by side, and their places."""
    pool = getattr(torch.nn.functional, f"max_pool{x.dim() - 2}d_with_indices")
    values, indices = pool(x, 2)
    return values, indices


def keeps_maxima(build: Build, x: Tensor) -> Pair:
    """What comes back is the input where it was a maximum, and zero elsewhere."""
    upsampled = pooled(x)[0]
    for axis in range(2, x.dim()):
        upsampled = upsampled.repeat_interleave(2, axis)
    return build(kernel_size=2)(*pooled(x)), torch.where(x == upsampled, x, torch.zeros_like(x))


def pools_back(build: Build, x: Tensor) -> Pair:
    """Pooling what came back gives the same maxima, if they are positive."""
    values, indices = pooled(x.abs() + 0.5)
    return pooled(build(kernel_size=2)(values, indices))[0], values


def odd_sizes(build: Build, x: Tensor) -> Pair:
    """With `output_size` the maxima of an image of odd size stand where they stood: there is nothing between."""
    values, indices = pooled(x)
    back = build(kernel_size=2)(values, indices, output_size=tuple(x.shape))
    return back, torch.where(back != 0, x, torch.zeros_like(x))


def gathers_back(build: Build, x: Tensor) -> Pair:
    """At its index stands each maximum."""
    values, indices = pooled(x)
    back = build(kernel_size=2)(values, indices, output_size=tuple(x.shape[2:]))
    return back.flatten(2).gather(2, indices.flatten(2)), values.flatten(2)


def splitting(build: Build, x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    values, indices = pooled(x)
    unpool = build(kernel_size=2)
    parts = [unpool(values[part], indices[part]) for part in (slice(33), slice(33, None))]
    return torch.cat(parts), unpool(values, indices)


def mass(build: Build, x: Tensor) -> Pair:
    """Nothing is added and nothing lost."""
    values, indices = pooled(x)
    return build(kernel_size=2)(values, indices).flatten(2).sum(-1), values.flatten(2).sum(-1)


def laws(n: int, *, function: bool) -> tuple[Law, ...]:
    """The laws in n dimensions, on sizes that stand in no row."""
    odd, even = (13, 9, 5)[:n], (12, 8, 6)[:n]
    listed = (
        Law("keeps maxima", keeps_maxima, (real(2, 3, *even),)),
        Law("pools back", pools_back, (real(2, 3, *even),)),
        Law("odd sizes", odd_sizes, (real(2, 3, *odd),)),
        Law("gathers back", gathers_back, (real(2, 3, *odd),)),
        Law("batch split", splitting, (real(70, 2, *even),)),
        Law("mass", mass, (real(2, 5, *even),)),
    )
    return tuple(Law(law.name, of_function(law.law), law.inputs) for law in listed) if function else listed


def of_function(law: Callable[..., Pair]) -> Callable[..., Pair]:
    """The law of a layer for its function."""

    def check(build: Build, x: Tensor) -> Pair:
        function = build()
        return law(lambda **windows: lambda *args, **size: function(*args, **windows, **size), x)

    return check


# --- refusals --------------------------------------------------------------------------------------------------------


def refusals(n: int, *, function: bool) -> tuple[Refusal, ...]:
    """What native refuses."""
    shape = (1, 2, *(2,) * n)
    x, at = real(*shape), places(shape, (2,) * n, (2,) * n, (0,) * n, (4,) * n)
    beyond = literal(nested([4**n + i for i in range(math.prod(shape))], shape))
    before = literal(nested([i - 1 for i in range(math.prod(shape))], shape))
    halves = literal(nested([i + 0.5 for i in range(math.prod(shape))], shape))  # type: ignore[misc]
    fewer = places((1, 1, *(2,) * n), (2,) * n, (2,) * n, (0,) * n, (4,) * n)
    flat = places((2,) * n, (2,) * n, (2,) * n, (0,) * n, (4,) * n)
    deeper = literal((at.data,))
    rows: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        ((x, beyond), {}, "indices"),
        ((x, before), {}, "indices"),
        ((x, halves), {}, "indices"),
        ((x, fewer), {}, "indices"),
        ((x, at, (6,) * n), {}, "output_size"),
        ((x, at, (2,) * n), {}, "output_size"),
        ((x, at, (4,) * (n + 1)), {}, "output_size"),
        ((x, at, (1, 2, *(6,) * n)), {}, "output_size"),
        ((x, at), {"kernel_size": 2, "stride": 1, "padding": 2}, "output_size"),
        ((x, at), {"kernel_size": (2,) * n, "stride": (2,) * (n - 1)}, "stride"),
        ((x, at), {"kernel_size": (2,) * n, "padding": (0,) * (n - 1)}, "padding"),
        ((real(*(2,) * n), flat), {}, "input"),
        ((real(1, *shape), deeper), {}, "input"),
        ((real(2, 0, *(2,) * n), literal(((), ()))), {}, "input"),
    ]
    made = []
    for args, windows, named in rows:
        windows = windows or {"kernel_size": 2}
        if function:
            size = {"output_size": args[2]} if len(args) > 2 else {}
            made.append(Refusal(called(*args[:2], **windows, **size), named))
        else:
            made.append(Refusal(built(**windows).on(*args), named))
    return tuple(made)


def layer(n: int) -> Spec:
    """The spec of a layer."""
    name = f"MaxUnpool{n}d"
    return Spec(
        name,
        "unpooling",
        getattr(modules, name),
        getattr(torch.nn, name),
        ROWS[n],
        shape=getattr(shapes, f"max_unpool{n}d"),
        strategy=partial(cases, n, function=False),
        regimes=POINTWISE,
        laws=laws(n, function=False),
        refusals=refusals(n, function=False),
        long=long_rows(n),
    )


def function(n: int) -> Spec:
    """The spec of a function."""
    name = f"max_unpool{n}d"
    return Spec(
        f"functional.{name}",
        "unpooling",
        getattr(functional, name),
        getattr(torch.nn.functional, name),
        tuple(map(as_call, ROWS[n])),
        shape=getattr(shapes, name),
        strategy=partial(cases, n, function=True),
        regimes=POINTWISE,
        laws=laws(n, function=True),
        refusals=refusals(n, function=True),
        long=tuple(map(as_call, long_rows(n))),
    )


SPECS = (*map(layer, (1, 2, 3)), *map(function, (1, 2, 3)))
