"""The check of data-parallel training: two processes, each with a batch of its own, keep one set of parameters.

`DistributedDataParallel` averages the gradients of both and gives each process the first one's buffers before it runs.
What that comes to can be said by one process, in float64: so the truth and its budget are those of a training step, and
the subject's two processes are held against them.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch import distributed as processes

from refops.parity.case import Case, dtype_of
from refops.parity.checks import check
from refops.parity.checks.contexts import few
from refops.parity.judging.budget import MANY_PROBES, PROBES, Budget, budgets
from refops.parity.judging.pair import ENDED, RANKS, Answer, ask
from refops.parity.judging.trial import NotAskedError, Trial
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.specs import find
from refops.parity.subject import Instance, Operator

STEPS, RATE = 3, 0.1
SECONDS = 40.0  # for both processes, without their start


def trainable(trial: Trial) -> Iterator[Case]:
    """The first deterministic row whose module has parameters and is given numbers, on a CPU."""
    rows = (c for c in few(trial) if c.mode == "train" and not any(0 in draw.shape for draw in c.draws()))
    if trial.device == "cpu" and processes.is_available() and processes.is_gloo_available():
        yield from islice((c for c in rows if trial.build_native(c).parameters()), 1)


@check(cases=trainable, kinds=("module",), level="full", dear=True)
def distributed(trial: Trial, case: Case) -> Iterator[Finding]:
    """Trained by DistributedDataParallel in two processes, parameters and buffers are those of native trained so."""
    native = trial.build_native(case)
    exact = case.but(dtype="float64")
    true = matched(trial.oracle, trial.oracle.build(exact, trial.drawn(case)[0]), native.own_state())
    values, unused = _values(trial, native, case), _unused(trial, native, case)
    names = [f"{name} after {STEPS} steps" for name in native.own_state()]

    def expected(probes: int) -> list[Budget | None]:
        return budgets(
            lambda flat: _alone(trial, true, exact, flat),
            (lambda flat: _alone(trial, native, case, flat)) if trial.spec.native else None,
            values, names, dtype_of(case.dtype), probes=probes, mixing=True, passes=[2 * STEPS] * len(names),
        )  # fmt: skip

    answers, hung = _answers(trial, trial.subject, case, unused)
    errors = [a.error for a in answers if a.error]
    if hung or errors:
        theirs, native_hung = _answers(trial, trial.native, case, unused)
        if native_hung or any(a.error for a in theirs):
            raise NotAskedError(f"{trial.them} itself cannot be trained in two processes here")
        yield _failed(trial, case, errors)
        return
    first, second = ([a.value.get(name) for name in native.own_state()] for a in answers)
    apart = [n for n, a, b in zip(native.parameters(), first, second, strict=False) if not torch.equal(a, b)]
    if apart:
        yield Finding(repr(case), f"both processes must keep equal parameters, {apart[0]} differs", kind="distributed")
    elif list(trial.compare(case, expected(PROBES), first)):  # with more care before accusing
        yield from trial.compare(case, expected(MANY_PROBES), first, "in two processes ")


def _failed(trial: Trial, case: Case, errors: list[str]) -> Finding:
    """What is said where native could be trained: no `errors` mean that nothing was heard at all."""
    if not errors:
        return Finding(repr(case), f"trained in two processes it hung for {SECONDS:g} s", kind="distributed-hangs")
    error = next((e for e in errors if e.startswith(ENDED)), errors[0])
    message = f"must train under DistributedDataParallel as {trial.them} does, got {error}"
    return Finding(repr(case), message, grade="wrong" if error.startswith(ENDED) else "differs", kind="distributed")


def _answers(trial: Trial, operator: Operator, case: Case, unused: bool) -> tuple[list[Answer], bool]:
    """What each process has after training, and whether they hung.

    Raises:
        NotAskedError: if another process cannot import the operator.
    """
    target: Any = operator.target
    if getattr(target, "__module__", "") == "__main__" or find(trial.spec.name) is not trial.spec:
        raise NotAskedError("cannot be reached from another process: it is not defined in a file that can be imported")
    try:
        answers = ask(train, trial.spec.name, operator, repr(case), unused, target=target, seconds=SECONDS)
    except TimeoutError:
        return [], True
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotAskedError(f"cannot be reached from another process: {error}") from error
    if not all(answer.reached for answer in answers):
        raise NotAskedError(f"cannot be reached from another process: {answers[0].error or answers[1].error}")
    return answers, False


def train(rank: int, name: str, operator: Operator, text: str, unused: bool) -> dict[str, Tensor]:
    """What one of the processes does: its state after some steps, by native's names."""
    case = Case.parse(text)
    trial = Trial(find(name), operator, case.dtype)
    instance = trial.build_subject(case)
    if instance.module is None:
        raise TypeError("only a module can be trained")
    wrapped = torch.nn.parallel.DistributedDataParallel(instance.module, find_unused_parameters=unused)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=RATE)
    inputs = [t.detach() for t in trial.inputs(case, _drawn(trial, case, rank))]
    for _ in range(STEPS):
        optimizer.zero_grad()
        outputs = trial.call(instance, case, inputs, wrapped)
        ways = _directions(trial, case, outputs)
        sum((o * d.to(o)).sum() for o, d in zip(outputs, ways, strict=True) if o.requires_grad).backward()  # type: ignore[union-attr]
        optimizer.step()
    return {k: v.cpu() for k, v in instance.values().items()}


def _drawn(trial: Trial, case: Case, rank: int) -> list[Tensor]:
    """The batch of this process."""
    return trial.drawn(case.but(seed=case.seed + rank))[1]


def _directions(trial: Trial, case: Case, outputs: list[Tensor]) -> list[Tensor]:
    """The loss is a sum of outputs times these, of gradients neither vast nor tiny."""
    return [d / max(d.numel(), 1) ** 0.5 if d.is_floating_point() else d for d in trial.cotangents(case, outputs)]


def _values(trial: Trial, native: Instance, case: Case) -> list[Tensor]:
    """What the result hangs on: the batches, then native's state."""
    batches = [t for rank in range(RANKS) for t in _drawn(trial, case, rank)]
    state = [v.detach().cpu() for v in native.own_state().values()]
    return [*batches, *(v.double() if v.is_floating_point() else v for v in state)]


def _alone(trial: Trial, instance: Instance, at: Case, flat: list[Tensor]) -> list[Tensor | None]:
    """The state after training, both processes' parts played by one."""
    each = len(list(at.call.draws()))
    instance.load(dict(zip(instance.names, flat[RANKS * each :], strict=True)))
    for _ in range(STEPS):
        before = instance.values()
        after: dict[str, Tensor] = {}
        total: dict[str, Tensor] = {}
        for rank in range(RANKS):
            instance.load(before)
            for name, gradient in _gradients(trial, instance, at, flat[rank * each : (rank + 1) * each]).items():
                total[name] = total[name] + gradient if name in total else gradient
            after = after or instance.values()  # buffers are the first one's
        instance.load(after | {k: before[k] - RATE * g / RANKS for k, g in total.items()})
    return list(instance.values().values())


def _gradients(trial: Trial, instance: Instance, at: Case, drawn: list[Tensor]) -> dict[str, Tensor]:
    inputs = [t.detach() for t in trial.inputs(at, drawn)]
    outputs = trial.call(instance, at, inputs)
    pairs = [(o, d.to(o)) for o, d in zip(outputs, _directions(trial, at, outputs), strict=True) if o.requires_grad]
    leaves = instance.parameters()
    found = torch.autograd.grad([o for o, _ in pairs], list(leaves.values()), [d for _, d in pairs], allow_unused=True)
    return {k: g.to_dense() if g.is_sparse else g for k, g in zip(leaves, found, strict=True) if g is not None}


def _unused(trial: Trial, native: Instance, case: Case) -> bool:
    """Whether some of native's parameters take no part."""
    held = native.values()
    found = _gradients(trial, native, case, _drawn(trial, case, 0))
    native.load(held)
    return len(found) < len(native.parameters())
