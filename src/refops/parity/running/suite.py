"""The one test file behind `refops check`: pytest collects here what the command line asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refops.parity.case import Case
from refops.parity.running.conformance import Conformance, operator, reference
from refops.parity.running.declared import declared, domain_of, load, merged
from refops.parity.spec import Spec
from refops.parity.specs import all_specs, find
from refops.parity.subject import Operator


class FromOptions:
    """A conformance that is known only when pytest's options are."""

    def conformance(self, config: Any) -> Conformance:
        """What `--refops` asks for."""
        return conformance(json.loads(config.getoption("refops") or "{}"))


def conformance(asked: dict[str, Any]) -> Conformance:
    """The conformance for the options of one `refops check`."""
    names = asked.get("names", ())
    if any(":" in name for name in names):
        judged = [foreign(name, asked) for name in names]
    else:
        judged = [(spec, reference(spec)) for spec in (map(find, names) if names else all_specs())]
    return Conformance(
        tuple(judged), asked.get("device", "cpu"), tuple(asked.get("dtypes", ())), tuple(asked.get("checks", ())),
        asked.get("level", "quick"), asked.get("timeout") or 600.0,
    )  # fmt: skip


def foreign(name: str, asked: dict[str, Any]) -> tuple[Spec, Operator]:
    """A subject written `module:Name`, with what pyproject.toml and the command line say of it.

    Raises:
        ValueError: if neither says what it is like, or there is no such subject.
    """
    said = declared(Path.cwd()).get(name, {})
    like = asked.get("like") or said.get("like")
    if not like:
        raise ValueError(f"--like SPEC must say what {name} is to be judged as, for example --like LayerNorm")
    subject = load(name)
    if not callable(subject):
        raise ValueError(f"subject must be a class or a function, got {name!r}, which is {type(subject).__name__}")
    spec = spec_of(like, asked.get("cases", ()))
    flags = {k: bool(asked.get(k) or said.get(k)) for k in ("drop_in", "strict", "by_hand")}
    return spec, operator(subject, spec, domain_of(merged(said, asked.get("domain", {}))), **flags)


def spec_of(like: str, cases: Sequence[str]) -> Spec:
    """The spec of this name; written `module:name`, a `Spec`, or an eager reference with these cases.

    Raises:
        ValueError: if a reference comes without cases, or a name is none of these.
    """
    if ":" not in like:
        return find(like)
    found = load(like)
    if isinstance(found, Spec):
        return found
    if not callable(found):
        raise ValueError(f"--like must name a spec, or a Spec or reference as module:name, got {like!r}")
    if not cases:
        raise ValueError(
            f"--case must say what {like} is called with, for example --case 'called(real(4, 8), real(8))'"
        )
    return Spec.of(found, [Case.parse(text) for text in cases])


test = FromOptions()
