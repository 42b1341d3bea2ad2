"""Two processes beside this one: they answer, and whatever they do nothing waits for ever."""

import os
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from refops.parity.checks import all_checks
from refops.parity.judging import pair
from refops.parity.judging.item import Item, run_item
from refops.parity.running.conformance import operator
from refops.parity.specs import find


def test_each_answers_by_its_rank() -> None:
    answers = pair.ask(pow, 3, target=pair.Pair, seconds=60)
    assert [answer.value for answer in answers] == [0**3, 1**3]


def test_what_hangs_is_ended() -> None:
    with pytest.raises(TimeoutError, match="longer than 1 s"):
        pair.ask(_sleep, 600.0, target=_sleep, seconds=1)


def _sleep(rank: int, seconds: float) -> None:
    time.sleep(seconds)


def test_what_dies_is_told_from_what_has_lost_the_other() -> None:
    answers = pair.ask(_die, target=_die, seconds=60)
    assert answers[0].error.startswith(pair.ENDED)
    assert not answers[1].error.startswith(pair.ENDED)


def _die(rank: int) -> None:
    if rank == 0:
        os._exit(3)
    torch.distributed.barrier()


def test_a_module_nobody_can_import_is_loaded_from_its_file(tmp_path: Path) -> None:
    assert pair.Place("not_on_any_path", str(Path(__file__).resolve())).file == str(Path(__file__).resolve())
    (tmp_path / "elsewhere.py").write_text("answer = 42\n")
    pair.Place("refops_elsewhere", str(tmp_path / "elsewhere.py")).load()
    import sys

    assert sys.modules.pop("refops_elsewhere").answer == 42


def test_what_cannot_be_reached_is_not_asked() -> None:
    class Local(nn.Linear):
        """Nobody else can import it."""

    item = Item(find("Linear"), all_checks()["distributed"], "float32", "cpu")
    record = run_item(item, operator(Local, find("Linear")), level="full")
    assert record.outcome == "skipped"
    assert record.reason.startswith("cannot be reached from another process")
