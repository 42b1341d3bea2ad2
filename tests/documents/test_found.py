"""docs/found.md: every script there prints what stands under it, for the torch version that the page names."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch

PAGE = (Path(__file__).parents[2] / "docs" / "found.md").read_text()
VERSION = re.search(r"The numbers are torch (\S+)'s", PAGE).group(1)


def scripts() -> list[object]:
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        pairs = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", section, re.DOTALL)
        found += [pytest.param(code, said, id=f"{title} {i}" if i else title) for i, (code, said) in enumerate(pairs)]
    return found


def ran(code: str, died: bool) -> str:
    """What it prints; in a process of its own where that is to die."""
    if not died:
        out = io.StringIO()
        with redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, on importing its compiler
            exec(compile(code, "script", "exec"), {"__name__": "__main__"})
        return out.getvalue()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + (f"died of signal {-done.returncode}\n" if done.returncode < 0 else "")


@pytest.mark.skipif(
    torch.__version__.partition("+")[0] != VERSION, reason=f"the page is about torch {VERSION}, not {torch.__version__}"
)
@pytest.mark.parametrize(("code", "said"), scripts())
def test_script_prints_what_the_page_says(code: str, said: str) -> None:
    for library in re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    if "torch.compile" in code and not os.environ.get("REFOPS_SLOW"):
        pytest.skip("it compiles C++, which takes long: set REFOPS_SLOW to run it")
    assert ran(code, "died of signal" in said) == said


def test_every_finding_has_a_script_and_a_line_in_the_table() -> None:
    titles = [s.partition("\n")[0] for s in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]]
    listed = re.findall(r"^\| \[(.+?)\]\(#(.+?)\)", PAGE, re.MULTILINE)
    assert [title for title, _ in listed] == titles[:-1]
    for title, anchor in listed:
        assert anchor == re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    assert len(scripts()) >= len(listed)
