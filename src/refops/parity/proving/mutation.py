"""The score of the suite: how many mutants of the references it kills, and why the others change nothing.

`python -m refops.parity.proving.mutation` measures and prints; `nox -s mutants` calls it, and docs/mutants.md holds
what it said last. Survivors that nobody can tell from the reference are listed in a file of keys and reasons.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from refops.parity.proving.jury import ROOT, Jury, Outcome, by_tests
from refops.parity.proving.mutants import Mutant, all_mutants, sample

COUNT = 1200
LIKELY_OF, ALL_OF = 4, 2  # specs whose likely items are asked about a mutant, and whose other items are
EQUIVALENTS = "tests/kit/mutants_equivalent.tsv"
BEGIN = "<!-- table: begin, made by python -m refops.parity.proving.mutation --page docs/mutants.md -->"
END = "<!-- table: end -->"


def judge_all(
    chosen: list[Mutant], folder: Path, tell: Callable[[Outcome, int], None] = lambda outcome, left: None
) -> list[Outcome]:
    """Judge mutants, spec by spec: the likely items of the nearest specs, then tests, then the other items."""
    jury, alive, done = Jury(), dict.fromkeys(chosen), dict[Mutant, Outcome]()

    def settle(outcome: Outcome) -> None:
        if outcome.killed:
            done[outcome.mutant] = outcome
            del alive[outcome.mutant]
            tell(outcome, len(alive))

    def by_specs(likely: bool, count: int) -> None:
        for turn in range(count):
            for name, mutants in _by_spec(jury, list(alive), turn).items():
                for mutant in mutants:
                    settle(jury.judge(mutant, name, likely))

    by_specs(likely=True, count=LIKELY_OF)
    for mutant in list(alive):
        settle(by_tests(mutant, folder))
    by_specs(likely=False, count=ALL_OF)  # last, since all else is quicker
    return [done.get(m, Outcome(m)) for m in chosen]


def _by_spec(jury: Jury, mutants: list[Mutant], turn: int) -> dict[str, list[Mutant]]:
    """The mutants by the spec whose turn it is: their nearest, then their second nearest, and so on."""
    groups = defaultdict(list)
    for mutant in mutants:
        for name in jury.specs(mutant)[turn : turn + 1]:
            groups[name].append(mutant)
    return groups


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


def earlier(file: Path | None, chosen: list[Mutant]) -> list[Outcome]:
    """Which of the mutants an earlier run, perhaps one that was cut short, says were killed."""
    if file is None or not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    told = {line["key"]: line for line in lines}
    killed = [(m, told[m.key]) for m in chosen if told.get(m.key, {}).get("by")]
    return [Outcome(m, line["by"], line["case"], line["said"]) for m, line in killed]


def as_line(outcome: Outcome, known: dict[str, str]) -> str:
    """One line of JSON."""
    mutant = outcome.mutant
    return json.dumps(
        {"key": mutant.key, "line": mutant.line, "operator": mutant.operator, "by": outcome.by, "case": outcome.case,
         "said": outcome.said, "reason": known.get(mutant.key, "")}, ensure_ascii=False,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether a mutant survived that nobody has explained."""
    parser = argparse.ArgumentParser(prog="python -m refops.parity.proving.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=COUNT, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--match", default="", help="of these only those whose name contains this text")
    parser.add_argument("--folder", type=Path, default=Path(), help="the folder that holds tests/")
    parser.add_argument("--trust", action="store_true", help="leave out those listed as equivalent")
    parser.add_argument("--page", type=Path, help="write the score and the survivors into this page")
    parser.add_argument("--json", type=Path, help="lines of outcomes: kills found there are kept, others are added")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started = time.perf_counter()
    known = equivalents(asked.folder / EQUIVALENTS)
    chosen = [m for m in sample(all_mutants(ROOT), asked.sample, asked.seed) if asked.match in m.key]
    chosen = [m for m in chosen if not (asked.trust and m.key in known)]
    kept = {o.mutant: o for o in earlier(asked.json, chosen)}

    def tell(outcome: Outcome, left: int) -> None:
        print(f"{left:5} left  {outcome.by:<50} {outcome.mutant.key[:120]}", flush=True)
        if asked.json:
            with asked.json.open("a", encoding="utf-8") as file:
                file.write(as_line(outcome, known) + "\n")

    judged = judge_all([m for m in chosen if m not in kept], asked.folder.resolve(), tell)
    by_mutant = kept | {o.mutant: o for o in judged}
    found = [by_mutant[m] for m in chosen]
    if asked.json:
        asked.json.write_text("".join(as_line(o, known) + "\n" for o in found), encoding="utf-8")
    if asked.page:
        refresh(asked.page, table(found, known))
    print(f"{summary(found, known)}; {time.perf_counter() - started:.0f} s")
    return int(any(not o.killed and o.mutant.key not in known for o in found))


if __name__ == "__main__":
    sys.exit(main())
