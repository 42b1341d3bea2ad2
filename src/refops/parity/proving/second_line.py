"""The second line: the examples of a mutant's module, and the tests that import it, for what no spec can see.

They are run in the forked child that holds the mutant, up to the first that fails. That test is then run without the
change: one that fails anyway kills nobody, and is left out from then on.
"""

from __future__ import annotations

import doctest
import importlib
import io
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import Any

from refops.parity.proving.forking import SECONDS, Answer, BrokenError, Tell, forked
from refops.parity.running.plugin import ConformanceItem

EXAMPLES, NOTHING = "examples", ("", "", "")
OPTIONS = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--assert=plain")
RUN, FAILED, INTERRUPTED, EMPTY = 0, 1, 2, 5  # what pytest ends with where it could be run
ALWAYS = {
    "optim": ("optim/test_*.py",), "shapes": ("shapes/test_defaults.py",),
    "nn": ("test_drop_in.py", "test_initial_values.py"),
}  # fmt: skip
KIT = "kit"  # its tests judge the kit, and one of them does what is done here
LAST = "documents"  # what is said on the pages: long, and nearer to the kit than to one module


class SecondLine:
    """The tests of a folder and the modules' examples, and which of these fail without any change."""

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        self.folder, self.seconds = folder, seconds
        self.failing: set[str] = set()

    def judge(self, module: str, path: str, install: Callable[[], bool]) -> tuple[str, str]:
        """By what a change in a module is noticed, and what that says; `install` makes the change.

        Raises:
            BrokenError: if the tests cannot be run.
        """
        examples, files = f"{EXAMPLES} of {module}", tests_of(path, self.folder)

        def work(tell: Tell) -> tuple[str, ...]:
            return self._run(examples, files, tell) if install() else ("import", "", "the module no longer loads")

        while True:
            answer = forked(work, self.seconds)
            by, place, said = (answer.ended, answer.part, "") if answer.ended else answer.said
            if not place or self._is_sound(place):
                return by, f"{place} {said}".strip()
            self.failing.add(place)

    def _is_sound(self, place: str) -> bool:
        """Whether what noticed passes without the change."""
        tests = [] if place.startswith(EXAMPLES) else [self.folder / place]
        return forked(partial(self._run, "" if tests else place, tests), self.seconds) == Answer(NOTHING)

    def _run(self, examples: str, tests: list[Path], tell: Tell) -> tuple[str, ...]:
        """In the child: a module's examples, then the tests in these places; by what, where and how is noticed."""
        nothing = io.StringIO()
        with redirect_stdout(nothing), redirect_stderr(nothing):
            if examples and examples not in self.failing:
                tell(examples)
                module = importlib.import_module(examples.rpartition(" ")[2])
                if doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed:
                    return EXAMPLES, examples, ""
            return self._pytest(tests, tell) if tests else NOTHING

    def _pytest(self, tests: list[Path], tell: Tell) -> tuple[str, ...]:
        import pytest

        first = First(tell)
        left_out = [f"--deselect={name}" for name in sorted(self.failing)]
        asked = [*OPTIONS, f"--rootdir={self.folder}", *left_out, *map(str, tests)]
        code = int(pytest.main(asked, plugins=[first]))
        if code not in (RUN, FAILED, INTERRUPTED, EMPTY) or (code in (FAILED, INTERRUPTED)) != bool(first.failed):
            raise BrokenError(f"folder must hold tests that can be run, got {self.folder}: pytest ended with {code}")
        return ("tests", first.failed, first.said) if first.failed else NOTHING


class First:
    """A plugin of pytest's that tells which test is being run, and keeps the first that fails.

    Items of specs among the tests are left out: they are the first line's, which has asked its own.
    """

    def __init__(self, tell: Tell) -> None:
        self.tell, self.failed, self.said = tell, "", ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Leave the specs' items out."""
        items[:] = [item for item in items if not isinstance(item, ConformanceItem)]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell."""
        self.tell(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the first failure."""
        if report.failed and not self.failed:
            self.failed, self.said = report.nodeid, str(report.longrepr)[-500:]

    pytest_collectreport = pytest_runtest_logreport


@cache
def tests_of(path: str, folder: Path) -> list[Path]:
    """The test files that import a module by name, its own first, and those that use its whole package."""
    package, _, rest = path.removesuffix(".py").partition("/")
    name = rest.replace("/", ".")
    last = re.escape(name.rpartition(".")[2])
    imports = re.compile(
        rf"refops\.{package}\.{re.escape(name)}\b|from refops import .*\b{package}\b|from refops\.{package} import|"
        rf"from refops\.{package}\S* import (\([^)]*|.*)\b{last}\b"
    )
    files = (p for p in sorted((folder / "tests").rglob("test_*.py")) if p.parent.name != KIT)
    found = [p for p in files if imports.search(p.read_text(encoding="utf-8"))]
    own = [p for name in ALWAYS.get(package, ()) for p in sorted((folder / "tests").glob(name))]
    return sorted(dict.fromkeys([*found, *own]), key=lambda p: (p.parent.name == LAST, last not in p.stem))
