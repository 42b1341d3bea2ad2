"""Writes docs/foreign.md and docs/torch_refs.md from what was found, `found.jsonl` beside this file.

python tests/foreign/foreign_judging.py --out tests/foreign/found.jsonl        # in an environment with the libraries
python tests/foreign/foreign_judging.py --torch --out tests/foreign/found.jsonl
python tests/foreign/foreign_tables.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from foreign_subjects import SUBJECTS, Foreign  # noqa: E402
from foreign_torch import TORCH_SUBJECTS  # noqa: E402
from foreign_verified import VERIFIED  # noqa: E402

DOCS = HERE.parents[1] / "docs"
FOUND = HERE / "found.jsonl"
HEAD = "| subject | like | wrong | differs | less accurate | verdict |\n| --- | --- | --- | --- | --- | --- |\n"
NOT_JUDGED = "not judged yet"


def found() -> dict[tuple[str, str], dict[str, Any]]:
    """The last line for every subject and spec."""
    lines = [json.loads(line) for line in FOUND.read_text().splitlines()]
    return {(row["name"], row["like"]): row for row in lines}


def cell(kinds: list[dict[str, Any]]) -> str:
    """Kinds by name, a few of them."""
    names = [kind["kind"] for kind in kinds]
    return "<br>".join(names[:4]) + (f"<br>{len(names) - 4} more" if len(names) > 4 else "")


def sentence(row: dict[str, Any], subject: Foreign) -> str:
    """What is said of it: of what is wrong, how that was verified."""
    said = row["sentence"].replace("|", "\\|")
    told = VERIFIED.get((subject.name, subject.like))
    return f"{said}. {told}" if told and row.get("wrong") else said


def table(subjects: list[Foreign], rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    """A line for every subject."""
    lines = []
    for subject in subjects:
        row = rows.get((subject.name, subject.like), {"sentence": NOT_JUDGED})
        cells = [cell(row.get(grade, [])) for grade in ("wrong", "differs", "less accurate")]
        lines.append(f"| `{subject.name}` | `{subject.like}` | {' | '.join(cells)} | {sentence(row, subject)} |")
    return HEAD + "\n".join(lines) + "\n"


def counted(subjects: list[Foreign], rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    """How many of each grade."""
    said = [rows.get((s.name, s.like), {}).get("grade", NOT_JUDGED) for s in subjects]
    return ", ".join(f"{said.count(grade)} {grade}" for grade in dict.fromkeys(sorted(said)))


def versions(subjects: list[Foreign], rows: dict[tuple[str, str], dict[str, Any]]) -> str:
    """The libraries and the versions that were judged."""
    met = {s.path.partition(":")[0].partition(".")[0]: rows[s.name, s.like].get("version", "")
           for s in subjects if (s.name, s.like) in rows}  # fmt: skip
    return ", ".join(f"{name} {version}".strip() for name, version in sorted(met.items()))


ASKED = """Made by `python tests/foreign/foreign_tables.py` from `tests/foreign/found.jsonl`; the subjects and what each
is taken to claim are in `tests/foreign`. Asked in float32 of values and gradients, and, where there are any, modes,
buffers and randomness; of optimizers their steps (of torch's own, in every dtype). What is called wrong was calculated
again without the kit, as the last column says."""

FOREIGN = """# Other people's layers, losses and optimizers

{asked}

{versions}, beside torch 2.13.0 on the CPU. Of torchvision only the Python parts: its compiled operators do not load
beside a CPU build of torch. {counted}.

Focal losses are mostly written as the paper has them, with 1 - p_t as a difference. In float32, for a target of 0 and
one example alone, that is off by 1e-6 of the loss at a logit of -3, 1.5e-5 at -5, 8e-4 at -8, 9e-3 at -10, 16 % at -14,
and gives 0 from -16 on, where the loss is 1e-21 (`test_focal_losses_lose_easy_examples`). How much of a loss below an
ulp of 1 must be kept is left open by that form, so this is told as a difference, `left-open`, not as wrong.

{table}"""

TORCH = """# torch._refs, torch._decomp and the optimizers' other paths

{asked}

torch 2.13.0 on the CPU. {counted}. What is wrong has its script in [found.md](found.md).

{table}"""


def pages() -> dict[Path, str]:
    """The text of each page."""
    rows = found()
    lists = ((DOCS / "foreign.md", FOREIGN, SUBJECTS), (DOCS / "torch_refs.md", TORCH, TORCH_SUBJECTS))
    return {
        path: form.format(
            asked=ASKED, versions=versions(subjects, rows), counted=counted(subjects, rows), table=table(subjects, rows)
        )
        for path, form, subjects in lists
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
