"""All specs, found by looking: every module of this package that has `SPECS`.

Adding a family is adding its file here; nothing lists the files.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from refops.parity.spec import Spec


class UnknownSpecError(LookupError):
    """No spec has this name; the message gives the nearest."""


@cache
def registry() -> dict[str, Spec]:
    """Every spec by name.

    Raises:
        ValueError: if two specs share a name.
    """
    found: dict[str, Spec] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.name.startswith("_"):
            continue
        for spec in importlib.import_module(f"{__name__}.{info.name}").SPECS:
            if spec.name in found:
                raise ValueError(f"name must be unique among specs, got {spec.name!r} twice")
            found[spec.name] = spec
    return found


def all_specs() -> tuple[Spec, ...]:
    """Every spec, family by family."""
    return tuple(registry().values())


def find(name: str) -> Spec:
    """The spec of this name; upper and lower case, and a leading `torch.nn.`, `torch.` or `nn.`, do not matter.

    Raises:
        UnknownSpecError: with the nearest names.

    Example:
        >>> find("torch.nn.LayerNorm").name
        'LayerNorm'
    """
    specs = registry()
    plain = name.strip()
    for prefix in ("torch.nn.", "torch.", "refops.nn.", "refops.", "nn."):
        plain = plain.removeprefix(prefix)
    folded: dict[str, list[str]] = {}
    for known in specs:
        folded.setdefault(known.casefold(), []).append(known)
    exact = [plain] if plain in specs else folded.get(plain.casefold(), [])
    if len(exact) == 1:
        return specs[exact[0]]
    near = [n for k in difflib.get_close_matches(plain.casefold(), folded, n=4, cutoff=0.5) for n in folded[k]]
    near += [n for n in specs if n.casefold().rpartition(".")[2] == plain.casefold() and n not in near]
    hint = f"; nearest: {', '.join(near[:4])}" if near else "; `refops list` shows all names"
    raise UnknownSpecError(f"no spec is named {name!r}{hint}")
