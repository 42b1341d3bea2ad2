"""The first thing that an item says against a subject: whoever only asks whether anything notices needs no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from refops.parity.binding import NotOfferedError
from refops.parity.case import Case
from refops.parity.judging.item import Item, run_item
from refops.parity.judging.trial import NotAskedError, Trial
from refops.parity.record import Finding
from refops.parity.subject import Operator


class Noticed(BaseException):
    """The first finding of an item: nothing more need be run."""


def stopping(item: Item, only: str = "") -> Item:
    """The item with a check that ends it at its first finding; if `only` is given, asked of this one case."""

    def cases(trial: Trial) -> Iterator[Case]:
        return (c for c in item.check.cases(trial) if not only or repr(c) == only)

    def run(trial: Trial, case: Case) -> Iterator[Finding]:
        try:
            for finding in item.check.run(trial, case):
                if finding.grade != "less accurate":
                    raise Noticed(repr(case), finding.message)
        except (NotOfferedError, NotAskedError):  # no fault
            raise
        except Exception as error:
            raise Noticed(repr(case), f"raised {type(error).__name__}: {error}") from error
        yield from ()

    return replace(item, check=replace(item.check, run=run, cases=cases))


def finding_of(item: Item, subject: Operator, only: str = "") -> tuple[str, str]:
    """The case and what an item says of it against the subject; both empty if it says nothing."""
    try:
        record = run_item(stopping(item, only), subject, shrinking=False)
    except Noticed as noticed:
        return str(noticed.args[0]), str(noticed.args[1])
    except Exception as error:  # a mutant may break a spec's own preparations too
        return "", f"raised {type(error).__name__}: {error}"
    if only and not record.cases:
        return finding_of(item, subject)  # the case was the mutant's own
    whole = record.outcome in ("failed", "error") and not only  # one case alone may tell nothing, and be right
    return "", (record.reason or record.outcome) if whole else ""
