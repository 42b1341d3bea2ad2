"""Checks of numbers: values, gradients, gradients of gradients, laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from refops.parity.case import Arguments, Case, draw_like, dtype_of
from refops.parity.checks import check, differs
from refops.parity.judging.budget import MANY_PROBES, PROBES, SLACK, Budget, budgets, ulp
from refops.parity.judging.draw import numbers, seed_global
from refops.parity.judging.trial import NotAskedError, Trial, flatten
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.spec import Law
from refops.parity.subject import Instance, Operator

COARSE = ("ordinary", "large", "tiny", "offset", "saturation", "subnormal")  # where range and precision of a dtype tell
TELLING = ("ordinary", "large", "tiny", "offset", "negative", "ties")  # where every element shows whether it is right


def regimes(trial: Trial) -> Iterator[Case]:
    """The first row in every regime, the others in one each, in turn; at the full level all in every one.

    A row that names its own regimes (`only`) gets those. Outside float32, quick takes the first row where a dtype's
    range and precision tell, `COARSE`, with the second in float64, with the widest and those that spell out an argument
    anew in half precision, one in bfloat16 and the next in float16.
    """
    rows = trial.certain
    sizes = [sum(torch.Size(draw.shape).numel() for draw in row.draws()) for row in rows]
    widest = sizes.index(max(sizes)) if sizes else 0
    for i, row in enumerate(rows):
        if not any(draw.kind == "real" for draw in row.draws()):
            yield row
            continue
        every = row.only or trial.spec.regimes
        chosen = every if trial.full else _quick(trial, row, i, every, i == widest)
        yield from (row.but(regime=regime) for regime in chosen)


def _quick(trial: Trial, row: Case, i: int, every: tuple[str, ...], widest: bool) -> Iterable[str]:
    """The regimes of the i-th row at the quick level; the widest is asked in half precision too."""
    if trial.dtype != "float32":
        if not i:
            return every if row.only else [regime for regime in every if regime in COARSE]
        asked = i == 1 if trial.dtype == "float64" else widest or _its_turn(trial, row)  # wide sums tell nothing new
        return [every[0] if row.only else "ordinary"] if asked else []
    if row.only or (not i and trial.level != "brief"):
        return every
    turns = [regime for regime in every if regime in TELLING]
    turn = turns[i % len(turns)] if turns else "ordinary"
    if trial.level == "brief":
        return [turn]
    # where kinks and limits meet arguments of their own, every row is asked about them
    return dict.fromkeys((turn, every[i % len(every)])) if "saturation" in every else [turn]


def _its_turn(trial: Trial, row: Case) -> bool:
    """Whether a row that spells out an argument anew is asked in this half precision, or in the other."""
    return row in trial.outspoken and trial.outspoken.index(row) % 2 == (trial.dtype == "float16")


@check(cases=regimes, dtypes=None, measured=True)
def value(trial: Trial, case: Case) -> Iterator[Finding]:
    """Outputs are within the derived budget of the float64 truth, in every value regime."""
    subject = trial.build_subject(case)
    with torch.no_grad():
        got = trial.call(subject, case, trial.inputs(case))
    yield from trial.judge(case, got, forward=not _sloped(trial, case))


def _sloped(trial: Trial, case: Case) -> bool:
    """Whether gradients are asked too: in half precision, unless the level is full, of the first row alone."""
    first = trial.certain[0]
    same = (case.init, case.call) == (first.init, first.call)
    return trial.full or trial.dtype not in ("bfloat16", "float16") or same


def slopes(trial: Trial) -> Iterator[Case]:
    """The cases whose gradients are asked."""
    yield from (case for case in regimes(trial) if _sloped(trial, case))


@check(cases=slopes, dtypes=None, measured=True)
def gradient(trial: Trial, case: Case) -> Iterator[Finding]:
    """The gradient of one random direction, for every input and parameter, is within budget of the truth's."""
    expected = trial.expected(case)
    if all(g is None for g in expected.gradients):
        return
    _, got = trial.run(trial.build_subject(case), case, trial.inputs(case), _directions(trial, case))
    yield from trial.judge(case, None, got)


def _directions(trial: Trial, case: Case) -> list[Tensor]:
    return trial.cotangents(
        case, [b.truth.to(b.dtype) if not b.exact else b.truth for b in trial.expected(case).outputs]
    )


def smooth(trial: Trial) -> Iterator[Case]:
    """The first rows that hold a number, on ordinary ones."""
    rows = [c for c in trial.certain if not any(0 in draw.shape for draw in c.draws())]
    yield from rows if trial.full else rows[:3]


@check(cases=smooth)
def double_backward(trial: Trial, case: Case) -> Iterator[Finding]:
    """The gradient of the gradient is native's, wherever native has one."""
    exact = case.but(dtype="float64")
    native, drawn = trial.build_native(case), trial.drawn(case)[1]
    true = matched(trial.oracle, trial.oracle.build(exact, trial.drawn(case)[0]), native.own_state())
    held = {k: v.detach().double().cpu() for k, v in native.own_state().items() if v.is_floating_point()}
    cotangents = _directions(trial, case)

    def second(flat: list[Tensor], instance: Instance, at: Case, device: str) -> list[Tensor | None]:
        instance.load(dict(zip(held, flat[len(drawn) :], strict=False)))
        inputs = trial.inputs(at, flat[: len(drawn)], device)
        outputs = trial.call(instance, at, inputs)
        given = [t for t in inputs if t.requires_grad]
        parameters = instance.parameters()
        leaves = [*given, *parameters.values()]
        formed = partial(instance.gradients, inputs=len(given), names=[*parameters])
        return _second_gradients(outputs, leaves, cotangents, case.seed, formed)

    values = [*drawn, *held.values()]
    try:
        names = [f"second derivative {i}" for i in range(len(second(values, native, case, trial.device)))]
    except RuntimeError:
        return  # native itself has no second derivative here

    def expected(probes: int) -> list[Budget | None]:
        return budgets(
            lambda flat: second(flat, true, exact, "cpu"),
            (lambda flat: second(flat, native, case, trial.device)) if trial.spec.native else None,
            values, names, dtype_of(case.dtype), probes=probes, mixing=True, passes=[4] * len(names),
        )  # fmt: skip

    try:
        got = second(values, trial.build_subject(case), case, trial.device)
    except RuntimeError as error:
        message = f"must be differentiable twice like {trial.them}, got {type(error).__name__}: {error}"
        yield differs(case, "refuses-double-backward", message)
        return
    if list(trial.compare(case, expected(PROBES), got)):  # with more care before accusing
        yield from trial.compare(case, expected(MANY_PROBES), got)


def _second_gradients(
    outputs: list[Tensor],
    leaves: list[Tensor],
    cotangents: list[Tensor],
    seed: int,
    formed: Callable[[Sequence[Tensor | None]], list[Tensor | None]],
) -> list[Tensor | None]:
    """Gradients of <gradients, random directions> with respect to leaves and cotangents, in native's form all."""
    ways = [d.to(o).requires_grad_() for d, o in zip(cotangents, outputs, strict=True)]
    pairs = [(o, d) for o, d in zip(outputs, ways, strict=True) if o.requires_grad]
    if not pairs:
        return [None] * (len(leaves) + len(ways))  # a constant's
    first = torch.autograd.grad(
        [o for o, _ in pairs], leaves, [d for _, d in pairs], create_graph=True, allow_unused=True
    )
    total = torch.zeros(())
    for i, gradient in enumerate(formed(first)):
        if gradient is not None:  # where another gives zeros, the directions of what follows are the same
            generator = torch.Generator().manual_seed(1009 * seed + i)
            direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
            total = total + (gradient * direction.to(gradient)).sum()
    if not total.requires_grad:
        return [None] * (len(leaves) + len(ways))
    return formed(torch.autograd.grad(total, [*leaves, *ways], allow_unused=True))


def smallest(trial: Trial) -> Iterator[Case]:
    """The two rows with the fewest numbers, at the quick level the one; none whose answer is no number."""
    rows = [c for c in trial.rows() if trial.deterministic(c) and not any(0 in d.shape for d in c.draws())]
    few = sorted(rows, key=lambda c: sum(torch.Size(d.shape).numel() for d in c.draws()))
    yield from islice(filter(partial(_finite, trial), few), 2 if trial.full else 1)


def _finite(trial: Trial, case: Case) -> bool:
    """Whether native answers in numbers, which alone have differences."""
    with torch.no_grad():
        outputs = trial.call(trial.build_native(case), case, trial.inputs(case))
    return all(bool(o.isfinite().all()) for o in outputs)


@check(cases=smallest, dtypes=("float64",), level="full")
def jacobian(trial: Trial, case: Case) -> Iterator[Finding]:
    """Every column of the Jacobian agrees with finite differences, cotangents being one-hot."""
    subject = trial.build_subject(case)
    inputs = trial.inputs(case)
    leaves = [t for t in inputs if t.requires_grad] + list(subject.parameters().values())
    if not leaves:
        return

    def function(*changed: Tensor) -> tuple[Tensor, ...]:  # parameters are changed where they are
        given = iter(changed)
        outputs = trial.call(subject, case, [next(given) if t.requires_grad else t for t in inputs])
        return tuple(o for o in outputs if o.requires_grad)

    try:
        torch.autograd.gradcheck(function, leaves, check_undefined_grad=False)
    except GradcheckError as error:
        yield Finding(repr(case), f"Jacobian differs from finite differences: {' '.join(str(error).split())[:300]}")


def lawful(trial: Trial) -> Iterator[Case]:
    """One case per law and regime that keeps it; the law's place in the spec is the seed."""
    for i, law in enumerate(trial.spec.laws):
        yield Case(Arguments(law.inputs), mode=law.mode, dtype=trial.dtype, seed=i)


@check(cases=lawful, applies=lambda spec: bool(spec.laws))
def laws(trial: Trial, case: Case) -> Iterator[Finding]:
    """Equations that need no oracle: invariances, batch-split equals whole, degenerate settings."""
    law = trial.spec.laws[case.seed]
    drawn = [numbers(case, draw, i) for i, draw in enumerate(law.inputs)]

    def sides(operator: Operator, dtype: str, values: list[Tensor]) -> list[Tensor]:
        at = case.but(dtype=dtype)

        def build(*args: Any, **kwargs: Any) -> Any:
            return _stateful(trial, operator, at, args, kwargs)

        seed_global(case.seed)
        pair = law.law(build, *(v.to(dtype_of(dtype)) if v.is_floating_point() else v for v in values))
        return [flatten(side)[0].detach() for side in pair]

    left, right = sides(trial.subject, case.dtype, drawn)
    if left.shape != right.shape:
        yield Finding(
            repr(case),
            f"law {law.name}: both sides must have one shape, got {tuple(left.shape)} and {tuple(right.shape)}",
        )
        return
    yield from _balanced(trial, case, law, left, right, sides, drawn)


def _balanced(
    trial: Trial, case: Case, law: Law, left: Tensor, right: Tensor, sides: Any, drawn: list[Tensor]
) -> Iterator[Finding]:
    """Both sides agree within the sum of their budgets."""
    dtype = dtype_of(case.dtype)

    def allowance(probes: int) -> Budget | None:
        made = budgets(
            lambda flat: [*sides(trial.oracle, "float64", flat)],
            (lambda flat: [*sides(trial.native, case.dtype, flat)]) if trial.spec.native else None,
            drawn, [f"law {law.name}, left side", f"law {law.name}, right side"], dtype,
            probes=probes, mixing=trial.mixing,
        )  # fmt: skip
        both = [b for b in made if b is not None]
        if len(both) < 2 or both[0].exact:
            return None
        allowed = both[0].allowed + both[1].allowed + (both[0].truth - both[1].truth).abs()
        if trial.spec.randomness is not None and law.mode == "train":  # where the truth drops, the subject may not
            allowed = allowed + SLACK * ulp(right.double().cpu(), dtype)
        return Budget(f"law {law.name}", dtype, right.double(), allowed, None, both[0].units)

    budget = allowance(PROBES)
    if budget is None:
        if not torch.equal(left, right):
            yield Finding(repr(case), f"law {law.name}: both sides must be equal")
    elif not budget.accepts(left):  # with more care before accusing
        yield from trial.compare(case, [allowance(MANY_PROBES)], [left])


class Called:
    """An instance as a law sees it: called with native's arguments, in all else the module or function itself.

    `unsupported` says of the call it is given whether the subject is not made for it.
    """

    def __init__(self, instance: Instance, unsupported: Callable[[Case], bool] | None = None) -> None:
        self._instance, self._unsupported = instance, unsupported

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The instance's answer."""
        given = Arguments(tuple(map(draw_like, args)), tuple((k, draw_like(v)) for k, v in kwargs.items()))
        if self._unsupported is not None and self._unsupported(Case(given)):
            raise NotAskedError("declared as unsupported")
        return self._instance(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instance.function, name)


def _stateful(trial: Trial, operator: Operator, case: Case, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An instance of the operator holding the state native would be given for these arguments."""
    if trial.spec.kind == "function":
        return Called(Instance(operator.target, binding=operator.calling()), operator.domain.unsupported)
    given = Case(case.call, Arguments(args, tuple(kwargs.items())), mode=case.mode, dtype=case.dtype)
    given = trial.subject.settled(given)
    if operator.domain.unsupported is not None and operator.domain.unsupported(given):
        raise NotAskedError("declared as unsupported")
    native = trial.build_native(given.but(dtype="float32"), "cpu")
    instance = trial.as_before(operator, operator.build(given, []), native)
    instance.load(native.own_state())
    return Called(instance)
