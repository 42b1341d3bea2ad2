"""The plug-in: one line that has any implementation judged, in a test file or in a notebook."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import torch

from refops.parity.binding import NotOfferedError
from refops.parity.domain import Claims, Domain
from refops.parity.judging.item import Item, items, run_item
from refops.parity.judging.lacking import without_absent
from refops.parity.record import Finding, Record
from refops.parity.running.kinds import Kind
from refops.parity.running.sharing import shared_items
from refops.parity.running.verdict import Verdict, verdict
from refops.parity.spec import Spec
from refops.parity.specs import all_specs, find
from refops.parity.subject import Operator, kind_of

SORTS = {"module": "a class", "function": "a function", "optimizer": "an optimizer class"}


def operator(
    subject: Callable[..., Any],
    spec: Spec,
    domain: Domain | None = None,
    *,
    drop_in: bool = False,
    strict: bool = False,
    by_hand: bool = False,
) -> Operator:
    """The subject as the kit sees it.

    Raises:
        TypeError: if it cannot be what the spec is about.
        ValueError: if the domain names an argument that the operator does not have.
    """
    kind = kind_of(subject)
    fits = kind == spec.kind or (spec.kind in ("module", "optimizer") and kind == "function")
    if not fits:
        raise TypeError(f"subject must be {SORTS[spec.kind]} to be like {spec.name}, got {SORTS[kind]}: {subject!r}")
    if kind == "function" and spec.kind == "module":
        _builds(subject, spec)
    claims = domain or Domain()
    _known(claims, spec)
    made = Operator(
        subject,
        spec.kind,
        _name(subject),
        None if subject in (spec.reference, spec.native) else spec.reference,
        claims,
        drop_in=drop_in,
        reference=subject is spec.reference,
        strict=strict or drop_in,
        by_hand=by_hand,
    )
    return without_absent(made, spec)


def _name(subject: Callable[..., Any]) -> str:
    """`module:Name`; a partial is named by what it presets."""
    if isinstance(subject, functools.partial):
        preset = ", ".join([*map(repr, subject.args), *(f"{k}={v!r}" for k, v in subject.keywords.items())])
        return f"{_name(subject.func)}({preset})"
    return f"{getattr(subject, '__module__', '')}:{getattr(subject, '__qualname__', repr(subject))}"


def _builds(factory: Callable[..., Any], spec: Spec) -> None:
    """Refuse a function that is no factory of modules: `F.layer_norm` where a class like LayerNorm is asked for.

    Raises:
        TypeError: saying which spec was meant.
    """
    target = factory.func if isinstance(factory, functools.partial) else factory
    if inspect.isclass(target):
        return
    meant = next((s.name for s in all_specs() if s.kind == "function" and target in (s.native, s.reference)), "")
    first = next((case for case in spec.cases if case.init is not None), None)
    if not meant and first is not None:
        subject = Operator(factory, "module", _name(factory), spec.reference)
        try:
            subject.build(first, [torch.zeros(draw.shape) for draw in first.init.draws()])  # type: ignore[union-attr]
            return
        except TypeError:
            twin = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", spec.name).lower()
            meant = next((s.name for s in all_specs() if s.name == f"functional.{twin}"), "the function's own spec")
        except (Exception, NotOfferedError):
            return  # a factory that fails otherwise is judged, and its error told
    if meant:
        given = f"{target.__module__}.{getattr(target, '__qualname__', target)}"
        raise TypeError(
            f"subject must be a class, or a factory of modules, to be like {spec.name}; {given} is a function: "
            f"judge it like {meant}"
        )


def _known(claims: Domain, spec: Spec) -> None:
    """Refuse a domain that speaks of arguments the operator does not have.

    Raises:
        ValueError: naming the field, the argument and the nearest one.
    """
    target: Any = spec.reference
    parts = [target, target.forward] if spec.kind == "module" else [target]
    names = {n for part in parts for n in inspect.signature(part).parameters}
    spoken = {
        "arguments": claims.arguments,
        "defaults": claims.defaults,
        "fixed": claims.fixed,
        "without": claims.without,
    }
    for field_name, given in spoken.items():
        for name in given:
            if name not in names and not any(p in names for p in ("kwargs", "options")):
                near = difflib.get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"{field_name} must name arguments of {spec.name}, got {name!r}{hint}")


def reference(spec: Spec) -> Operator:
    """The spec's own reference as a subject, bound by the whole contract."""
    return Operator(spec.reference, spec.kind, f"refops {spec.name}", drop_in=True, reference=True, strict=True)


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
        """Every item with its subject; at the quick level what references judged together share is asked once."""
        if self.level == "quick" and not self.dtypes and not self.checks:
            yield from shared_items(self.subjects, self.device)
            return
        for spec, subject in self.subjects:
            dtypes = self.dtypes or tuple(subject.domain.dtypes)
            for item in items(spec, subject, device=self.device, dtypes=dtypes, checks=self.checks, level=self.level):
                yield item, subject

    def left(self) -> int:
        """How many checks the full level would add."""
        full = replace(self, level="full")
        return sum(1 for _ in full.items()) - sum(1 for _ in self.items())


def conforms(
    subject: Callable[..., Any] | None = None,
    *,
    to: str | Spec | Sequence[str | Spec] = (),
    family: str = "",
    device: str = "cpu",
    checks: Iterable[str] = (),
    level: str = "quick",
    drop_in: bool = False,
    strict: bool = False,
    by_hand: bool = False,
    timeout: float = 600.0,
    **domain: Unpack[Claims],
) -> Conformance:
    """All checks of one or several specs, for pytest to collect.

    Args:
        subject: class, function, optimizer or optimizer wrapper; None means the spec's own reference.
        to: the spec's name, `LayerNorm`, `functional.layer_norm` or `optim.AdamW`, or several; or a `Spec.of` an
            operator of your own.
        family: instead of `to`, all specs of a family; for references only.
        device: a torch device string.
        checks: names of checks; empty for all that apply.
        level: `quick` or `full`.
        drop_in: judge by the drop-in contract too: repr, keys, initial values, exception types; implies `strict`.
        strict: fail for differences too, not only for what is wrong.
        by_hand: fail if the subject calls the operator it stands for.
        timeout: seconds one item may take.
        domain: what the subject claims, see `Domain`: `arguments`, `defaults`, `fixed`, `without`, `accepts`,
            `dtypes`, `state`, `unsupported`.

    Raises:
        LookupError: if no spec has that name; the message gives the nearest.
        TypeError: if the subject cannot be what the spec is about.
        ValueError: if the domain speaks of arguments that the operator does not have.

    Example:
        >>> test_mine = conforms(to="GELU")  # in a test file: pytest collects every check
    """
    given = [to] if isinstance(to, Spec) or (isinstance(to, str) and to) else list(to)
    found = [s if isinstance(s, Spec) else find(s) for s in given]
    specs = found or [s for s in all_specs() if s.family == family]
    if not specs:
        raise LookupError(f"to or family must name a spec, got to={to!r}, family={family!r}")
    claims = Domain(**domain)

    def judged(spec: Spec) -> Operator:
        if subject is None:
            return reference(spec)
        return operator(subject, spec, claims, drop_in=drop_in, strict=strict, by_hand=by_hand)

    pairs = tuple((spec, judged(spec)) for spec in specs)
    return Conformance(pairs, device, (), tuple(checks), level, timeout)


class ConformanceError(AssertionError):
    """A subject does not do what its spec says; the message lists the failing checks, smallest case first."""


@dataclass
class Report:
    """The records of one `check` and the verdict on them, in a form for notebooks."""

    records: list[Record] = field(default_factory=list)
    seconds: float = 0.0
    accepted: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False

    @property
    def verdict(self) -> Verdict:
        """What the records come to."""
        return verdict(self.records, self.accepted, self.strict)

    @property
    def passed(self) -> bool:
        """Whether something ran and nothing was wrong; with `strict`, nothing different either."""
        return self.verdict.passed

    @property
    def failures(self) -> list[Record]:
        """The records that failed or could not be judged."""
        return [r for r in self.records if r.outcome in ("failed", "error")]

    def raise_if_failed(self) -> Report:
        """Return the report if it passed.

        Raises:
            ConformanceError: if it did not, with the most telling case and its script.
        """
        if not self.passed:
            raise ConformanceError(str(self))
        return self

    def __str__(self) -> str:
        said = self.verdict
        lines = [text for kind in said.failing for text in (f"{kind.grade}: {kind}", *_example(kind))]
        lines += [note for _, note in said.notes]
        return "\n".join([*lines, f"{said.sentence} in {self.seconds:.1f} s"])

    __repr__ = __str__


def _example(kind: Kind) -> list[str]:
    return [describe(kind.example), ""] if kind.example is not None else []


def describe(finding: Finding) -> str:
    """A finding and, where there is one, its script."""
    return str(finding) + (f"\n\n{finding.script}\n" if finding.script else "")


def check(
    subject: Callable[..., Any],
    *,
    like: str | Spec,
    device: str = "cpu",
    checks: Iterable[str] = (),
    level: str = "quick",
    drop_in: bool = False,
    strict: bool = False,
    by_hand: bool = False,
    **domain: Unpack[Claims],
) -> Report:
    """Judge an implementation here and now, and return the report; Ctrl-C keeps what was measured.

    Args and raises are those of `conforms`.

    Example:
        >>> import torch
        >>> check(torch.nn.GELU, like="GELU", checks=["shape"]).passed
        True
    """
    claims = Domain(**domain)
    started, report = time.perf_counter(), Report(accepted=claims.accepted, strict=strict or drop_in)
    wanted = conforms(
        subject, to=like, device=device, checks=checks, level=level,
        drop_in=drop_in, strict=strict, by_hand=by_hand, **domain,
    )  # fmt: skip
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
