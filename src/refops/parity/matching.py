"""Matching: which of a subject's parameters and buffers is which of native's.

By what its author declared, then by name, then by shape. Where several of one shape are left the choice is open:
`assignments` gives every way, those first whose initial values are native's (a weight starts at 1, a bias at 0), and
whoever can run the subject decides between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import torch
from torch import Tensor, nn

from refops.parity.domain import Change, ClaimError, Place
from refops.parity.subject import Instance, Operator

MOST = 24  # ways to try where names do not tell: four tensors of one shape


class MappingError(LookupError):
    """A parameter of native's has no counterpart in the subject."""


def matched(operator: Operator, instance: Instance, native: Mapping[str, Tensor]) -> Instance:
    """The likeliest of `assignments`.

    Raises:
        MappingError: if a native parameter has no counterpart.
        ClaimError: if a declared counterpart does not exist or has another shape.
    """
    return next(assignments(operator, instance, native))


def assignments(operator: Operator, instance: Instance, native: Mapping[str, Tensor]) -> Iterator[Instance]:
    """Every way to give native's names the subject's own, the likeliest first; most subjects have one.

    Raises:
        MappingError, ClaimError: as for `matched`.
    """
    if instance.module is None:
        yield replace(instance, wanted=_wanted(native))
        return
    own = instance.own_state()
    names, changes = _declared(operator, own, native)
    names |= {k: k for k, v in native.items() if k not in names and k in own and own[k].shape == v.shape}
    left = [k for k in native if k not in names]
    found = False
    for pairs in _by_shape(left, native, {k: v for k, v in own.items() if k not in names.values()}):
        every = names | pairs
        missing = [k for k, v in native.items() if k not in every and isinstance(v, nn.Parameter)]
        if missing:
            raise MappingError(_sentence(missing, native, own))
        found = True
        ordered = {k: every[k] for k in native if k in every}
        yield replace(instance, names=ordered, changes=changes, wanted=_wanted(native))
    if not found:
        raise MappingError(_sentence(left, native, own))


def _wanted(native: Mapping[str, Tensor]) -> tuple[str, ...]:
    return tuple(k for k, v in native.items() if isinstance(v, nn.Parameter) and v.requires_grad)


def _sentence(missing: list[str], native: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    needed = ", ".join(f"{k} {tuple(native[k].shape)}" for k in missing)
    shapes = ", ".join(f"{k} {tuple(v.shape)}" for k, v in own.items()) or "none"
    return f"the subject has no counterpart for {needed}; its own state: {shapes} (state= names it, if it is there)"


def _declared(
    operator: Operator, own: Mapping[str, Tensor], native: Mapping[str, Tensor]
) -> tuple[dict[str, str], dict[str, tuple[Change, Change]]]:
    """The counterparts the author named, and the changes of form between them."""
    names: dict[str, str] = {}
    changes: dict[str, tuple[Change, Change]] = {}
    for key, place in operator.domain.state.items():
        if key not in native:
            continue
        name, load, read = _place(place)
        if name not in own:
            raise ClaimError(f"state must name tensors of the subject, got {name!r} for {key}; it has {', '.join(own)}")
        if load is not None and read is not None:
            changes[key] = (load, read)
            value = native[key].detach()
            if not torch.equal(read(load(value)), value):
                raise ClaimError(f"state must give {key} a way back: read(load(value)) is not value")
        shape = native[key].shape if load is None else load(native[key].detach()).shape
        if own[name].shape != shape:
            raise ClaimError(
                f"state must give {key} a tensor of shape {tuple(shape)}, {name} has {tuple(own[name].shape)}"
            )
        names[key] = name
    return names, changes


def _place(place: Place) -> tuple[str, Change | None, Change | None]:
    if isinstance(place, str):
        return place, None, None
    name, load, *read = place
    return name, load, read[0] if read else load


def _by_shape(left: list[str], native: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """Ways to pair what is left, tensors of one shape and sort with each other."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in left:
        groups.setdefault(_sort(native[name]), []).append(name)
    ways: list[list[dict[str, str]]] = []
    for sort, names in groups.items():
        candidates = [k for k, v in own.items() if _sort(v) == sort]
        if len(candidates) < len(names):
            names = names[: len(candidates)]
        pairings = [dict(zip(names, chosen, strict=True)) for chosen in permutations(candidates, len(names))][:MOST]
        pairings.sort(key=lambda pairs: sum(not _starts_alike(native[k], own[v]) for k, v in pairs.items()))
        ways.append(pairings or [{}])
    yield from _products(ways)


def _products(ways: list[list[dict[str, str]]]) -> Iterator[dict[str, str]]:
    if not ways:
        yield {}
        return
    for first in ways[0]:
        for rest in _products(ways[1:]):
            yield first | rest


def _sort(tensor: Tensor) -> tuple[object, ...]:
    return tuple(tensor.shape), isinstance(tensor, nn.Parameter), tensor.is_floating_point()


def _starts_alike(native: Tensor, own: Tensor) -> bool:
    """Whether both start from one constant, or neither from any."""
    theirs, ours = native.detach().double().flatten(), own.detach().double().flatten()
    if not theirs.numel():
        return True
    constant = bool((theirs == theirs[0]).all()), bool((ours == ours[0]).all())
    return constant == (False, False) or (constant == (True, True) and bool(theirs[0] == ours[0]))
