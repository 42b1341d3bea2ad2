"""The plug-in: one line that has any implementation judged, in a test file or in a notebook."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from refops.parity.judging.item import Item, items, run_item
from refops.parity.record import Finding, Record
from refops.parity.spec import Spec
from refops.parity.specs import all_specs, find
from refops.parity.subject import Operator, kind_of

OWN = ("value", "gradient", "shape", "dtype", "inputs", "refusals", "exceptions", "vmap", "primitives", "views")
SORTS = {"module": "a class", "function": "a function", "optimizer": "an optimizer class"}


def operator(
    subject: Callable[..., Any], spec: Spec, state_map: Mapping[str, str] | None = None, *, drop_in: bool = False
) -> Operator:
    """The subject as the kit sees it.

    Raises:
        TypeError: if it cannot be what the spec is about.
    """
    kind = kind_of(subject)
    fits = kind == spec.kind or (spec.kind in ("module", "optimizer") and kind == "function")
    if not fits:
        raise TypeError(f"subject must be {SORTS[spec.kind]} to be like {spec.name}, got {SORTS[kind]}: {subject!r}")
    name = f"{getattr(subject, '__module__', '')}:{getattr(subject, '__qualname__', repr(subject))}"
    pairs = tuple((native, own) for own, native in (state_map or {}).items())
    return Operator(subject, spec.kind, name, pairs, drop_in=drop_in, reference=subject is spec.reference)


def reference(spec: Spec) -> Operator:
    """The spec's own reference as a subject, bound by the whole contract."""
    return Operator(spec.reference, spec.kind, f"refops {spec.name}", drop_in=True, reference=True)


@dataclass(frozen=True)
class Conformance:
    """What a test file assigns to a name beginning with `test`: pytest collects one item per check, dtype and device.

    Example:
        >>> import torch
        >>> test_norm = conforms(torch.nn.LayerNorm, to="LayerNorm", checks=["value"], dtypes=["float32"])
        >>> [item.id for item, _ in test_norm.items()]
        ['LayerNorm-value-float32-cpu']
    """

    subjects: tuple[tuple[Spec, Operator], ...]
    device: str = "cpu"
    dtypes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    level: str = "quick"
    seconds: float = 600.0  # one item may take

    def items(self) -> Iterator[tuple[Item, Operator]]:
        """Every item with its subject.

        At the quick level a function that is the forward pass of a module judged beside it is asked in float32, and
        only what is its own, `OWN`: the module's items run it in every dtype and through every check.
        """
        whole = self.level != "quick" or self.dtypes or self.checks
        called = set() if whole else self._called()
        for spec, subject in self.subjects:
            inner = spec.kind == "function" and spec.reference in called
            dtypes, checks = (("float32",), OWN) if inner else (self.dtypes, self.checks)
            found = items(spec, subject, device=self.device, dtypes=dtypes, checks=checks, level=self.level)
            yield from ((item, subject) for item in found)

    def _called(self) -> set[Callable[..., Any]]:
        """The functions that the forward passes of the references judged here call, be it as `relu` or as `F.relu`."""
        modules: list[Any] = [s.reference for s, subject in self.subjects if s.kind == "module" and subject.reference]
        called: set[Callable[..., Any]] = set()
        for forward in (module.forward for module in modules):
            names, scope = forward.__code__.co_names, forward.__globals__
            packages = [vars(scope[name]) for name in names if isinstance(scope.get(name), ModuleType)]
            found = (place[name] for place in (scope, *packages) for name in names if name in place)
            called.update(f for f in found if isinstance(f, FunctionType))
        return called


def conforms(
    subject: Callable[..., Any] | None = None,
    *,
    to: str | Sequence[str] = (),
    family: str = "",
    device: str = "cpu",
    dtypes: Iterable[str] = (),
    checks: Iterable[str] = (),
    level: str = "quick",
    drop_in: bool = False,
    state_map: Mapping[str, str] | None = None,
    timeout: float = 600.0,
) -> Conformance:
    """All checks of one or several specs, for pytest to collect.

    Args:
        subject: class, function, optimizer or optimizer wrapper; None means the spec's own reference.
        to: the spec's name, `LayerNorm`, `functional.layer_norm` or `optim.AdamW`, or several.
        family: instead of `to`, all specs of a family; for references only.
        device: a torch device string.
        dtypes: floating dtypes; empty for all the spec names.
        checks: names of checks; empty for all that apply.
        level: `quick` or `full`.
        drop_in: judge by the drop-in contract too: repr, keys, initial values, exception types.
        state_map: the subject's parameter names to native's, where names and shapes do not tell.
        timeout: seconds one item may take.

    Raises:
        LookupError: if no spec has that name; the message gives the nearest.
        TypeError: if the subject cannot be what the spec is about.

    Example:
        >>> test_mine = conforms(to="GELU")  # in a test file: pytest collects every check
    """
    names = (to,) if isinstance(to, str) and to else tuple(to)
    specs = [find(name) for name in names] if names else [s for s in all_specs() if s.family == family]
    if not specs:
        raise LookupError(f"to or family must name a spec, got to={to!r}, family={family!r}")
    judged = [(s, reference(s) if subject is None else operator(subject, s, state_map, drop_in=drop_in)) for s in specs]
    return Conformance(tuple(judged), device, tuple(dtypes), tuple(checks), level, timeout)


class ConformanceError(AssertionError):
    """A subject does not do what its spec says; the message lists the failing checks, smallest case first."""


@dataclass
class Report:
    """The records of one `check`, in a form for notebooks."""

    records: list[Record] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether something ran and nothing failed."""
        return bool(self.records) and not self.failures

    @property
    def failures(self) -> list[Record]:
        """The records that failed or in which the subject raised."""
        return [r for r in self.records if r.outcome in ("failed", "error")]

    def raise_if_failed(self) -> Report:
        """Return the report if it passed.

        Raises:
            ConformanceError: if it did not, with the smallest failing case and its script.
        """
        if not self.passed:
            raise ConformanceError(str(self))
        return self

    def __str__(self) -> str:
        ran = [r for r in self.records if r.outcome != "skipped"]
        lines = [f"{len(ran) - len(self.failures)} of {len(ran)} checks passed in {self.seconds:.1f} s"]
        for record in self.failures:
            lines.append(f"\n{record.outcome.upper()} {record.key}  {record.reason}".rstrip())
            lines += [describe(f) for f in record.findings[:1]]
        return "\n".join(lines)

    __repr__ = __str__


def describe(finding: Finding) -> str:
    """A finding and, where there is one, its script."""
    return str(finding) + (f"\n\n{finding.script}\n" if finding.script else "")


def check(
    subject: Callable[..., Any],
    *,
    like: str,
    device: str = "cpu",
    dtypes: Iterable[str] = (),
    checks: Iterable[str] = (),
    level: str = "quick",
    drop_in: bool = False,
    state_map: Mapping[str, str] | None = None,
) -> Report:
    """Judge an implementation here and now, and return the report; Ctrl-C keeps what was measured.

    Args and raises are those of `conforms`.

    Example:
        >>> import torch
        >>> check(torch.nn.GELU, like="GELU", checks=["shape"]).passed
        True
    """
    started, report = time.perf_counter(), Report()
    wanted = conforms(
        subject, to=like, device=device, dtypes=dtypes, checks=checks, level=level, drop_in=drop_in, state_map=state_map
    )
    try:
        for item, judged in wanted.items():
            report.records.append(run_item(item, judged, level=level))
    except KeyboardInterrupt:
        report.seconds = time.perf_counter() - started
        if not report.records:
            raise
        return report
    report.seconds = time.perf_counter() - started
    return report
