"""What `refops check` was asked to do, as plain data: the command line fills it, `running.command` obeys it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refops.parity.spec import FLOATS

LEVELS = ("quick", "full")


@dataclass(frozen=True)
class CheckOptions:
    """One run of the checks.

    Args:
        names: specs to check and, with `like`, foreign subjects written `module:Name`; empty means every spec.
        like: the spec the foreign subjects claim to obey.
        device: a torch device string.
        dtypes: floating dtypes; empty means all that the specs name.
        checks: checks to run; empty means all that apply.
        cases: what an eager reference given as `like` is called with, `called(real(4, 8), real(8))`.
        level: `quick` or `full`.
        workers: pytest-xdist workers, a number or `auto`; `0` runs in this process.
        timeout: seconds one item may take, `None` for the kit's own limit.
        drop_in: bind foreign subjects by the drop-in contract too.
        strict: fail foreign subjects for differences too.
        by_hand: fail foreign subjects that call the operator they stand for.
        domain: what is claimed of foreign subjects, in the words of `refops.parity.running.declared`.
        json, html: files to write.
        last_failed: run only what failed last time.
        keyword: pytest's `-k` expression.
    """

    names: tuple[str, ...] = ()
    like: str | None = None
    device: str = "cpu"
    dtypes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    level: str = "quick"
    workers: str = "auto"
    timeout: float | None = None
    drop_in: bool = False
    strict: bool = False
    by_hand: bool = False
    domain: Mapping[str, Any] = field(default_factory=dict)
    json: Path | None = None
    html: Path | None = None
    last_failed: bool = False
    keyword: str | None = None

    @property
    def foreign(self) -> bool:
        """Whether subjects are judged that are not the package's own."""
        return any(":" in name for name in self.names)

    def __post_init__(self) -> None:
        """Refuse what no run could obey.

        Raises:
            ValueError: naming the argument, the rule and what was given.
        """
        if any(not name.strip() for name in self.names):
            raise ValueError("NAMES must not be empty; leave them out to check every spec")
        foreign = [name for name in self.names if ":" in name]
        if self.like is not None and not foreign:
            raise ValueError(f"--like {self.like} needs a subject written module:Name, got {list(self.names)}")
        if foreign and len(foreign) != len(self.names):
            raise ValueError(f"NAMES must be specs, or subjects written module:Name, not both, got {list(self.names)}")
        for name in foreign:
            if not all(name.split(":", 1)):
                raise ValueError(f"a subject must be written module:Name, got {name!r}")
        said = [k for k, v in {**self.domain, "strict": self.strict, "by-hand": self.by_hand}.items() if v]
        if said and not foreign:
            raise ValueError(f"--{said[0]} needs a subject written module:Name")
        if self.level not in LEVELS:
            raise ValueError(f"--level must be one of {', '.join(LEVELS)}, got {self.level!r}")
        for dtype in self.dtypes:
            if dtype not in FLOATS:
                raise ValueError(f"--dtype must be one of {', '.join(FLOATS)}, got {dtype!r}")
        if self.workers != "auto" and not self.workers.isdigit():
            raise ValueError(f"-n must be a number of workers or auto, got {self.workers!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"--timeout must be a positive number of seconds, got {self.timeout}")
