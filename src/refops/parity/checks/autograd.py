"""Checks of what autograd is asked: gradients of some tensors only, and modes in which it records nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from refops.parity.case import Case
from refops.parity.checks import check
from refops.parity.checks.contexts import shortened
from refops.parity.judging.budget import MANY_PROBES, PROBES
from refops.parity.judging.trial import Trial
from refops.parity.matching import MappingError
from refops.parity.record import Finding
from refops.parity.subject import Instance

MANY = 6  # tensors asked for alone at the quick level


def two(trial: Trial) -> Iterator[Case]:
    """The first two deterministic rows that hold a number; all of them at the full level."""
    rows = [c for c in trial.certain if not any(0 in draw.shape for draw in c.draws())]
    yield from rows if trial.full else rows[:2]


@check(cases=two)
def frozen(trial: Trial, case: Case) -> Iterator[Finding]:
    """Where only some of the tensors require a gradient, as in frozen layers, those get the gradient they should."""
    expected = trial.expected(case)
    asked = [i for i, budget in enumerate(expected.gradients) if budget is not None]
    if len(expected.gradients) < 2 or not asked:
        return
    directions = trial.cotangents(case, [b.truth if b.exact else b.truth.to(b.dtype) for b in expected.outputs])
    names = [b.name.removeprefix("gradient of ") if b is not None else "" for b in expected.gradients]
    sets = [[i] for i in (asked if trial.full else asked[:MANY])]
    sets += [asked[1:]] if len(asked) > 2 else []
    for some in sets:
        what = " and ".join(names[i] for i in some)
        try:
            got = _gradients(trial, case, some, directions)
        except MappingError:
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {shortened(error)}"
            yield _finding(case, f"must give a gradient where only {what} requires one, got {told}", "refuses-frozen")
            continue
        yield from _judged(trial, case, some, got, what)


def _gradients(trial: Trial, case: Case, some: list[int], directions: list[Tensor]) -> list[Tensor | None]:
    """Gradients in the order of all, None where none was asked for."""
    subject, inputs = trial.build_subject(case), trial.inputs(case)
    given = [t for t in inputs if t.requires_grad]
    parameters = subject.parameters()
    leaves = [*given, *parameters.values()]
    for i, leaf in enumerate(leaves):
        leaf.requires_grad_(i in some)
    outputs = trial.call(subject, case, inputs)
    pairs = [(o, d.to(o)) for o, d in zip(outputs, directions, strict=True) if o.requires_grad]
    if not pairs:
        return [None] * len(leaves)
    found = torch.autograd.grad(
        [o for o, _ in pairs], [leaves[i] for i in some], [d for _, d in pairs], allow_unused=True
    )
    dense = [g.to_dense() if g is not None and g.is_sparse else g for g in found]
    every = [dense[some.index(i)] if i in some else None for i in range(len(leaves))]
    return subject.gradients(every, len(given), [*parameters])


def _judged(trial: Trial, case: Case, some: list[int], got: list[Tensor | None], what: str) -> Iterator[Finding]:
    """The gradients asked for against their budgets, with more care before accusing."""

    def findings(probes: int) -> list[Finding]:
        budgets = [b if i in some else None for i, b in enumerate(trial.expected(case, probes).gradients)]
        return list(trial.compare(case, budgets, got, f"where only {what} requires a gradient, "))

    if findings(PROBES):
        for finding in findings(MANY_PROBES):
            finding.kind = "frozen"
            yield finding


def both_modes(trial: Trial) -> Iterator[Case]:
    """The first deterministic rows, in training and in evaluation mode."""
    for row in two(trial):
        modes = ("train", "eval") if trial.spec.kind == "module" else (row.mode,)
        yield from (c for c in (row.but(mode=mode) for mode in modes) if trial.deterministic(c))


Mode = Callable[[], AbstractContextManager[object]]
MODES: dict[str, tuple[Mode, bool]] = {  # how it is called, and whether inputs and parameters require a gradient
    "with gradients enabled": (nullcontext, True),
    "where nothing requires a gradient": (nullcontext, False),
    "under no_grad": (torch.no_grad, True),
    "under inference_mode": (torch.inference_mode, True),
}


@check(cases=both_modes)
def grad_modes(trial: Trial, case: Case) -> Iterator[Finding]:
    """The numbers do not hang on whether gradients are recorded: requires_grad, no_grad, inference_mode."""
    for what, (mode, recorded) in MODES.items():
        subject = trial.build_subject(case)
        try:
            with mode():
                outputs = trial.call(subject, case, _given(trial, case, subject, recorded))
        except Exception as error:
            told = f"{type(error).__name__}: {shortened(error)}"
            yield _finding(case, f"must answer {what}, got {told}", "refuses-grad-mode")
            continue
        if mode is not nullcontext and any(o.requires_grad for o in outputs) and not _views(trial, case, mode):
            yield _finding(case, f"{what} an output must not carry a graph", "graph-without-gradients")
        got = [o.detach().clone() for o in outputs]
        for finding in trial.judge(case, got, what=f"{what} "):
            finding.kind = "grad-mode"
            yield finding


def _views(trial: Trial, case: Case, mode: Mode) -> bool:
    """Whether native's own output requires a gradient there, being the input itself or a view of it."""
    native = trial.build_native(case)
    with mode():
        return any(o.requires_grad for o in trial.call(native, case, trial.inputs(case)))


def _given(trial: Trial, case: Case, subject: Instance, recorded: bool) -> list[Tensor]:
    inputs = trial.inputs(case)
    if recorded:
        return inputs
    for parameter in subject.parameters().values():
        parameter.requires_grad_(False)
    return [t.detach() for t in inputs]


def _finding(case: Case, message: str, kind: str) -> Finding:
    return Finding(repr(case), message, grade="differs", kind=kind)
