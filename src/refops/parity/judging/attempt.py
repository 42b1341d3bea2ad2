"""One case tried on a subject: its findings, whatever the subject does, within the time it may take."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from refops.parity.case import Case
from refops.parity.checks import Check
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.subject import MappingError

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


def attempt(trial: Trial, check: Check, case: Case) -> tuple[list[Finding], bool]:
    """The findings of one case, and whether the subject raised where it should have answered."""
    try:
        return list(check.run(trial, case)), False
    except (KeyboardInterrupt, TimeLimitError, MappingError):
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return [Finding(repr(case), f"raised {text[:300]}")], True


def unsupported(trial: Trial, case: Case) -> str:
    """Why native itself cannot run a case in this dtype on this device; empty where it can or where it is refused."""
    if trial.spec.kind == "optimizer" or trial.spec.native is None or (case.init is None and not case.call.args):
        return ""
    key = (trial.spec.name, case.dtype, trial.device)
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


_SUPPORTED: dict[tuple[str, str, str], str] = {}
