"""What `refops check` was asked to do, as plain data: the command line fills it, `running.command` obeys it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
        level: `quick` or `full`.
        workers: pytest-xdist workers, a number or `auto`; `0` runs in this process.
        timeout: seconds one item may take, `None` for the kit's own limit.
        drop_in: bind foreign subjects by the drop-in contract too.
        state_map: (old, new) pairs, foreign parameter name to native's.
        json, html: files to write.
        last_failed: run only what failed last time.
        keyword: pytest's `-k` expression.
    """

    names: tuple[str, ...] = ()
    like: str | None = None
    device: str = "cpu"
    dtypes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    level: str = "quick"
    workers: str = "auto"
    timeout: float | None = None
    drop_in: bool = False
    state_map: tuple[tuple[str, str], ...] = ()
    json: Path | None = None
    html: Path | None = None
    last_failed: bool = False
    keyword: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no run could obey.

        Raises:
            ValueError: naming the argument, the rule and what was given.
        """
        if any(not name.strip() for name in self.names):
            raise ValueError("NAMES must not be empty; leave them out to check every spec")
        foreign = [name for name in self.names if ":" in name]
        if foreign and not self.like:
            raise ValueError(f"--like SPEC must say what {foreign[0]} is to be judged as, for example --like LayerNorm")
        if self.like is not None and not foreign:
            raise ValueError(f"--like {self.like} needs a subject written module:Name, got {list(self.names)}")
        if self.like is not None and len(foreign) != len(self.names):
            raise ValueError(f"--like judges subjects written module:Name, got {list(self.names)}")
        for name in foreign:
            if not all(name.split(":", 1)):
                raise ValueError(f"a subject must be written module:Name, got {name!r}")
        if self.state_map and not foreign:
            raise ValueError("--state-map needs a subject written module:Name")
        if self.level not in LEVELS:
            raise ValueError(f"--level must be one of {', '.join(LEVELS)}, got {self.level!r}")
        for dtype in self.dtypes:
            if dtype not in FLOATS:
                raise ValueError(f"--dtype must be one of {', '.join(FLOATS)}, got {dtype!r}")
        if self.workers != "auto" and not self.workers.isdigit():
            raise ValueError(f"-n must be a number of workers or auto, got {self.workers!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"--timeout must be a positive number of seconds, got {self.timeout}")


def parse_state_map(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of `old=new,old=new`.

    Raises:
        ValueError: if a pair lacks one of its halves.

    Example:
        >>> parse_state_map("scale=weight, shift=bias")
        (('scale', 'weight'), ('shift', 'bias'))
    """
    pairs = []
    for part in text.split(","):
        old, equals, new = (piece.strip() for piece in part.partition("="))
        if not (old and equals and new):
            raise ValueError(f"--state-map must be written old=new,old=new, got {text!r}")
        pairs.append((old, new))
    return tuple(pairs)
