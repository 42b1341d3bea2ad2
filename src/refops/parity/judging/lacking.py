"""What a subject does without: native's switches that, turned off, take away the parameters a subject does not have."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace

from refops.parity.binding import NotOfferedError
from refops.parity.case import Arguments, Case
from refops.parity.judging.runner import Runner
from refops.parity.matching import MappingError, matched
from refops.parity.spec import Spec
from refops.parity.subject import Instance, Operator

ROWS = 8  # looked at until one tells


def without_absent(subject: Operator, spec: Spec) -> Operator:
    """The subject with the switches preset that are off in it.

    Who declares `without=("bias",)` and has no bias is a layer whose `bias` is False: that is what it is then asked.
    """
    named = [name for name in subject.domain.without if name not in subject.domain.fixed]
    if spec.kind != "module" or not set(named) & set(_switches(spec)):
        return subject
    runner = Runner(spec, subject, spec.dtypes[0])
    rows = [row.but(dtype=runner.dtype) for row in spec.cases if row.init is not None]
    found: dict[str, bool] = next(filter(None, (switched_off(runner, row, named) for row in rows[:ROWS])), {})
    return subject.but(domain=replace(subject.domain, fixed={**subject.domain.fixed, **found})) if found else subject


def switched_off(runner: Runner, case: Case, named: list[str] | None = None) -> dict[str, bool]:
    """The switches of native that leave it with what the subject has; none where it has all, or something else lacks.

    `named` limits them to these arguments.
    """
    try:
        subject = runner.subject.build(case, runner.initial(case))
        if _fits(runner, case, subject):
            return {}
    except (Exception, NotOfferedError):  # what cannot be built here is asked, and told, elsewhere
        return {}
    given = () if case.init is None else case.init.keywords
    names = [n for n in _switches(runner.spec) if n not in given and (named is None or n in named)]
    ways: Iterator[tuple[str, ...]] = iter([*((n,) for n in names), *[tuple(names)] * (len(names) > 1)])
    return next((dict.fromkeys(way, False) for way in ways if _fits(runner, _off(case, way), subject)), {})


def _switches(spec: Spec) -> list[str]:
    """Arguments of the constructor that are True unless another value is given."""
    return [n for n, p in inspect.signature(spec.reference).parameters.items() if p.default is True]


def _off(case: Case, names: tuple[str, ...]) -> Case:
    init = case.init or Arguments()
    return case.but(init=Arguments(init.args, (*init.kwargs, *((name, False) for name in names))))


def _fits(runner: Runner, case: Case, subject: Instance) -> bool:
    """Whether every parameter of native's, built so, has its counterpart in the subject."""
    try:
        matched(runner.subject, subject, runner.native.build(case, runner.initial(case)).own_state())
    except (MappingError, TypeError, ValueError, RuntimeError):
        return False
    return True
