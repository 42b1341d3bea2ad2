"""One case tried on a subject: its findings, whatever the subject does, within the time it may take."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from refops.parity.binding import NotOfferedError
from refops.parity.case import Case
from refops.parity.checks import Check
from refops.parity.domain import ClaimError
from refops.parity.judging.lacking import switched_off
from refops.parity.judging.scenarios import maker
from refops.parity.judging.training import Training
from refops.parity.judging.trial import NotAskedError, Statistics, Trial
from refops.parity.matching import MappingError
from refops.parity.record import Finding
from refops.parity.subject import NativeError

UNSUPPORTED = ("not implemented for", "not supported", "does not support", "Unsupported dtype", "unsupported")


class TimeLimitError(BaseException):
    """An item took longer than it may; like Ctrl-C, nobody's `except Exception` keeps it."""


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


PLAIN = ("value", "gradient", "shape", "dtype", "modes", "buffers", "inputs", "determinism", "laws", "trajectory")
"""Checks that call a subject as anybody would: what it raises there says nothing of the check."""
GRACE = 5.0  # seconds between the error and the end of the process


@dataclass
class Attempt:
    """What came of one case: its findings, the worst first, or why it was not asked."""

    findings: list[Finding] = field(default_factory=list)
    left_out: str = ""


def attempt(trial: Trial, check: Check, case: Case) -> Attempt:
    """Ask one case. What a subject raises is a refusal, whatever its type: nothing false was returned."""
    asked = trial.subject.settled(case)
    unsupported_by = trial.subject.domain.unsupported
    if unsupported_by is not None and check.name != "laws" and unsupported_by(asked):  # a law's case is none of a call
        return Attempt(left_out="declared as unsupported")
    open_ = trial.spec.left_open is not None and check.name != "laws"
    held = trial.statistics.snapshot() if open_ else trial.statistics
    try:
        found = list(check.run(trial, asked))
        if open_ and any(f.numbers for f in found):
            found = _left_open(trial, asked, found, held)
    except NotAskedError as error:
        return Attempt(left_out=str(error))
    except ClaimError:
        raise
    except NotOfferedError as error:
        return Attempt(left_out=f"not offered: {error}")
    except NativeError as error:
        if asked is not case:
            return Attempt(left_out="native refuses it together with what the subject has preset")
        found = [Finding(repr(asked), f"could not be judged: {error}", kind="unjudged")]
    except MappingError as error:
        found = [Finding(repr(asked), str(error.args[0]) + _remedy(trial, asked), kind="state")]
    except Exception as error:
        if asked is not case and native_refuses(trial, asked):
            return Attempt(left_out="native refuses it together with what the subject has preset")
        found = [refusal(check.name, asked, error)]
    for finding in found:
        finding.kind = finding.kind or check.name
    return Attempt(sorted(found, key=lambda f: f.grade != "wrong"))


def _left_open(trial: Trial, case: Case, found: list[Finding], held: Statistics) -> list[Finding]:
    """The findings, those of numbers as differences where the answer is as good as the oracle's."""
    with torch.no_grad():
        outputs = trial.call(trial.build_subject(case), case, trial.inputs(case))
    said = trial.spec.left_open(case, trial.inputs(case), outputs) if trial.spec.left_open is not None else ""
    if not said:
        return found
    trial.statistics = held  # how far it is off says nothing of its accuracy
    told = Finding(repr(case), f"{said}: {trial.them} gives another answer", grade="differs", kind="left-open")
    return [*(f for f in found if not f.numbers), told]


def _remedy(trial: Trial, case: Case) -> str:
    """What to declare of a subject that is a layer with something switched off; empty where that is not it."""
    cases = (case, *islice(trial.rows(None), 3))  # a law's case does not say how the layer is built
    off = next(filter(None, (switched_off(trial, c) for c in cases)), {})
    return f"; if it is made without, declare fixed={off}" if off else ""


def native_refuses(trial: Trial, case: Case) -> bool:
    """Whether native itself raises for the case."""
    try:
        if trial.spec.kind == "optimizer":
            training = Training(trial, case)
            maker(trial.native.target, case, [trial.cast(t, case) for t in training.options])(training.params())
        else:
            trial.call(trial.build_native(case), case, trial.inputs(case))
    except Exception:
        return True
    return False


def refusal(check: str, case: Case, error: Exception) -> Finding:
    """The finding for a subject that raises where native answers."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if any(word in text for word in UNSUPPORTED) and case.dtype != "float32":
        kind = f"refuses-{case.dtype}"
    else:
        kind = f"raises-{type(error).__name__}" if check in PLAIN else f"refuses-{check}"
    return Finding(repr(case), f"raised {text[:300]}", grade="differs", kind=kind)


def unsupported(trial: Trial, case: Case) -> str:
    """Why native itself cannot run a case in this dtype on this device; empty where it can or where it is refused."""
    if trial.spec.kind == "optimizer" or trial.spec.native is None or (case.init is None and not case.call.args):
        return ""
    key = (trial.spec.identity, case.dtype, trial.device)
    if key not in _SUPPORTED:
        _SUPPORTED[key] = _unsupported(trial, trial.spec.cases[0].but(dtype=case.dtype))
    return _SUPPORTED[key]


def _unsupported(trial: Trial, case: Case) -> str:
    try:
        native = trial.build_native(case)
        outputs = trial.call(native, case, trial.inputs(case))
        trial.run(native, case, trial.inputs(case), trial.cotangents(case, outputs))
    except (RuntimeError, NotImplementedError) as error:
        if any(word in str(error) for word in UNSUPPORTED):
            return f"native does not support {case.dtype} on {trial.device}: {str(error).splitlines()[0][:120]}"
    return ""


_SUPPORTED: dict[tuple[Any, ...], str] = {}
