"""What the jury does with mutants that die, hang or do not load, and with faults of its own: a program, since it forks.

`test_mutants.py` runs it, in a process of its own without other threads.
"""

from __future__ import annotations

import ast
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from refops.parity.judging import training
from refops.parity.judging import trial as trials
from refops.parity.proving import installing
from refops.parity.proving import jury as judging
from refops.parity.proving.forking import Answer, BrokenError, Tell, forked
from refops.parity.proving.jury import ROOT, Jury
from refops.parity.proving.mutants import mutants_of
from refops.parity.proving.mutation import judge_all
from refops.parity.record import Finding

HERE = Path(__file__).parents[2]
PLACE = "functional/linear.py"
SECONDS = 1.0
MUTANTS = [m for m in mutants_of(ROOT, PLACE) if m.scope == "linear"]
WRONG = next(m for m in MUTANTS if m.operator in ("term", "operator"))


def refuses(work: Callable[[Tell], tuple[str, ...]]) -> str:
    try:
        answer = forked(work)
    except BrokenError as error:
        return str(error)
    raise AssertionError(f"nothing was refused: {answer}")


def children() -> None:
    def part(then: Callable[[], Any]) -> Callable[[Tell], tuple[str, ...]]:
        return lambda tell: (tell("first"), tell("second"), then(), ("told",))[-1]

    def endless() -> None:
        while True:
            pass

    def noted() -> None:
        raise KeyError("optim.Lookahead, relative SGD")

    assert forked(part(lambda: None)) == Answer(("told",))
    assert forked(part(os.abort)) == Answer(ended="died", part="second")
    assert forked(part(lambda: os._exit(0))) == Answer(ended="died", part="second")
    assert forked(part(sys.exit)) == Answer(ended="died", part="second")
    assert forked(part(endless), seconds=0.2) == Answer(ended="hung", part="second")
    assert forked(part(lambda: time.sleep(100)), patience=0.5) == Answer(ended="hung", part="second")
    said = refuses(part(noted))
    assert "second: KeyError" in said, said
    assert "relative SGD" in said, said


def followed(text: str) -> Callable[[str, int], ast.Module]:
    """In place of `mutated`: whatever the number, the module is followed by this."""
    return lambda source, number: ast.parse(f"{source}\n{text}")


def at_the_beginning(line: str) -> Callable[[str, int], ast.Module]:
    """In place of `mutated`: whatever the number, `linear` begins with this line."""

    def made(source: str, number: int) -> ast.Module:
        tree = ast.parse(source)
        function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "linear")
        wrapper = ast.parse(f"def f():\n    {line}").body[0]
        assert isinstance(wrapper, ast.FunctionDef)
        function.body[:0] = wrapper.body
        return ast.fix_missing_locations(tree)

    return made


def judged(jury: Jury, made: Callable[[str, int], ast.Module] = judging.mutated) -> tuple[str, str]:
    """By what a change is noticed among the likeliest items of the nearest spec, and what is said."""
    judging.mutated, before = made, judging.mutated
    outcome = jury.by_items(WRONG, jury.asked(WRONG)[:12])
    judging.mutated = before
    return outcome.by, outcome.said


def kills(jury: Jury) -> None:
    assert jury.specs(WRONG)[0] == "functional.linear", "the nearest spec comes first"
    assert "Linear" in jury.specs(WRONG)
    first = "functional.linear-value-float32-cpu"
    training._EXPECTED["optim.Lookahead, relative SGD", "a case", "cpu", "plain", "1"] = []  # as a run leaves it
    assert judged(jury)[0] == first
    assert judged(jury, followed("raise ImportError('no longer loads')"))[0] == "import"
    assert judged(jury, at_the_beginning("while True: pass")) == ("hung", first)
    assert judged(jury, at_the_beginning("import os; os.abort()")) == ("died", first)
    assert judged(jury, at_the_beginning("pass")) == ("", ""), "nothing notices what changes nothing"
    assert jury.failing == []


def faults(jury: Jury) -> None:
    """A fault of the jury is no kill, and the other mutants are judged."""
    before = installing.transplant

    def failing(*_: Any) -> None:
        raise KeyError("a fault of the jury's own")

    installing.transplant = failing
    try:
        found, broken = judge_all([WRONG], jury)
    finally:
        installing.transplant = before
    assert found == []
    assert "a fault of the jury's own" in broken[WRONG]
    found, broken = judge_all([WRONG], jury)
    assert [o.killed for o in found] == [True]
    assert not broken


def items_that_fail_anyway(jury: Jury) -> None:
    """What the reference fails too kills nobody."""
    item, subject = jury.asked(WRONG)[0]

    def accusing(trial: Any, case: Any) -> Any:
        yield Finding(repr(case), "whatever it is")

    jury.items[item.spec.name].insert(0, (replace(item, check=replace(item.check, run=accusing)), subject))
    assert judged(jury, at_the_beginning("pass")) == ("", "")
    assert jury.failing == [item.id]


def tests_that_fail_anyway(folder: Path) -> None:
    """A test that fails without a change kills nobody; the examples of the module and the other tests do."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_linear.py").write_text(
        "import torch\nfrom refops.functional.linear import linear\n"
        "def test_one(): assert False\n"
        "def test_two(): assert linear(torch.ones(1, 2), torch.ones(7, 2)).sum() == 14\n"
    )
    jury = Jury.__new__(Jury)  # without the specs' items
    jury.sources = {PLACE: (ROOT / PLACE).read_text(encoding="utf-8")}
    jury.tests = judging.SecondLine(folder, SECONDS)
    for line, by, where in (
        ("pass", "", ""),
        ("return input", "examples", "examples of refops.functional.linear"),
        ("if weight.shape == (7, 2): return input", "tests", "tests/test_linear.py::test_two"),
        ("while weight.shape == (7, 2): pass", "hung", "tests/test_linear.py::test_two"),
    ):
        judging.mutated, before = at_the_beginning(line), judging.mutated
        outcome = jury.by_tests(WRONG)
        judging.mutated = before
        assert outcome.by == by, outcome
        assert outcome.said.startswith(where), outcome
    assert jury.tests.failing == {"tests/test_linear.py::test_one"}


def one_thread() -> None:
    """A pool of threads, once it is there, would have children hang."""
    with trials.threaded(2):
        torch.ones(1 << 20).exp()
    tasks = Path("/proc/self/task")
    assert not tasks.is_dir() or len(list(tasks.iterdir())) == 1


if __name__ == "__main__":
    children()
    tests_that_fail_anyway(Path(sys.argv[1]))
    jury = Jury(HERE, SECONDS)
    kills(jury)
    faults(jury)
    items_that_fail_anyway(jury)
    one_thread()
    print("judged")
