"""Items: one (spec, check, dtype, device) for one subject, run to a record whatever the subject does."""

from __future__ import annotations

import faulthandler
import signal
import statistics
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from refops.parity.case import Case
from refops.parity.checks import Check, all_checks
from refops.parity.lab import Lab
from refops.parity.record import Finding, Record
from refops.parity.script import script
from refops.parity.shrink import numbers_in, shrink
from refops.parity.spec import Spec
from refops.parity.subject import MappingError, Operator

UNSUPPORTED = ("not implemented for", "not supported", "does not support", "Unsupported dtype", "unsupported")


class TimeLimitError(Exception):
    """An item took longer than it may."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what takes longer: Python code with an error, code that does not come back with the process.

    Raises:
        TimeLimitError: when the time is over and Python is still being run.
    """
    main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    terminal = sys.__stderr__ or sys.stderr

    def stop(*_: object) -> None:
        raise TimeLimitError(f"hung: took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop) if main else None
    if main:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=terminal)
    try:
        yield
    finally:
        if main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()


GRACE = 5.0  # seconds between the error and the end of the process


@dataclass(frozen=True)
class Item:
    """One thing to run: a check of a spec in a dtype on a device."""

    spec: Spec
    check: Check
    dtype: str
    device: str

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
        if not check.binds(spec, drop_in=subject.drop_in, reference=subject.reference, level=level):
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
    lab = Lab(item.spec, subject, item.dtype, item.device, level)
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            _run_cases(lab, item, record, shrinking)
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    seen = lab.statistics
    record.cases, record.evidence = seen.cases, seen.evidence
    if seen.ulps:
        record.ulp_p50, record.ulp_max, record.ratio_max = statistics.median(seen.ulps), seen.worst[0], seen.ratio
        record.worst_case = seen.worst[1]
    record.seconds = round(time.perf_counter() - started, 4)
    return record


def _run_cases(lab: Lab, item: Item, record: Record, shrinking: bool) -> None:
    failing: list[tuple[Case, list[Finding]]] = []
    for case in item.check.cases(lab):
        reason = unsupported(lab, case)
        if reason:
            record.reason = reason
            continue
        lab.statistics.cases += 1
        found, raised = attempt(lab, item.check, case)
        record.outcome = "error" if raised else record.outcome
        if found:
            failing.append((case, found))
        elif not item.check.measured or not lab.expected(case).vacuous:
            lab.statistics.evidence += 1
    if failing:
        failing.sort(key=lambda pair: numbers_in(pair[0]))
        smallest, found = shrink(lab, item.check, *failing[0]) if shrinking else failing[0]
        found[0].script = script(lab, item.check.name, smallest) if shrinking else ""
        record.findings = [*found[:1], *(f for case, fs in failing for f in fs if repr(case) != repr(smallest))]
        record.outcome = "error" if record.outcome == "error" else "failed"
    elif not lab.statistics.cases:
        record.outcome = "skipped"
        record.reason = record.reason or "the spec has no case for this check"
    elif item.check.measured and not (lab.statistics.evidence or item.spec.trivial or item.spec.randomness):
        record.outcome, record.reason = "failed", "vacuous: a trivial answer would have passed every case"


def attempt(lab: Lab, check: Check, case: Case) -> tuple[list[Finding], bool]:
    """The findings of one case, and whether the subject raised where it should have answered."""
    try:
        return list(check.run(lab, case)), False
    except (KeyboardInterrupt, TimeLimitError, MappingError):
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return [Finding(repr(case), f"raised {text[:300]}")], True


def unsupported(lab: Lab, case: Case) -> str:
    """Why native itself cannot run a case in this dtype on this device; empty where it can or where it is refused."""
    if lab.spec.kind == "optimizer" or lab.spec.native is None or (case.init is None and not case.call.args):
        return ""
    key = (lab.spec.name, case.dtype, lab.device)
    if key not in _SUPPORTED:
        _SUPPORTED[key] = _unsupported(lab, lab.spec.cases[0].but(dtype=case.dtype))
    return _SUPPORTED[key]


def _unsupported(lab: Lab, case: Case) -> str:
    try:
        native = lab.build_native(case)
        outputs = lab.call(native, case, lab.inputs(case))
        lab.run(native, case, lab.inputs(case), lab.cotangents(case, outputs))
    except (RuntimeError, NotImplementedError) as error:
        if any(word in str(error) for word in UNSUPPORTED):
            return f"native does not support {case.dtype} on {lab.device}: {str(error).splitlines()[0][:120]}"
    return ""


_SUPPORTED: dict[tuple[str, str, str], str] = {}
