"""The check of what a subject offers: arguments it lacks, has preset, or has other defaults for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from refops.parity.binding import Binding
from refops.parity.case import Case
from refops.parity.checks import check, differs
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding

EVERY = ("module", "function", "optimizer")


def any_row(trial: Trial) -> Iterator[Case]:
    """One row: signatures are the same in all."""
    yield from islice(trial.rows(None), 1)


@check(cases=any_row, kinds=EVERY)
def signature(trial: Trial, case: Case) -> Iterator[Finding]:
    """Every argument of native's is offered, under its name or a declared one, with native's default."""
    for binding in _bindings(trial, case):
        for name in binding.missing():
            yield differs(case, f"not-offered-{name}", f"not offered: {name}")
        preset = [n for n in binding.settled() if n not in trial.subject.domain.fixed]
        if preset:
            yield differs(case, "preset", f"preset: {', '.join(preset)}")
        for name, (theirs, own) in binding.other_defaults().items():
            declared = trial.subject.domain.defaults
            if name not in declared or declared[name] != own:
                yield differs(case, f"default-{name}", f"the default of {name} is {own!r}, {trial.them}'s {theirs!r}")


def _bindings(trial: Trial, case: Case) -> Iterator[Binding]:
    """Those of construction and call, as far as there are any."""
    subject = trial.subject
    if (construction := subject.construction()) is not None:
        yield construction
    if subject.kind == "optimizer":
        return
    calling = subject.build(case, trial.initial(case)).binding if subject.kind == "module" else subject.calling()
    if calling is not None:
        yield calling
