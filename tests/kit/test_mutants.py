"""The suite against mutants of the references: how they are made, and that a fixed sample of them is noticed."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from pathlib import Path

import pytest

from refops.parity.proving import second_line
from refops.parity.proving.jury import ROOT, Outcome
from refops.parity.proving.mutants import Mutant, all_mutants, changes, mutants_of, mutated, sample
from refops.parity.proving.mutation import EQUIVALENTS, as_line, earlier, equivalents, refresh, summary, table
from refops.parity.proving.transplant import compiled, loaded, transplant

HERE = Path(__file__).parents[2]
SOURCE = '''
"""A docstring with 1 + 2."""
LIMIT = 4

def f(x: int = 3, keep=True):
    """Another, 5 > 4."""
    if x < LIMIT and keep:
        raise ValueError(f"x must be {x + 1}")
    x = x.detach().sum(dim=-1, keepdim=True)
    return g(x, keep) - x / 2


class Text:
    def extra_repr(self):
        return "a" + self.b
'''


def made(source: str) -> set[tuple[str, str, str]]:
    return {(op, ast.unparse(s.node), ast.unparse(new)) for s, op, new in changes(ast.parse(source))}


def test_each_kind_of_change_is_made() -> None:
    found = made(SOURCE)
    wanted = {
        ("constant", "4", "5"), ("constant", "3", "2"), ("constant", "True", "False"), ("constant", "-1", "0"),
        ("comparison", "x < LIMIT", "x <= LIMIT"), ("comparison", "x < LIMIT", "x >= LIMIT"),
        ("boolean", "x < LIMIT and keep", "x < LIMIT or keep"), ("term", "x < LIMIT and keep", "keep"),
        ("condition", "x < LIMIT and keep", "not (x < LIMIT and keep)"),
        ("call", "x.detach()", "x"), ("swap", "g(x, keep)", "g(keep, x)"),
        ("keyword", "x.detach().sum(dim=-1, keepdim=True)", "x.detach().sum(dim=-1)"),
        ("function", "x.detach().sum(dim=-1, keepdim=True)", "x.detach().amax(dim=-1, keepdim=True)"),
        ("statement", "x = x.detach().sum(dim=-1, keepdim=True)", "pass"),
        ("operator", "x / 2", "x * 2"), ("term", "g(x, keep) - x / 2", "g(x, keep)"),
    }  # fmt: skip
    assert wanted <= found
    assert any(op == "statement" and old.startswith("if x < LIMIT") for op, old, _ in found), "a refusal is dropped"


def test_what_no_check_reads_is_left_alone() -> None:
    for _, before, _ in made(SOURCE):
        assert before not in ("x + 1", "1 + 2", "5 > 4", "self.b", "int")
        assert "'a'" not in before


def test_a_key_stays_when_lines_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "b.py").write_text("import math\n\n" + SOURCE.replace("LIMIT = 4", "OTHER = 'text'\nLIMIT = 4"))
    first, second = ([m.key[5:] for m in mutants_of(tmp_path, name)] for name in ("a.py", "b.py"))
    assert first == second
    assert len(set(first)) == len(first)


def test_a_sample_is_a_part_of_a_larger_one() -> None:
    population = all_mutants(ROOT)
    assert len(population) > 10_000
    assert set(sample(population, 60)) <= set(sample(population, 1200))
    assert sample(population, 60) != sample(population, 60, seed=1)
    assert len({m.path for m in sample(population, 1200)}) > 80


def test_every_mutant_compiles() -> None:
    for mutant in sample(all_mutants(ROOT), 100, seed=2):
        source = (ROOT / mutant.path).read_text(encoding="utf-8")
        tree = mutated(source, mutant.number)
        assert ast.dump(tree) != ast.dump(ast.parse(source)), mutant.key
        compile(tree, mutant.path, "exec")


def test_no_such_mutant() -> None:
    with pytest.raises(ValueError, match="number"):
        mutated("x = 1", 99)


def module_of(source: str) -> types.ModuleType:
    module = types.ModuleType("refops.made_up")
    module.__file__ = "made_up.py"
    exec(compile(source, "made_up.py", "exec"), vars(module))
    return module


MODULE = """
from functools import lru_cache

LIMIT = 4

def f(x, y=2):
    return x + y + LIMIT

@lru_cache
def kept(x):
    return x + 1

class Base:
    def __init__(self):
        self.base = True

class C(Base):
    def __init__(self):
        super().__init__()
        self.x = 1

    @staticmethod
    def s(x):
        return x * 2

    @property
    def p(self):
        return self.x + 1
"""


def test_a_transplant_reaches_those_who_hold_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of(MODULE)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    f, kept, c = module.f, module.kept, module.C
    assert (f(1), kept(1), c.s(2), c().p) == (7, 2, 4, 2)
    changed = MODULE.replace("y=2", "y=3").replace("LIMIT = 4", "LIMIT = 14").replace("x * 2", "x - 2")
    changed = changed.replace("x + 1", "x + 5").replace("        super().__init__()\n", "")
    transplant(module, loaded(module, compiled(module, ast.parse(changed))))
    assert (f(1), kept(1), c.s(2), c().p) == (1 + 3 + 14, 6, 0, 6)
    assert not hasattr(c(), "base"), "a lost call of super() is lost"


A, B = (Mutant("nn/a.py", "f", 1, "term", "x + 1", after, 1, 0) for after in ("x", "1"))


def test_the_score_leaves_explained_survivors_out(tmp_path: Path) -> None:
    found = [Outcome(A, "LayerNorm-value-float32-cpu"), Outcome(B)]
    assert summary(found, {}).startswith(f"survived  {B.key}\n1 of 2 mutants killed (50.0%)")
    assert summary(found, {B.key: "why"}).startswith("1 of 1 mutants killed (100.0%); 1 others are equivalent")
    assert "killed, though listed" in summary(found, {A.key: "why"})
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        refresh(page, table(found, {}))


def test_what_could_not_be_judged_is_no_kill() -> None:
    said = summary([Outcome(A, "LayerNorm-value-float32-cpu")], {}, {B: "a fault of the jury's own"})
    assert said.startswith(f"could not be judged  {B.key}: a fault of the jury's own\n1 of 1 mutants killed")


def test_a_run_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    assert earlier(file, [A, B]) == []
    outcomes = [Outcome(A, "LayerNorm-value-float32-cpu", "built(3)", "over"), Outcome(B)]
    file.write_text("".join(as_line(o) + "\n" for o in outcomes), encoding="utf-8")
    assert earlier(file, [A, B]) == outcomes
    assert earlier(file, [A, B], again=True) == outcomes[:1]
    assert earlier(file, [B]) == outcomes[1:]
    with file.open("a", encoding="utf-8") as lines:
        lines.write(as_line(Outcome(B, "tests")) + "\n")
    assert earlier(file, [B], again=True) == [Outcome(B, "tests")], "the last word counts"


def test_every_survivor_on_the_list_is_a_mutant_and_has_a_reason() -> None:
    known = equivalents(HERE / EQUIVALENTS)
    keys = {m.key for m in all_mutants(ROOT)}
    assert set(known) <= keys, sorted(set(known) - keys)
    assert all(len(reason) > 10 for reason in known.values())


def run(*words: str | Path) -> str:
    """A Python program in a process of its own: it forks, which a worker of pytest with threads had better not."""
    done = subprocess.run([sys.executable, *words], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_what_the_jury_counts_as_a_kill(tmp_path: Path) -> None:
    assert "judged" in run(HERE / "tests" / "kit" / "jury_on_trial.py", tmp_path)


def test_a_sample_of_mutants_is_noticed() -> None:
    assert "mutants killed" in run("-m", "refops.parity.proving.mutation", "--sample", "60", "--trust")


def test_every_test_that_imports_the_module_is_asked(tmp_path: Path) -> None:
    texts = {
        "test_whole": "import refops.functional.pooling\n",
        "test_package": "from refops.functional import avg_pool1d\n",
        "test_line": "from refops.functional.loss import mining, pooling\n",
        "test_lines": "from refops.functional.loss import (\n    mining,\n    pooling,\n)\n",
        "test_other": "from refops.functional.loss import (\n    mining,\n)\nfrom refops.nn import pooling\n",
    }
    (tmp_path / "tests" / "kit").mkdir(parents=True)
    for name, text in [*texts.items(), ("kit/test_itself", texts["test_whole"])]:
        (tmp_path / "tests" / f"{name}.py").write_text(text, encoding="utf-8")
    assert {p.stem for p in second_line.tests_of("functional/pooling.py", tmp_path)} == texts.keys() - {"test_other"}
