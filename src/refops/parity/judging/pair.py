"""Two processes beside this one, joined in a process group of torch.distributed, that answer one question together.

They are started when first asked, import torch once, and are kept for the next question. Nothing waits for ever: a
question has a time limit, each process ends itself a little after it, and both end when this one does. After a question
that failed they are ended too, for one may still wait for the other. The group meets in a file, so no port is needed.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import IO, Any

RANKS = 2
GRACE = 5.0  # seconds after its limit at which a process ends itself
ENDED = "its process ended"
START = 120.0  # seconds to import torch and meet, on a machine that is busy with other things


@dataclass(frozen=True)
class Place:
    """Where a module of this process is found: by name, or else in its file."""

    name: str
    file: str

    @classmethod
    def of(cls, target: Any) -> Place:
        """The place of the module that defines a class or function."""
        name = str(getattr(target, "__module__", ""))
        return cls(name, str(Path(getattr(sys.modules.get(name), "__file__", None) or "").resolve()))

    def load(self) -> None:
        """Import it, if need be from its file."""
        try:
            module = importlib.import_module(self.name)
            if str(Path(module.__file__ or "").resolve()) == self.file:
                return
        except ImportError:
            pass
        spec = importlib.util.spec_from_file_location(self.name, self.file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.name} must be importable, got no Python file {self.file}")
        parts = self.name.split(".")
        for i in range(1, len(parts)):  # pickle imports the packages it is in as well
            sys.modules.setdefault(".".join(parts[:i]), ModuleType(parts[i - 1]))
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        spec.loader.exec_module(module)


@dataclass(frozen=True)
class Answer:
    """What one process said: its value, or why it has none; `reached` unless the question was not understood there."""

    value: Any = None
    error: str = ""
    reached: bool = True


class Pair:
    """The two processes."""

    def __init__(self) -> None:
        self.started = False
        self._folder = tempfile.TemporaryDirectory(prefix="refops-pair-")
        self._threads = ThreadPoolExecutor(RANKS)
        meeting = str(Path(self._folder.name, "meeting"))
        command = [sys.executable, "-m", "refops.parity.judging.pair", meeting]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        self._processes = [
            subprocess.Popen(
                [*command, str(rank)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=environment,
            )
            for rank in range(RANKS)
        ]  # fmt: skip

    def start(self) -> None:
        """Wait until both have met; what they are asked then takes its own time alone.

        Raises:
            TimeoutError: if they do not meet.
        """
        self.ask(_question(_here, target=_here, seconds=START), START)
        self.started = True

    def ask(self, question: bytes, seconds: float) -> list[Answer]:
        """The answer of each process.

        Raises:
            TimeoutError: if they take longer than that.
        """
        waiting = [self._threads.submit(_exchange, p, question) for p in self._processes]
        first = next(iter(wait(waiting, seconds, FIRST_COMPLETED).done), None)
        alone = first is not None and bool(first.result().error)  # then the other may wait for it for ever
        late = wait(waiting, GRACE if alone else seconds).not_done
        if late and not alone:
            raise TimeoutError(f"two processes took longer than {seconds:g} s")
        answers = [Answer(error="waited for the other") if f in late else f.result() for f in waiting]
        if any(answer.error for answer in answers):
            self.stop()
        return answers

    @property
    def alive(self) -> bool:
        """Whether both still run."""
        return all(p.poll() is None for p in self._processes)

    def stop(self) -> None:
        """End both, now."""
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
        self._threads.shutdown(wait=False)
        self._folder.cleanup()


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):  # what was still to be written has nobody to read it
        pipe.close()


def _exchange(process: subprocess.Popen[bytes], question: bytes) -> Answer:
    if process.stdin is None or process.stdout is None:
        return Answer(error="has no pipes")
    try:
        pickle.dump(question, process.stdin)
        process.stdin.flush()
        answer: Answer = pickle.load(process.stdout)
    except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        return Answer(error=f"{ENDED} ({type(error).__name__})")
    return answer


_KEPT: list[Pair] = []


def ask(function: Callable[..., Any], *arguments: Any, target: Any, seconds: float) -> list[Answer]:
    """`function(rank, *arguments)` in each of the two processes; `target` is defined in a module they must import.

    Raises:
        TimeoutError: if they take longer than `seconds`.
        pickle.PicklingError, AttributeError, TypeError: if the arguments cannot be sent.
    """
    question = _question(function, *arguments, target=target, seconds=seconds)
    if not _KEPT or not _KEPT[0].alive:
        stop()
        _KEPT.append(Pair())
    try:
        if not _KEPT[0].started:
            _KEPT[0].start()
        return _KEPT[0].ask(question, seconds)
    except BaseException:
        stop()
        raise


def _question(function: Callable[..., Any], *arguments: Any, target: Any, seconds: float) -> bytes:
    return pickle.dumps((Place.of(target), list(sys.path), seconds, pickle.dumps((function, arguments))))


def _here(rank: int) -> int:
    """What shows that a process has come up."""
    return rank


def stop() -> None:
    """End the two processes, if there are any."""
    while _KEPT:
        _KEPT.pop().stop()


atexit.register(stop)


def serve(meeting: str, rank: int) -> None:
    """Answer questions from standard input until it is closed."""
    import torch
    from torch import distributed

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a subject prints goes elsewhere
    torch.set_num_threads(1)
    limit = timedelta(seconds=600)
    distributed.init_process_group("gloo", f"file://{meeting}", timeout=limit, rank=rank, world_size=RANKS)
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)
        except EOFError:
            break
        pickle.dump(_answer(rank, question), answers)
        answers.flush()
    os._exit(0)  # without waiting for the other


def _answer(rank: int, question: bytes) -> Answer:
    place, path, seconds, asked = pickle.loads(question)
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True)
    reached = False
    try:
        sys.path[:] = path
        place.load()
        function, arguments = pickle.loads(asked)
        reached = True
        return Answer(function(rank, *arguments))
    except Exception as error:
        return Answer(error=" ".join(f"{type(error).__name__}: {error}".split())[:300], reached=reached)
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    from refops.parity.judging.pair import serve as serving  # pickles name this module, not __main__

    serving(sys.argv[1], int(sys.argv[2]))
