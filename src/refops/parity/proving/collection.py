"""The two collections that prove the kit: implementations known to be wrong, and honest variants of right ones.

A file of a collection marks each with a decorator::

    @wrong("LayerNorm", only="value", why="eps is added outside the root")
    class EpsOutsideTheRoot(torch.nn.LayerNorm): ...

    @honest("LayerNorm", why="mean and variance from sums of chunks")
    class Chunked(torch.nn.LayerNorm): ...

`refops rates tests/kit` measures the share of wrong ones caught and of honest ones falsely accused.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Unpack

from refops.parity.domain import Claims, Domain

Subject = TypeVar("Subject", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One member of a collection.

    Args:
        name: the implementation's own name.
        like: the spec it claims to obey.
        subject: the implementation.
        wrong: whether it is known to be wrong.
        why: what is wrong with it, or what it does differently though right.
        only: the one check that catches it, where no other can.
        drop_in: whether it is judged by the drop-in contract too.
        grade: `wrong`, or `differs` where it accepts, refuses or lays out otherwise and gives no false number.
        cause: what the kit is to say it behaves like, or words of the failing check's own sentence that say so.
        domain: what it claims, as its author would declare it.
    """

    name: str
    like: str
    subject: Callable[..., Any]
    wrong: bool
    why: str
    only: str = ""
    drop_in: bool = False
    cause: str = ""
    grade: str = "wrong"
    domain: Domain = field(default_factory=Domain)


DIFFERENCES = ("refusals", "exceptions", "refused", "repr", "init", "keys", "seeded", "strides", "complex")
"""Checks that find differences only: what they alone catch gives no false number."""

ENTRIES: dict[str, Entry] = {}


def wrong(
    like: str, *, why: str, only: str = "", drop_in: bool = False, cause: str = ""
) -> Callable[[Subject], Subject]:
    """Mark an implementation that does not do what the spec `like` says."""
    return _mark(like, why=why, only=only, drop_in=drop_in, is_wrong=True, cause=cause)


def differs(
    like: str, *, why: str, only: str = "", drop_in: bool = False, cause: str = ""
) -> Callable[[Subject], Subject]:
    """Mark an implementation that does otherwise than the spec `like` says without answering falsely."""
    return _mark(like, why=why, only=only, drop_in=drop_in, is_wrong=True, cause=cause, grade="differs")


def honest(like: str, *, why: str, drop_in: bool = False, **domain: Unpack[Claims]) -> Callable[[Subject], Subject]:
    """Mark an implementation that is right, but computes in another way than the reference or native.

    `domain` is what its author would declare, see `Domain`: arguments of other names, or not offered.
    """
    return _mark(like, why=why, only="", drop_in=drop_in, is_wrong=False, cause="", domain=Domain(**domain))


def _mark(
    like: str,
    *,
    why: str,
    only: str,
    drop_in: bool,
    is_wrong: bool,
    cause: str,
    grade: str = "",
    domain: Domain | None = None,
) -> Callable[[Subject], Subject]:
    def mark(subject: Subject) -> Subject:
        name = f"{subject.__module__.removeprefix('refops_collection_')}.{subject.__name__}"
        if name in ENTRIES and ENTRIES[name].subject.__module__ != subject.__module__:
            raise ValueError(f"name must be unique in a collection, got {name!r} twice")
        given = grade or ("differs" if only in DIFFERENCES else "wrong")
        ENTRIES[name] = Entry(name, like, subject, is_wrong, why, only, drop_in, cause, given, domain or Domain())
        return subject

    return mark


def load(folder: Path) -> list[Entry]:
    """Import every file in the `wrong` and `honest` folders of `folder` and return what they marked.

    Raises:
        ValueError: if nothing was marked there.
    """
    ENTRIES.clear()
    for kind in ("wrong", "honest"):
        for path in sorted((folder / kind).glob("[!_]*.py")):
            name = f"refops_collection_{kind}_{path.stem}"
            module_spec = importlib.util.spec_from_file_location(name, path)
            if module_spec is None or module_spec.loader is None:
                raise ValueError(f"folder must hold importable files, got {path}")
            module = importlib.util.module_from_spec(module_spec)
            sys.modules[name] = module
            module_spec.loader.exec_module(module)
    if not ENTRIES:
        raise ValueError(f"folder must hold marked implementations in wrong/ and honest/, got {folder}")
    return list(ENTRIES.values())
