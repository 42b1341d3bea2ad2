"""The runner of one item: it draws the numbers of a case, builds native and subject alike, and runs them."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from refops.parity.case import Case, draws_in, dtype_of, fill, resized
from refops.parity.judging.draw import draws_with_position, lay, numbers, seed_global
from refops.parity.matching import assignments, matched
from refops.parity.spec import Spec
from refops.parity.subject import Instance, Operator

UNASKED = torch.empty(0)
"""Stands for the gradient of what a subject derives from other parameters: there is no leaf to ask it of."""

MOST_LIKE = 200
_LIKE: OrderedDict[tuple[Any, ...], Instance] = OrderedDict()
_CHOSEN: dict[tuple[object, ...], dict[str, str]] = {}  # where names do not tell, what was found to fit, by subject


def flatten(value: Any) -> list[Tensor]:
    """Every tensor in a returned value, tuples and lists opened, anything else left out."""
    if isinstance(value, Tensor):
        return [value if type(value) in (Tensor, Parameter) else plain(value)]
    if isinstance(value, tuple | list):
        return [t for item in value for t in flatten(item)]
    return []


def in_other_sizes(cases: tuple[Case, ...]) -> Iterator[Case]:
    """Each size of a case made one, twice, one more and just past a power of two, wherever it stands."""
    for case in cases:
        for size in sorted({n for draw in case.draws() for n in draw.shape if n > 1}):
            for other in (1, 2 * size, size + 1, 33):
                init = None if case.init is None else resized(case.init, size, other)
                yield case.but(call=resized(case.call, size, other), init=init)


def plain(value: Tensor) -> Tensor:
    """The tensor itself, with its graph, whatever class it pretends to be: a subclass may lie when it is compared."""
    with torch._C.DisableTorchFunctionSubclass():
        return value.as_subclass(Tensor)


def _outspoken(rows: list[Case], said: Callable[[str, Any], str]) -> Iterator[int]:
    """The places of the rows whose keyword arguments say something that none before them has."""
    known: set[str] = set()
    for i, row in enumerate(rows):
        parts = [part for part in (row.init, row.call) if part is not None]
        here = {said(k, v) for part in parts for k, v in part.kwargs}
        here.add(repr([[type(value).__name__ for value in part.args] for part in parts]))
        if here - known:
            yield i
        known |= here


class Runner:
    """Builds and runs for one (spec, check, dtype, device).

    Args:
        spec: what the operator is.
        subject: the implementation under test.
        dtype: name of the floating dtype.
        device: where subject and native run; the truth is always computed on the CPU in float64.
        level: `brief`, `quick` or `full`.
    """

    def __init__(
        self, spec: Spec, subject: Operator, dtype: str = "float32", device: str = "cpu", level: str = "quick"
    ):
        self.spec, self.subject, self.dtype, self.device, self.level = spec, subject, dtype, device, level
        self._drawn: tuple[Case | None, tuple[list[Tensor], list[Tensor]]] = (None, ([], []))  # the last case's

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

    @property
    def them(self) -> str:
        """Whom a message sets the subject beside: native, or the reference where torch has no such operator."""
        return "the reference" if self.spec.own else "native"

    @cached_property
    def full(self) -> bool:
        """Whether this is the slow, thorough level."""
        return self.level == "full"

    def spread(self, rows: Iterable[Case], most: int) -> list[Case]:
        """All of them at the full level, else those that spell out an argument anew, and others up to so many."""
        every = list(rows)
        if self.full or len(every) <= most:
            return every
        chosen = {0, *_outspoken(every, lambda name, value: f"{name}={value!r}")}
        others = [i for i in range(len(every)) if i not in chosen]
        room = most - len(chosen)
        chosen.update(others[:: -(-len(others) // room)] if room > 0 and others else ())
        return [every[i] for i in sorted(chosen)]

    @cached_property
    def outspoken(self) -> list[Case]:
        """The first rows in training mode with an argument of that name, or with that choice of it."""
        rows = list(self.rows())
        return [rows[i] for i in _outspoken(rows, lambda name, v: f"{name}={v}" if isinstance(v, str) else name)]

    @cached_property
    def mixing(self) -> bool:
        """Whether an output hangs on many inputs, whose sums may cancel."""
        told = self.spec.mixing
        return "nonfinite" not in self.spec.regimes if told is None else told

    # -- cases ---------------------------------------------------------------------------------------------------

    def rows(self, mode: str | None = "train") -> Iterator[Case]:
        """The spec's curated rows in this item's dtype; `mode` None gives those of both modes."""
        for case in (*self.spec.cases, *self.other_sizes):
            if mode is None or case.mode == mode:
                yield case.but(dtype=self.dtype)

    @cached_property
    def certain(self) -> list[Case]:
        """The rows in training mode that draw no random numbers; where all do, those rows in evaluation mode."""
        rows = list(self.rows())
        return [c for c in rows if self.deterministic(c)] or [c.but(mode="eval") for c in rows]

    @cached_property
    def other_sizes(self) -> list[Case]:
        """For a spec that asks for it, its cases in other sizes that the reference takes."""
        return [c for c in (in_other_sizes(self.spec.cases) if self.spec.varied else ()) if self._taken(c)]

    def _taken(self, case: Case) -> bool:
        try:
            with torch.no_grad():
                outputs = self.call(self.native.build(case, self.initial(case)), case, self.inputs(case, device="cpu"))
        except Exception:
            return False
        return bool(outputs) and all(o.numel() for o in outputs)

    def deterministic(self, case: Case) -> bool:
        """Whether the case draws no random numbers."""
        rate = self.spec.randomness
        return rate is None or rate.rate(case) in (0, 1)

    # -- numbers -------------------------------------------------------------------------------------------------

    def drawn(self, case: Case) -> tuple[list[Tensor], list[Tensor]]:
        """Constructor tensors and call tensors: floating ones float64, rounded to the case's dtype, on the CPU."""
        if self._drawn[0] is not case and repr(self._drawn[0]) != repr(case):  # a law's may hold tensors
            inside = 0 if case.init is None else len(list(case.init.draws()))
            every = [numbers(case, draw, position) for draw, position in draws_with_position(case)]
            self._drawn = case, (every[:inside], every[inside:])
        return self._drawn[1]

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
        parameters = dict(native.module.named_parameters()) if native.module else {}
        for name, tensor in native.own_state().items():
            start = tensor.detach().double().cpu()
            if not tensor.is_floating_point():
                continue
            z = torch.randn(start.shape, generator=generator, dtype=torch.float64)
            if name in parameters:
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
        instance = self._fresh_native(case, device)
        instance.load(self.state(instance, case.seed))
        return instance

    def _fresh_native(self, case: Case, device: str | None = None) -> Instance:
        """Native as its constructor leaves it."""
        init = [self.cast(t, case, device) for t in self.drawn(case)[0]]
        seed_global(case.seed)
        instance = self.native.build(case, init, device or self.device)
        return Instance(instance.function, {k: k for k in instance.own_state()})

    def build_subject(self, case: Case, like: Instance | None = None) -> Instance:
        """The subject, built for the case, holding native's drawn state."""
        like = like or self._like(case)
        seed_global(case.seed)
        instance = self.subject.build(case, self.initial(case), self.device)
        instance = self._matched(instance, case, like)
        instance.load(like.own_state())
        return instance

    def _like(self, case: Case) -> Instance:
        """Native with its state drawn, only to be looked at; kept, since several checks ask the same of a case."""
        key = (self.spec.identity, repr(case), self.device)
        if key not in _LIKE:
            _LIKE[key] = self.build_native(case)
            while len(_LIKE) > MOST_LIKE:
                _LIKE.popitem(last=False)
        return _LIKE[key]

    def _matched(self, instance: Instance, case: Case, like: Instance) -> Instance:
        """The subject with native's names; where they do not tell which is which, whatever gives native's outputs."""
        native, own = like.own_state(), instance.own_state()
        if not native or (not self.subject.domain.state and all(k in own for k in native)):
            return matched(self.subject, instance, native)
        ways = list(assignments(self.subject, instance, self._fresh_native(case).own_state()))
        key = (self.subject.target, *native, *own)
        if len(ways) > 1 and key not in _CHOSEN:
            _CHOSEN[key] = min(ways, key=lambda way: self._distance(way, case, like)).names
        return next((way for way in ways if way.names == _CHOSEN.get(key)), ways[0])

    def as_before(self, operator: Operator, instance: Instance, native: Instance) -> Instance:
        """An instance matched to native as the cases before have shown it must be."""
        ways = list(assignments(operator, instance, native.own_state()))
        chosen = _CHOSEN.get((operator.target, *native.own_state(), *instance.own_state()))
        return next((way for way in ways if way.names == chosen), ways[0])

    def _distance(self, way: Instance, case: Case, like: Instance) -> float:
        """How far this way to match the state is from native's outputs; the first of equals is taken."""
        way.load(like.own_state())
        kept = like.values()
        with torch.no_grad():
            try:
                pairs = list(zip(*(self.call(i, case, self.inputs(case)) for i in (like, way)), strict=True))
                like.load(kept)
                return sum(float((a.double() - b.double()).nan_to_num().abs().sum()) for a, b in pairs)
            except (RuntimeError, ValueError, TypeError):
                return float("inf")

    # -- running -------------------------------------------------------------------------------------------------

    def call(
        self, instance: Instance, case: Case, inputs: list[Tensor], through: Callable[..., Any] | None = None
    ) -> list[Tensor]:
        """The outputs for these inputs, the global generator seeded by the case; `through` stands for its function."""
        args, kwargs = instance.bound(*fill(case.call, iter(inputs)))
        seed_global(case.seed)
        return flatten((instance.function if through is None else through)(*args, **kwargs))

    def run(
        self,
        instance: Instance,
        case: Case,
        inputs: list[Tensor],
        cotangents: list[Tensor],
        through: Callable[..., Any] | None = None,
    ) -> tuple[list[Tensor], list[Tensor | None]]:
        """Outputs, then gradients of <outputs, cotangents> with respect to inputs and parameters by native's name."""
        outputs = self.call(instance, case, inputs, through)
        named = instance.parameters()
        given = [t for t in inputs if t.requires_grad]
        leaves = [*given, *named.values()]
        pairs = [(o, c.to(o)) for o, c in zip(outputs, cotangents, strict=False) if o.requires_grad]
        found: list[Tensor | None] = [None] * len(leaves)
        if pairs and leaves:
            gradients = torch.autograd.grad([o for o, _ in pairs], leaves, [c for _, c in pairs], allow_unused=True)
            found = [None if g is None else g.to_dense() if g.is_sparse else g for g in gradients]
        by_name = {k: instance.gradient(k, g) for k, g in zip(named, found[len(given) :], strict=True)}
        by_name |= {k: UNASKED for k in instance.names if instance.derived(k)}
        order = list(named) if instance.wanted is None else instance.wanted
        return outputs, [*found[: len(given)], *map(by_name.get, order)]

    def cotangents(self, case: Case, outputs: list[Tensor]) -> list[Tensor]:
        """One random direction per output, in float64 and rounded to its dtype."""
        generator = torch.Generator().manual_seed(104729 + case.seed)
        drawn = [torch.randn(o.shape, generator=generator, dtype=torch.float64) for o in outputs]
        return [d.to(o.dtype).double() if o.is_floating_point() else d for d, o in zip(drawn, outputs, strict=True)]

    @cached_property
    def _given(self) -> list[str]:
        """The names of a call's arguments."""
        target: Any = self.spec.reference
        target = target.forward if self.spec.kind == "module" else target
        return [p for p in inspect.signature(target).parameters if p != "self"]

    def names(self, case: Case, instance: Instance, outputs: int) -> list[str]:
        """What the flat list of results holds, for messages."""
        given = self._given
        labels = [given[i] if i < len(given) else f"argument {i}" for i in range(len(case.call.args))]
        labels += [k for k, _ in case.call.kwargs]
        nested = zip(labels, (*case.call.args, *case.call.keywords.values()), strict=True)
        leaves = [k for k, v in nested for d in draws_in(v) if d.differentiable]
        heads = ["output"] if outputs == 1 else [f"output[{i}]" for i in range(outputs)]
        return heads + [f"gradient of {k}" for k in (*leaves, *instance.parameters())]
