r"""How far from the truth an honest implementation may be. No tolerance is typed by hand; all of it is measured.

The truth t is the oracle in float64 at the very inputs the subject gets. The unit of noise of each output is

    unit = half an ulp of t in the subject's dtype  +  what a one-ulp change of the inputs does to t

and the budget is  SLACK * unit * max(1, native's own error in such units, worst among outputs of like magnitude).
So whoever is closer to the truth than native always passes, and nobody gains from native's errors elsewhere.

The change of the inputs is a relative one whose sign hangs on the value itself: equal values stay equal, and zeros
stay zeros, and it is measured between two changes of the same sign: the jump of a kink lies on neither side and drops
out.

Where an output hangs on many inputs, sums cancel: its unit is at least an ulp of the largest output beside it, and that
of a gradient, whose terms are products with the inputs, an ulp of the largest input, times the root of their mean
square for each further input in a term. Sums of more than 256 terms may be taken one term after the other: ulps of
these grow with the root of their number. Where directions are summed up to be taken away again, what counts is the size
that their sum has on the way. In float64, where the truth is no more precise than the subject, all that holds for every
operator, native's error is taken from float32, in units, and numbers too small for float32 have no yardstick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import torch
from torch import Tensor

SLACK = 4.0  # honest variants differ by a few units; the two published rates show what this choice costs and buys
COVERED = 256  # terms of a sum: of more, added one after the other, the rounding is more than the slack covers
PROBES = 0  # changes of the inputs tried at first sight: who is within budget without any needs no second look
FEW_PROBES, MORE_PROBES = 1, 4  # where steps add up and none would seldom do; then, where one was not enough
DOUBT = 0.5  # the share of what a single one shows that is not believed; that of several falls as its root
MANY_PROBES = 24  # tried before anybody is accused: few probes may all happen to cancel
NEIGHBOURS = 8  # inputs an ulp away at which native's error is measured too, before anybody is accused: it may be luck

EXPONENT = 0x7FF << 52  # where a float64 keeps its power of two
FLUSHED = (torch.float32, torch.bfloat16)  # whose smallest numbers many a device takes for zero

Function = Callable[[list[Tensor]], list[Tensor | None]]


def ulp(value: Tensor, dtype: torch.dtype) -> Tensor:
    """The spacing of `dtype` at each value, in float64; below the normal range, the subnormal spacing."""
    exponent = (value.double().view(torch.int64) & EXPONENT).clamp(*_exponents(dtype))
    return exponent.view(torch.float64) * _eps(dtype)  # of the power of two at or below it


@cache
def _exponents(dtype: torch.dtype) -> tuple[int, int]:
    """The bits of the smallest normal and the largest power of two, as float64."""
    info = torch.finfo(dtype)
    least, most = (torch.tensor([info.tiny, info.max], dtype=torch.float64).view(torch.int64) & EXPONENT).tolist()
    return least, most


def changed(values: list[Tensor], size: float, probe: int) -> list[Tensor]:
    """Each floating value times 1 + size or 1 - size; equal values get equal signs."""
    floating = [v for v in values if v.is_floating_point()]
    if not floating:
        return values
    joined = torch.cat([v.flatten() for v in floating])  # one long tensor is changed faster than many short ones
    bits = (joined.abs() + 0.0).view(torch.int64)
    mixed = (bits ^ (bits >> 29)) * (0x9E3779B97F4A7C15 - 2**64 + 2 * probe) + probe * 0x2545F491
    sign = (1 - 2 * ((mixed >> 43) & 1)).double()
    moved = torch.where(joined.isfinite(), joined * (1 + size * sign), joined).split([v.numel() for v in floating])
    parts = iter([m.view(v.shape) for m, v in zip(moved, floating, strict=True)])
    return [next(parts) if v.is_floating_point() else v for v in values]


def sensitivity(truth: Function, values: list[Tensor], dtype: torch.dtype, probes: int) -> list[Tensor | None]:
    """What one ulp of the inputs does to each output: the spread over the probes, from their mean absolute step."""
    eps = torch.finfo(dtype).eps
    scale = 256.0 if dtype == torch.float64 else 1.0  # far enough from the truth's own rounding
    believed = 1.0 if probes >= MANY_PROBES else 1 - DOUBT / math.sqrt(probes)
    per_step = math.sqrt(math.pi / 2) * (16 / 15) / scale / probes * believed
    spread: list[Tensor | None] = []
    for probe in range(probes):
        pairs = zip(
            truth(changed(values, scale * eps, probe)), truth(changed(values, scale * eps / 16, probe)), strict=True
        )
        steps = [None if a is None or b is None else _finite(a - b).abs() * per_step for a, b in pairs]
        spread = (
            steps
            if probe == 0
            else [None if a is None or b is None else a + b for a, b in zip(spread, steps, strict=True)]
        )
    return spread


def _finite(value: Tensor) -> Tensor:
    return torch.nan_to_num(value.double(), nan=0.0, posinf=0.0, neginf=0.0)


def _magnitudes(truth: Tensor) -> Tensor:
    """The power of two at each output, counted from 1 for the smallest."""
    exponent = torch.frexp(torch.nan_to_num(truth).clamp(-1e300, 1e300).flatten())[1].long()
    return exponent - exponent.min() + 1


def _by_magnitude(amount: Tensor, truth: Tensor, reduce: str) -> Tensor:
    """For each output, the amax or mean of `amount` over outputs within a factor of two to four of it in magnitude."""
    if not truth.numel() or not amount.any():
        return amount
    bucket = _magnitudes(truth)
    table = torch.zeros(int(bucket.max()) + 2, dtype=torch.float64)
    table.scatter_reduce_(0, bucket, amount.flatten(), reduce, include_self=False)
    if reduce == "amax":
        table = torch.stack([table, table.roll(1), table.roll(-1)]).amax(0)
    return table[bucket].view(amount.shape)


@dataclass
class Budget:
    """Truth, allowance and native's answer for one output, all on the CPU; `exact` where outputs are not floating."""

    name: str
    dtype: torch.dtype
    truth: Tensor
    allowed: Tensor
    native: Tensor | None
    units: Tensor  # native's own error, in units of noise
    exact: bool = False

    @cached_property
    def spacing(self) -> Tensor:
        """An ulp of the truth at each element; 1 where outputs are not floating."""
        return torch.ones(self.truth.shape, dtype=torch.float64) if self.exact else ulp(self.truth, self.dtype)

    @cached_property
    def most(self) -> Tensor:
        """The allowance, kept from being 0."""
        return self.allowed.clamp(min=5e-324)

    @cached_property
    def native_error(self) -> Tensor | None:
        """Native's own error, which `error` excuses, since a subject may answer what native answers."""
        return None if self.native is None else replace(self, native=None).error(self.native)

    def error(self, got: Tensor) -> Tensor:
        """|got - truth|, infinite where one is not a number and neither truth's nor native's answer is met."""
        got = got.detach().cpu()
        if self.exact:
            wrong = (
                got != self.truth if got.shape == self.truth.shape else torch.ones(self.truth.shape, dtype=torch.bool)
            )
            return torch.where(wrong, math.inf, 0.0)
        if got.shape != self.truth.shape:
            return _all_wrong(self.truth)
        got64, truth = got.double(), self.truth
        error = (got64 - truth).abs()
        if bool((error <= self.allowed).all()):
            return error  # the usual case; what follows takes its time
        limit = torch.finfo(self.dtype).max
        same = (got64 == truth) | (got64.isnan() & truth.isnan())
        over = (
            (truth.abs() >= limit * (1 - torch.finfo(self.dtype).eps)) & got64.isinf() & (got64.sign() == truth.sign())
        )
        if self.dtype in FLUSHED:
            same |= (got64 == 0) & (truth.abs() < torch.finfo(self.dtype).tiny)
        if self.native is not None:
            native = self.native.double()
            same |= (got64 == native) | (got64.isnan() & native.isnan())
        return torch.where(same | over, 0.0, torch.where(error.isnan(), math.inf, error))

    def excess(self, got: Tensor, error: Tensor | None = None) -> Tensor:
        """Error over budget: more than 1 fails; `error` where it is known already."""
        return (self.error(got) if error is None else error) / self.most

    def excludes(self, dtype: torch.dtype) -> bool:
        """Whether no tensor of this coarser dtype can be within budget, even the truth rounded to it."""
        if self.exact or self.native is None:
            return False
        rounded, native = self.truth.to(dtype).double(), self.native.double()
        nearest = torch.where(native.to(dtype).double() == native, native, rounded)
        return bool((self.error(nearest) > self.most).any())

    def accepts(self, got: Tensor) -> bool:
        """Whether every element is within budget."""
        return got.shape == self.truth.shape and bool((self.error(got) <= self.most).all())


def _all_wrong(truth: Tensor) -> Tensor:
    return torch.full(truth.shape, math.inf, dtype=torch.float64)


def budgets(
    truth: Function,
    native: Function | None,
    values: list[Tensor],
    names: list[str],
    dtype: torch.dtype,
    units: list[Tensor] | None = None,
    probes: int = MANY_PROBES,
    mixing: bool = False,
    passes: list[int] | None = None,
    neighbours: int = 0,
    again: Callable[[], Iterable[list[Tensor | None]]] = tuple,
    products: int = 1,
    summing: bool = False,
) -> list[Budget | None]:
    """The budget of every output of `truth` at `values` (float64, rounded to `dtype`).

    `native` gives native's own answer in `dtype`; `units` replaces native's measured error (in float64, where the
    truth cannot tell). An output that is None (no gradient) has no budget. `passes` counts forward passes: a gradient,
    which runs forward and back, has two. `neighbours` inputs about an ulp away have their native error counted in, and
    so have the answers that native gives to the same numbers `again`, in another layout or on more threads.
    `products` and `summing` are the spec's.
    """
    exact = truth(values)
    answers = native(values) if native is not None else [None] * len(exact)
    spread = sensitivity(truth, values, dtype, probes) if probes else [None] * len(exact)
    errors = [_distance(a, t) for a, t in zip(answers, exact, strict=True)]
    for probe in range(neighbours if native is not None else 0):
        moved = [v.to(dtype).double() if v.is_floating_point() else v for v in changed(values, _eps(dtype), probe)]
        beside = zip(native(moved), truth(moved), strict=True)  # type: ignore[misc]
        errors = [_worse(e, _distance(a, t)) for e, (a, t) in zip(errors, beside, strict=True)]
    for answer in again():
        errors = [_worse(e, _distance(a, t)) for e, a, t in zip(errors, answer, exact, strict=True)]
    largest, length = _largest(values), _longest(values)
    inside = [*values, *(t for t, n in zip(exact, passes or (), strict=False) if n == 1 and t is not None)]
    growth = _of_a_term(inside, products) * (math.sqrt(length) if summing else 1.0)
    # one after the other in their own precision; half precision is summed up in float32
    sums = math.sqrt(max(length / COVERED, 1.0)) if dtype in (torch.float32, torch.float64) else 1.0
    if passes and max(passes) > 2:  # a second derivative's terms are made of first ones, and of one another
        largest = max(largest, _largest([t for t in exact if t is not None]))
    result: list[Budget | None] = []
    for i, (t, a, s) in enumerate(zip(exact, answers, spread, strict=True)):
        if t is None:
            result.append(None)
        elif not t.is_floating_point():
            expected = t if a is None else a.cpu()
            none = torch.zeros(t.shape, dtype=torch.float64)
            result.append(Budget(names[i], dtype, expected, none, None, none, exact=True))
        else:
            given = units[i] if units is not None else None
            long = passes[i] if passes else 1
            near = largest * growth if long > 1 else largest if dtype == torch.float64 else 0.0
            mixed = mixing or (summing and long > 1)
            budget = _budget(
                names[i], dtype, t, None if a is None else a.cpu(), errors[i], s, given, mixed * sums, near
            )
            result.append(_longer(budget, long))
    return result


def _eps(dtype: torch.dtype) -> float:
    return float(torch.finfo(dtype).eps)


def _distance(answer: Tensor | None, truth: Tensor | None) -> Tensor | None:
    """Native's error, 0 where it or the truth is not finite; None where they cannot be compared."""
    if answer is None or truth is None or answer.shape != truth.shape or not truth.is_floating_point():
        return None
    return _finite(answer.detach().double().cpu() - truth.detach().double().cpu()).abs()


def _worse(error: Tensor | None, other: Tensor | None) -> Tensor | None:
    return error if error is None or other is None else torch.maximum(error, other)


def _longer(budget: Budget, passes: int) -> Budget:
    """The budget of a result that runs through so many times the roundings of a forward pass."""
    return budget if passes == 1 else replace(budget, allowed=budget.allowed * passes)


def _largest(values: list[Tensor]) -> float:
    """The largest finite magnitude among the floating values."""
    found = [float(v.abs().max()) for v in values if v.is_floating_point() and v.numel()]
    if not all(map(math.isfinite, found)):
        found = [float(_finite(v).abs().max()) for v in values if v.is_floating_point() and v.numel()]
    return max(found, default=0.0)


def _of_a_term(values: list[Tensor], products: int) -> float:
    """What the further factors of a gradient's terms, inputs or outputs, come to: 1 for ordinary ones."""
    if products == 1:
        return 1.0
    means = [float(_finite(v).square().mean().sqrt()) for v in values if v.is_floating_point() and v.numel()]
    return max([1.0, *means]) ** (products - 1)


def _longest(values: list[Tensor]) -> int:
    """The length of the longest axis, along which sums are taken."""
    return max((n for v in values if v.is_floating_point() for n in v.shape), default=1)


def _floor(truth: Tensor, largest: float, dtype: torch.dtype, mixing: float) -> float:
    """The least unit of noise of a tensor's elements, see the top of this file; `mixing` says of how many ulps."""
    if dtype != torch.float64 and not mixing:
        return 0.0
    info = torch.finfo(dtype)
    beside = min(max(_largest([truth]), largest, info.tiny), info.max)
    spacing = math.ldexp(info.eps, math.frexp(beside)[1] - 1)
    return spacing * max(1.0, mixing) + (torch.finfo(torch.float32).tiny if dtype == torch.float64 else 0.0)


def _budget(
    name: str,
    dtype: torch.dtype,
    truth: Tensor,
    native: Tensor | None,
    error: Tensor | None,
    spread: Tensor | None,
    units: Tensor | None,
    mixing: float,
    largest: float,
) -> Budget:
    truth = truth.detach().double().cpu()
    unit = ulp(truth, dtype) / 2
    if spread is not None:
        spread = spread.cpu()
        unit = unit + torch.maximum(spread, _by_magnitude(spread, truth, "mean") / 2)
    unit = unit + _floor(truth, largest, dtype, mixing)
    if units is None or units.shape != truth.shape:
        units = torch.ones_like(truth)
        if error is not None:
            units = _finite(error / unit)
    within = not units.numel() or float(units.max()) <= 1
    worst = 1.0 if within else _by_magnitude(units, truth, "amax").clamp(min=1)
    return Budget(name, dtype, truth, SLACK * unit * worst, native, units)
