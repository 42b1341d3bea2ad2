"""Checks of what a call does beside answering: to settings, generators, threads, functions of others, new memory."""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from refops.parity.case import Case, fill
from refops.parity.checks import check
from refops.parity.checks.autograd import two
from refops.parity.checks.contexts import shortened
from refops.parity.judging.draw import seed_global
from refops.parity.judging.surroundings import exchanged, kit_exchanged, moved, planted, put_back, settings
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.subject import Instance


def one(trial: Trial) -> Iterator[Case]:
    """The first deterministic row that holds a number."""
    yield from list(two(trial))[:1]


@check(cases=one)
def surroundings(trial: Trial, case: Case) -> Iterator[Finding]:
    """A call leaves all around it as it was: settings, generators, threads, and the functions of torch and the kit."""
    with warnings.catch_warnings(record=True), _generators_moved():
        warnings.simplefilter("default")  # so that a filter that ignores everything counts as a change
        before = settings()
        subject = trial.build_subject(case)
        _forth_and_back(trial, subject, case)
        changed = moved(before, settings())
    for what in changed:
        yield Finding(repr(case), f"{what} must be left as it is", kind="global-state")
    yield from _generator(trial, subject, case)
    yield from _threads(trial, subject, case)
    changed = exchanged()
    patched = dict.fromkeys((*changed, *planted(trial.subject.target), *kit_exchanged()))
    put_back(changed)  # what comes next is judged by torch's own
    if patched:
        shown = ", ".join(list(patched)[:5])
        yield Finding(
            repr(case), f"functions of others must be left as they are, got {shown} exchanged", kind="patched"
        )


@contextmanager
def _generators_moved() -> Iterator[None]:
    """The generators of Python and NumPy in states no call has left: to seed them again alike would not be seen."""
    held = random.getstate(), np.random.get_state()
    random.seed(f"{held[0]}")
    np.random.seed(random.getrandbits(32))
    try:
        yield
    finally:
        random.setstate(held[0])
        np.random.set_state(held[1])


def _forth_and_back(trial: Trial, subject: Instance, case: Case) -> None:
    outputs = trial.call(subject, case, trial.inputs(case))
    leaves = [o for o in outputs if o.requires_grad]
    if leaves:
        torch.autograd.backward(leaves, [torch.ones_like(o) for o in leaves])


def _generator(trial: Trial, subject: Instance, case: Case) -> Iterator[Finding]:
    """Where native draws nothing the generator stays where it is; being seeded anew is worse than being moved on."""
    native = trial.build_native(case)
    left = []
    for instance, seed in ((native, 1), (subject, 1), (subject, 2)):
        args, kwargs = fill(case.call, iter(t.detach() for t in trial.inputs(case)))
        seed_global(seed)
        start = torch.get_rng_state()
        with torch.no_grad():
            instance(*args, **kwargs)
        left.append((start, torch.get_rng_state()))
    (start, after), (_, first), (other, second) = left
    if not torch.equal(start, after):
        return
    if torch.equal(first, second):
        yield Finding(repr(case), "torch's generator must not be seeded anew by a call", kind="reseeded")
    elif not torch.equal(first, start) or not torch.equal(second, other):
        message = "torch's generator must be left where it is, as native leaves it here"
        yield Finding(repr(case), message, grade="differs", kind="moves-the-generator")


def _threads(trial: Trial, subject: Instance, case: Case) -> Iterator[Finding]:
    """A pool may be started once; a thread more at every call is one too many."""
    counts = []
    for _ in range(2):
        trial.call(subject, case, [t.detach() for t in trial.inputs(case)])
        counts.append(set(threading.enumerate()))
    more = counts[1] - counts[0]
    if more:
        names = ", ".join(sorted(t.name for t in more))
        yield Finding(repr(case), f"a call must not leave a thread running, got {names}", kind="thread")


@check(cases=two)
def uninitialised(trial: Trial, case: Case) -> Iterator[Finding]:
    """Nothing comes out of memory that was never written: new memory holds nan while outputs and gradients are made."""
    expected = trial.expected(case)
    directions = trial.cotangents(case, [b.truth if b.exact else b.truth.to(b.dtype) for b in expected.outputs])
    subject, inputs = trial.build_subject(case), trial.inputs(case)
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = True
        outputs, gradients = trial.run(subject, case, inputs, directions)
    except Exception as error:
        told = f"{type(error).__name__}: {shortened(error)}"
        message = f"must answer where deterministic algorithms are asked for, got {told}"
        yield Finding(repr(case), message, grade="differs", kind="refuses-deterministic")
        return
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
    for finding in trial.judge(case, outputs, gradients, "with nan in new memory "):
        finding.kind = "uninitialised-memory"
        yield finding
