"""Binding: how the arguments of a case reach a subject whose signature is not native's, decided once, up front.

The reference's signature is native's. An argument goes to the subject's own of that name (or of the name its domain
declares), else to the one at its place if that has a name of its own, as `x` for `input`. An argument that the
subject lacks is left away where the case only spells out native's default; otherwise the case is not for this subject.
Where the subject has another default, native's is spelled out.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from refops.parity.domain import Domain

Parameter = inspect.Parameter
Call = tuple[tuple[Any, ...], dict[str, Any]]
_OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class NotOfferedError(BaseException):
    """A case needs an argument, or a value of one, that the subject does not offer.

    It ends the case: like Ctrl-C, nobody's `except Exception` takes it for something that the subject raised.
    """


def signature(target: Any) -> inspect.Signature | None:
    """The signature, or None where Python cannot tell: builtins, scripted code."""
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Binding:
    """From native's signature to a subject's own.

    Args:
        native: the reference's signature.
        own: the subject's.
        domain: what the subject's author declared.
        preset: what a `functools.partial` has set already, by own name.
    """

    native: inspect.Signature
    own: inspect.Signature
    domain: Domain
    preset: Mapping[str, Any]

    @classmethod
    def of(cls, native: Any, target: Any, domain: Domain, skip: int = 0) -> Binding | None:
        """The binding of a call, `skip` leading arguments left alone; None where the subject takes what comes."""
        theirs, own = signature(native), signature(target)
        if theirs is None or own is None:
            return None
        preset: dict[str, Any] = dict(target.keywords) if isinstance(target, functools.partial) else {}
        return cls(_without(theirs, skip), _without(own, skip), domain, preset)

    def name(self, native: str) -> str:
        """The subject's own name of an argument, as declared."""
        return self.domain.arguments.get(native, native)

    @functools.cached_property
    def places(self) -> dict[str, str]:
        """Native's names to the subject's own, for every argument that the subject has."""
        own = {n: p for n, p in self.own.parameters.items() if p.kind not in _OPEN}
        theirs = [p for p in self.native.parameters.values() if p.kind not in _OPEN]
        spoken = {self.name(p.name) for p in theirs} | set(self.preset)
        in_order = [n for n, p in own.items() if p.kind is not Parameter.KEYWORD_ONLY and n not in self.preset]
        found: dict[str, str] = {}
        for i, parameter in enumerate(theirs):
            name = self.name(parameter.name)
            if parameter.name in self.domain.without:
                continue
            if name in own:
                found[parameter.name] = name
            elif i < len(in_order) and in_order[i] not in spoken and parameter.kind is not Parameter.KEYWORD_ONLY:
                found[parameter.name] = in_order[i]
        return found

    @property
    def open(self) -> bool:
        """Whether the subject takes any keyword: nothing can then be said to be lacking."""
        return any(p.kind is Parameter.VAR_KEYWORD for p in self.own.parameters.values())

    @property
    def passes_on(self) -> bool:
        """Whether the subject hands on whatever it is given, positional arguments too."""
        return any(p.kind is Parameter.VAR_POSITIONAL for p in self.own.parameters.values())

    def missing(self) -> list[str]:
        """Native's arguments that the subject lacks, the declared ones left away."""
        if self.open or self.passes_on:
            return []
        named = [p.name for p in self.native.parameters.values() if p.kind not in _OPEN]
        declared = {*self.domain.without, *self.domain.fixed}
        return [n for n in named if n not in self.places and n not in declared and n[0] != "_"]

    def settled(self) -> dict[str, Any]:
        """What is preset, by native's name: declared or by a partial."""
        back = {own: native for native, own in self.domain.arguments.items()}
        return {back.get(n, n): v for n, v in self.preset.items() if back.get(n, n) in self.native.parameters} | {
            n: v for n, v in self.domain.fixed.items() if n in self.native.parameters
        }

    def own_for_none(self) -> dict[str, Any]:
        """Declared defaults of arguments that are None in native, which leaves the choice open: `eps` of RMSNorm."""
        native = self.native.parameters
        return {n: v for n, v in self.domain.defaults.items() if n in native and native[n].default is None}

    def other_defaults(self) -> dict[str, tuple[Any, Any]]:
        """Arguments whose default is not native's: native's and the subject's own."""
        found = {}
        for native, own in self.places.items():
            theirs, ours = self.native.parameters[native].default, self.own.parameters[own].default
            if native in self.settled() or Parameter.empty in (theirs, ours):
                continue
            if not same(theirs, ours):
                found[native] = (theirs, ours)
        return found

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call for the subject.

        Raises:
            NotOfferedError: if the subject lacks an argument that the call needs.
        """
        if self.passes_on and not self.domain.arguments and not self.domain.without:
            return args, kwargs
        try:
            given = self.native.bind(*args, **kwargs).arguments
        except TypeError:
            return args, kwargs  # a call that native itself refuses: the subject is to refuse it too
        positional: list[Any] = []
        named: dict[str, Any] = {}
        settled = self.settled()
        for name, value in given.items():
            kind = self.native.parameters[name].kind
            if kind is Parameter.VAR_POSITIONAL:
                positional += value
            elif kind is Parameter.VAR_KEYWORD:
                named |= value
            elif name in settled:
                if not same(value, settled[name]):
                    lacking = name in self.domain.without
                    raise NotOfferedError(name if lacking else f"{name} other than {settled[name]!r}")
            elif name in self.places:
                own = self.places[name]
                chosen = self._required(own) or name in self.own_for_none()
                if value is None and chosen and self.native.parameters[name].default is None:
                    raise NotOfferedError(f"{name}=None")
                if self.own.parameters[own].kind is Parameter.POSITIONAL_ONLY or self._in_line(own, positional, named):
                    positional.append(value)
                else:
                    named[own] = value
            elif self.open and name not in self.domain.without:
                named[self.name(name)] = value
            elif not same(value, self.native.parameters[name].default):
                raise NotOfferedError(name)
        self._fill(given, named, settled)
        return tuple(positional), named

    def _fill(self, given: Mapping[str, Any], named: dict[str, Any], settled: Mapping[str, Any]) -> None:
        """Spell out native's default where the subject has another, or none."""
        for name, own in self.places.items():
            theirs = self.native.parameters[name].default
            if name in given or name in settled or theirs is Parameter.empty:
                continue
            if self._required(own) and theirs is None:
                raise NotOfferedError(f"{name}=None")
            if self._required(own) or name in self.other_defaults():
                named[own] = theirs

    def _required(self, own: str) -> bool:
        """Whether the subject must be given this argument."""
        return self.own.parameters[own].default is Parameter.empty

    def _in_line(self, own: str, positional: list[Any], named: dict[str, Any]) -> bool:
        """Whether the next positional place of the subject is this argument's."""
        parameters = [n for n in self.own.parameters if n not in self.preset]
        takes = self.own.parameters[own].kind is Parameter.POSITIONAL_OR_KEYWORD
        return takes and not named and parameters.index(own) == len(positional)


def same(a: Any, b: Any) -> bool:
    """Whether two argument values are equal; tensors never are, nor what cannot be compared."""
    if a is b:
        return True
    if isinstance(a, Tensor | nn.Module) or isinstance(b, Tensor | nn.Module):
        return False
    try:
        return bool(a == b)
    except Exception:
        return False


def _without(given: inspect.Signature, skip: int) -> inspect.Signature:
    """The signature less its first parameters; a method's `self` is skipped so."""
    return given.replace(parameters=list(given.parameters.values())[skip:])


def call_of(target: Callable[..., Any]) -> Any:
    """What holds the signature of calling this: a module's `forward`, else the callable itself."""
    return target.forward if isinstance(target, nn.Module) else target
