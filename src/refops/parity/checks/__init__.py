"""Checks: one property each, independent of one another and of the operator.

A check is a generator `(trial, case) -> Finding ...` marked with `@check(...)`; it is run on every case its `cases`
gives. `refops.parity.judging.item` runs one (spec, check, dtype, device) and makes its `Record`, whatever the subject
does.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import refops.parity.judging.surroundings  # noqa: F401, takes its picture of torch when the kit is imported
from refops.parity.case import Case
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.spec import Spec

Run = Callable[[Trial, Case], Iterator[Finding]]
Cases = Callable[[Trial], Iterable[Case]]

LAYERS = ("module", "function")


@dataclass(frozen=True)
class Check:
    """One property.

    Args:
        name: how it is called everywhere.
        run: yields a finding for each way a case fails.
        cases: the cases it looks at.
        kinds: the kinds of spec it is for.
        dtypes: the dtypes it runs in; None for all of the spec's.
        contract: `behaviour` binds every subject, `drop-in` those judged as drop-in, `reference` refops's own,
            `by-hand` those that claim to do the work themselves.
        level: `quick` runs always, `full` only in the thorough level.
        applies: whether it is for this spec.
        measured: whether a case counts as evidence only where a trivial answer would fail.
        dear: whether it takes so long that it waits for the thorough level even where torch has no such operator.
        compares: whether it only sets the subject beside native: nothing to ask of a reference of what torch lacks.
    """

    name: str
    run: Run
    cases: Cases
    kinds: tuple[str, ...]
    dtypes: tuple[str, ...] | None
    contract: str
    level: str
    applies: Callable[[Spec], bool]
    measured: bool
    compares: bool
    dear: bool = False

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]

    def binds(self, spec: Spec, *, drop_in: bool, reference: bool, level: str, by_hand: bool = False) -> bool:
        """Whether it is run for such a subject of this spec."""
        bound = {"behaviour": True, "drop-in": drop_in, "reference": reference, "by-hand": by_hand}[self.contract]
        excused = self.name in dict(spec.no_check) or (self.compares and reference and spec.own)
        at_once = spec.own and not self.dear  # where torch has no word, whatever is affordable is asked
        thorough = level == "full" or at_once
        asked = self.level == "quick" or thorough
        return spec.kind in self.kinds and bound and not excused and asked and self.applies(spec)

    def dtypes_for(self, spec: Spec) -> tuple[str, ...]:
        """The dtypes it runs in for this spec, always at least one."""
        if self.dtypes is None:
            return spec.dtypes
        return tuple(d for d in self.dtypes if d in spec.dtypes) or spec.dtypes[:1]


CHECKS: dict[str, Check] = {}


def check(
    *,
    cases: Cases,
    kinds: tuple[str, ...] = LAYERS,
    dtypes: tuple[str, ...] | None = ("float32",),
    contract: str = "behaviour",
    level: str = "quick",
    applies: Callable[[Spec], bool] = lambda spec: True,
    measured: bool = False,
    compares: bool = False,
    dear: bool = False,
) -> Callable[[Run], Run]:
    """Register a generator `(trial, case) -> findings` as a check named like the function."""

    def register(run: Run) -> Run:
        name = run.__name__.rstrip("_")
        CHECKS[name] = Check(name, run, cases, kinds, dtypes, contract, level, applies, measured, compares, dear)
        return run

    return register


def differs(case: Case, kind: str, message: str) -> Finding:
    """The finding that a subject does otherwise than native without being wrong."""
    return Finding(repr(case), message, grade="differs", kind=kind)


@cache
def all_checks() -> dict[str, Check]:
    """Every check by name: those marked in the modules of this package."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return CHECKS
