"""The two rates that say what the kit is worth: known-wrong implementations caught, honest ones falsely accused."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch

from refops.parity.case import Case
from refops.parity.checks import all_checks
from refops.parity.judging.attempt import TimeLimitError, limited
from refops.parity.judging.causes import cause_of
from refops.parity.judging.item import SHOWN_BY, Item, items, run_item
from refops.parity.judging.trial import Trial
from refops.parity.proving.collection import Entry, load
from refops.parity.record import Record
from refops.parity.running.conformance import operator
from refops.parity.specs import find
from refops.parity.subject import Operator

NEAR = ("float32", "bfloat16")  # the dtypes an entry is judged in; a wrong one nobody caught in these, in all
SECONDS = 60.0  # one item may take
LIKELY = ("value", "gradient", "modes", "trajectory", "shape", "refusals", "buffers", "randomness", "dtype", "refused")


@dataclass(frozen=True)
class Verdict:
    """What the kit said of one implementation.

    `caught_by` names every check that accused it where `complete`, else the first that did.
    """

    name: str
    like: str
    wrong: bool
    only: str
    why: str
    caught_by: tuple[str, ...]
    complete: bool
    items: int
    accused: int
    said: str = ""
    cause: str = ""  # what the kit said it behaves like
    expected: str = ""  # and what it was to say

    @property
    def named(self) -> bool:
        """Whether the right cause was named, or stands in the failing check's own sentence and no other was named."""
        said = self.expected == self.cause or (not self.cause and self.expected in self.said)
        return bool(self.expected) and said

    @property
    def misled(self) -> bool:
        """Whether a cause was named that is not the right one."""
        return bool(self.cause) and self.cause != self.expected


def subject_of(entry: Entry) -> Operator:
    """The entry as a subject; whatever it claims to be, pickled copies of it find its module."""
    subject = operator(entry.subject, find(entry.like), entry.domain, drop_in=entry.drop_in)
    reference = entry.only in ("primitives", "primitive_steps")
    return replace(subject, reference=reference, by_hand=entry.only == "by_hand")


def judge(entry: Entry, *, complete: bool | None = None, causes: bool = False) -> Verdict:
    """Run the checks on one entry: all of them for honest ones and where one check alone is to catch it.

    With `causes` the first failing item is asked what the entry behaves like.
    """
    thorough = (bool(entry.only) or not entry.wrong) if complete is None else complete
    subject = subject_of(entry)
    caught: dict[str, None] = {}
    ran, accused, said, cause = 0, 0, "", ""
    level = all_checks()[entry.only].level if entry.only else "quick"
    for item in _likeliest_first(entry, subject, level):
        grades, message, failing = _outcome(item, subject, "quick" if item.check.level == "quick" else level)
        ran += 1
        if entry.grade in grades:
            accused += 1
            told = causes and not said and item.check.name in SHOWN_BY
            cause = cause or (_cause(item, subject, failing) if told else "")
            caught.setdefault(item.check.name)
            said = said or f"{item.id}: {message}"
            if not thorough:
                break
    return Verdict(
        entry.name, entry.like, entry.wrong, entry.only, entry.why, tuple(caught), thorough, ran, accused, said,
        cause, entry.cause,
    )  # fmt: skip


def _cause(item: Item, subject: Operator, failing: list[str]) -> str:
    """What the kit says the subject behaves like, judged by the cases of one item."""
    trial = Trial(item.spec, subject, item.dtype, item.device)
    return cause_of(trial, [(item.check.name, Case.parse(case)) for case in failing])


def _likeliest_first(entry: Entry, subject: Operator, level: str) -> list[Item]:
    def rank(item: Item) -> tuple[bool, int]:
        return (item.dtype != "float32", LIKELY.index(item.check.name) if item.check.name in LIKELY else len(LIKELY))

    found = sorted(items(find(entry.like), subject, dtypes=tuple(entry.domain.dtypes), level=level), key=rank)
    near = [item for item in found if item.dtype in NEAR or item.check.dtypes is not None]
    return near if entry.only or not entry.wrong else near + [item for item in found if item not in near]


def _outcome(item: Item, subject: Operator, level: str) -> tuple[set[str], str, list[str]]:
    """The grades found, the first finding in words, and the cases that are wrong."""
    try:
        with limited(SECONDS):
            record: Record = run_item(item, subject, level=level, shrinking=False)
    except TimeLimitError as error:
        return {"wrong"}, str(error), []
    first = record.findings[0] if record.findings else None
    message = f"{first.case}: {first.message}" if first else record.reason
    grades = {f.grade for f in record.findings} | ({"wrong"} if record.outcome == "failed" and not first else set())
    return grades, message, list(dict.fromkeys(f.case for f in record.findings if f.grade == "wrong"))


@dataclass(frozen=True)
class Rates:
    """The verdicts of a whole collection, and the two rates."""

    verdicts: tuple[Verdict, ...]

    @property
    def wrong(self) -> list[Verdict]:
        """The verdicts on known-wrong implementations."""
        return [v for v in self.verdicts if v.wrong]

    @property
    def honest(self) -> list[Verdict]:
        """The verdicts on honest variants."""
        return [v for v in self.verdicts if not v.wrong]

    @property
    def caught(self) -> float:
        """Share of known-wrong implementations accused by some check."""
        return sum(bool(v.caught_by) for v in self.wrong) / max(len(self.wrong), 1)

    @property
    def false_alarms(self) -> float:
        """Share of checks run on honest variants that accused them."""
        return sum(v.accused for v in self.honest) / max(sum(v.items for v in self.honest), 1)

    def alone(self) -> dict[str, list[str]]:
        """For each check, the known-wrong implementations that it, and it alone, caught."""
        found: dict[str, list[str]] = defaultdict(list)
        for verdict in self.wrong:
            if verdict.complete and len(verdict.caught_by) == 1:
                found[verdict.caught_by[0]].append(verdict.name)
        return dict(found)

    def summary(self) -> dict[str, object]:
        """The figures, for a data file."""
        return {
            "wrong": len(self.wrong),
            "caught": sum(bool(v.caught_by) for v in self.wrong),
            "honest": len(self.honest),
            "checks_on_honest": sum(v.items for v in self.honest),
            "false_alarms": sum(v.accused for v in self.honest),
            "causes_named": sum(v.named for v in self.wrong),
            "false_causes": sum(v.misled for v in self.wrong),
            "alone": {k: len(v) for k, v in sorted(self.alone().items())},
            "torch": str(torch.__version__),
        }

    def __str__(self) -> str:
        wrong, honest = self.wrong, self.honest
        caught, accused = sum(bool(v.caught_by) for v in wrong), sum(v.accused for v in honest)
        lines = [f"missed   {v.name} (like {v.like}): {v.why}" for v in wrong if not v.caught_by]
        lines += [f"accused  {v.name} (like {v.like}): {v.said}" for v in honest if v.accused]
        lines += [
            f"not alone  {v.name}: only {v.only} was to catch it, caught by {', '.join(v.caught_by) or 'none'}"
            for v in wrong if v.only and v.caught_by != (v.only,)
        ]  # fmt: skip
        lines += [f"false cause  {v.name} (like {v.like}): {v.cause}; it is: {v.why}" for v in wrong if v.misled]
        for check, names in sorted(self.alone().items()):
            lines.append(f"{check} alone caught {len(names)}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}")
        lines.append(f"caught        {caught} of {len(wrong)} known-wrong implementations ({self.caught:.1%})")
        named, misled = sum(v.named for v in wrong), sum(v.misled for v in wrong)
        lines.append(f"causes named  {named} of {len(wrong)} ({named / max(len(wrong), 1):.1%}), {misled} false")
        checks = sum(v.items for v in honest)
        lines.append(
            f"false alarms  {accused} of {checks} checks on {len(honest)} honest variants ({self.false_alarms:.2%})"
        )
        return "\n".join(lines)


def measure(folder: Path, *, workers: int | None = None) -> Rates:
    """Judge every implementation of a collection, spec by spec, on all processors.

    Raises:
        ValueError: if nothing is marked in the folder.
    """
    names = sorted({entry.like for entry in load(folder)})
    pool = ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn"), initializer=_one_thread)
    with pool:
        found = list(pool.map(_judge_spec, [folder] * len(names), names))
    return Rates(tuple(v for verdicts in found for v in verdicts))


def _one_thread() -> None:
    torch.set_num_threads(1)


def _judge_spec(folder: Path, name: str) -> list[Verdict]:
    return [judge(entry, causes=entry.wrong) for entry in load(folder) if entry.like == name]


def save(rates: Rates, file: Path) -> None:
    """Write figures and verdicts as JSON."""
    body = rates.summary() | {"verdicts": [asdict(v) for v in rates.verdicts]}
    file.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
