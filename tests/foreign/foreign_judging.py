"""Judges the subjects listed here and writes what is found to one JSON line each.

python tests/foreign/foreign_judging.py --out found.jsonl [--torch] [PATH ...]
"""

from __future__ import annotations

import argparse
import functools
import inspect
import json
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import foreign_adapters
from foreign_libraries import load, version
from foreign_subjects import SUBJECTS, Foreign
from foreign_torch import TORCH_SUBJECTS

from refops.parity import check

SECONDS = 400  # one subject may take
NUMBERS = ("value", "gradient")
STATE = ("value", "gradient", "modes", "buffers")
CHANCE = ("value", "gradient", "randomness")
STEPS = ("trajectory", "gradients", "memory", "precision")


def subject_of(row: Foreign) -> Any:
    """The class or function to be judged.

    Raises:
        AbsentError: if it cannot be had here.
    """
    found = load(row.path)
    if row.preset:
        made = functools.partial(found, **row.preset)
        found = functools.update_wrapper(made, found) if not inspect.isclass(found) else made
    return getattr(foreign_adapters, row.make)(found) if row.make else found


def narrowed_for(row: Foreign) -> dict[str, Any]:
    """What is asked unless all is: the checks of what comes out, in the dtype everybody uses; torch's own in all."""
    if row.like.startswith("optim."):
        return {"checks": STEPS} if row.path.startswith("torch.optim") else {"checks": STEPS, "dtypes": ("float32",)}
    if row.like.startswith("tensor."):
        return {"checks": (*NUMBERS, "layout"), "dtypes": ("float32",)}
    stateful, random = "Norm" in row.like, "rop" in row.like and "Prop" not in row.like
    return {"checks": STATE if stateful else CHANCE if random else NUMBERS, "dtypes": ("float32",)}


def judge(row: Foreign, **narrowed: Any) -> dict[str, Any]:
    """The verdict on one subject as plain data."""
    started = time.perf_counter()
    said = check(subject_of(row), like=row.like, **{**narrowed, **row.claims}).verdict
    kinds = {
        grade: [
            {"kind": k.name, "message": k.message[:300], "cases": k.cases, "dtypes": list(k.dtypes), "cause": k.cause,
             "case": k.example.case if k.example else "", "numbers": k.example.numbers if k.example else ""}
            for k in found
        ]
        for grade, found in (("wrong", said.wrong), ("differs", said.differs), ("less accurate", said.less_accurate))
    }  # fmt: skip
    return {
        "name": row.name, "like": row.like, "version": version(row.path), "grade": said.grade,
        "sentence": said.sentence, "checks": said.checks, "passing": said.passing, "asked": said.asked,
        "answered": said.answered, "unjudged": list(said.unjudged), "seconds": round(time.perf_counter() - started),
        **kinds,
    }  # fmt: skip


def _child(row: Foreign, narrowed: dict[str, Any], answers: Any) -> None:
    try:
        answers.put(judge(row, **narrowed))
    except Exception as error:
        answers.put(
            {"name": row.name, "like": row.like, "grade": "error", "sentence": f"{type(error).__name__}: {error}"[:300]}
        )


def judge_apart(row: Foreign, **narrowed: Any) -> dict[str, Any]:
    """The verdict from a process of its own: a subject that hangs or dies is reported, and the rest go on.

    It is forked from one that has imported torch and started no thread: this one may have, and a lock that another
    thread held would stay locked in its child.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["foreign_judging"])
    answers = context.SimpleQueue()
    child = context.Process(target=_child, args=(row, narrowed, answers))
    child.start()
    end = time.monotonic() + SECONDS
    while answers.empty() and child.is_alive() and time.monotonic() < end:
        time.sleep(0.05)
    if not answers.empty():
        told: dict[str, Any] = answers.get()
        child.join()
        return told
    said = f"not done in {SECONDS} s" if child.is_alive() else f"its process died with exit code {child.exitcode}"
    child.kill()
    child.join()
    return {"name": row.name, "like": row.like, "grade": "error", "sentence": said}


def main() -> None:
    """Judge every subject, or those whose name or spec holds one of the words given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--torch", action="store_true", help="torch's own other versions instead of the libraries'")
    parser.add_argument("--all", action="store_true", help="every check in every dtype")
    given = parser.parse_args()
    done = {json.loads(line)["name"] for line in given.out.read_text().splitlines()} if given.out.exists() else set()
    for row in TORCH_SUBJECTS if given.torch else SUBJECTS:
        if row.name in done:
            continue
        if given.words and not any(word in f"{row.name} {row.like}" for word in given.words):
            continue
        told = judge_apart(row, **({} if given.all else narrowed_for(row)))
        with given.out.open("a") as file:
            file.write(json.dumps(told) + "\n")
        print(f"{told.get('seconds', '')} s  {told['name']} like {told['like']}: {told['sentence']}", flush=True)


if __name__ == "__main__":
    main()
