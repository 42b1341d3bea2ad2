"""Work in a forked process: in silence and within limits, and whatever becomes of it is told.

The process that forks has everything imported, so a child costs some hundredths of a second. What befalls the work is
told apart from what befalls the measurement: work that dies or hangs is an answer, an error it lets out is none.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

SECONDS, PATIENCE, MEMORY = 40.0, 300.0, 8 << 30  # of computing and of waiting for one part of the work, and bytes
LONGEST = 2000  # characters of one text that is told

Tell = Callable[[str], None]
Work = Callable[[Tell], tuple[str, ...]]


class BrokenError(RuntimeError):
    """The measurement failed, and not what is measured: this is nobody's kill."""


@dataclass(frozen=True)
class Answer:
    """What the work returned; or that it `died` or `hung`, and in which of the parts that it had told of."""

    said: tuple[str, ...] = ()
    ended: str = ""
    part: str = ""


def forked(work: Work, seconds: float = SECONDS, patience: float = PATIENCE) -> Answer:
    """What `work(tell)` returns in a child of this process; `tell(part)` says what it does next, and gives it time.

    Args:
        work: returns texts.
        seconds: of computing that one part may take.
        patience: seconds to wait for a part that does not even compute.

    Raises:
        BrokenError: if the work lets an error out.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _child(work, writing, seconds)
        finally:
            os._exit(0)  # nothing that the other process has yet to do is done here
    os.close(writing)
    part, last = "", ["hung"]  # unless it says otherwise
    try:
        for kind, *texts in _messages(reading, patience):
            if kind == "part":
                part = texts[0]
            else:
                last = [kind, *texts]
    finally:  # Ctrl-C does not reach it
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # with whatever it has started
        _, status = os.waitpid(child, 0)
        os.close(reading)
    if last[0] == "closed":
        last = ["hung" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF else "died"]
    if last[0] == "broken":
        raise BrokenError(f"{part or 'the beginning'}: {last[1]}")
    return Answer(tuple(last[1:])) if last[0] == "said" else Answer(ended=last[0], part=part)


def _messages(reading: int, patience: float) -> Iterator[list[str]]:
    """What the child sends, until it has ended or nothing came for too long; `closed` if it ended without a word."""
    text = b""
    while select.select([reading], [], [], patience)[0]:
        received = os.read(reading, 1 << 16)
        if not received:
            yield ["closed"]
            return
        *lines, text = (text + received).split(b"\n")
        for line in lines:
            message: list[str] = json.loads(line)
            yield message
            if message[0] != "part":
                return


def _child(work: Work, writing: int, seconds: float) -> None:
    """Work, and tell; what takes longer than it may is ended by the system."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)

    def send(*texts: str) -> None:
        os.write(writing, json.dumps([t[:LONGEST] for t in texts]).encode() + b"\n")

    def tell(part: str) -> None:
        send("part", part)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    tell("")
    try:
        message = ("said", *work(tell))
    except SystemExit:
        message = ("died",)
    except BaseException as error:
        place = "".join(traceback.format_tb(error.__traceback__)[-1:])
        message = ("broken", f"{type(error).__name__}: {error}\n{place}")
    send(*message)
