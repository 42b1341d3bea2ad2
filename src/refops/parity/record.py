"""Findings and records: what a check says, in a form that survives as one line of JSON.

A `Finding` is one failing case. A `Record` is one pytest item, (spec, check, dtype, device), with all its findings;
tables, the HTML page, the Markdown summary and JUnit are views of records.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# failed: something is wrong; differs: nothing is, but it is not native's in everything; error: hung, died or could not
# be judged; skipped: always with a reason
OUTCOMES = ("passed", "differs", "failed", "error", "skipped")
GRADES = ("wrong", "differs", "less accurate")


@dataclass
class Finding:
    """One way in which a subject differs from what its spec says.

    `index`, `expected`, `got`, `budget`, `ulp` and `ratio` (error over native's error) are given where numbers were
    compared; `script` reproduces the finding with torch and the subject alone. `series` has the numbers around the
    worst element for a plot: `expected`, `got` and `budget`, and in `first` the flat index of the first of them.

    `grade` is one of `GRADES`: `wrong` where subject and native both answer and the subject's is not what the operator
    means, or where it died, hung, or changed what it must not; `differs` where it accepts, refuses, promotes or lays
    out otherwise than native; `less accurate` where it is within budget and yet clearly worse than native. `kind` is
    a short slug, `accepts-int64` or `value`: a verdict has one line per kind, and a declared domain accepts by kind.
    """

    case: str
    message: str
    where: str = ""
    index: str = ""
    expected: str = ""
    got: str = ""
    budget: str = ""
    ulp: float | None = None
    ratio: float | None = None
    script: str = ""
    grade: str = "wrong"
    kind: str = ""
    series: dict[str, list[float]] = field(default_factory=dict)

    @property
    def telling(self) -> bool:
        """Whether it shows something: not where the truth is 0 or no number, or a row has one element."""
        if not self.expected:
            return True
        try:
            value = float(self.expected)
        except ValueError:
            return True
        return value != 0 and math.isfinite(value) and not re.search(r"real\((1(, )?)*\)", self.case)

    @property
    def numbers(self) -> str:
        """Where the worst element is and its numbers, in one line; empty where none were compared."""
        numbers = [("at", self.where + self.index), ("expected", self.expected), ("got", self.got)]
        numbers += [("budget", self.budget), ("ulp", f"{self.ulp:.4g}" if self.ulp is not None else "")]
        return "  ".join(f"{name} {value}" for name, value in numbers if value)

    def __str__(self) -> str:
        return f"{self.case}\n  {self.message}" + (f"\n  {self.numbers}" if self.numbers else "")


@dataclass
class Record:
    """What one item found. `cases` ran, of which `evidence` could have told a wrong implementation from a right one.

    `left_out` counts the cases that were not asked, by reason; `cause` is the hypothesis that the wrong numbers fit.
    """

    spec: str
    check: str
    dtype: str
    device: str
    subject: str = ""
    outcome: str = "passed"
    cases: int = 0
    evidence: int = 0
    ulp_p50: float | None = None
    ulp_max: float | None = None
    ratio_max: float | None = None
    worst_case: str = ""
    seconds: float = 0.0
    reason: str = ""
    cause: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Readable id: `LayerNorm-value-float32-cpu`."""
        return "-".join(x for x in (self.spec, self.check, self.dtype, self.device) if x)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The record one line of JSON describes."""
        data: dict[str, Any] = json.loads(line)
        data["findings"] = [Finding(**f) for f in data.get("findings", [])]
        return cls(**data)


def read_records(path: Path) -> Iterator[Record]:
    """Records of a run: a JSON object with `records`, or a file still being written, one record per line.

    Raises:
        ValueError: if the file is neither.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        whole = json.loads(text)
        lines = [json.dumps(r) for r in whole["records"]] if "records" in whole else [text]
    except json.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.startswith('{"spec"')]
    except TypeError as error:
        raise ValueError(f"path must hold records of a refops run, got {path} ({error})") from error
    if not lines:
        raise ValueError(f"path must hold records of a refops run, got {path}: no record in it")
    yield from map(Record.from_json, lines)


def write_records(path: Path, records: Iterable[Record], **about: Any) -> None:
    """Write a finished run as one JSON object: facts about the run, then its records."""
    body = {**about, "records": [asdict(r) for r in records]}
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(path)
