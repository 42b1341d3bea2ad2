"""The score of the suite: how many mutants of the references it kills, and why the others change nothing.

`python -m refops.parity.proving.mutation` measures and prints; `nox -s mutants` calls it, and docs/mutants.md holds
what it said last. Survivors that nobody can tell from the reference are listed in a file of keys and reasons.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from refops.parity.judging.chance import VARIABLE
from refops.parity.proving.forking import SECONDS, BrokenError
from refops.parity.proving.jury import ROOT, Jury, Outcome
from refops.parity.proving.mutants import Mutant, all_mutants, sample

COUNT = 1200
EQUIVALENTS = "tests/kit/mutants_equivalent.tsv"
BEGIN = "<!-- table: begin, made by python -m refops.parity.proving.mutation --page docs/mutants.md -->"
END = "<!-- table: end -->"


def judge_all(
    chosen: list[Mutant], jury: Jury, tell: Callable[[Outcome, float, int], None] = lambda outcome, seconds, left: None
) -> tuple[list[Outcome], dict[Mutant, str]]:
    """Judge mutants one after the other; the outcomes, and why the others could not be judged.

    `tell` is given each outcome at once, how long it took, and how many mutants are left.
    """
    found, broken = list[Outcome](), dict[Mutant, str]()
    for i, mutant in enumerate(chosen):
        started = time.perf_counter()
        try:
            outcome = jury.judge(mutant)
        except BrokenError as error:  # no kill and no survivor; the others can still be judged
            broken[mutant] = str(error)
            continue
        found.append(outcome)
        tell(outcome, time.perf_counter() - started, len(chosen) - i - 1)
    return found, broken


def equivalents(file: Path) -> dict[str, str]:
    """Why some mutants change nothing that anybody can see: a key and a reason per line, parted by a tab."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {key: reason for key, _, reason in (line.partition("\t") for line in lines if line)}


def summary(found: list[Outcome], known: dict[str, str], broken: dict[Mutant, str] | None = None) -> str:
    """The survivors nobody has explained, those called equivalent that are killed, and the score."""
    keys = {True: [o.mutant.key for o in found if o.killed], False: [o.mutant.key for o in found if not o.killed]}
    lines = [f"survived  {key}" for key in keys[False] if key not in known]
    lines += [f"killed, though listed as equivalent  {key}" for key in keys[True] if key in known]
    lines += [f"could not be judged  {mutant.key}: {why}" for mutant, why in (broken or {}).items()]
    same = sum(key in known for key in keys[False])
    killed, real = len(keys[True]), len(found) - same
    lines.append(f"{killed} of {real} mutants killed ({killed / max(real, 1):.1%}); {same} others are equivalent")
    return "\n".join(lines)


def table(found: list[Outcome], known: dict[str, str]) -> str:
    """The score and the survivors with their reasons, for the page."""
    first, killed = ("mutants", "killed", "equivalent", "unexplained"), [o for o in found if o.killed]
    left = [o.mutant for o in found if not o.killed]
    same = [m for m in left if m.key in known]
    counts = (len(found), len(killed), len(same), len(left) - len(same))
    by: Counter[str] = Counter(_judge_of(o.by) for o in killed)
    lines = [f"| {' | '.join(first)} |", "| --- " * 4 + "|", f"| {' | '.join(map(str, counts))} |", ""]
    lines += ["| killed by | mutants |", "| --- | --- |", *(f"| {name} | {n} |" for name, n in by.most_common()), ""]
    lines += ["| survivor | why nobody can tell |", "| --- | --- |"]
    for mutant in sorted(left, key=lambda m: m.key):
        lines.append(f"| `{mutant.key.replace('|', chr(92) + '|')}` | {known.get(mutant.key, 'not explained')} |")
    return "\n".join(lines)


def _judge_of(by: str) -> str:
    """The check in an item's name, or what else noticed."""
    return by.rsplit("-", 3)[1] if by.count("-") > 2 else by


def refresh(page: Path, text: str) -> None:
    """Put a text between the two marks of a page.

    Raises:
        ValueError: if it has no such marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"page must hold the marks {BEGIN} and {END}, got {page}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def earlier(file: Path | None, chosen: list[Mutant], again: bool = False) -> list[Outcome]:
    """What an earlier run, perhaps one that was cut short, says of the mutants; `again` leaves the survivors out."""
    if file is None or not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    told = {line["key"]: line for line in lines}  # the last word counts
    kept = [(m, told[m.key]) for m in chosen if m.key in told and (told[m.key]["by"] or not again)]
    return [Outcome(m, line["by"], line["case"], line["said"]) for m, line in kept]


def as_line(outcome: Outcome, seconds: float = 0.0) -> str:
    """One line of JSON."""
    mutant = outcome.mutant
    return json.dumps(
        {"key": mutant.key, "line": mutant.line, "operator": mutant.operator, "by": outcome.by, "case": outcome.case,
         "said": outcome.said, "seconds": round(seconds, 2)}, ensure_ascii=False,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit code is 1 if a mutant survived that nobody has explained, 2 if one was not judged."""
    parser = argparse.ArgumentParser(prog="python -m refops.parity.proving.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=COUNT, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--match", default="", help="of these only those whose name contains this text")
    parser.add_argument("--folder", type=Path, default=Path(), help="the folder that holds tests/")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of computing that one item or test may take")
    parser.add_argument("--trust", action="store_true", help="leave out those listed as equivalent")
    parser.add_argument("--page", type=Path, help="write the score and the survivors into this page")
    parser.add_argument("--json", type=Path, help="add outcomes to these lines; what they tell already is kept")
    parser.add_argument("--again", action="store_true", help="but judge the survivors found there anew")
    asked = parser.parse_args(arguments)
    os.environ.setdefault(VARIABLE, "0")  # the same cases in every run
    started = time.perf_counter()
    known = equivalents(asked.folder / EQUIVALENTS)
    chosen = [m for m in sample(all_mutants(ROOT), asked.sample, asked.seed) if asked.match in m.key]
    chosen = [m for m in chosen if not (asked.trust and m.key in known)]
    by_mutant = {o.mutant: o for o in earlier(asked.json, chosen, asked.again)}

    def tell(outcome: Outcome, seconds: float, left: int) -> None:
        by = outcome.by or "survived"
        print(f"{left:5} left  {seconds:5.1f} s  {by:<50} {outcome.mutant.key[:120]}", flush=True)
        if asked.json:
            with asked.json.open("a", encoding="utf-8") as file:
                file.write(as_line(outcome, seconds) + "\n")

    jury = Jury(asked.folder.resolve(), asked.seconds)
    judged, broken = judge_all([m for m in chosen if m not in by_mutant], jury, tell)
    by_mutant |= {o.mutant: o for o in judged}
    found = [by_mutant[m] for m in chosen if m in by_mutant]
    if asked.page and not broken:
        refresh(asked.page, table(found, known))
    print("".join(f"left out, since it fails without a change  {name}\n" for name in jury.failing), end="")
    print(f"{summary(found, known, broken)}; {time.perf_counter() - started:.0f} s")
    return 2 if broken else int(any(not o.killed and o.mutant.key not in known for o in found))


if __name__ == "__main__":
    sys.exit(main())
