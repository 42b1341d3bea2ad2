"""The README says what is so: its table is fresh, its Python runs, its links exist, its commands are those of CI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refops.parity.report import readme_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def test_the_table_is_fresh() -> None:
    between = re.search(r"<!-- table: begin.*?-->\n(.*?)\n<!-- table: end -->", README, re.DOTALL)
    assert between is not None
    assert between[1] == readme_table(), "run: python -m refops.parity.report"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page.name, "exec"), scope)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    command = re.search(r"\.venv/bin/(pytest[^`\n]*)", README)
    assert command is not None
    assert command[1].strip() in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
