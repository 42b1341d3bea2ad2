"""What training must give: the budget of every parameter after every step of a run.

A `Training` is one case being trained under one scenario, see `refops.parity.judging.scenarios`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from refops.parity.binding import Binding
from refops.parity.case import Arguments, Case, dtype_of
from refops.parity.judging.budget import FEW_PROBES, MANY_PROBES, MORE_PROBES, Budget, budgets
from refops.parity.judging.draw import lay, seed_of
from refops.parity.judging.scenarios import (
    STEPS,
    STREAMS,
    Gradients,
    Make,
    Scenario,
    gradient_seed,
    gradients,
    key,
    maker,
    others,
    plain,
    plainly,
    snapshot,
    truth_maker,
)
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.subject import NativeError, Operator


@dataclass
class Training:
    """One case being trained: its numbers, and what the parameters must be after every step."""

    trial: Trial
    case: Case
    scenario: Scenario = plain

    def __post_init__(self) -> None:
        """Draw the numbers."""
        drawn = self.trial.drawn(self.case)
        self.options = drawn[0]
        self.start = [value for value in drawn[1] if value.is_floating_point()]
        self.grads = gradients(self.case, tuple(p.shape for p in self.start))

    def params(self, dtype: str = "", device: str = "") -> list[Tensor]:
        """Fresh parameters in the case's dtype and layout."""
        where, wanted = device or self.trial.device, dtype_of(dtype or self.case.dtype)
        return [Parameter(lay(value.to(where, wanted, copy=True), self.case.layout)) for value in self.start]

    def make(self, target: Callable[..., Any] | None = None) -> Make:
        """How to construct the subject, or another target, for this case."""
        tensors = [self.trial.cast(t, self.case) for t in self.options]
        subject = self.trial.subject
        binding = subject.construction() if target is None else None
        return maker(target or subject.target, self.case, tensors, binding)

    def run(self, target: Callable[..., Any] | None = None) -> list[Tensor]:
        """The parameters after every step with the subject, or with another target by its plain way."""
        if target is None:
            return self.scenario(self.make(), self.params(), self.grads)
        tensors = [self.trial.cast(t, self.case) for t in self.options]
        return self.scenario(maker(target, plainly(self.case), tensors), self.params(), self.grads)

    def expected(self, probes: int = FEW_PROBES) -> list[Budget]:
        """A budget for all parameters after every step; kept, since many subjects are asked the same."""
        spec, device = self.trial.spec, self.trial.device
        asked = (spec.identity, repr(self.case), device, self.scenario.__name__, probes, *others())
        if asked not in _EXPECTED:
            try:
                _EXPECTED[asked] = self._expected(probes)
            except Exception as error:
                raise NativeError(f"{self.trial.them} raised {type(error).__name__}: {error}") from error
            while len(_EXPECTED) > _KEPT:
                _EXPECTED.popitem(last=False)
        return _EXPECTED[asked]

    def _expected(self, probes: int) -> list[Budget]:
        spec, dtype, count = self.trial.spec, dtype_of(self.case.dtype), len(self.start)
        fed = [g for now in self.grads for g in now if g is not None]
        marks = rounding_marks(self.start)
        shapes = [t.shape for t in (*self.start, *fed, *marks)]

        def truth(flat: list[Tensor]) -> list[Tensor | None]:
            values = [v.view(s) for v, s in zip(flat[0].split([s.numel() for s in shapes]), shapes, strict=True)]
            given, moved = iter(values[count : count + len(fed)]), values[count + len(fed) :]
            grads: Gradients = [[None if g is None else next(given) for g in now] for now in self.grads]
            start: list[Tensor] = [Parameter(p.clone()) for p in values[:count]]
            make = with_rounding(truth_maker(spec, self.case, self.options), start, marks, moved)
            return [*joined(self.scenario(make, start, grads), count)]

        def answer(flat: list[Tensor]) -> list[Tensor | None]:
            return [*joined(self.run(spec.native), count)]

        values = [
            torch.cat([t.flatten() for t in (*self.start, *fed, *marks)])
        ]  # one tensor is changed faster than many
        names = [f"parameters after step {t + 1}" for t in range(STEPS)]
        native = answer if spec.native else None
        units = None if native and dtype != torch.float64 else self.noise(probes)
        made = budgets(truth, native, values, names, dtype, units, probes)
        return [b for b in made if b is not None]

    def noise(self, probes: int) -> list[Tensor]:
        """Units of noise to allow where this case cannot tell them: those of native in float32, or of a relative.

        In float64 the truth is no more precise than native. Where torch has no native, the yardstick is the nearest
        optimizer it has: the wrapped one, or the one the oracle names.
        """
        trial, case = self.trial, self.case
        if trial.spec.native is None:
            trial, case = relative(trial, case)
            return [b.units for b in Training(trial, case, self.scenario).expected(probes)]
        coarse = Training(trial, case.but(dtype="float32"), self.scenario).expected(probes)
        return [b.units + 1 for b in coarse]

    def compare(self, got: list[Tensor]) -> Iterator[Finding]:
        """The first parameter that is over budget, if any is; the budget is measured with care before accusing."""
        sizes = [p.numel() for p in self.start]
        for probes in (FEW_PROBES, MORE_PROBES, MANY_PROBES):
            held = self.trial.statistics.snapshot()
            found = list(self.trial.compare(self.case, [*self.expected(probes)], [*joined(got, len(sizes))]))
            if not found:
                return
            if probes != MANY_PROBES:
                self.trial.statistics = held
        yield placed(found[0], sizes)


def rounding_marks(start: Sequence[Tensor]) -> list[Tensor]:
    """One number per element and step whose change stands for the rounding of the parameter after that step."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(p.shape, generator=generator, dtype=torch.float64) + 0.5 for _ in range(STEPS) for p in start]


def with_rounding(make: Make, params: Sequence[Tensor], marks: Sequence[Tensor], moved: Sequence[Tensor]) -> Make:
    """The same optimizer, whose steps are changed as much, relatively, as their marks have, and then the parameters.

    In every step the update and the sum are rounded, each at its own size: a change of the inputs would not tell, since
    Adam's first step does not even depend on the size of the gradient.
    """
    factors = iter([b / a for a, b in zip(marks, moved, strict=True)])
    before = snapshot(params)

    @torch.no_grad()
    def kick(*_: Any) -> None:
        for i, (param, factor) in enumerate(zip(params, factors, strict=False)):
            param.copy_((before[i] + (param - before[i]) * factor) * factor.sqrt())  # the root: half an ulp at the end
            before[i] = param.detach().clone()

    def made(groups: Any) -> Optimizer:
        optimizer = make(groups)
        optimizer.register_step_post_hook(kick)
        return optimizer

    return made


def joined(after: list[Tensor], count: int) -> list[Tensor]:
    """All parameters after each step in one row: `count` tensors of any shape to one of (elements,)."""
    steps = range(len(after) // max(count, 1))
    return [torch.cat([p.flatten() for p in after[t * count : (t + 1) * count]]) for t in steps]


def placed(finding: Finding, sizes: list[int]) -> Finding:
    """A finding in joined parameters, told in terms of the parameter it lies in."""
    if finding.index:
        element, position = int(finding.index.strip("[]")), 0
        while element >= sizes[position]:
            element, position = element - sizes[position], position + 1
        finding.where = finding.where.replace("parameters", f"parameter {position}")
        finding.index = f".flatten()[{element}]"
    return finding


def relative(trial: Trial, case: Case) -> tuple[Trial, Case]:
    """The same case for the nearest optimizer torch has."""
    options = case.init.keywords if case.init else {}
    name = options.get("base") or trial.spec.oracle.relative  # type: ignore[union-attr]
    if "base" in options:
        options = {k.removeprefix("base_"): v for k, v in options.items() if k.startswith("base_")}
    target = getattr(torch.optim, name)
    spec = replace(trial.spec, name=f"{trial.spec.name}, relative {name}", native=target, oracle=None)
    init = Arguments(kwargs=tuple(options.items()))
    return Trial(spec, Operator(target, "optimizer", name), trial.dtype, trial.device, trial.level), replace(
        case, init=init
    )


def script_lines(trial: Trial, case: Case, line: str, name: str) -> list[str]:
    """Fifteen lines that train native in float64 and the subject, `name` after `line`, on the case's own numbers.

    They show the first parameters after every step of the plain scenario, whichever check found the fault.
    """
    draws = [draw for draw in case.call.draws() if draw.floating or draw.kind == "literal"]
    start = f"drawn({seed_of(case, 0)} + i, s)[0]"
    for i, draw in enumerate(draws):
        if draw.kind == "literal":
            start = f"(torch.tensor({draw.data}) if i == {i} else {start})"
    skip = " if (t + i) % 3 != 1 else None" if case.regime == "missing" else ""
    half = (len(draws) + 1) // 2
    groups = f"{{'params': ps[:{half}]}}" + (f", {{'params': ps[{half}:], **{others()}}}" if draws[half:] else "")
    makers = [
        f"train(lambda ps: {_construction(case, name, trial.subject.construction(), _renamed(trial, case))}, low)"
    ]
    if trial.spec.native is not None:
        makers.insert(0, f"train(lambda ps: {_construction(case, f'torch.{trial.spec.name}')}, torch.float64)")
    return [
        "import torch",
        line,
        f"shapes, low = {[draw.shape for draw in draws]}, torch.{case.dtype}",
        "def drawn(seed, shape, t=0, info=torch.finfo(low)):",
        "    g = torch.Generator().manual_seed(seed)",
        "    z, u = (f(shape, generator=g, dtype=torch.float64) for f in (torch.randn, torch.rand))",
        f"    return z, {STREAMS.get(case.regime, 'z')}",
        "def train(make, dtype):",
        f"    ps = [torch.nn.Parameter({start}.to(low).to(dtype)) for i, s in enumerate(shapes)]",
        f"    optimizer = make([{groups}])",
        f"    for t in range({STEPS}):",
        "        for i, p in enumerate(ps):",
        f"            p.grad = drawn({gradient_seed(case, 0, 0)} + 100 * t + i, p.shape, t)[1].to(low).to(dtype){skip}",
        "        optimizer.step(), print(t + 1, *(p.flatten()[:3].tolist() for p in ps))",
        "; ".join(makers),
    ]


def _renamed(trial: Trial, case: Case) -> dict[str, str]:
    """Native's names of hyperparameters that the subject's groups call otherwise, to the subject's own."""
    tensors = [trial.cast(t, case) for t in trial.drawn(case)[0]]
    make = maker(trial.subject.target, case, tensors, trial.subject.construction())
    (group, *_) = make([Parameter(torch.zeros(1))]).param_groups
    return {name: key(group, name) for name in others() if key(group, name) != name}


def _construction(
    case: Case, name: str, binding: Binding | None = None, renamed: Mapping[str, str] | None = None
) -> str:
    """The constructor call as source, in the subject's own words; a wrapper around the optimizer it wraps."""
    init = case.init or Arguments()
    inner = {k.removeprefix("base_"): v for k, v in init.kwargs if k.startswith("base_")}
    outer = {k: v for k, v in init.kwargs if not k.startswith("base")}
    args, outer = (init.args, outer) if binding is None else binding.bind(init.args, outer)
    groups = f"[{{{dict(renamed)!r}.get(k, k): v for k, v in g.items()}} for g in ps]" if renamed else "ps"
    first = f"torch.optim.{init.keywords['base']}({Arguments(('ps',), tuple(inner.items()))})" if inner else groups
    text = ", ".join(filter(None, [first, repr(Arguments(args, tuple(outer.items())))]))
    return f"{name}({text.replace(repr('ps'), 'ps').replace('literal', 'torch.tensor')})"


_EXPECTED: OrderedDict[tuple[Any, ...], list[Budget]] = OrderedDict()
_KEPT = 400
