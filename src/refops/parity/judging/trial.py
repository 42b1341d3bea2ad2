"""One subject on trial: what a case must give, its budget, and the comparison with what the subject gave.

Values flow as one flat list, so that one function stands for outputs and gradients together:
call tensors, then the state (parameters and floating buffers), then one cotangent per output.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Case, dtype_of
from refops.parity.judging.budget import MANY_PROBES, NEIGHBOURS, PROBES, Budget, budgets, ulp
from refops.parity.judging.draw import lay
from refops.parity.judging.runner import Runner, flatten
from refops.parity.record import Finding
from refops.parity.spec import Spec
from refops.parity.subject import Instance, Operator

__all__ = ["Expected", "Statistics", "Trial", "flatten"]


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

    def snapshot(self) -> Statistics:
        """A copy to go back to."""
        return Statistics(self.cases, self.evidence, list(self.ulps), self.worst, self.ratio)


DOUBTFUL = 1e3  # times the budget; an error above is no matter of rounding
_EXPECTED: OrderedDict[tuple[str, ...], Expected] = OrderedDict()
_KEPT = 400


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

    def expected(self, case: Case, probes: int = PROBES) -> Expected:
        """Budgets for the outputs and gradients of a case; kept, since many subjects are asked the same."""
        key = (self.spec.name, repr(case), self.device, str(probes))
        if key not in _EXPECTED:
            _EXPECTED[key] = self._expected(case, probes)
            while len(_EXPECTED) > _KEPT:
                _EXPECTED.popitem(last=False)
        return _EXPECTED[key]

    def forget(self, case: Case) -> None:
        """Drop the budgets of a case: long ones take memory that nobody asks for again."""
        for key in [k for k in _EXPECTED if k[:2] == (self.spec.name, repr(case))]:
            del _EXPECTED[key]

    def _expected(self, case: Case, probes: int) -> Expected:
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
        true = self.oracle.match(true, in_dtype.own_state())

        def truth(flat: list[Tensor]) -> list[Tensor | None]:
            true.load(dict(zip(floating, flat[len(drawn) :], strict=False)))
            inputs = self.inputs(exact, flat[: len(drawn)], "cpu")
            outputs, gradients = self.run(true, exact, inputs, flat[len(drawn) + len(floating) :])
            return [*(o.detach() for o in outputs), *gradients]

        def answer(flat: list[Tensor], at: Case = plain, operator: Instance = in_dtype) -> list[Tensor | None]:
            operator.load(dict(zip(floating, flat[len(drawn) :], strict=False)))
            outputs, gradients = self.run(operator, at, self.inputs(at, flat[: len(drawn)]), cotangents)
            return [*(o.detach() for o in outputs), *gradients]

        count = len(shapes)
        names = self.names(case, in_dtype, count)
        units = None
        if dtype == torch.float64:
            coarse = self.expected(case.but(dtype="float32"), probes)
            units = [b.units + 1 if b is not None else torch.ones(()) for b in (*coarse.outputs, *coarse.gradients)]
        passes = [1] * count + [2] * (len(names) - count)
        theirs = answer if self.spec.native else self._rounded(case, drawn, floating, in_dtype)
        neighbours = NEIGHBOURS if probes == MANY_PROBES else 0
        made = budgets(truth, theirs, values, names, dtype, units, probes, self.mixing, passes, neighbours)
        outputs = [b for b in made[:count] if b is not None]
        return Expected(outputs, made[count:], self._vacuous(case, outputs, drawn, values, answer))

    def _rounded(
        self, case: Case, drawn: list[Tensor], floating: list[str], like: Instance
    ) -> Callable[[list[Tensor]], list[Tensor | None]]:
        """What stands in for native's answer where torch has none: the oracle in float32, rounded to the dtype."""
        at = case.but(dtype="float32", layout="contiguous")
        oracle = self.oracle.match(self.oracle.build(at, self.drawn(at)[0]), like.own_state())

        def answer(flat: list[Tensor]) -> list[Tensor | None]:
            oracle.load(dict(zip(floating, flat[len(drawn) :], strict=False)))
            cotangents = flat[len(drawn) + len(floating) :]
            outputs, gradients = self.run(oracle, at, self.inputs(at, flat[: len(drawn)], "cpu"), cotangents)
            results = [*(o.detach() for o in outputs), *gradients]
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
        if case.dtype in ("float32", "float64") and self.spec.native:
            coarse = case.but(dtype="bfloat16", layout="contiguous")
            try:
                half = answer(values, coarse, self.build_native(coarse))
            except (RuntimeError, NotImplementedError):
                half = []
            if half and all(b.accepts(h) for b, h in zip(outputs, half, strict=False) if h is not None):
                found.append("half precision")
        return tuple(found)

    # -- comparing -----------------------------------------------------------------------------------------------

    def judge(
        self, case: Case, outputs: list[Tensor] | None, gradients: list[Tensor | None] | None = None, what: str = ""
    ) -> Iterator[Finding]:
        """Findings for outputs and gradients over budget; the budget is measured anew, with care, before accusing."""

        def findings(expected: Expected) -> list[Finding]:
            found = [] if outputs is None else list(self.compare(case, [*expected.outputs], [*outputs], what))
            return found + ([] if gradients is None else list(self.compare(case, expected.gradients, gradients, what)))

        held, self.excess = self.statistics.snapshot(), 0.0
        found = findings(self.expected(case))
        if found and all(f.ulp is not None for f in found) and self.excess < DOUBTFUL:
            self.statistics = held
            found = findings(self.expected(case, MANY_PROBES))
        yield from found

    def compare(
        self, case: Case, expected: list[Budget | None], got: list[Tensor | None], what: str = ""
    ) -> Iterator[Finding]:
        """A finding for every result that is over budget; notes ulps and ratios on the way."""
        if len(got) != len(expected):
            yield Finding(repr(case), f"{what or 'the call'} must give {len(expected)} tensors, got {len(got)}")
            return
        for budget, value in zip(expected, got, strict=True):
            if budget is None:
                continue
            value = torch.zeros_like(budget.truth) if value is None else value.detach().cpu()
            if value.shape != budget.truth.shape:
                message = f"{what}{budget.name} must have shape {tuple(budget.truth.shape)}, got {tuple(value.shape)}"
                yield Finding(repr(case), message, where=budget.name)
                continue
            if value.numel():
                yield from self._numbers(case, budget, value, what)

    def _numbers(self, case: Case, budget: Budget, value: Tensor, what: str) -> Iterator[Finding]:
        error, excess = budget.error(value), budget.excess(value)
        at = int(excess.argmax())
        spacing = ulp(budget.truth, budget.dtype) if not budget.exact else torch.ones_like(error)
        ulps, finite = error / spacing, torch.isfinite(error)
        native_error = budget.error(budget.native).flatten()[at].item() if budget.native is not None else 0.0
        ratio = error.flatten()[at].item() / native_error if native_error else None
        self.note(case, ulps[finite], ratio)
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
        )

    def note(self, case: Case, ulps: Tensor, ratio: float | None) -> None:
        """Add to the statistics: errors in ulp, and the worst error over native's."""
        if not ulps.numel():
            return
        worst = float(ulps.max())
        self.statistics.ulps.append(float(ulps.median()))
        self.statistics.worst = max(self.statistics.worst, (worst, repr(case)))
        if ratio is not None and math.isfinite(ratio):
            self.statistics.ratio = max(self.statistics.ratio, ratio)
