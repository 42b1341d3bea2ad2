"""One subject on trial: what a case must give, its budget, and the comparison with what the subject gave.

Values flow as one flat list, so that one function stands for outputs and gradients together:
call tensors, then the state (parameters and floating buffers), then one cotangent per output.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Case, dtype_of
from refops.parity.judging.accuracy import Weighed, factor_above_native, weigh
from refops.parity.judging.budget import MANY_PROBES, NEIGHBOURS, PROBES, Budget, budgets
from refops.parity.judging.draw import SAME_NUMBERS, lay
from refops.parity.judging.runner import UNASKED, Runner, flatten
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.spec import Spec
from refops.parity.subject import Instance, NativeError, Operator

__all__ = ["Expected", "NotAskedError", "Statistics", "Trial", "flatten"]


class NotAskedError(Exception):
    """A case that cannot be asked of this subject; the message says why."""


@dataclass
class Expected:
    """What one case must give: a budget per output, then one per gradient (None where native has no gradient)."""

    outputs: list[Budget]
    gradients: list[Budget | None]
    vacuous: tuple[str, ...]  # what trivial answer would have passed: "zeros", "the input", "half precision"


@dataclass
class Statistics:
    """What an item saw over all its cases."""

    cases: int = 0
    evidence: int = 0
    ulps: list[float] = field(default_factory=list)
    worst: tuple[float, str] = (0.0, "")
    ratio: float = 0.0
    weighed: list[Weighed] = field(default_factory=list)

    def snapshot(self) -> Statistics:
        """A copy to go back to."""
        return replace(self, ulps=list(self.ulps), weighed=list(self.weighed))


PLOTTED = 64  # elements around the worst that a finding keeps for its plot
DOUBTFUL = 1e6  # times the budget at first sight; an error above is no matter of rounding
_EXPECTED: OrderedDict[tuple[Any, ...], Expected] = OrderedDict()
_KEPT = 400


@contextmanager
def threaded(count: int) -> Iterator[None]:
    """So many threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Trial(Runner):
    """A runner that also compares.

    Args:
        spec, subject, dtype, device, level: those of `Runner`.
    """

    def __init__(
        self, spec: Spec, subject: Operator, dtype: str = "float32", device: str = "cpu", level: str = "quick"
    ):
        super().__init__(spec, subject, dtype, device, level)
        self.statistics = Statistics()
        self.excess = 0.0  # the largest error over budget since `judge` began

    def expected(self, case: Case, probes: int = PROBES, forward: bool = False) -> Expected:
        """Budgets for the outputs and gradients of a case; kept, since many subjects are asked the same.

        `forward` leaves the gradients out, where nobody will ask for them.
        """
        if case.layout in SAME_NUMBERS and probes != MANY_PROBES:
            case = case.but(layout="contiguous")
        key: tuple[Any, ...] = (self.spec.identity, repr(case), self.device, probes)
        if forward and key not in _EXPECTED:
            key = (*key, "forward")
        if key not in _EXPECTED:
            try:
                _EXPECTED[key] = self._expected(case, probes, forward)
            except Exception as error:
                raise NativeError(f"{self.them} raised {type(error).__name__}: {error}") from error
            while len(_EXPECTED) > _KEPT:
                _EXPECTED.popitem(last=False)
        return _EXPECTED[key]

    def forget(self, case: Case) -> None:
        """Drop the budgets of a case: long ones take memory that nobody asks for again."""
        for key in [k for k in _EXPECTED if k[:2] == (self.spec.identity, repr(case))]:
            del _EXPECTED[key]

    def _expected(self, case: Case, probes: int, forward: bool) -> Expected:
        dtype, exact = dtype_of(case.dtype), case.but(dtype="float64")
        in_dtype = self.build_native(case)
        held = {k: v.detach().double().cpu() for k, v in in_dtype.own_state().items()}
        floating = [k for k, v in in_dtype.own_state().items() if v.is_floating_point()]
        pairs = zip(self.drawn(case)[1], case.call.draws(), strict=True)
        drawn = [lay(t, case.layout) if d.kind == "real" else t for t, d in pairs]
        plain, exact = case.but(layout="contiguous"), exact.but(layout="contiguous")  # the numbers are laid out already
        shapes = [o.detach() for o in self.call(in_dtype, plain, self.inputs(plain, drawn))]
        cotangents = self.cotangents(case, shapes)
        values = [*drawn, *(held[k] for k in floating), *cotangents]
        true = self.oracle.build(exact, self.drawn(case)[0])
        true = matched(self.oracle, true, in_dtype.own_state())

        def truth(flat: list[Tensor]) -> list[Tensor | None]:
            true.load(dict(zip(floating, flat[len(drawn) :], strict=False)))
            inputs = self.inputs(exact, flat[: len(drawn)], "cpu")
            return self.results(true, exact, inputs, flat[len(drawn) + len(floating) :], forward)

        def answer(
            flat: list[Tensor], at: Case = plain, operator: Instance = in_dtype, forward: bool = forward
        ) -> list[Tensor | None]:
            operator.load(dict(zip(floating, flat[len(drawn) :], strict=False)))
            return self.results(operator, at, self.inputs(at, flat[: len(drawn)]), cotangents, forward)

        count = len(shapes)
        names = self.names(case, in_dtype, count)[: count if forward else None]
        units = None
        if dtype == torch.float64:
            coarse = self.expected(case.but(dtype="float32"), probes, forward)
            units = [b.units + 1 if b is not None else torch.ones(()) for b in (*coarse.outputs, *coarse.gradients)]
        passes = [1] * count + [2] * (len(names) - count)
        theirs = answer if self.spec.native else self._rounded(case, drawn, floating, in_dtype, forward)
        careful = probes == MANY_PROBES
        neighbours = NEIGHBOURS if careful else 0

        def again() -> Iterator[list[Tensor | None]]:
            """Native's answers in the case's own layout and at other thread counts: luck is no yardstick."""
            if not careful or self.spec.native is None:
                return
            for threads in {1, 2, torch.get_num_threads()}:
                with threaded(threads):
                    in_dtype.load(held)
                    yield self.results(in_dtype, case, self.inputs(case), cotangents, forward)

        made = budgets(
            truth, theirs, values, names, dtype, units, probes, self.mixing, passes, neighbours, again,
            self.spec.products, self.spec.summing,
        )  # fmt: skip
        outputs = [b for b in made[:count] if b is not None]
        return Expected(outputs, made[count:], self._vacuous(case, outputs, drawn, values, answer))

    def results(
        self, instance: Instance, case: Case, inputs: list[Tensor], cotangents: list[Tensor], forward: bool
    ) -> list[Tensor | None]:
        """Outputs, then gradients unless only the forward pass is asked for, in one list."""
        if forward:
            with torch.no_grad():
                return [*self.call(instance, case, inputs)]
        outputs, gradients = self.run(instance, case, inputs, cotangents)
        return [*(o.detach() for o in outputs), *gradients]

    def _rounded(
        self, case: Case, drawn: list[Tensor], floating: list[str], like: Instance, forward: bool
    ) -> Callable[[list[Tensor]], list[Tensor | None]]:
        """What stands in for native's answer where torch has none: the oracle in float32, rounded to the dtype."""
        at = case.but(dtype="float32", layout="contiguous")
        oracle = matched(self.oracle, self.oracle.build(at, self.drawn(at)[0]), like.own_state())

        def answer(flat: list[Tensor]) -> list[Tensor | None]:
            oracle.load(dict(zip(floating, flat[len(drawn) :], strict=False)))
            cotangents = flat[len(drawn) + len(floating) :]
            results = self.results(oracle, at, self.inputs(at, flat[: len(drawn)], "cpu"), cotangents, forward)
            return [r if r is None or not r.is_floating_point() else r.to(dtype_of(case.dtype)) for r in results]

        return answer

    def _vacuous(
        self, case: Case, outputs: list[Budget], drawn: list[Tensor], values: list[Tensor], answer: Any
    ) -> tuple[str, ...]:
        """Which trivial answers the budget would accept for every output."""
        found = []
        if all(b.accepts(torch.zeros_like(b.truth)) for b in outputs):
            found.append("zeros")
        if any(t.shape == outputs[0].truth.shape and outputs[0].accepts(t) for t in drawn if t.is_floating_point()):
            found.append("the input")
        fine = case.dtype in ("float32", "float64") and self.spec.native is not None
        if fine and not any(b.excludes(torch.bfloat16) for b in outputs):
            coarse = case.but(dtype="bfloat16", layout="contiguous")
            try:
                half = answer(values, coarse, self.build_native(coarse), forward=True)
            except (RuntimeError, NotImplementedError):
                half = []
            if half and all(b.accepts(h) for b, h in zip(outputs, half, strict=False) if h is not None):
                found.append("half precision")
        return tuple(found)

    # -- comparing -----------------------------------------------------------------------------------------------

    def judge(
        self,
        case: Case,
        outputs: list[Tensor] | None,
        gradients: list[Tensor | None] | None = None,
        what: str = "",
        forward: bool = False,
    ) -> Iterator[Finding]:
        """Findings for outputs and gradients over budget; the budget is measured anew, with care, before accusing.

        `forward` says that nobody will ask for this case's gradients.
        """

        def findings(expected: Expected) -> list[Finding]:
            found = [] if outputs is None else list(self.compare(case, [*expected.outputs], [*outputs], what))
            return found + ([] if gradients is None else list(self.compare(case, expected.gradients, gradients, what)))

        held, self.excess = self.statistics.snapshot(), 0.0
        found = findings(self.expected(case, forward=forward))
        if found and all(f.ulp is not None for f in found) and self.excess < DOUBTFUL:
            self.statistics = held
            found = findings(self.expected(case, MANY_PROBES, forward or gradients is None))
        yield from found

    def compare(
        self, case: Case, expected: list[Budget | None], got: list[Tensor | None], what: str = ""
    ) -> Iterator[Finding]:
        """A finding for every result that is over budget; notes ulps and ratios on the way."""
        if len(got) != len(expected):
            yield Finding(repr(case), f"{what or 'the call'} must give {len(expected)} tensors, got {len(got)}")
            return
        for budget, value in zip(expected, got, strict=True):
            if budget is None or value is UNASKED:
                continue
            value = torch.zeros_like(budget.truth) if value is None else value.detach().cpu()
            if value.shape != budget.truth.shape:
                message = f"{what}{budget.name} must have shape {tuple(budget.truth.shape)}, got {tuple(value.shape)}"
                yield Finding(repr(case), message, where=budget.name)
                continue
            if value.numel():
                yield from self._numbers(case, budget, value, what)

    def _numbers(self, case: Case, budget: Budget, value: Tensor, what: str) -> Iterator[Finding]:
        error = budget.error(value)
        excess = budget.excess(value, error)
        at = int(excess.argmax())
        ulps = error / budget.spacing
        native_error = _off(budget, at)
        ratio = error.flatten()[at].item() / native_error if native_error else None
        self.note(case, ulps, ratio)
        if not self.subject.reference and budget.name.startswith("output"):  # the references are not told so
            theirs = budget.native_error
            told = None if theirs is None else weigh(ulps, theirs / budget.spacing, budget.truth)
            self.statistics.weighed += [told] if told is not None else []
        if excess.flatten()[at] <= 1:
            return
        self.excess = max(self.excess, float(excess.max()))
        bad = int((excess > 1).sum())
        yield Finding(
            repr(case),
            f"{what}{budget.name} is over budget in {bad} of {value.numel()} elements",
            where=budget.name,
            index=str([int(i) for i in torch.unravel_index(torch.tensor(at), value.shape)]),
            expected=f"{budget.truth.flatten()[at].item():.9g}",
            got=f"{value.flatten()[at].item():.9g}",
            budget=f"{budget.allowed.flatten()[at].item():.3g}",
            ulp=ulps.flatten()[at].item(),
            ratio=ratio,
            series=_series(budget, value, at),
        )

    def less_accurate(self) -> list[Finding]:
        """A finding if errors are clearly above native's over all cases, see `refops.parity.judging.accuracy`."""
        factor = 0.0 if self.dtype == "float64" else factor_above_native(self.statistics.weighed)
        if not factor:
            return []
        twice = ": rounds twice" if round(factor, 1) == 1.4 else ""
        message = f"{factor:.1f} x native's error in {self.dtype}{twice}"
        return [Finding("", message, grade="less accurate", kind=f"less-accurate-{self.dtype}")]

    def note(self, case: Case, ulps: Tensor, ratio: float | None) -> None:
        """Add to the statistics: errors in ulp, and the worst error over native's."""
        if not math.isfinite(float(ulps.max())):
            ulps = ulps[ulps.isfinite()]
        if not ulps.numel():
            return
        worst = float(ulps.max())
        self.statistics.ulps.append(float(ulps.median()))
        self.statistics.worst = max(self.statistics.worst, (worst, repr(case)))
        if ratio is not None and math.isfinite(ratio):
            self.statistics.ratio = max(self.statistics.ratio, ratio)


def _series(budget: Budget, value: Tensor, at: int) -> dict[str, list[float]]:
    """The numbers around the worst element, for a plot; none for complex ones."""
    if value.is_complex() or budget.truth.is_complex():
        return {}
    first = max(0, min(at - PLOTTED // 2, value.numel() - PLOTTED))
    parts = {"expected": budget.truth, "got": value, "budget": budget.allowed}
    shown = {name: t.flatten()[first : first + PLOTTED].double().tolist() for name, t in parts.items()}
    return {"first": [float(first)], **shown}


def _off(budget: Budget, at: int) -> float:
    """Native's own error at one element; 0 where there is none to compare with."""
    if budget.native is None:
        return 0.0
    error = abs(budget.native.flatten()[at].double().item() - budget.truth.flatten()[at].double().item())
    return error if math.isfinite(error) else 0.0
