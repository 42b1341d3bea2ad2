"""The pytest plugin: collects conformances as items, runs them, and hands their records on.

Nothing heavy is imported until a conformance is met: the plugin is part of every pytest run where refops is installed.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from refops.parity.judging.item import Item as KitItem
    from refops.parity.record import Record
    from refops.parity.running.conformance import Conformance
    from refops.parity.subject import Operator

PROPERTY = "refops_record"  # under which a record travels in a test report, also between pytest-xdist's processes


def group(spec: str, dtype: str) -> str:
    """What is kept in one process: a spec's items, those in half precision apart; float64 begins with float32."""
    return f"{spec}-{'half' if dtype in ('bfloat16', 'float16') else 'whole'}"


class CheckFailedError(Exception):
    """An item failed; pytest shows the record's findings instead of a traceback."""


class ConformanceItem(pytest.Item):
    """One (spec, check, dtype, device)."""

    def __init__(self, *, item: KitItem, subject: Operator, conformance: Conformance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item, self.subject, self.level, self.seconds = item, subject, conformance.level, conformance.seconds
        self.record: Record | None = None
        self.add_marker(pytest.mark.xdist_group(group(item.spec.name, item.dtype)))

    def runtest(self) -> None:
        """Run the item's cases."""
        from refops.parity.judging.attempt import TimeLimitError, limited
        from refops.parity.judging.item import run_item

        try:
            with limited(self.seconds):
                self.record = run_item(self.item, self.subject, level=self.level)
        except TimeLimitError as error:
            raise CheckFailedError(str(error)) from error
        self.user_properties.append((PROPERTY, json.dumps(asdict(self.record))))
        if self.record.outcome == "skipped":
            pytest.skip(self.record.reason)
        if self.record.outcome not in ("passed", "differs"):
            raise CheckFailedError(self.record.key)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The findings, smallest case first, and a script for the first."""
        from refops.parity.running.conformance import describe

        if not isinstance(excinfo.value, CheckFailedError):
            return super().repr_failure(excinfo, style)
        if self.record is None:
            return str(excinfo.value)
        lines = [f"{self.record.key}: {self.record.reason}".rstrip(": ")]
        lines += [str(f) if i else describe(f) for i, f in enumerate(self.record.findings)]
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where pytest says it comes from."""
        return self.path, None, self.name

    @property
    def location(self) -> tuple[str, int | None, str]:
        """The same for reports; pytest would look the path up on the disk for every one of thousands of items."""
        return self.nodeid.partition("::")[0], None, self.name


class ConformanceCollector(pytest.Collector):
    """All items of one conformance."""

    def __init__(self, *, conformance: Conformance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conformance = conformance

    def collect(self) -> Iterator[pytest.Item]:
        """One item per spec, check, dtype and device."""
        for item, subject in self.conformance.items():
            made = {"item": item, "subject": subject, "conformance": self.conformance}
            yield ConformanceItem.from_parent(self, name=item.id, **made)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `refops check` asks for, so that pytest-xdist's workers hear it too."""
    group = parser.getgroup("refops", "refops: conformance of implementations")
    group.addoption("--refops", dest="refops", metavar="JSON", help="what to check; written by `refops check`")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Under `refops check` keep what is loaded by now from the garbage collector, whom it takes seconds to look at."""
    if session.config.getoption("refops"):
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Under `refops check` an item is its call alone: it has no fixtures, and thousands of reports cost seconds."""
    if not isinstance(item, ConformanceItem) or not item.config.getoption("refops"):
        return None
    stopping = (KeyboardInterrupt, pytest.exit.Exception)
    call = pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_call(item=item), when="call", reraise=stopping)
    item.ihook.pytest_runtest_logreport(report=item.ihook.pytest_runtest_makereport(item=item, call=call))
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `refops check` items that ask for the same truths go to one of pytest-xdist's processes."""
    if not config.getoption("refops"):
        return None
    from refops.parity.running.scheduling import scheduler

    return scheduler(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker that keeps items with one truth in one process, where pytest-xdist does not."""
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): run in one process")


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> ConformanceCollector | None:
    """Collect every module-level conformance whose name begins with `test`."""
    if name.startswith("test") and type(obj).__name__ in ("Conformance", "FromOptions"):
        from refops.parity.running.conformance import Conformance
        from refops.parity.running.suite import FromOptions

        made = obj.conformance(collector.config) if isinstance(obj, FromOptions) else obj
        if isinstance(made, Conformance):
            collected: ConformanceCollector = ConformanceCollector.from_parent(collector, name=name, conformance=made)
            return collected
    return None
