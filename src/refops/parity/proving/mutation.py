"""The score of the suite: how many mutants of the references it kills, and why the others change nothing.

`python -m refops.parity.proving.mutation` measures and prints; `nox -s mutants` calls it, and docs/mutants.md holds
what it said last. Survivors that nobody can tell from the reference are listed in a file of keys and reasons.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from refops.parity.proving.jury import ROOT, Jury, Outcome, by_tests
from refops.parity.proving.mutants import Mutant, all_mutants, sample

COUNT = 1200
LIKELY_OF, ALL_OF = 8, 2  # specs whose likely items are asked about a mutant, and whose other items are
EQUIVALENTS = "tests/kit/mutants_equivalent.tsv"


def judge_all(
    chosen: list[Mutant], folder: Path, tell: Callable[[Outcome, int], None] = lambda outcome, left: None
) -> list[Outcome]:
    """Judge mutants, spec by spec: the likely items of the nearest specs, then the others, then the tests."""
    jury, alive, done = Jury(), dict.fromkeys(chosen), dict[Mutant, Outcome]()

    def settle(outcome: Outcome) -> None:
        if outcome.killed:
            done[outcome.mutant] = outcome
            del alive[outcome.mutant]
            tell(outcome, len(alive))

    for likely, count in ((True, LIKELY_OF), (False, ALL_OF)):
        for turn in range(count):
            groups = defaultdict(list)
            for mutant in alive:
                for name in jury.specs(mutant)[turn : turn + 1]:
                    groups[name].append(mutant)
            for name, mutants in groups.items():
                for mutant in mutants:
                    settle(jury.judge(mutant, name, likely))
    for mutant in list(alive):
        settle(by_tests(mutant, folder))
    return [done.get(m, Outcome(m)) for m in chosen]


def equivalents(file: Path) -> dict[str, str]:
    """Why some mutants change nothing that anybody can see: a key and a reason per line, parted by a tab."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {key: reason for key, _, reason in (line.partition("\t") for line in lines if line)}


def summary(found: list[Outcome], known: dict[str, str]) -> str:
    """The survivors nobody has explained, those called equivalent that are killed, and the score."""
    keys = {True: [o.mutant.key for o in found if o.killed], False: [o.mutant.key for o in found if not o.killed]}
    lines = [f"survived  {key}" for key in keys[False] if key not in known]
    lines += [f"killed, though listed as equivalent  {key}" for key in keys[True] if key in known]
    same = sum(key in known for key in keys[False])
    killed, real = len(keys[True]), len(found) - same
    lines.append(f"{killed} of {real} mutants killed ({killed / max(real, 1):.1%}); {same} others are equivalent")
    return "\n".join(lines)


def save(found: list[Outcome], known: dict[str, str], file: Path) -> None:
    """Write every outcome as JSON."""
    body = [
        {"key": o.mutant.key, "line": o.mutant.line, "operator": o.mutant.operator, "by": o.by, "case": o.case,
         "said": o.said, "reason": known.get(o.mutant.key, "")}
        for o in found
    ]  # fmt: skip
    file.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether a mutant survived that nobody has explained."""
    parser = argparse.ArgumentParser(prog="python -m refops.parity.proving.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=COUNT, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--match", default="", help="of these only those whose name contains this text")
    parser.add_argument("--folder", type=Path, default=Path(), help="the folder that holds tests/")
    parser.add_argument("--json", type=Path, help="write every outcome to this file")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started = time.perf_counter()
    known = equivalents(asked.folder / EQUIVALENTS)
    chosen = [m for m in sample(all_mutants(ROOT), asked.sample, asked.seed) if asked.match in m.key]

    def tell(outcome: Outcome, left: int) -> None:
        print(f"{left:5} left  {outcome.by:<50} {outcome.mutant.key[:120]}", flush=True)

    found = judge_all(chosen, asked.folder.resolve(), tell)
    if asked.json:
        save(found, known, asked.json)
    print(f"{summary(found, known)}; {time.perf_counter() - started:.0f} s")
    return int(any(not o.killed and o.mutant.key not in known for o in found))


if __name__ == "__main__":
    sys.exit(main())
