"""One run of `refops check`: starts pytest with the kit's plugin, keeps every record at once, and concludes."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from refops.parity.judging.chance import run_seed
from refops.parity.judging.item import items
from refops.parity.record import Record, write_records
from refops.parity.running import suite
from refops.parity.running.options import CheckOptions
from refops.parity.running.plugin import PROPERTY
from refops.parity.running.terminal import Progress, conclude, console

INTERRUPTED = 130
LOST = ("hung", "its process died")
MOST_LOST = 3  # each costs a new process
SECONDS = 120.0  # one item may take, unless the command line says otherwise


def main_check(options: CheckOptions) -> int:
    """Run the checks; returns the exit code: 0 passed, 1 failed, 5 nothing ran, 130 interrupted.

    Raises:
        LookupError, ValueError: if the options cannot be obeyed.
    """
    asked = {k: v for k, v in asdict(options).items() if k not in ("json", "html")} | {
        "timeout": options.timeout or SECONDS
    }
    subjects = suite.conformance(asked).subjects
    for spec, subject in subjects:
        next(iter(items(spec, subject, checks=options.checks)), None)  # refuses unknown names before anything starts
    run = Run(options)
    run.strict = options.foreign and any(subject.strict for _, subject in subjects)
    run.accepted = {kind: why for _, subject in subjects for kind, why in subject.domain.accepted.items()}
    started = time.perf_counter()
    run_seed()  # drawn here, so that the workers inherit it
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers side by side: one thread each
    torch.set_num_threads(1)
    code = pytest.main(arguments(options, asked), plugins=[run])
    run.progress.finish()
    seconds = time.perf_counter() - started
    run.save(finished=True, interrupted=code == pytest.ExitCode.INTERRUPTED)
    if run.trouble:
        console(stderr=True).print("\n".join(run.trouble), markup=False)
    result = conclude(run.records, seconds=seconds, accepted=run.accepted, strict=run.strict, left=left(options, asked))
    if run.ended:
        console().print(run.ended)
    elif code == pytest.ExitCode.INTERRUPTED:
        console().print("interrupted: what was measured until then stands above and in the file, if one was asked for")
        return INTERRUPTED
    return result if not run.trouble else max(result, 1)


def left(options: CheckOptions, asked: dict[str, Any]) -> str:
    """What the quick level leaves to the full one, in one line; nothing to tell where the full one was asked."""
    if options.level != "quick":
        return ""
    more = suite.conformance(asked).left()
    return f"left to --level full: {f'{more} more checks, and ' if more else ''}more cases in most"


def arguments(options: CheckOptions, asked: dict[str, Any]) -> list[str]:
    """What pytest is called with: nothing of the folder it is called in has a say."""
    workers = options.workers
    if workers == "auto":
        workers = str(min(os.cpu_count() or 1, 8))
    if workers == "0" and options.foreign:
        workers = "1"  # a foreign subject may hang or die: it gets a process of its own
    # pytest-xdist gives a group whose worker died to the next worker whole, the item that killed it too
    way = "load" if options.foreign else "loadgroup"
    nothing = Path(__file__).with_name("pytest.ini")
    cache = Path.cwd() / ".pytest_cache"
    chosen = ["-c", str(nothing), f"--rootdir={Path.cwd()}", "-p", "no:terminal", "-o", f"cache_dir={cache}"]
    for unused in ("benchmark", "logging", "warnings", "hypothesispytest"):  # they take milliseconds of every item
        chosen += ["-p", f"no:{unused}"]
    chosen += ["--noconftest", "--refops", json.dumps(asked), str(Path(suite.__file__))]
    if workers != "0":
        chosen += ["-n", workers, "--dist", way, "--max-worker-restart", "50"]
    if options.last_failed:
        chosen += ["--lf"]
    if options.keyword:
        chosen += ["-k", options.keyword]
    return chosen


@dataclass
class Run:
    """What the run's plugin sees: every record as it comes."""

    options: CheckOptions
    records: list[Record] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    accepted: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    started: bool = False
    lost: int = 0  # items in a row that hung or died
    ended: str = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without workers: the number of items is known."""
        if self.options.workers == "0" and not self.options.foreign:
            self.begin(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """With workers: each has collected the same items."""
        self.begin(len(ids))

    def begin(self, total: int) -> None:
        """Start the bar once."""
        if not self.started:
            self.started = True
            self.progress.start(total)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What could not be collected is told."""
        if report.failed:
            self.trouble.append(str(report.longrepr))

    def pytest_internalerror(self, excrepr: Any) -> None:
        """What went wrong in pytest itself is told."""
        self.trouble.append(str(excrepr))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record of an item the moment it is there."""
        carried = [json.loads(str(v)) for k, v in report.user_properties if k == PROPERTY]
        if carried and report.when != "teardown":
            record = Record.from_json(json.dumps(carried[0]))
        elif report.failed:
            record = self.without_record(report)
        else:
            return
        self.records.append(record)
        self.progress.update(record)
        self.save()
        self.lost = self.lost + 1 if record.reason.startswith(LOST) else 0
        if self.lost == MOST_LOST and self.options.foreign:
            self.ended = f"ended: the subject hung or died {MOST_LOST} times in a row, the other checks were not asked"
            pytest.exit(self.ended, returncode=1)

    def without_record(self, report: pytest.TestReport) -> Record:
        """The record of an item that hung, or whose process died."""
        words = report.nodeid.rpartition("::")[2].partition("@")[0].rsplit("-", 3)
        spec, check, dtype, device = (words + [""] * 4)[:4]
        reason = " ".join(str(report.longrepr).split())
        if "crashed while running" in reason:
            reason = (
                "its process died: killed by a signal, by its own exit, or for hanging where Python could not stop it"
            )
        return Record(spec, check, dtype, device, outcome="error", reason=reason[:400])

    def save(self, finished: bool = False, interrupted: bool = False) -> None:
        """Append the newest record to the file, or write the finished run over it."""
        file = self.options.json
        if file is not None and not finished:
            with file.open("w" if len(self.records) == 1 else "a", encoding="utf-8") as stream:
                stream.write(self.records[-1].to_json() + "\n")
        elif file is not None:
            facts = {**about(self.options), "accepted": self.accepted, "strict": self.strict}
            write_records(file, self.records, **facts, interrupted=interrupted)
        if finished and self.options.html is not None and self.records:
            from refops.parity.running.report import Run as Written
            from refops.parity.running.report import write

            written = Written(tuple(self.records), about(self.options), self.accepted, self.strict)
            write(written, html_file=self.options.html)


def about(options: CheckOptions) -> dict[str, str]:
    """Facts about the run: versions, device, date."""
    name = torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else platform.machine()
    return {
        "refops": _version(),
        "torch": str(torch.__version__),
        "python": sys.version.partition(" ")[0],
        "device": f"{options.device} ({name})",
        "level": options.level,
        "seed": str(run_seed()),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("refops")
    except PackageNotFoundError:
        return "unknown"
