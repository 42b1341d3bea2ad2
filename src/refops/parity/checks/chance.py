"""Checks of layers that draw random numbers: the law of what they drop, and native's own draws from one seed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from refops.parity.case import Arguments, Case, Draw, fill
from refops.parity.checks import check, differs
from refops.parity.judging.draw import seed_global
from refops.parity.judging.trial import Trial, flatten
from refops.parity.record import Finding
from refops.parity.spec import Spec
from refops.parity.subject import Instance

SIGMAS = 6.0  # a fair layer fails once in five hundred million tries


def _random(spec: Spec) -> bool:
    return spec.randomness is not None


def rates(trial: Trial) -> Iterator[Case]:
    """The rows in training mode, of every rate the spec has, inputs enlarged for counting."""
    rows = [row.but(mode="train") for row in trial.rows()]
    rows = [row for row in rows if (draws := list(row.call.draws())) and 0 not in draws[0].shape]
    yield from trial.spread(rows, 8 if trial.dtype == "float32" else 2)


def _enlarged(case: Case) -> Case:
    """The case with so many repetitions along the first axis that rates can be counted."""
    first: Draw = case.call.args[0]
    return case.but(call=Arguments((Draw((256, *first.shape[1:])), *case.call.args[1:]), case.call.kwargs))


@check(cases=rates, dtypes=("float32", "bfloat16"), applies=_random)
def randomness(trial: Trial, case: Case) -> Iterator[Finding]:
    """What is dropped obeys its law: rate at each position, scale of the rest, one mask forward and backward."""
    law = trial.spec.randomness
    if law is None:
        return
    if law.statistics is not None:
        caller = Caller(trial, case, trial.build_subject(case), [t.detach() for t in trial.inputs(case)[1:]])
        yield from (Finding(repr(case), said) for said in law.statistics(case, caller))
        return
    rate = law.rate(case)
    many = _enlarged(case) if len(case.call.args[0].shape) >= 1 else case
    module = trial.build_subject(many)
    x = (
        torch.rand(many.call.args[0].shape, generator=torch.Generator().manual_seed(case.seed), dtype=torch.float64)
        + 0.5
    )
    x = trial.cast(x, many).requires_grad_()
    seed_global(case.seed + 17)
    once = module(x.clone(), *many.call.args[1:], **many.call.keywords)
    kept = once.detach() != 0
    (gradient,) = torch.autograd.grad(once.float().sum(), x)
    if once.requires_grad and not torch.equal(gradient != 0, kept):
        yield Finding(repr(case), "the gradient must be dropped where the output is")
    if rate in (0, 1):
        wanted = x.detach() if rate == 0 else torch.zeros_like(x)
        if not torch.equal(once.detach(), wanted):
            yield Finding(repr(case), f"p={rate} must give {'the input' if rate == 0 else 'zeros'}")
        return
    yield from _scaled(case, x.detach(), once.detach(), kept, rate)
    yield from _counted(case, kept, rate, law.shared)
    again = module(x.detach().clone(), *many.call.args[1:], **many.call.keywords) != 0
    if kept.numel() > 64 and torch.equal(again, kept):
        yield Finding(repr(case), "a second call must draw a mask of its own")


@dataclass(frozen=True)
class Caller:
    """The subject, its state as drawn, called with another first input and from another seed.

    `given` holds the tensors beside that input by native's names: its parameters, or a function's other arguments.
    """

    trial: Trial
    case: Case
    instance: Instance
    rest: list[Tensor]

    @property
    def given(self) -> dict[str, Tensor]:
        """Parameters, or other arguments, by name."""
        if self.trial.spec.kind == "module":
            return self.instance.state()
        args, kwargs = fill(self.case.call, iter([torch.empty(0), *self.rest]))
        named = inspect.signature(self.trial.spec.reference).bind(*args, **kwargs).arguments
        return {k: v for k, v in named.items() if isinstance(v, Tensor)}

    def __call__(self, x: Tensor, seed: int) -> Tensor:
        """The first output."""
        args, kwargs = fill(self.case.call, iter([x.to(self.trial.device), *self.rest]))
        seed_global(seed)
        return flatten(self.instance(*args, **kwargs))[0].cpu()


def _scaled(case: Case, x: Tensor, y: Tensor, kept: Tensor, rate: float) -> Iterator[Finding]:
    """What is kept is multiplied by 1 / (1 - p)."""
    wanted = x.double() / (1 - rate)
    off = ((y.double() - wanted).abs() / wanted)[kept]
    if off.numel() and float(off.max()) > 4 * torch.finfo(x.dtype).eps:
        yield Finding(
            repr(case), f"what is kept must be scaled by 1/(1-p), it is off by a factor of {1 + float(off.max()):.4g}"
        )


def _counted(case: Case, kept: Tensor, rate: float, shared: tuple[int, ...]) -> Iterator[Finding]:
    """One draw for each unit, of rate p everywhere; axes in `shared` have one draw together."""
    axes = tuple(a for a in shared if -a <= kept.dim())
    unit = kept.float()
    if axes:
        spread = kept.float().amax(axes) - kept.float().amin(axes)
        if bool((spread != 0).any()):
            yield Finding(repr(case), f"axes {axes} must share one draw")
            return
        unit = kept.float().amax(axes)
    count = unit.numel()
    sigma = math.sqrt(rate * (1 - rate) / count)
    if abs(1 - float(unit.mean()) - rate) > SIGMAS * sigma + 1 / count:
        yield Finding(repr(case), f"the share dropped must be {rate}, got {1 - float(unit.mean()):.4f} of {count}")
    rows = unit.flatten(1) if unit.dim() > 1 else unit.reshape(-1, 1)
    per_position = 1 - rows.mean(0)
    lowest, highest = float(per_position.min()), float(per_position.max())
    limit = SIGMAS * math.sqrt(rate * (1 - rate) / rows.shape[0]) + 1 / rows.shape[0]
    if max(rate - lowest, highest - rate) > limit:
        yield Finding(
            repr(case),
            f"every position must be dropped at rate {rate}, got {lowest:.3f} to {highest:.3f}",
        )
    yield from _independent(case, rows, rate)


def _independent(case: Case, rows: Tensor, rate: float) -> Iterator[Finding]:
    """Neighbouring units are drawn independently."""
    centred = rows - (1 - rate)
    variance = rate * (1 - rate)
    for axis in (0, 1):
        if rows.shape[axis] < 2:
            continue
        left, right = centred.narrow(axis, 0, rows.shape[axis] - 1), centred.narrow(axis, 1, rows.shape[axis] - 1)
        correlation = float((left * right).mean()) / variance
        if abs(correlation) > SIGMAS / math.sqrt(left.numel()) + 2 / left.numel():
            yield Finding(repr(case), f"units must be drawn independently, neighbours correlate by {correlation:.3f}")


@check(cases=lambda trial: trial.rows(), dtypes=None, contract="drop-in", applies=_random, compares=True)
def seeded(trial: Trial, case: Case) -> Iterator[Finding]:
    """On the CPU one seed gives native's own mask, and leaves the generator where native leaves it."""
    if trial.device != "cpu":
        return
    drawn = []
    for instance in (trial.build_native(case), trial.build_subject(case)):
        outputs = trial.call(instance, case, [t.detach() for t in trial.inputs(case)])
        drawn.append((outputs[0], torch.rand(1)))
    (native, follows), (subject, follows_too) = drawn
    if not torch.equal(native, subject):
        count = int((native != subject).sum())
        yield differs(case, "seeded", f"the same seed must give native's output, {count} elements differ")
    if not torch.equal(follows, follows_too):
        yield differs(case, "seeded", "as many random numbers must be drawn as by native")
