"""The check of tensor operations: not only the numbers but where they lie must be native's."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from refops.parity.case import Case
from refops.parity.checks import check, differs
from refops.parity.judging.draw import LAYOUTS
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.spec import Spec
from refops.parity.subject import Instance

SHARED = "the storage of input"  # a view that is none does not pass on what is written to it


def _arranges(spec: Spec) -> bool:
    return spec.name.startswith("tensor.")


def every_layout(trial: Trial) -> Iterator[Case]:
    """Every row as it stands, the first rows also in every memory layout."""
    for i, row in enumerate(trial.rows()):
        yield row
        if i < 4 or trial.full:
            yield from (row.but(layout=layout) for layout in LAYOUTS)


@check(cases=every_layout, kinds=("function",), dtypes=("float32",), applies=_arranges)
def views(trial: Trial, case: Case) -> Iterator[Finding]:
    """A result is a view where native's is: the same storage, strides, offset and version counter."""
    seen = [_places(trial, instance, case) for instance in (trial.build_native(case), trial.build_subject(case))]
    for i, (wanted, got) in enumerate(zip(*seen, strict=False)):
        for what, theirs in wanted.items():
            if got.get(what) != theirs:
                message = f"output[{i}] must have {what} {theirs} as native's has, got {got.get(what)}"
                yield Finding(repr(case), message) if what == SHARED else differs(case, "views", message)


def _places(trial: Trial, instance: Instance, case: Case) -> list[dict[str, object]]:
    """For every output: which input it is a view of, how it lies, and whether a change of that input counts for it."""
    given = [t.detach() for t in trial.inputs(case)]
    try:
        outputs = trial.call(instance, case, given)
    except (RuntimeError, ValueError) as error:
        return [{"the error": type(error).__name__}]
    before = [o._version for o in outputs]
    for tensor in given:
        _touch(tensor)
    return [_place(output, _owner(output, given), v) for output, v in zip(outputs, before, strict=True)]


def _place(output: Tensor, owner: int | None, version: int) -> dict[str, object]:
    """How a result lies; the strides of one that has its own memory are its own matter."""
    place: dict[str, object] = {SHARED: owner}
    if owner is not None:
        place |= {"strides": tuple(output.stride()), "offset": output.storage_offset()}
    return place | {"a version counter moved by the input": output._version != version}


def _owner(output: Tensor, given: list[Tensor]) -> int | None:
    storages = [t.untyped_storage()._cdata for t in given]
    own = output.untyped_storage()._cdata
    return storages.index(own) if own in storages else None


def _touch(tensor: Tensor) -> None:
    """Count a change of this tensor, whatever its layout: overlapping memory refuses a real one."""
    torch.autograd.graph.increment_version(tensor)
