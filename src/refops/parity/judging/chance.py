"""One number per run that nobody can know beforehand, and the cases drawn from it.

`REFOPS_SEED` in the environment sets it: a run is repeated by giving the number it reported.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

VARIABLE = "REFOPS_SEED"


@cache
def run_seed() -> int:
    """The run's number: from the environment, or drawn, and then left there for processes started from this one.

    Raises:
        ValueError: if the environment holds something that is no whole number.
    """
    given = os.environ.setdefault(VARIABLE, str(secrets.randbelow(10**6)))
    if not given.isdigit():
        raise ValueError(f"{VARIABLE} must be a whole number, got {given!r}")
    return int(given)


def unforeseen(name: str, count: int) -> list[int]:
    """Seeds for the cases of this name, far from those the kit uses elsewhere."""
    generator = random.Random(f"{run_seed()} {name}")
    return [generator.randrange(10**4, 10**6) for _ in range(count)]


def unwatched(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call without gradients gives on a stack of its own, where walking up the frames finds nothing of the kit.

    What searches all objects alive still finds the kit's; a process of its own would be needed against that.
    """
    given: list[Any] = []
    thread = threading.Thread(target=_answer, args=(function, args, kwargs, given), daemon=True)
    thread.start()
    thread.join()
    if isinstance(given[0], BaseException):
        raise given[0]
    return given[0]


def _answer(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Any]) -> None:
    try:
        with torch.no_grad():
            given.append(function(*args, **kwargs))
    except BaseException as error:
        given.append(error)
