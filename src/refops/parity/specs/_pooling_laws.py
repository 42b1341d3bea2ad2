"""What pooling obeys in any number of dimensions, and what it refuses.

The laws are written for layers, `build(**options)(x)`; `of_function` turns one into a law of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Draw, built, called, real
from refops.parity.spec import Law, Refusal

__all__ = ["laws", "refusals"]

Build = Callable[..., Any]
Pair = tuple[Tensor, Tensor]


def of_function(law: Callable[..., Pair]) -> Callable[..., Pair]:
    """The law of a layer for its function."""

    def check(build: Build, *inputs: Tensor) -> Pair:
        function = build()
        return law(lambda **options: lambda x: function(x, **options), *inputs)

    return check


def first(output: Any) -> Tensor:
    """The values, with or without indices behind them."""
    return output if isinstance(output, Tensor) else output[0]


def splitting(build: Build, x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    pool = build(kernel_size=3, stride=2, padding=1)
    return torch.cat([first(pool(x[:33])), first(pool(x[33:]))]), first(pool(x))


def one_by_one(build: Build, x: Tensor) -> Pair:
    """An image alone gives what it gives in a batch, and a channel what it gives among others."""
    pool = build(kernel_size=2, ceil_mode=True)
    apart = [torch.cat([first(pool(channel[None])) for channel in image]) for image in x]
    return torch.stack(apart), first(pool(x))


def doubling(build: Build, x: Tensor) -> Pair:
    """Twice the input gives twice the output, to the bit."""
    pool = build(kernel_size=3, stride=1, padding=1)
    return first(pool(2 * x)), 2 * first(pool(x))


def kernel_of_one(build: Build, x: Tensor) -> Pair:
    """A window of one element shows that element; stride 2 takes every second, the last one by `ceil_mode` too."""
    pool = build(kernel_size=1, stride=2, ceil_mode=True)
    return first(pool(x)), every_second(x)


def striding(build: Build, x: Tensor) -> Pair:
    """A stride of 2 keeps every second window."""
    dense, sparse = (build(kernel_size=3, stride=s, padding=1) for s in (1, 2))
    return first(sparse(x)), every_second(first(dense(x)))


def shifting(build: Build, x: Tensor) -> Pair:
    """A window further on sees what stands further on."""
    pool = build(kernel_size=3, stride=1)
    return first(pool(x[..., 4:])), first(pool(x))[..., 4:]


def twice(build: Build, x: Tensor) -> Pair:
    """Maxima over 2 of maxima over 2 are maxima over 4."""
    small, large = build(kernel_size=2), build(kernel_size=4)
    return first(small(first(small(x)))), first(large(x))


def monotone(build: Build, x: Tensor) -> Pair:
    """A rising function, here cutting off at 0, may come before or after the maximum."""
    pool = build(kernel_size=3, stride=2, padding=1)
    return first(pool(x.clamp(min=0))), first(pool(x)).clamp(min=0)


def pointing(build: Build, x: Tensor) -> Pair:
    """The indices point at the maxima, in the plane without its padding."""
    values, at = build(kernel_size=3, stride=2, padding=1, return_indices=True)(x)
    return x.flatten(2).gather(2, at.flatten(2)), values.flatten(2)


def dilating(build: Build, x: Tensor) -> Pair:
    """Dilation 2 on every second element is a plain window there."""
    wide, plain = build(kernel_size=3, stride=2, dilation=2), build(kernel_size=3, stride=1)
    return first(wide(x)), first(plain(every_second(x)))


def additive(build: Build, x: Tensor, y: Tensor) -> Pair:
    """f(x + y) = f(x) + f(y)."""
    pool = build(kernel_size=3, stride=2, padding=1, ceil_mode=True)
    return pool(x + y), pool(x) + pool(y)


def ones_stay(build: Build, x: Tensor) -> Pair:
    """The mean of ones is one wherever only real elements count."""
    pool = build(kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
    return pool(torch.ones_like(x)), torch.ones_like(pool(x))


def mass(build: Build, x: Tensor) -> Pair:
    """Windows side by side: the outputs times the size of a window sum up to the inputs."""
    n = x.dim() - 2
    return build(kernel_size=2)(x).flatten(2).sum(-1) * 2**n, x.flatten(2).sum(-1)


def every_second(x: Tensor) -> Tensor:
    """Every second element of each spatial axis."""
    for axis in range(2, x.dim()):
        x = x.index_select(axis, torch.arange(0, x.shape[axis], 2, device=x.device))
    return x


def laws(n: int, kind: str, *, function: bool) -> tuple[Law, ...]:
    """The laws in n dimensions, on sizes that stand in no row."""
    odd, even = (13, 9, 7)[:n], (12, 8, 16)[:n]
    common = (
        Law("batch split", splitting, (real(70, 2, *odd),)),
        Law("one by one", one_by_one, (real(3, 5, *odd),)),
        Law("doubling", doubling, (real(2, 3, *odd),)),
        Law("kernel of one", kernel_of_one, (real(2, 3, *odd),)),
        Law("stride", striding, (real(2, 3, *odd),)),
        Law("shift", shifting, (real(2, 3, *odd),)),
    )
    of_max = (
        Law("twice", twice, (real(2, 3, *even),)),
        Law("monotone", monotone, (real(3, 2, *odd),)),
        Law("dilation", dilating, (real(2, 2, *odd),)),
        Law("indices", pointing, (real(2, 2, *odd),)),
    )
    of_avg = (
        Law("additive", additive, (real(2, 3, *odd), real(2, 3, *odd))),
        Law("ones stay ones", ones_stay, (real(3, 2, *odd),)),
        Law("mass", mass, (real(2, 3, *even),)),
    )
    both = common + (of_max if kind == "max" else of_avg)
    return tuple(replace(law, law=of_function(law.law)) for law in both) if function else both


def refusals(n: int, kind: str, *, function: bool) -> tuple[Refusal, ...]:
    """What native refuses in every number of dimensions, and what only some do."""
    x = real(2, 3, *(5,) * n)
    rows: list[tuple[Draw, dict[str, Any], str]] = [
        (x, {"kernel_size": 3, "padding": 2}, "padding"),  # over half of the kernel
        (x, {"kernel_size": 1, "stride": 1, "padding": 1}, "padding"),
        (x, {"kernel_size": 3, "padding": -1}, "padding"),
        (x, {"kernel_size": 2, "stride": 0}, "stride"),
        (x, {"kernel_size": 2, "stride": -1}, "stride"),
        (x, {"kernel_size": 0, "stride": 1}, "kernel_size"),
        (x, {"kernel_size": 6, "stride": 1}, "kernel_size"),  # does not fit
        (x, {"kernel_size": 7, "stride": 2, "ceil_mode": True}, "kernel_size"),
        (x, {"kernel_size": (2,) * (n + 1)}, "kernel_size"),
        (x, {"kernel_size": 2, "stride": (1,) * (n + 1)}, "stride"),
        (real(2, 2, 3, *(5,) * n), {"kernel_size": 2}, "input"),
        (real(2, 0, *(5,) * n), {"kernel_size": 2}, "input"),
        (real(2, 3, *(0,) * n), {"kernel_size": 2, "stride": 1, "padding": 1}, "input"),
    ]
    if kind == "max":
        rows += [
            (real(*(5,) * n), {"kernel_size": 2}, "input"),
            (x, {"kernel_size": 2, "dilation": 0}, "dilation"),
            (x, {"kernel_size": 3, "dilation": 3}, "kernel_size"),
            (x, {"kernel_size": 3, "padding": 2, "dilation": 2}, "padding"),  # half of the kernel, not of what it spans
        ]
    elif n > 1:
        rows += [(x, {"kernel_size": 2, "divisor_override": 0}, "divisor_override")]
    if kind == "avg" and n == 3:
        rows += [(real(1, 2, 5, 2, 5), {"kernel_size": 3, "padding": 1}, "kernel_size")]  # though padding would do
    return tuple(Refusal(called(i, **k) if function else built(**k).on(i), named) for i, k, named in rows)
