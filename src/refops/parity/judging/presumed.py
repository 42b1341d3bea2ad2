"""Presumptions: wrong implementations made from native itself, for any operator: an argument ignored, two swapped."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from torch import Tensor, nn

from refops.parity.case import Arguments, Case, Draw
from refops.parity.hypotheses import Hypothesis
from refops.parity.spec import Spec

Change = Callable[[dict[str, Any]], None]
PAIRS = 8  # swapped arguments tried
EMPTY = inspect.Parameter.empty


def presumed(spec: Spec, cases: list[Case]) -> Iterator[Hypothesis]:
    """What may be wrong in these cases, whatever the operator: likeliest first."""
    seen: dict[str, None] = {}
    for changes in (_ignored, _swapped, _reversed):
        for name, where, change in changes(spec, cases):
            if name not in seen:
                seen[name] = None
                yield Hypothesis(name, changed(spec, where, change))
    if spec.kind == "module":
        yield Hypothesis("behaves in evaluation as in training", in_mode(spec, train=True))
        yield Hypothesis("behaves in training as in evaluation", in_mode(spec, train=False))


def _native(spec: Spec) -> Any:
    return spec.native or spec.reference


def _signature(spec: Spec, where: str) -> inspect.Signature:
    """The reference's, which is native's: many of torch's own functions do not tell theirs."""
    target: Any = spec.reference
    if where == "call" and spec.kind == "module":
        whole = inspect.signature(target.forward)
        return whole.replace(parameters=[p for n, p in whole.parameters.items() if n != "self"])
    return inspect.signature(target)


def _given(spec: Spec, case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arguments of the constructor and of the call, by name."""
    for where, arguments in (("init", case.init), ("call", case.call)):
        if arguments is not None:
            bound = _bound(spec, where, arguments)
            if bound is not None:
                yield where, dict(bound.arguments)


def _bound(spec: Spec, where: str, arguments: Arguments) -> inspect.BoundArguments | None:
    try:
        return _signature(spec, where).bind(*arguments.args, **arguments.keywords)
    except TypeError:
        return None


Named = Iterator[tuple[str, str, Change]]


def _ignored(spec: Spec, cases: list[Case]) -> Named:
    for case in cases:
        for where, given in _given(spec, case):
            parameters = _signature(spec, where).parameters
            for name, value in given.items():
                default = parameters[name].default
                if default is EMPTY or (not isinstance(value, Draw) and value == default):
                    continue
                yield f"argument {name} is ignored", where, _dropping(name)


def _dropping(name: str) -> Change:
    def drop(arguments: dict[str, Any]) -> None:
        arguments.pop(name, None)

    return drop


def _swapped(spec: Spec, cases: list[Case]) -> Named:
    for case in cases:
        for where, given in _given(spec, case):
            parameters = _signature(spec, where).parameters
            open_to = [n for n in given if isinstance(given[n], Draw) or parameters[n].default is not EMPTY]
            alike = [(a, b) for a, b in combinations(open_to, 2) if _exchangeable(given[a], given[b])]
            for a, b in alike[:PAIRS]:
                yield f"arguments {a} and {b} are swapped", where, _exchanging(a, b)


def _exchangeable(a: Any, b: Any) -> bool:
    if isinstance(a, Draw) and isinstance(b, Draw):
        return a.floating and b.floating
    return type(a) is type(b) and isinstance(a, int | float | tuple) and not isinstance(a, bool) and a != b


def _exchanging(a: str, b: str) -> Change:
    def exchange(arguments: dict[str, Any]) -> None:
        if a in arguments and b in arguments:
            arguments[a], arguments[b] = arguments[b], arguments[a]

    return exchange


def _reversed(spec: Spec, cases: list[Case]) -> Named:
    for case in cases:
        for where, given in _given(spec, case):
            for name, value in given.items():
                if isinstance(value, tuple) and len(value) > 1 and value != value[::-1]:
                    yield f"the numbers of {name} are read in reverse order", where, _turning(name)


def _turning(name: str) -> Change:
    def turn(arguments: dict[str, Any]) -> None:
        if isinstance(arguments.get(name), tuple):
            arguments[name] = arguments[name][::-1]

    return turn


def changed(spec: Spec, where: str, change: Change) -> Callable[..., Any]:
    """Native, whose arguments are changed on the way in."""
    signature, native = _signature(spec, where), _native(spec)

    def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        bound = signature.bind(*args, **kwargs)
        change(bound.arguments)
        return bound

    if where == "init" or spec.kind != "module":

        def operator(*args: Any, **kwargs: Any) -> Any:
            bound = arguments(args, kwargs)
            return native(*bound.args, **bound.kwargs)

        return operator

    def forward(self: nn.Module, *args: Tensor, **kwargs: Any) -> Any:
        bound = arguments(args, kwargs)
        return native.forward(self, *bound.args, **bound.kwargs)

    return type(native.__name__, (native,), {"forward": forward})


def in_mode(spec: Spec, *, train: bool) -> Callable[..., Any]:
    """Native, always in one mode."""
    native = _native(spec)

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        before = self.training
        self.train(train)
        try:
            return native.forward(self, *args, **kwargs)
        finally:
            self.train(before)

    return type(native.__name__, (native,), {"forward": forward})
