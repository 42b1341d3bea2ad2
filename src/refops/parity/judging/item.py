"""Items: one (spec, check, dtype, device) for one subject, run to a record whatever the subject does."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from refops.parity.case import Case
from refops.parity.checks import Check, all_checks
from refops.parity.judging.attempt import attempt, unsupported
from refops.parity.judging.causes import cause_of
from refops.parity.judging.scenarios import offering
from refops.parity.judging.script import script
from refops.parity.judging.shrink import numbers_in, shrink
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding, Record
from refops.parity.spec import Spec
from refops.parity.subject import Operator

# checks whose numbers a cause is looked for in
SHOWN_BY = ("value", "gradient", "modes", "buffers", "trajectory", "layout", "unseen", "limits")


@dataclass(frozen=True)
class Item:
    """One thing to run: a check of a spec in a dtype on a device; `brief` where others ask nearly the same."""

    spec: Spec
    check: Check
    dtype: str
    device: str
    brief: bool = False

    @property
    def id(self) -> str:
        """Readable: `LayerNorm-value-float32-cpu`."""
        return f"{self.spec.name}-{self.check.name}-{self.dtype}-{self.device}"


def items(
    spec: Spec,
    subject: Operator,
    *,
    device: str = "cpu",
    dtypes: tuple[str, ...] = (),
    checks: tuple[str, ...] = (),
    level: str = "quick",
) -> Iterator[Item]:
    """Every item for a subject of this spec.

    Raises:
        ValueError: if a check's name is unknown.
    """
    known = all_checks()
    unknown = [name for name in checks if name not in known]
    if unknown:
        raise ValueError(f"check must be one of {', '.join(sorted(known))}, got {unknown[0]!r}")
    for check in known.values():
        if checks and check.name not in checks:
            continue
        claims = {"drop_in": subject.drop_in, "reference": subject.reference, "by_hand": subject.by_hand}
        if not check.binds(spec, level=level, **claims):
            continue
        for dtype in check.dtypes_for(spec):
            if not dtypes or dtype in dtypes:
                yield Item(spec, check, dtype, device)


def run_item(item: Item, subject: Operator, *, level: str = "quick", shrinking: bool = True) -> Record:
    """Run every case of an item and say what was found; a subject that raises is reported, not let through.

    `shrinking` looks for a smaller failing case and writes its script; what only counts failures goes without.
    """
    started = time.perf_counter()
    record = Record(item.spec.name, item.check.name, item.dtype, item.device, subject.name)
    trial = Trial(item.spec, subject, item.dtype, item.device, "brief" if item.brief else level)
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), offering(subject):
            warnings.simplefilter("ignore")
            _run_cases(trial, item, record, shrinking)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    seen = trial.statistics
    record.cases, record.evidence = seen.cases, seen.evidence
    if seen.ulps:
        record.ulp_p50, record.ulp_max, record.ratio_max = statistics.median(seen.ulps), seen.worst[0], seen.ratio
        record.worst_case = seen.worst[1]
    record.seconds = round(time.perf_counter() - started, 4)
    return record


def _run_cases(trial: Trial, item: Item, record: Record, shrinking: bool) -> None:
    failing: list[tuple[Case, list[Finding]]] = []
    for case in item.check.cases(trial):
        reason = unsupported(trial, case)
        if reason:
            record.reason = reason
            continue
        came = attempt(trial, item.check, case)
        if came.left_out:
            record.left_out[came.left_out] = record.left_out.get(came.left_out, 0) + 1
            continue
        trial.statistics.cases += 1
        if came.findings:
            failing.append((case, came.findings))
        elif not item.check.measured or not trial.expected(trial.subject.settled(case), forward=True).vacuous:
            trial.statistics.evidence += 1
    record.findings = _told(trial, item, failing, shrinking)
    if shrinking and item.check.name in SHOWN_BY and not trial.subject.reference:
        wrong = [
            (item.check.name, case) for case, found in failing if any(f.numbers for f in found if f.grade == "wrong")
        ]
        record.cause = cause_of(trial, wrong)
    if item.check.measured and not trial.subject.reference and not any(f.grade == "wrong" for f in record.findings):
        record.findings += trial.less_accurate()
    record.outcome = outcome(record.findings, trial.subject)
    if not trial.statistics.cases:
        record.outcome = "skipped"
        left = "; ".join(record.left_out)
        record.reason = record.reason or left or "the spec has no case for this check"
    elif item.check.measured and not (
        failing or record.left_out or trial.statistics.evidence or item.spec.trivial or item.spec.randomness
    ):
        record.outcome, record.reason = "failed", "vacuous: a trivial answer would have passed every case"


def outcome(findings: list[Finding], subject: Operator) -> str:
    """What an item with these findings comes to; what the subject's domain accepts does not fail it."""
    accepted = subject.domain.accepts
    if any(f.grade == "wrong" and f"wrong:{f.kind}" not in accepted for f in findings):
        return "failed"
    differing = [f for f in findings if f.grade != "less accurate"]
    strict = subject.strict or subject.drop_in or subject.reference
    if strict and any(f.grade == "differs" and f.kind not in accepted for f in differing):
        return "failed"
    return "differs" if differing else "passed"


def _plainness(trial: Trial, case: Case, found: list[Finding]) -> tuple[bool, bool, int, int]:
    """A key that puts first what is wrong, tells most and is said in the fewest words; sizes shrink anyway."""
    words = 0 if trial.spec.kind == "optimizer" else len(repr(case))  # where each argument shows another cause
    return (found[0].grade != "wrong", not found[0].telling, words, numbers_in(case))


def _told(trial: Trial, item: Item, failing: list[tuple[Case, list[Finding]]], shrinking: bool) -> list[Finding]:
    """All findings; the most telling wrong case comes first, made smaller, with its script."""
    if not failing:
        return []
    failing.sort(key=lambda pair: _plainness(trial, *pair))
    case, found = failing[0]
    asked = trial.subject.settled(case)
    if shrinking:
        if found[0].grade == "wrong":
            asked, found = shrink(trial, item.check, asked, found)
        found[0].script = script(trial, item.check.name, asked)
    rest = [f for other, fs in failing for f in fs if other is not case]
    return [*found, *rest]
