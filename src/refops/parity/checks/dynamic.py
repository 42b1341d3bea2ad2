"""The check of dynamic shapes: compiled for batches of any size, right at each.

`torch.compile` follows an operator with a symbol in place of a size. What asks for that size as a number cannot be
followed, and what keeps the one it met first is wrong at the next. Only the batch is marked as dynamic: with
`dynamic=True` every size becomes a symbol, those of kernels too, and proofs about them take minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Arguments, Case, Draw
from refops.parity.checks import check
from refops.parity.checks.contexts import few, shortened
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.subject import Instance

MORE = (0, 1, 3)  # samples more than the row has


def batched(trial: Trial) -> Iterator[Case]:
    """The first row whose batch native takes in other sizes."""
    found = (c for c in few(trial) if (n := batch(c)) and all(_taken(trial, resized(c, n, n + more)) for more in MORE))
    yield from [c for c, _ in zip(found, range(1), strict=False)]


def batch(case: Case) -> int:
    """The first size of the first tensor with at least two axes: no sample without one; 0 where there is none."""
    return next((d.shape[0] for d in case.call.draws() if len(d.shape) > 1 and d.kind not in ("param", "literal")), 0)


def resized(case: Case, old: int, new: int) -> Case:
    """The case with another batch: every tensor of the call that has `old` samples, and is no weight, has `new`."""

    def change(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(map(change, value))
        if not isinstance(value, Draw) or value.kind in ("param", "buffer", "positive") or value.shape[:1] != (old,):
            return value
        return Draw((new, *value.shape[1:]), value.kind, value.low, value.high)

    kwargs = tuple((k, change(v)) for k, v in case.call.kwargs)
    return case.but(call=Arguments(tuple(map(change, case.call.args)), kwargs))


def _taken(trial: Trial, case: Case) -> bool:
    """Whether native takes it."""
    try:
        trial.call(trial.build_native(case), case, trial.inputs(case))
    except Exception:
        return False
    return True


@check(cases=batched, level="full", dear=True)
def dynamic(trial: Trial, case: Case) -> Iterator[Finding]:
    """Compiled for a batch of dynamic size, outputs and gradients are within the budget at three sizes of it."""
    sizes = [resized(case, batch(case), batch(case) + more) for more in MORE]
    try:
        answers = _compiled(trial, trial.build_subject(case), sizes)
    except Exception as error:
        if trial.spec.native is None or _works(trial, sizes):
            message = f"torch.compile must take a batch of dynamic size as of native, got {type(error).__name__}: "
            yield Finding(repr(case), message + shortened(error), grade="differs", kind="dynamic")
        return
    for size, (outputs, gradients) in zip(sizes, answers, strict=True):
        found = list(trial.judge(size, outputs, gradients, f"compiled, with {batch(size)} samples, "))
        yield from found
        if found:
            return


def _compiled(trial: Trial, instance: Instance, sizes: list[Case]) -> list[tuple[list[Tensor], list[Tensor | None]]]:
    """Outputs and gradients at every size, compiled for the first."""
    torch._dynamo.reset()
    compiled = torch.compile(instance.function, backend="aot_eager")
    held = {k: v.detach().clone() for k, v in instance.own_state().items()}
    answers = []
    for size in sizes:
        with torch.no_grad():
            for name, tensor in instance.own_state().items():
                tensor.copy_(held[name])
        outputs = [b.truth.to(b.dtype) if not b.exact else b.truth for b in trial.expected(size).outputs]
        inputs = trial.inputs(size)
        for tensor in inputs:
            if tensor.shape[:1] == (batch(size),):
                torch._dynamo.maybe_mark_dynamic(tensor, 0)
        directions = trial.cotangents(size, outputs)
        answers.append(trial.run(instance, size, inputs, directions, lambda *args, **kwargs: compiled(*args, **kwargs)))
    return answers


def _works(trial: Trial, sizes: list[Case]) -> bool:
    try:
        _compiled(trial, trial.build_native(sizes[0]), sizes)
    except Exception:
        return False
    return True
