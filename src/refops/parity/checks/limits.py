"""The check of lengths: kernels are written in blocks and grids, and what lies past the last one is easily left out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Case, resized, whole_numbers
from refops.parity.checks import check
from refops.parity.judging.budget import MANY_PROBES, PROBES
from refops.parity.judging.enlarge import SMALL, lengths, longest, rewritings, thinned
from refops.parity.judging.runner import Runner
from refops.parity.judging.trial import DOUBTFUL, NotAskedError, Trial
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.subject import Instance, Operator

# Past the blocks and grids kernels are written for, by one block more: what is left out then counts in every sum.
SIZES = (66_561, 33_793, 17_409, 9_217, 5_121, 3_073, 1_153)
WORK = {False: 3e6, True: 3e7}  # numbers a case may handle, at the quick and at the full level
SHORT, SECONDS = 113, 10.0  # a length tried first, and what the long one may then be expected to take
LONGER = 3  # times that, tried next: how the outputs grow
MANY = 4_000  # numbers at the small size at which native is asked
ROWS = 4  # rows looked at until one has axes that can be made long

# Native's own transposed convolution writes past its memory from some 12,000 channels on (torch 2.13 on the CPU).
CHANNELS = {"transposed_convolution": 1_153}

_CASES: dict[tuple[Any, ...], list[Case]] = {}


def past_limits(trial: Trial) -> list[Case]:
    """The first row that can grow, long along its first, second and last axis, and the first axis of other lengths.

    At the full level along every axis and in every size; then what the spec itself has long. How a case grows is asked
    of native and of the reference, so every subject of a spec gets the same cases.
    """
    key = (trial.spec.identity, trial.level)
    if key not in _CASES:
        rows = [c for c in trial.rows(None) if trial.deterministic(c)] or trial.certain
        reference = Operator(trial.spec.reference, trial.spec.kind, trial.spec.name)
        runner = Runner(trial.spec, reference, trial.dtype)
        found = (list(dict.fromkeys(_grown(runner, row, trial.full))) for row in rows[:ROWS])
        long = [case.but(dtype=trial.dtype) for case in trial.spec.long]
        _CASES[key] = [*next((cases for cases in found if cases), []), *long]
    return _CASES[key]


def _grown(runner: Runner, row: Case, full: bool) -> Iterator[Case]:
    accepts = partial(_accepts, runner)
    places = lengths(row)
    if not full:
        main = [p for p in places if p[0] == places[0][0]]
        places = list(dict.fromkeys([*main[:2], main[-1], *places[len(main) : len(main) + 1]])) if main else []
    for place, axis in places:
        thin = thinned(accepts, row, place, axis)
        most = CHANNELS.get(runner.spec.family, SIZES[0]) if axis == 1 else SIZES[0]
        best, sizes = 0, tuple(s for s in SIZES if s <= most)
        at = partial(_nth, thin, place, axis, 0)
        for i, small in enumerate(rewritings(thin, place, axis, SMALL)):
            grows = partial(_nth, thin, place, axis, i)
            size = longest(runner, grows, sizes, WORK[full]) if accepts(small) else 0
            if size > best:
                best, at = size, grows
            if size == sizes[0]:
                break
        sizes = tuple(s for s in sizes if s <= best)
        yield from (at(size) for size in (sizes if full else sizes[:1]))


def _nth(row: Case, place: int, axis: int, i: int, size: int) -> Case:
    return [*rewritings(row, place, axis, size)][i]


def _accepts(runner: Runner, case: Case) -> bool:
    """Whether native answers with numbers, and with few: what is many at a small size is no matter of one axis."""
    if sum(torch.Size(d.shape).numel() for d in case.draws()) > MANY:
        return False
    try:
        instance = runner.native.build(case, runner.initial(case))
        with torch.no_grad():
            outputs = runner.call(instance, case, runner.inputs(case))
    except Exception:
        return False
    tensors = (*outputs, *instance.own_state().values())
    return bool(outputs) and all(o.numel() for o in outputs) and sum(t.numel() for t in tensors) <= MANY


@check(cases=past_limits)
def limits(trial: Trial, case: Case) -> Iterator[Finding]:
    """Nothing is left out past the sizes of blocks and grids: 1,024, 8,192, 65,535 rows, 65,536 columns."""
    if not _bearable(trial, case):
        raise NotAskedError("too slow or too large to be asked past blocks and grids")
    native = trial.build_native(case)
    subject = trial.build_subject(case, native)
    outputs = trial.call(subject, case, trial.inputs(case))
    directions = [d.to(o) for d, o in zip(trial.cotangents(case, outputs), outputs, strict=True)]
    got = _answers(trial, subject, case, directions)
    wanted = _answers(trial, _model(trial, case, native), case, directions)
    numbers = max((o.numel() for o in outputs), default=0)
    far = [not _beside(w, g, numbers) for w, g in zip(wanted, got, strict=False)]
    if len(wanted) != len(got) or any(far):
        yield from _judged(trial, case, far, got)


def _bearable(trial: Trial, case: Case) -> bool:
    """Whether a subject that goes through an axis entry by entry comes to an end; to be slow is no fault.

    What a subject has preset may give an axis another meaning, along which the outputs grow with the square.
    """
    size = max((n for n in whole_numbers((case.init, case.call)) if n in SIZES), default=0)
    if not size:
        return True  # a shrunk case
    taken, given = [], []
    for length in (SHORT, LONGER * SHORT):
        short = case.but(init=resized(case.init, size, length), call=resized(case.call, size, length))
        subject, inputs = trial.build_subject(short), trial.inputs(short)
        started = time.perf_counter()
        outputs = trial.call(subject, short, inputs)
        taken.append((time.perf_counter() - started) * size / length)
        given.append(sum(o.numel() for o in outputs))
    power = math.log(given[1] / given[0], LONGER) if all(given) else 0.0
    return min(taken) < SECONDS and given[0] * (size / SHORT) ** power < 2 * WORK[trial.full]


def _judged(trial: Trial, case: Case, far: list[bool], got: list[Tensor | None]) -> Iterator[Finding]:
    """What is far from native's is measured with care, and over budget before it is accused."""

    def findings(probes: int) -> list[Finding]:
        expected = trial.expected(case, probes)
        both = zip((*expected.outputs, *expected.gradients), far, strict=False)
        return list(trial.compare(case, [budget if asked else None for budget, asked in both], got))

    trial.excess = 0.0
    found = findings(PROBES)
    if found and trial.excess < DOUBTFUL:
        found = findings(MANY_PROBES)
    trial.forget(case)
    for finding in found:
        finding.kind = "left-out"
        yield finding


def _model(trial: Trial, case: Case, native: Instance) -> Instance:
    """Who answers what the subject must be near to: native, or the oracle where torch has none."""
    if trial.spec.native is not None:
        return native
    oracle = matched(trial.oracle, trial.oracle.build(case, trial.initial(case)), native.own_state())
    oracle.load(native.own_state())
    return oracle


def _answers(trial: Trial, instance: Instance, case: Case, directions: list[Tensor]) -> list[Tensor | None]:
    outputs, gradients = trial.run(instance, case, trial.inputs(case), directions)
    return [*(o.detach() for o in outputs), *gradients]


def _beside(wanted: Tensor | None, got: Tensor | None, outputs: int) -> bool:
    """Whether two answers share half their digits, beside the largest number of the tensor.

    Rounding, however long the sum, stays far below that, and what was left out is off by its own size. A gradient that
    sums over many outputs may cancel to almost nothing: it is as large as the root of their number at the least.
    """
    if wanted is None or got is None:
        return wanted is got
    if wanted.shape != got.shape or wanted.dtype != got.dtype:
        return False
    if not wanted.is_floating_point() or not wanted.numel():
        return torch.equal(wanted, got)
    wanted, got = wanted.double(), got.double()
    scale = float(wanted.abs().nan_to_num(posinf=0.0).max())
    scale = max(scale, math.sqrt(outputs / wanted.numel())) if outputs > wanted.numel() else scale
    alike = (wanted == got) | (wanted.isnan() & got.isnan())
    return bool((alike | ((wanted - got).abs() <= math.sqrt(torch.finfo(torch.float32).eps) * scale)).all())
