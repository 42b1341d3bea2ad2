"""The check of activation checkpointing: the forward pass is run again in the backward pass, and must be the same.

`torch.utils.checkpoint` restores torch's own random generators before it runs the forward pass again. What draws from
another generator, counts its calls or remembers its last input then takes the gradient of something else than what it
returned, without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as checkpointing
from torch.utils.checkpoint import set_checkpoint_early_stop

from refops.parity.case import Case
from refops.parity.checks import check
from refops.parity.checks.contexts import few, near, shortened
from refops.parity.judging.trial import Trial, flatten
from refops.parity.record import Finding
from refops.parity.subject import Instance


@dataclass
class Passes:
    """What one forward and backward pass gave, and the outputs of every forward pass that was run for it."""

    outputs: list[Tensor]
    gradients: list[Tensor | None]
    each: list[list[Tensor]] = field(default_factory=list)


def two_and_chance(trial: Trial) -> Iterator[Case]:
    """The rows of `few`, and the first that draws random numbers."""
    yield from few(trial)
    yield from islice((c for c in trial.rows() if not trial.deterministic(c)), 1)


@check(cases=two_and_chance)
def checkpoint(trial: Trial, case: Case) -> Iterator[Finding]:
    """Under `torch.utils.checkpoint` outputs and gradients are those without it, the random mask included."""
    directions = trial.cotangents(case, [b.truth.to(b.dtype) for b in trial.expected(case).outputs])
    try:
        theirs = _passes(trial, trial.build_native(case), case, directions, again=True)
    except Exception:
        return  # native itself cannot be checkpointed here
    if not _repeated(theirs):
        return  # native writes into what it reads
    plain = _passes(trial, trial.build_subject(case), case, directions, again=False)
    try:
        got = _passes(trial, trial.build_subject(case), case, directions, again=True)
    except Exception as error:
        message = f"must run under checkpoint as native does, got {type(error).__name__}: {shortened(error)}"
        yield Finding(repr(case), message, grade="differs", kind="checkpoint")
        return
    if not (_repeated(got) or _near_again(trial, case, got)):
        message = "run again by checkpoint it must give the same outputs, for they are what the gradient belongs to"
        yield Finding(repr(case), message, kind="checkpoint")
    elif trial.deterministic(case):
        yield from trial.judge(case, got.outputs, got.gradients, "checkpointed, ")
    elif _alike(trial, case, plain.outputs, got.outputs) and not _alike(trial, case, plain.gradients, got.gradients):
        yield Finding(repr(case), "gradients under checkpoint must be those without it", kind="checkpoint")


def _passes(trial: Trial, instance: Instance, case: Case, directions: list[Tensor], again: bool) -> Passes:
    """Forward and backward; with `again` under checkpoint."""
    each: list[list[Tensor]] = []

    def forward(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        outputs = flatten(instance(*args, **kwargs))
        each.append([o.detach().clone() for o in outputs])
        return tuple(outputs)

    def through(*args: Any, **kwargs: Any) -> Any:  # no arguments of checkpoint's own: it forbids writing into those
        return checkpointing(partial(forward, *args, **kwargs), use_reentrant=False)

    with set_checkpoint_early_stop(False):
        _, gradients = trial.run(instance, case, trial.inputs(case), directions, through if again else forward)
    return Passes(each[0], gradients, each)


def _repeated(passes: Passes) -> bool:
    """Whether every forward pass gave what the first gave, bit for bit."""
    first = [o.nan_to_num() if o.is_floating_point() else o for o in passes.each[0]]
    others = ([o.nan_to_num() if o.is_floating_point() else o for o in outputs] for outputs in passes.each[1:])
    return all(torch.equal(a, b) for outputs in others for a, b in zip(first, outputs, strict=True))


def _near_again(trial: Trial, case: Case, passes: Passes) -> bool:
    """Whether each was right, if not in every bit: rows shortened in place may be shortened by a rounding more."""
    return trial.deterministic(case) and not any([*trial.judge(case, outputs)] for outputs in passes.each)


def _alike(trial: Trial, case: Case, wanted: list[Any], got: list[Any]) -> bool:
    pairs = [(a, b) for a, b in zip(wanted, got, strict=True) if a is not None and b is not None]
    return all(near(trial, case, a, b) for a, b in pairs)
