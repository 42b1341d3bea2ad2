"""Diagnoses that need no hypothesis: what the numbers themselves tell, for any operator.

`arithmetic` tells a wrong formula from a right one whose arithmetic loses digits or overflows; `patterns` reads outputs
and gradients: none at all, a constant factor, a part never written, axes in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import permutations

import torch
from torch import Tensor

from refops.parity.case import Case
from refops.parity.judging.budget import Budget
from refops.parity.judging.sight import Sight, judged, look
from refops.parity.judging.trial import Trial

HALVES = ("bfloat16", "float16")
ENOUGH = 3  # numbers that must agree before a pattern is believed
NUMERIC = ("value", "gradient", "modes", "layout", "buffers")


# -- arithmetic --------------------------------------------------------------------------------------------------------


def arithmetic(trial: Trial, failing: Sequence[tuple[str, Case]], plain: Trial, wrong: list[Sight]) -> str:
    """What is said where the formula is right and only some dtype's arithmetic is not; empty where the formula is off.

    Args:
        trial: whose subject is wrong.
        failing: check and case of every failure.
        plain: the same subject's trial in float32.
        wrong: the failing cases as they come out in float32.
    """
    if not wrong:
        cases = [case for name, case in failing if name in NUMERIC and case.dtype != plain.dtype]
        return _in_one_dtype(trial, cases)
    if plain.dtype != "float32" or any(s.case.layout != "contiguous" for s in wrong):
        return ""
    for dtype in HALVES:
        if all(_representable(s, dtype) and _as_near(plain, s, dtype) for s in wrong):
            return f"computes in {dtype}"
    exact = [look(plain, s.case, dtype="float64") for s in wrong]
    if any(e is None or any(judged(plain, e)) for e in exact):
        return ""
    if all(_unbounded(plain, s) for s in wrong):
        return "under- or overflows: inf or nan where the answer is finite"
    return f"right in float64: {_lost({s.case.regime for s in wrong})}"


def _lost(regimes: set[str]) -> str:
    if regimes == {"offset"}:
        return "digits cancel where the mean is large beside the spread"
    if regimes <= {"large", "saturation"}:
        return "digits are lost where numbers are large"
    if regimes <= {"tiny", "subnormal"}:
        return "digits are lost where numbers are small"
    return "digits are lost in float32"


def _in_one_dtype(trial: Trial, cases: list[Case]) -> str:
    """The formula is right in float32; what of the dtype that fails."""
    dtypes = {case.dtype for case in cases}
    if len(dtypes) != 1:
        return ""
    dtype = dtypes.pop()
    own = Trial(trial.spec, trial.subject, dtype, trial.device, trial.level)
    sights = [s for s in (look(own, case) for case in cases[:4]) if s is not None]
    sights = [s for s in sights if any(judged(own, s))]
    if not sights or len(sights) < min(len(cases), 4):
        return ""
    if dtype == "float64":
        single = all(_representable(s, "float32") for s in sights)
        return "computes in float32" if single else "right in float32, not in float64"
    if not all(_within_in_float32(own, s) for s in sights):  # these very numbers, a 0 it may be, are beyond the formula
        return ""
    if all(_unbounded(own, s) for s in sights):
        return f"under- or overflows in {dtype}: inf or nan where the answer is finite"
    return f"right in float32, not in {dtype}"


def _within_in_float32(trial: Trial, sight: Sight) -> bool:
    """Whether float32 gives what a case of a coarser dtype should, on that case's own numbers."""
    single = look(trial, sight.case, dtype="float32")
    return single is not None and not any(judged(trial, single))


def _results(trial: Trial, sight: Sight) -> Iterator[tuple[Budget, Tensor]]:
    """Every result that has a budget, beside it."""
    expected = trial.expected(sight.case)
    pairs = list(zip([*expected.outputs, *expected.gradients], [*sight.outputs, *sight.gradients], strict=False))
    for budget, got in pairs:
        if budget is not None:
            yield budget, torch.zeros_like(budget.truth) if got is None else got.detach().cpu()


def _unbounded(trial: Trial, sight: Sight) -> bool:
    """Whether inf or nan stands where truth and native are finite."""
    return any(
        got.is_floating_point() and got.shape == b.truth.shape and bool((~got.isfinite() & b.truth.isfinite()).any())
        for b, got in _results(trial, sight)
    )


def _representable(sight: Sight, dtype: str) -> bool:
    """Whether every output is a number of a coarser dtype, and there are enough to tell."""
    coarse = getattr(torch, dtype)
    finite = [o[o.isfinite()] for o in sight.outputs if o.is_floating_point()]
    telling = sum(int((o != o.round()).sum()) for o in finite)
    return telling >= ENOUGH and all(torch.equal(o.to(coarse).to(o.dtype), o) for o in finite)


def _as_near(trial: Trial, sight: Sight, dtype: str) -> bool:
    """Whether the outputs are as near to the truth as a coarser dtype allows."""
    eps = torch.finfo(getattr(torch, dtype)).eps
    for budget, got in zip(trial.expected(sight.case).outputs, sight.outputs, strict=False):
        if got.shape != budget.truth.shape:
            return False
        off = (got.double().cpu() - budget.truth).abs()
        if got.is_floating_point() and not bool((off <= 8 * eps * budget.truth.abs().max()).all()):
            return False
    return True


def by_grad_mode(trial: Trial, sights: list[Sight]) -> str:
    """What is said where the outputs are right with gradients and wrong without."""
    if sights and all(any(trial.judge(s.case, s.silent)) for s in sights):
        return "the output depends on whether gradients are enabled"
    return ""


# -- patterns ----------------------------------------------------------------------------------------------------------


def patterns(trial: Trial, wrong: list[Sight]) -> str:
    """The one thing that can be said of every failing case; empty where there is none."""
    if all(s.case.layout != "contiguous" for s in wrong):
        return "memory layout is ignored" if all(_contiguously(trial, s) for s in wrong) else ""
    said = [list(_sentences(trial, s)) for s in wrong]
    common = [text for text in said[0] if all(text in other for other in said[1:])]
    enough = sum(b.truth.numel() for s in wrong for b, _ in _results(trial, s)) >= ENOUGH
    return common[0] if common and enough else ""


def _contiguously(trial: Trial, sight: Sight) -> bool:
    """Whether the output is the answer for the storage, read as though it were contiguous."""
    case = sight.case
    read = []
    for given in trial.inputs(case):
        strides = torch.empty(given.shape, device="meta").stride()
        least = 1 + sum((n - 1) * s for n, s in zip(given.shape, strides, strict=True)) + given.storage_offset()
        if given.untyped_storage().nbytes() // given.element_size() < least:
            return False
        read.append(given.detach().as_strided(given.shape, strides))
    with torch.no_grad():
        answer = trial.call(trial.build_native(case), case, read)
    return all(torch.allclose(a, o, rtol=1e-4, atol=1e-6) for a, o in zip(answer, sight.outputs, strict=True))


def _sentences(trial: Trial, sight: Sight) -> Iterator[str]:
    expected = trial.expected(sight.case)
    count = len(expected.outputs)
    results = list(_results(trial, sight))
    outputs, gradients = results[:count], results[count:]
    off = [(b, got) for b, got in outputs if not b.accepts(got)]
    if off:
        yield from _of_outputs(off, outputs)
    else:
        yield from _of_gradients([(b, got) for b, got in gradients if not b.accepts(got)], gradients)
    if any(not got.isfinite().all() and b.truth.isfinite().all() for b, got in results if got.is_floating_point()):
        yield "inf or nan where the answer is finite"


Results = list[tuple[Budget, Tensor]]


def _of_outputs(off: Results, outputs: Results) -> Iterator[str]:
    for text, holds in READINGS.items():
        if all(holds(b, got) for b, got in off):
            yield text
    if len(off) == len(outputs):
        yield from _multiple(off, "the output")


def _of_gradients(off: Results, gradients: Results) -> Iterator[str]:
    missing = [b.name for b, got in off if not got.any() and bool(b.truth.any())]
    if off and len(missing) == len(off):
        everything = len(missing) == len([b for b, _ in gradients if b.truth.any()]) and len(missing) > 1
        yield "no gradient at all" if everything else "no " + " and ".join(missing)
    if len(off) == 1:
        yield from _multiple(off, f"the {off[0][0].name}")
    elif off and len(off) == len(gradients):
        yield from _multiple(off, "every gradient")


def _multiple(off: Results, what: str) -> Iterator[str]:
    """Whether all of these are one constant times what they should be."""
    factors = {_factor(b, got) for b, got in off}
    if len(factors) != 1:
        return
    factor = factors.pop()
    if factor == -1:
        yield f"{what} has the wrong sign"
    elif factor is not None:
        size = f"{float(factor):g} times too large" if abs(factor) > 1 else f"{float(1 / factor):g} times too small"
        yield f"{what} is {size}"


def _factor(budget: Budget, got: Tensor) -> Fraction | None:
    """The simple number that the truth was multiplied by, if it was."""
    truth = budget.truth
    if budget.exact or got.shape != truth.shape or not bool(got.isfinite().all() & truth.isfinite().all()):
        return None
    norm = float((truth * truth).sum())
    ratio = float((got.double() * truth).sum()) / norm if norm else 0.0
    factor = Fraction(ratio).limit_denominator(12) if math.isfinite(ratio) else Fraction(0)
    if factor in (0, 1) or abs(float(factor) - ratio) > 1e-4 * abs(ratio):
        return None
    return factor if budget.accepts(got.double() / float(factor)) else None


def _unwritten(budget: Budget, got: Tensor) -> bool:
    """Whether what is wrong are zeros at the end of one axis, and nothing but zeros stands there."""
    if got.shape != budget.truth.shape or got.dim() == 0:
        return False
    wrong = budget.excess(got) > 1
    for axis in range(got.dim()):
        first = int(wrong.movedim(axis, 0).flatten(1).any(1).nonzero()[0]) if got.dim() > 1 else int(wrong.nonzero()[0])
        tail = got.narrow(axis, first, got.shape[axis] - first)
        if first > 0 and not tail.any():
            return True
    return False


def _nan_to(budget: Budget, got: Tensor, number: float) -> bool:
    """Whether all that is wrong is this number, where the answer is nan."""
    if got.shape != budget.truth.shape:
        return False
    wrong = budget.excess(got) > 1
    return bool((budget.truth[wrong].isnan() & (got[wrong] == number)).all())


def _permuted(budget: Budget, got: Tensor) -> bool:
    """Whether the numbers are right, the axes in another order."""
    if not 2 <= got.dim() == budget.truth.dim() <= 4 or got.numel() < ENOUGH:
        return False
    for order in list(permutations(range(got.dim())))[1:]:
        back = got.permute(order)
        if back.shape == budget.truth.shape and budget.accepts(back):
            return True
    return False


def _reshaped(budget: Budget, got: Tensor) -> bool:
    same = got.shape != budget.truth.shape and got.numel() == budget.truth.numel()
    return same and budget.accepts(got.reshape(budget.truth.shape))


READINGS: dict[str, Callable[[Budget, Tensor], bool]] = {
    "nan becomes 0": lambda b, got: _nan_to(b, got, 0.0),
    "the output is all zeros": lambda b, got: got.shape == b.truth.shape and not got.any(),
    "the end of the output is never written": _unwritten,
    "the axes of the output are in another order": _permuted,
    "the numbers are right, their shape is not": _reshaped,
}
