"""The check of the unforeseen: shapes and numbers drawn anew for every run, asked where no answer can be looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from refops.parity.case import Case, fill
from refops.parity.checks import check
from refops.parity.checks.forms import drawn_by_strategy, shapes_or_error
from refops.parity.judging.chance import VARIABLE, run_seed, unforeseen, unwatched
from refops.parity.judging.draw import seed_global
from refops.parity.judging.runner import flatten
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding

QUICK, FULL = 2, 40  # cases
SHAPES = 8  # drawn to choose from at the quick level


def unforeseen_cases(trial: Trial) -> Iterator[Case]:
    """Legal cases drawn by the spec's strategy from the run's own number, or its rows with other numbers in them."""
    count = FULL if trial.full else QUICK
    seeds = unforeseen(trial.spec.name, count + 1)
    drawn = drawn_by_strategy(trial, max(count, SHAPES), seeds.pop())
    cases = _calm(trial, drawn) or _calm(trial, trial.rows())
    answered = (c for c in cases if not isinstance(shapes_or_error(trial, trial.native, c), Exception))
    yield from (case.but(seed=seed) for case, seed in zip(_varied(answered), seeds, strict=False))


def _calm(trial: Trial, cases: Iterable[Case]) -> list[Case]:
    """Those with numbers in them and nothing left to chance; where there are none, as they are in evaluation mode."""
    cases = [c for c in cases if any(_drawn(d.kind) and 0 not in d.shape for d in c.draws())]
    calm = [c for c in cases if trial.deterministic(c)]
    return calm or [c for c in (c.but(mode="eval") for c in cases) if trial.deterministic(c)]


def _drawn(kind: str) -> bool:
    return kind not in ("literal", "flag")


def _varied(cases: Iterator[Case]) -> list[Case]:
    """The cases with the most axes first: the smallest shapes are the likeliest to be foreseen."""
    return sorted(cases, key=lambda c: -max((len(d.shape) for d in c.draws()), default=0))


@check(cases=unforeseen_cases)
def unseen(trial: Trial, case: Case) -> Iterator[Finding]:
    """Shapes and numbers nobody could know before this run are answered too, where no answer can be looked up."""
    got = _answers(trial, case, watched=False)
    for finding in trial.judge(case, got):
        looked_up = not list(trial.judge(case, _answers(trial, case, watched=True)))
        finding.kind = "looks-answers-up" if looked_up else "unforeseen"
        finding.message += " where no frame of the kit is in sight" if looked_up else ""
        finding.message += f" (drawn from {VARIABLE}={run_seed()})"
        yield finding


def _answers(trial: Trial, case: Case, *, watched: bool) -> list[Tensor]:
    """The subject's outputs; unwatched, before anything is known of them and on a stack of their own."""
    subject = trial.build_subject(case)
    if watched:
        with torch.no_grad():
            return trial.call(subject, case, trial.inputs(case))
    args, kwargs = subject.bound(*fill(case.call, iter([t.detach() for t in trial.inputs(case)])))
    seed_global(case.seed)
    return flatten(unwatched(subject.function, args, kwargs))
