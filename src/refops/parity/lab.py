"""The laboratory of one item: it builds native and subject alike, runs both, and compares within the budget.

Values flow as one flat list, so that one function stands for outputs and gradients together:
call tensors, then the state (parameters and floating buffers), then one cotangent per output.
"""

from __future__ import annotations

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from refops.parity.budget import MANY_PROBES, NEIGHBOURS, PROBES, Budget, budgets, ulp
from refops.parity.case import Case
from refops.parity.draw import draws_with_position, dtype_of, fill, lay, numbers, seed_global
from refops.parity.record import Finding
from refops.parity.spec import Spec
from refops.parity.subject import Instance, Operator


def flatten(value: Any) -> list[Tensor]:
    """Every tensor in a returned value, tuples and lists opened, anything else left out."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [t for item in value for t in flatten(item)]
    return []


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


class Lab:
    """Builds, runs and compares for one (spec, check, dtype, device).

    Args:
        spec: what the operator is.
        subject: the implementation under test.
        dtype: name of the floating dtype.
        device: where subject and native run; the truth is always computed on the CPU in float64.
        level: `quick` or `full`.
    """

    def __init__(
        self, spec: Spec, subject: Operator, dtype: str = "float32", device: str = "cpu", level: str = "quick"
    ):
        self.spec, self.subject, self.dtype, self.device, self.level = spec, subject, dtype, device, level
        self.statistics = Statistics()
        self.excess = 0.0  # the largest error over budget since `judge` began

    @cached_property
    def native(self) -> Operator:
        """Native torch's own operator; where torch has none, the reference, which then sets names, state and errors.

        Raises:
            ValueError: if the spec has neither a native nor an oracle: nothing would say what the numbers must be.
        """
        if self.spec.native is None and self.spec.oracle is None:
            raise ValueError(f"spec must have a native or an oracle, got {self.spec.name} with neither")
        return Operator(self.spec.native or self.spec.reference, self.spec.kind, f"native {self.spec.name}")

    @cached_property
    def oracle(self) -> Operator:
        """What gives the truth in float64."""
        return Operator(self.spec.oracle or self.native.target, self.spec.kind, f"oracle of {self.spec.name}")

    @cached_property
    def full(self) -> bool:
        """Whether this is the slow, thorough level."""
        return self.level == "full"

    @cached_property
    def mixing(self) -> bool:
        """Whether an output hangs on many inputs; else each has one, as the regimes of such operators tell."""
        return "nonfinite" not in self.spec.regimes

    # -- cases ---------------------------------------------------------------------------------------------------

    def rows(self, mode: str | None = "train") -> Iterator[Case]:
        """The spec's curated rows in this item's dtype; `mode` None gives those of both modes."""
        for case in self.spec.cases:
            if mode is None or case.mode == mode:
                yield case.but(dtype=self.dtype)

    def deterministic(self, case: Case) -> bool:
        """Whether the case draws no random numbers."""
        rate = self.spec.randomness
        return rate is None or (self.spec.kind == "module" and case.mode == "eval") or rate.rate(case) in (0, 1)

    # -- numbers -------------------------------------------------------------------------------------------------

    def drawn(self, case: Case) -> tuple[list[Tensor], list[Tensor]]:
        """Constructor tensors and call tensors: floating ones float64, rounded to the case's dtype, on the CPU."""
        inside = 0 if case.init is None else len(list(case.init.draws()))
        every = [numbers(case, draw, position) for draw, position in draws_with_position(case)]
        return every[:inside], every[inside:]

    def initial(self, case: Case) -> list[Tensor]:
        """Constructor tensors in the case's dtype."""
        return [self.cast(t, case) for t in self.drawn(case)[0]]

    def cast(self, value: Tensor, case: Case, device: str | None = None) -> Tensor:
        """A drawn tensor in the case's dtype on the device."""
        dtype = dtype_of(case.dtype) if value.is_floating_point() else value.dtype
        return value.to(
            device=device or self.device, dtype=dtype, copy=True
        )  # what is in place must not reach the master

    def inputs(self, case: Case, drawn: list[Tensor] | None = None, device: str | None = None) -> list[Tensor]:
        """Call tensors as leaves in the case's dtype and layout."""
        tensors = []
        for draw, value in zip(case.call.draws(), drawn or self.drawn(case)[1], strict=True):
            tensor = self.cast(value, case, device)
            tensor = lay(tensor, case.layout) if draw.kind == "real" else tensor
            tensors.append(tensor.detach().requires_grad_(draw.differentiable))
        return tensors

    def state(self, native: Instance, seed: int) -> dict[str, Tensor]:
        """Random numbers for a state: parameters moved from where they start, running means and variances plausible."""
        generator = torch.Generator().manual_seed(7919 * (seed + 1))
        drawn = {}
        for name, tensor in native.own_state().items():
            start = tensor.detach().double().cpu()
            if not tensor.is_floating_point():
                continue
            z = torch.randn(start.shape, generator=generator, dtype=torch.float64)
            if name in dict(native.module.named_parameters()) if native.module else False:
                drawn[name] = start + z / 2
            elif bool((start == 1).all()):
                drawn[name] = 0.5 + z.abs()
            else:
                drawn[name] = z if bool((start == 0).all()) else start
            drawn[name] = drawn[name].to(tensor.dtype).double()
        return drawn

    # -- instances -----------------------------------------------------------------------------------------------

    def build_native(self, case: Case, device: str | None = None) -> Instance:
        """Native, built for the case, its state drawn."""
        init = [self.cast(t, case, device) for t in self.drawn(case)[0]]
        seed_global(case.seed)
        instance = self.native.build(case, init, device or self.device)
        instance = Instance(instance.function, {k: k for k in instance.own_state()})
        instance.load(self.state(instance, case.seed))
        return instance

    def build_subject(self, case: Case, like: Instance | None = None) -> Instance:
        """The subject, built for the case, holding native's drawn state."""
        like = like or self.build_native(case)
        instance = self.subject.build(case, self.initial(case), self.device)
        instance = self.subject.match(instance, like.own_state())
        instance.load(like.own_state())
        return instance

    # -- running -------------------------------------------------------------------------------------------------

    def call(self, instance: Instance, case: Case, inputs: list[Tensor]) -> list[Tensor]:
        """The outputs for these inputs, the global generator seeded by the case."""
        args, kwargs = fill(case.call, iter(inputs))
        seed_global(case.seed)
        return flatten(instance.function(*args, **kwargs))

    def run(
        self, instance: Instance, case: Case, inputs: list[Tensor], cotangents: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor | None]]:
        """Outputs, then gradients of <outputs, cotangents> with respect to inputs and parameters by native's name."""
        outputs = self.call(instance, case, inputs)
        leaves = [t for t in inputs if t.requires_grad] + list(instance.parameters().values())
        pairs = [(o, c.to(o)) for o, c in zip(outputs, cotangents, strict=False) if o.requires_grad]
        if not pairs or not leaves:
            return outputs, [None] * len(leaves)
        gradients = torch.autograd.grad([o for o, _ in pairs], leaves, [c for _, c in pairs], allow_unused=True)
        return outputs, [None if g is None else g.to_dense() if g.is_sparse else g for g in gradients]

    def cotangents(self, case: Case, outputs: list[Tensor]) -> list[Tensor]:
        """One random direction per output, in float64 and rounded to its dtype."""
        generator = torch.Generator().manual_seed(104729 + case.seed)
        drawn = [torch.randn(o.shape, generator=generator, dtype=torch.float64) for o in outputs]
        return [d.to(o.dtype).double() if o.is_floating_point() else d for d, o in zip(drawn, outputs, strict=True)]

    def names(self, case: Case, instance: Instance, outputs: int) -> list[str]:
        """What the flat list of results holds, for messages."""
        target: Any = self.spec.reference
        target = target.forward if self.spec.kind == "module" else target
        given = [p for p in inspect.signature(target).parameters if p != "self"]
        labels = [given[i] if i < len(given) else f"argument {i}" for i in range(len(case.call.args))]
        labels += [k for k, _ in case.call.kwargs]
        nested = zip(labels, (*case.call.args, *case.call.keywords.values()), strict=True)
        leaves = [k for k, v in nested for d in _draws(v) if d.differentiable]
        heads = ["output"] if outputs == 1 else [f"output[{i}]" for i in range(outputs)]
        return heads + [f"gradient of {k}" for k in (*leaves, *instance.parameters())]

    def expected(self, case: Case, probes: int = PROBES) -> Expected:
        """Budgets for the outputs and gradients of a case; kept, since many subjects are asked the same."""
        key = (self.spec.name, repr(case), self.device, str(probes))
        if key not in _EXPECTED:
            _EXPECTED[key] = self._expected(case, probes)
            while len(_EXPECTED) > _KEPT:
                _EXPECTED.popitem(last=False)
        return _EXPECTED[key]

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


def _draws(value: Any) -> Iterator[Any]:
    from refops.parity.case import _draws_in

    return _draws_in(value)
