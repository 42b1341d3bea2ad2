"""The check of `torch.export`: the operator as a graph without Python, to be run where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from refops.parity.case import Arguments, Case, fill
from refops.parity.checks import check
from refops.parity.checks.contexts import one, shortened
from refops.parity.judging.draw import seed_global
from refops.parity.judging.trial import Trial, flatten
from refops.parity.record import Finding
from refops.parity.subject import Instance


class Whole(nn.Module):
    """One call of an operator as a module whose inputs are the call's tensors alone; all else is part of the module."""

    def __init__(self, instance: Instance, call: Arguments):
        super().__init__()
        self.operator, self.instance, self.call = instance.function, instance, call  # a module is seen where it stands

    def forward(self, *tensors: Tensor) -> Any:
        """The call."""
        args, kwargs = fill(self.call, iter(tensors))
        return self.instance(*args, **kwargs)


@check(cases=one, level="full", dear=True)
def export(trial: Trial, case: Case) -> Iterator[Finding]:
    """`torch.export` takes what it takes of native's, and the exported program gives outputs within the budget."""
    inputs = tuple(t.detach() for t in trial.inputs(case))

    def exported(instance: Instance) -> Any:
        whole = Whole(instance, case.call).train(case.mode == "train")
        return torch.export.export(whole, inputs, strict=False).module()

    try:
        program = exported(trial.build_subject(case))
    except Exception as error:
        if trial.spec.native is None or _works(exported, trial.build_native(case)):
            message = f"torch.export must take it as it takes native, got {type(error).__name__}: {shortened(error)}"
            yield Finding(repr(case), message, grade="differs", kind="export")
        return
    seed_global(case.seed)
    with torch.no_grad():
        got = flatten(program(*inputs))
    yield from trial.judge(case, got, None, "exported, ")


def _works(exported: Any, native: Instance) -> bool:
    try:
        exported(native)
    except Exception:
        return False
    return True
