"""The check of whose work it is: a kernel that is to replace an operator must not call it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from refops.parity.case import Case
from refops.parity.checks import check
from refops.parity.checks.autograd import two
from refops.parity.judging.primitives import Recorder
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.spec import Spec
from refops.parity.subject import Instance


def _plain(name: str) -> str:
    """A name as it is the same for `LayerNorm`, `layer_norm` and `layer_norm_`."""
    return name.rpartition(".")[2].replace("_", "").lower()


class _Names(TorchFunctionMode):
    """Records the names of all functions of torch's that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.setdefault(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def _record(trial: Trial, instance: Instance, case: Case) -> tuple[Recorder, _Names]:
    """What is called and dispatched forward and back."""
    inputs, names = trial.inputs(case), _Names()
    with names, Recorder() as recorder:
        outputs = [o for o in trial.call(instance, case, inputs) if o.requires_grad]
        if outputs:
            torch.autograd.backward(outputs, [torch.ones_like(o) for o in outputs])
    return recorder, names


def _own(trial: Trial, case: Case) -> tuple[set[str], set[str]]:
    """Names of the functions that are the operator, and its aten operations: those of its name and no primitives.

    Attention is not softmax, nor is a loss the norm inside it: what an operator is made of may be called.
    """
    native = trial.build_native(case)
    if native.module is not None and any(native.module.children()):
        return set(), set()
    recorder, _ = _record(trial, native, case)
    named = {_plain(trial.spec.name), *(_plain(f) for f in list(recorder.functions)[:1])}
    operations = {name.removeprefix("aten.") for name in recorder.forbidden() if name.startswith("aten.")}
    return named, {o for o in operations if any(_alike(_plain(o), name) for name in named)}


def _alike(operation: str, name: str) -> bool:
    match = SequenceMatcher(None, operation, name, autojunk=False).find_longest_match()
    return match.size >= min(4, len(name))


def _replaceable(spec: Spec) -> bool:
    return spec.native is not None and not spec.name.startswith("tensor.")


@check(cases=two, contract="by-hand", applies=_replaceable)
def by_hand(trial: Trial, case: Case) -> Iterator[Finding]:
    """The operator that is to be replaced is not called, by any of its names, forward or back."""
    functions, operations = _own(trial, case)
    subject = trial.build_subject(case)
    for module in subject.module.modules() if subject.module is not None else ():
        if isinstance(trial.spec.native, type) and _forwards_as(module, trial.spec.native):
            yield _called(case, f"torch.nn.{trial.spec.native.__name__}.forward")
    recorder, names = _record(trial, subject, case)
    for name in names.seen:
        if _plain(name) in functions:
            yield _called(case, name)
    for name in recorder.operations:
        if name in operations:
            yield _called(case, f"aten.{name}")


def _forwards_as(module: nn.Module, native: type) -> bool:
    return getattr(type(module), "forward", None) is getattr(native, "forward", None)


def _called(case: Case, name: str) -> Finding:
    return Finding(repr(case), f"work done by hand must not call what it replaces, got {name}", kind="calls-native")
