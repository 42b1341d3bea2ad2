"""The check on the meta device, where a tensor has a shape and a dtype, and no numbers that could be read back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from refops.parity.case import Case
from refops.parity.checks import check, differs
from refops.parity.checks.arrangement import steps
from refops.parity.checks.forms import some
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.subject import Operator


class NoAddresses(TorchFunctionMode):
    """Refuses the address of what has no memory: a kernel that went there would take the whole process with it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As ever, but for `data_ptr`."""
        if func is Tensor.data_ptr and args[0].is_meta:
            raise RuntimeError("data_ptr must not be asked of a meta tensor, which has no memory")
        return func(*args, **(kwargs or {}))


def on_meta(trial: Trial, operator: Operator, case: Case) -> list[Tensor]:
    """What an operator gives that was built and called without numbers; a backward pass must come back as well."""
    initial = [t.to("meta") for t in trial.initial(case)]
    with torch.device("meta"):
        instance = operator.build(case, initial, "meta")
    given = [t.detach().to("meta").requires_grad_(t.requires_grad) for t in trial.inputs(case)]
    with NoAddresses():
        outputs = trial.call(instance, case, given)
        sums = [o.sum() for o in outputs if o.requires_grad]
        if sums:
            torch.autograd.backward(sums)
    return outputs


def wanted(trial: Trial, case: Case) -> list[Tensor] | None:
    """What native gives on the meta device, None if it does not work there; where torch has none, numbers are used."""
    if trial.spec.native is None:
        return trial.call(trial.build_native(case), case, trial.inputs(case))
    try:
        return on_meta(trial, trial.native, case)
    except Exception:
        return None


@check(cases=some(4), dtypes=("float32",))
def meta(trial: Trial, case: Case) -> Iterator[Finding]:
    """On the meta device shapes and dtypes are native's, forward and backward run, and no number is read back."""
    native = wanted(trial, case)
    if native is None:
        return
    try:
        got = on_meta(trial, trial.subject, case)
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        yield Finding(repr(case), f"must run on the meta device, got {said}", grade="differs", kind="meta")
        return
    promoted = [n.shape == g.shape and n.dtype != g.dtype for n, g in zip(native, got, strict=False)]
    own = trial.call(trial.build_subject(case), case, trial.inputs(case)) if any(promoted) else []
    for i, (n, g) in enumerate(zip(native, got, strict=False)):
        name = f"on the meta device output[{i}]"
        if promoted[i] and i < len(own) and own[i].dtype == g.dtype:  # as it does with numbers
            yield differs(case, "promotes", f"{name} must be {n.dtype}, got {g.dtype}")
        else:
            yield from _alike(trial, case, name, n, g)


def _alike(trial: Trial, case: Case, name: str, native: Tensor, got: Tensor) -> Iterator[Finding]:
    def found(must: str, grade: str = "differs") -> Finding:
        return Finding(repr(case), f"{name} must {must}", grade=grade, kind="meta")

    if (native.shape, native.dtype) != (got.shape, got.dtype):
        shapes = f"{tuple(native.shape)}, got {got.dtype} of {tuple(got.shape)}"
        yield found(f"be {native.dtype} of shape {shapes}", grade="wrong")
    elif not got.is_meta:
        yield found(f"be a meta tensor, got one on {got.device}")
    elif trial.subject.drop_in and trial.spec.native is not None and steps(native) != steps(got):
        yield found(f"have strides {native.stride()} like native's, got {got.stride()}")
