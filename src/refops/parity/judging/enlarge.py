"""Enlarging: from a curated row to one whose main input is long along one axis, and cheap everywhere else.

What must change together with an axis is found by asking native at small sizes: the axis alone (a batch), every equal
number of the case (`LayerNorm(10)` on `(4, 10)`), or one of them (the channels of `Conv2d(3, 4, 3)`). How far it may
grow is found by counting the numbers the reference makes on the way: that of attention grows with the square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from refops.parity.case import Arguments, Case, Draw, resized

if TYPE_CHECKING:
    from refops.parity.judging.runner import Runner
    from refops.parity.subject import Operator

SMALL = 7  # the size at which native is asked what goes together
STEPS = (1, 4, 16)  # times which it shows how the work grows
PER_CALL = 1000.0  # numbers an operation could make in the time it takes to start
PER_TENSOR = 4.0  # times what is given and given back is drawn, copied and compared
PER_PRODUCT = 1 / 16  # numbers in the time of one multiplication inside a matrix product


def lengths(row: Case) -> list[tuple[int, int]]:
    """What may be made long: every axis of the main input, then those of others whose length the main one lacks.

    The main input is the first `real` tensor that has axes. Each entry says which of the call's tensors, which axis.
    """
    draws = list(row.call.draws())
    real = [i for i, draw in enumerate(draws) if draw.kind == "real" and draw.shape]
    if not real or any(0 in draw.shape for draw in draws):
        return []
    found = [(real[0], axis) for axis in range(len(draws[real[0]].shape))]
    seen = set(draws[real[0]].shape)
    for place in real[1:]:
        for axis, n in enumerate(draws[place].shape):
            if n > 1 and n not in seen:
                seen.add(n)
                found.append((place, axis))
    return found


def thinned(accepts: Callable[[Case], bool], row: Case, place: int, keep: int) -> Case:
    """The row with the other axes of this tensor as short as native accepts; 2 at the least after that one."""
    for axis, n in enumerate(list(row.call.draws())[place].shape):
        least = 1 if axis < keep else 2
        if axis != keep and n > least:
            shorter = (c for m in range(least, min(n, 6)) for c in rewritings(row, place, axis, m))
            row = next((c for c in shorter if accepts(c)), row)
    return row


def rewritings(row: Case, place: int, axis: int, size: int) -> Iterator[Case]:
    """The row with this axis of this tensor of the given size, and what may have to change with it."""
    old = list(row.call.draws())[place].shape[axis]
    alone = row.but(call=_with_axis(row.call, place, axis, size))
    yield alone
    for i in range(_count(row.but(call=_with_axis(row.call, place, axis, -1)), old)):
        single = _nthresized(row.but(call=_with_axis(row.call, place, axis, -1)), i, old, size)
        yield single.but(call=_with_axis(single.call, place, axis, size))
    every = row.but(init=resized(row.init, old, size), call=resized(row.call, old, size))
    for call, init in ((every.call, row.init), (every.call, every.init), (alone.call, every.init)):
        yield row.but(init=init, call=_with_axis(call, place, axis, size))


def _with_axis(arguments: Arguments, place: int, axis: int, size: int) -> Arguments:
    """The arguments with one axis of the tensor at this place changed."""
    seen = iter(range(10_000))

    def change(value: Any) -> Any:
        if isinstance(value, Draw):
            if next(seen) != place:
                return value
            return replace(value, shape=(*value.shape[:axis], size, *value.shape[axis + 1 :]))
        return type(value)(map(change, value)) if isinstance(value, tuple | list) else value

    return Arguments(tuple(map(change, arguments.args)), tuple((k, change(v)) for k, v in arguments.kwargs))


def _walk(value: Any, old: int, new: Callable[[], int]) -> Any:
    """The value with each whole number equal to `old` replaced by what `new()` says."""
    if isinstance(value, Draw):
        shape = tuple(new() if n == old else n for n in value.shape)
        return replace(value, shape=shape, high=new() if value.high == old else value.high)
    if isinstance(value, Arguments):
        return Arguments(_walk(value.args, old, new), tuple((k, _walk(v, old, new)) for k, v in value.kwargs))
    if isinstance(value, tuple | list):
        return type(value)(_walk(v, old, new) for v in value)
    return new() if type(value) is int and value == old else value


def _count(case: Case, old: int) -> int:
    met: list[int] = []

    def note() -> int:
        met.append(old)
        return old

    _walk((case.init, case.call), old, note)
    return len(met)


def _nthresized(case: Case, nth: int, old: int, size: int) -> Case:
    left = iter([old] * nth + [size] + [old] * 10_000)
    init = _walk(case.init, old, lambda: next(left))
    return case.but(init=init, call=_walk(case.call, old, lambda: next(left)))


class _Work(TorchDispatchMode):
    """Counts the numbers made while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.done: float = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else (result,)
        views = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        numbers = 0 if views else sum(t.numel() for t in made if isinstance(t, Tensor))
        product = func.overloadpacket.__name__ in ("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot")
        inner = args[-1].shape[-2 if args[-1].dim() > 1 else 0] if product and isinstance(args[-1], Tensor) else 0
        self.done += PER_CALL * len(made) + numbers * (1 + inner * PER_PRODUCT)
        return result


def work(runner: Runner, operator: Operator, case: Case) -> float:
    """How many numbers are given to the operator, kept and made by it in a forward pass, and given back."""
    instance = operator.build(case, runner.initial(case))
    given = [t.detach() for t in runner.inputs(case)]
    with torch.no_grad(), _Work() as mode:
        outputs = runner.call(instance, case, given)
    tensors = (*given, *instance.own_state().values(), *outputs)
    return float(mode.done + PER_TENSOR * sum(t.numel() for t in tensors))


def longest(runner: Runner, at: Callable[[int], Case], sizes: tuple[int, ...], limit: float) -> int:
    """The first of the sizes, the longest first, at which the work stays under the limit; 0 where none does.

    The runner's subject is asked, and the oracle too where torch has no such operator and the oracle will be run.
    """
    operators = (runner.subject, *(() if runner.spec.native else (runner.oracle,)))
    return min(_longest(runner, operator, at, sizes, limit) for operator in operators)


def _longest(
    runner: Runner, operator: Operator, at: Callable[[int], Case], sizes: tuple[int, ...], limit: float
) -> int:
    """The work at growing sizes tells how it grows: with the size, with its square, or worse."""
    amounts: list[float] = []
    for times in STEPS:
        try:
            amounts.append(work(runner, operator, at(times * SMALL)))
        except Exception:
            return 0  # legal at one size by chance
        if amounts[-1] > limit / 16 and times != STEPS[-1]:
            return 0
    before, last = (max(b - a, 1.0) for a, b in pairwise(amounts))
    power = max(math.log(last / before) / math.log(STEPS[-1] / STEPS[-2]), 1.0)
    unit = last / (1 - (STEPS[-2] / STEPS[-1]) ** power)
    for size in sizes:
        if amounts[-1] + unit * ((size / (STEPS[-1] * SMALL)) ** power - 1) <= limit:
            return size
    return 0
