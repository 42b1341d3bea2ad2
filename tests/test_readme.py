"""The README says what is so: its table is fresh, its Python runs, its links exist, its commands are those of CI."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from refops.parity.running.report import PAGES as REFRESHED
from refops.parity.running.report import refreshed

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("name", REFRESHED)
def test_the_tables_are_fresh(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert page == refreshed(page, REFRESHED[name]()), "run: python -m refops.parity.running.report"


RUN = [
    page for page in PAGES if page.name != "found.md"
]  # whose scripts may end a process: they have a test of their own


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page_of_documentation")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # so that a class defined there can be pickled
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page.name, "exec"), module.__dict__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    command = re.search(r"\.venv/bin/(pytest[^`\n]*)", README)
    assert command is not None
    assert command[1].strip() in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
