"""The domain of a subject: what its author says of it, so that it is asked what it claims to do and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypedDict

from torch import Tensor

from refops.parity.case import Case

Change: TypeAlias = Callable[[Tensor], Tensor]
Place: TypeAlias = str | tuple[str, Change] | tuple[str, Change, Change]


class ClaimError(ValueError):
    """What was declared of a subject cannot be so: its author is to hear it, it is no finding."""


@dataclass(frozen=True)
class Domain:
    """What a subject claims.

    Args:
        arguments: native's names of arguments to the subject's own, where they differ.
        defaults: the subject's own defaults, by native's name, where they differ from native's on purpose.
        fixed: arguments that are preset, by native's name; cases that ask for another value are left out.
        without: arguments that the subject does not offer; cases that need one are left out.
        accepts: kinds of finding that are known and accepted, each with its reason.
        dtypes: the floating dtypes it is made for; empty for all that native supports.
        state: native's name of a parameter or buffer to the subject's own: a name, `(name, load)` where the subject
            keeps `load(value)`, or `(name, load, read)` where `read` is the way back and not `load` itself.
        unsupported: says of a case that the subject is not made for it.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    without: Sequence[str] = ()
    accepts: Mapping[str, str] = field(default_factory=dict)
    dtypes: Sequence[str] = ()
    state: Mapping[str, Place] = field(default_factory=dict)
    unsupported: Callable[[Case], bool] | None = None

    @property
    def accepted(self) -> dict[str, str]:
        """Every kind of finding that is accepted, with its reason: those named, and arguments not offered."""
        lacking = {f"not offered: {name}": "declared: without" for name in self.without}
        return {**lacking, **self.accepts}

    def __post_init__(self) -> None:
        """Refuse what would accept faults silently.

        Raises:
            ValueError: if a wrong kind is accepted without a reason.
        """
        for kind, reason in self.accepts.items():
            if kind.startswith("wrong") and not reason.strip():
                raise ValueError(f"accepts must give a reason for what is wrong, got none for {kind!r}")


class Claims(TypedDict, total=False):
    """The fields of a `Domain`, as keyword arguments of whoever makes one."""

    arguments: Mapping[str, str]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any]
    without: Sequence[str]
    accepts: Mapping[str, str]
    dtypes: Sequence[str]
    state: Mapping[str, Place]
    unsupported: Callable[[Case], bool]
