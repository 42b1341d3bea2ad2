"""Shrinking: from a failing case to a smaller one that shows the same fault.

Every whole number of a case is tried smaller, all its occurrences together first (`LayerNorm(10)` on `(4, 10)` stays
legal as 5 and `(4, 5)`), then options are dropped, and regime, layout and mode go back to plain. A candidate counts
only if native still accepts it, unless refusing is what the check is about.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from refops.parity.case import DEFAULTS, Arguments, Case, Draw, resized, whole_numbers
from refops.parity.judging.attempt import attempt
from refops.parity.record import Finding

if TYPE_CHECKING:
    from refops.parity.checks import Check
    from refops.parity.judging.trial import Trial

SECONDS = 3.0  # a small case soon is better than the smallest one late


def numbers_in(case: Case) -> int:
    """How many numbers a case draws."""
    return sum(torch.Size(d.shape).numel() if d.kind != "literal" else 1 for d in case.draws())


def shrink(trial: Trial, check: Check, case: Case, found: list[Finding]) -> tuple[Case, list[Finding]]:
    """The smallest failing case met in the time there is, with its findings."""
    deadline = time.perf_counter() + SECONDS
    moved = trial.subject.kind != "optimizer" and check.name != "laws"
    while moved and time.perf_counter() < deadline:
        moved = False
        for candidate in candidates(case):
            if time.perf_counter() > deadline:
                break
            if check.name not in ("shape", "refusals", "exceptions") and not _legal(trial, candidate):
                continue
            again = [f for f in attempt(trial, check, candidate).findings if alike(f, found[0])]
            if again:
                case, found, moved = candidate, again, True
                break
    return case, found


def alike(finding: Finding, first: Finding) -> bool:
    """Whether a smaller case shows the same fault: the same kind, at the same output, and no less telling."""
    same = (finding.grade, finding.kind, finding.where) == (first.grade, first.kind, first.where)
    return same and (finding.telling or not first.telling)


def _legal(trial: Trial, case: Case) -> bool:
    try:
        outputs = trial.call(trial.build_native(case), case, trial.inputs(case))
    except Exception:
        return False
    return all(o.numel() for o in outputs) and bool(outputs)


def candidates(case: Case) -> Iterator[Case]:
    """Simpler cases, the boldest steps first."""
    for name in ("layout", "regime", "mode", "seed"):
        if getattr(case, name) != DEFAULTS[name]:
            yield case.but(**{name: DEFAULTS[name]})
    for i, _ in enumerate(case.init.kwargs if case.init else ()):
        init = case.init or Arguments()
        yield case.but(init=Arguments(init.args, init.kwargs[:i] + init.kwargs[i + 1 :]))
    for i, _ in enumerate(case.call.kwargs):
        yield case.but(call=Arguments(case.call.args, case.call.kwargs[:i] + case.call.kwargs[i + 1 :]))
    values = sorted({n for n in whole_numbers((case.init, case.call)) if n > 1}, reverse=True)
    for n in values:
        for smaller in dict.fromkeys((1, 2, n // 2, n - 1)):
            if smaller < n:
                yield case.but(init=resized(case.init, n, smaller), call=resized(case.call, n, smaller))
    for i, arg in enumerate(case.call.args):
        if isinstance(arg, Draw) and arg.kind != "literal":
            for shape in _smaller_shapes(arg.shape):
                args = (*case.call.args[:i], replace(arg, shape=shape), *case.call.args[i + 1 :])
                yield case.but(call=Arguments(args, case.call.kwargs))


def _smaller_shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for axis, n in enumerate(shape):
        for smaller in dict.fromkeys((1, 2, n // 2, n - 1)):
            if 0 < smaller < n:
                yield (*shape[:axis], smaller, *shape[axis + 1 :])
    if len(shape) > 1:
        yield shape[1:]
