"""The jury: what judges one mutant of a reference, in a process of its own.

One process imports everything and forks a child per mutant. The child transplants the change, runs the items of a spec,
likeliest first, and ends at the first finding; which case that was is then asked of the reference as it is, so that
nothing counts as killed by an item that fails anyway. Tests are the second line, for what no spec can see.
"""

from __future__ import annotations

import doctest
import gc
import importlib
import io
import json
import os
import re
import resource
import select
import signal
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import refops
from refops.parity.binding import NotOfferedError
from refops.parity.case import Case
from refops.parity.judging import training
from refops.parity.judging import trial as trials
from refops.parity.judging.item import Item, run_item
from refops.parity.judging.trial import Trial
from refops.parity.proving.mutants import Mutant, mutated
from refops.parity.proving.rates import LIKELY
from refops.parity.proving.reach import Place, nearest
from refops.parity.proving.transplant import transplant
from refops.parity.record import Finding
from refops.parity.running.conformance import Conformance, reference
from refops.parity.specs import all_specs, registry
from refops.parity.subject import Operator

ROOT = Path(refops.__file__).parent
SECONDS, PATIENCE, MEMORY = 150, 1500, 8 << 30  # of computing, of waiting, and bytes that one child may take
WARM = ("LayerNorm", "functional.relu", "optim.SGD")
FIRST: tuple[str, ...] = (
    *LIKELY,
    "init",
    "exceptions",
    "laws",
    "primitives",
    "double_backward",
    "layout",
    "inputs",
    "seeded",
    "views",
)
FIRST += ("meta", "forward_mode", "state", "keys", "signature")

PYTEST = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--assert=plain")
ALWAYS = {
    "optim": ("optim/test_*.py",), "shapes": ("shapes/test_defaults.py",),
    "nn": ("test_drop_in.py", "test_initial_values.py"),
}  # fmt: skip

Pair = tuple[Item, Operator]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: killed by an item or by tests, or by nobody; and what was said, of which case."""

    mutant: Mutant
    by: str = ""
    case: str = ""
    said: str = ""

    @property
    def killed(self) -> bool:
        """Whether anything noticed."""
        return bool(self.by)


class Noticed(BaseException):
    """The first finding of an item: nothing more need be run."""


def stopping(item: Item, only: str = "") -> Item:
    """The item with a check that ends it at its first finding; if `only` is given, asked of this one case."""

    def cases(trial: Trial) -> Iterator[Case]:
        return (c for c in item.check.cases(trial) if not only or repr(c) == only)

    def run(trial: Trial, case: Case) -> Iterator[Finding]:
        try:
            for finding in item.check.run(trial, case):
                if finding.grade != "less accurate":
                    raise Noticed(repr(case), finding.message)
        except NotOfferedError:  # no fault
            raise
        except Exception as error:
            raise Noticed(repr(case), f"raised {type(error).__name__}: {error}") from error
        yield from ()

    return replace(item, check=replace(item.check, run=run, cases=cases))


def finding_of(item: Item, subject: Operator, only: str = "") -> tuple[str, str]:
    """The case and what an item says of it against the subject; both empty if it says nothing."""
    try:
        record = run_item(stopping(item, only), subject, shrinking=False)
    except Noticed as noticed:
        return str(noticed.args[0]), str(noticed.args[1])
    except Exception as error:  # a mutant may break a spec's own preparations too
        return "", f"raised {type(error).__name__}: {error}"
    whole = record.outcome in ("failed", "error") and not only  # one case alone may tell nothing, and be right
    return "", (record.reason or record.outcome) if whole else ""


def forked(work: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """What `work` returns in a child of this process, or that the child died, or hung and was ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(work, writing)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], PATIENCE)
    with os.fdopen(reading, "rb") as pipe:
        if not ready:
            os.kill(child, signal.SIGKILL)
        said = pipe.read()
    os.waitpid(child, 0)
    answer: list[str] = json.loads(said) if said else ["died" if ready else "hung"]
    return tuple(answer)


def _child(work: Callable[[], tuple[str, ...]], writing: int) -> None:
    """Work in silence and within limits, tell, and end."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        said = work()
    except BaseException as error:
        said = ("died", "", f"{type(error).__name__}: {error}")
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps([text[:2000] for text in said]).encode())
    os._exit(0)


class Jury:
    """The specs' items, and who can notice what."""

    def __init__(self) -> None:
        specs = all_specs()
        self.nearest: dict[Place, list[str]] = {p: [s.name for s in found] for p, found in nearest(specs).items()}
        self.items: dict[str, list[Pair]] = defaultdict(list)
        for item, subject in Conformance(tuple((s, reference(s)) for s in specs)).items():
            self.items[item.spec.name].append((item, subject))
        self.sound: dict[tuple[str, str], bool] = {}  # by item and case: whether the reference as it is passes
        for name in WARM:  # what torch and hypothesis prepare at their first use is prepared once, not per child
            for item, subject in self.items[name]:
                if item.dtype == "float32" and item.check.name in LIKELY:
                    finding_of(item, subject)
        gc.freeze()  # a collection in a child would copy all memory

    def specs(self, mutant: Mutant) -> list[str]:
        """The specs that can notice a mutant, nearest first."""
        scope, found = mutant.scope, list[str]()
        while scope and not found:
            found = self.nearest.get((module_of(mutant), scope), [])
            scope = scope.rpartition(".")[0]
        if not found:  # a number of a module: whoever comes to any of its functions
            mine = (names for (module, _), names in self.nearest.items() if module == module_of(mutant))
            found = list(dict.fromkeys(n for names in mine for n in names))
        return found

    def ordered(self, name: str, mutant: Mutant, likely: bool) -> list[Pair]:
        """A spec's items for a mutant: the likely ones, likeliest first, or the rest."""
        if mutant.path.startswith("shapes/"):  # a formula is read by this check alone
            return [p for p in self.items[name] if likely and p[0].check.name == "shape"]

        def rank(pair: Pair) -> tuple[bool, int]:
            return pair[0].dtype != "float32", FIRST.index(pair[0].check.name) if likely else 0

        return sorted((p for p in self.items[name] if _is_likely(p[0]) == likely), key=rank)

    def judge(self, mutant: Mutant, name: str, likely: bool = True) -> Outcome:
        """Have one spec judge a mutant, by its likely items or by the rest."""
        found, unsound = self.ordered(name, mutant, likely), set[str]()
        while True:
            asked = [p for p in found if p[0].id not in unsound]
            by, case, said = (*forked(lambda asked=asked: _work(mutant, asked)), "", "")[:3]  # type: ignore[misc]
            if self._is_sound(by, case, found):
                return Outcome(mutant, by, case, said)
            unsound.add(by)

    def _is_sound(self, by: str, case: str, found: list[Pair]) -> bool:
        """Whether the reference as it is passes what noticed; asking also keeps the truth for the next mutant."""
        for item, subject in found:
            if item.id == by and (by, case) not in self.sound:
                self.sound[by, case] = not finding_of(item, subject, case)[1]
        return self.sound.get((by, case), True)


def _is_likely(item: Item) -> bool:
    return item.check.name in FIRST and item.dtype in ("float32", item.spec.dtypes[0])


def _work(mutant: Mutant, pairs: list[Pair]) -> tuple[str, ...]:
    """In the child: make the change, and ask until something notices."""
    try:
        install(mutant)
    except Exception as error:  # the module itself no longer loads
        return "import", "", f"{type(error).__name__}: {error}"
    for item, subject in pairs:
        case, said = finding_of(item, subject)
        if said:
            return item.id, case, said
    return ("",)


def module_of(mutant: Mutant) -> str:
    """The name of the module a mutant is in."""
    return "refops." + mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def install(mutant: Mutant) -> None:
    """Make this process run the mutant; truths that references may have had a part in are computed anew."""
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    transplant(importlib.import_module(module_of(mutant)), mutated(source, mutant.number))
    kept: tuple[OrderedDict[tuple[str, ...], Any], ...] = (trials._EXPECTED, training._EXPECTED)
    for truths in kept:
        for key in list(truths):
            spec = registry()[key[0]]
            if spec.native is None or spec.oracle is not None:
                del truths[key]


def by_tests(mutant: Mutant, folder: Path) -> Outcome:
    """The second line: the examples of the module, then the tests that import it.

    Raises:
        RuntimeError: if they cannot be run.
    """
    files = tests_of(mutant, folder)

    def work() -> tuple[str, ...]:
        import pytest

        install(mutant)
        nothing = io.StringIO()
        with redirect_stdout(nothing), redirect_stderr(nothing):
            module = importlib.import_module(module_of(mutant))
            if doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed:
                return ("examples",)
            code = pytest.main([*PYTEST, f"--rootdir={folder}", *map(str, files)]) if files else 0
        return ("" if code == 0 else "tests" if code in (1, 2) else f"pytest ended with {code!r}",)

    by = forked(work)[0]
    if by.startswith("pytest"):
        raise RuntimeError(f"folder must hold tests that can be run, got {folder}: {by}")
    return Outcome(mutant, by, "", " ".join(f.name for f in files) if by == "tests" else "")


def tests_of(mutant: Mutant, folder: Path) -> list[Path]:
    """The test files that import the mutant's module by name, and those that look at its whole package."""
    package, _, rest = mutant.path.removesuffix(".py").partition("/")
    name = rest.replace("/", ".")
    last = re.escape(name.rpartition(".")[2])
    imports = re.compile(
        rf"refops\.{package}\.{re.escape(name)}\b|from refops import .*\b{package}\b|"
        rf"from refops\.{package}\S* import .*\b{last}\b"
    )
    found = [p for p in sorted((folder / "tests").rglob("test_*.py")) if imports.search(p.read_text(encoding="utf-8"))]
    own = [p for name in ALWAYS.get(package, ()) for p in sorted((folder / "tests").glob(name))]
    return list(dict.fromkeys([*found, *own]))
