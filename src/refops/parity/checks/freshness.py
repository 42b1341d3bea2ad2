"""Checks of what is kept between calls: a packed copy of the weights, a remembered answer, a buffer given out twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from refops.parity.case import Case, fill
from refops.parity.checks import check
from refops.parity.checks.autograd import two
from refops.parity.checks.contexts import near, shortened
from refops.parity.judging.draw import seed_global
from refops.parity.judging.runner import plain
from refops.parity.judging.trial import Trial
from refops.parity.matching import MappingError
from refops.parity.record import Finding
from refops.parity.subject import Instance

States = dict[str, Tensor]


def evaluated(trial: Trial) -> Iterator[Case]:
    """The first rows with a state, in evaluation mode."""
    for row in two(trial):
        if trial.build_native(row).own_state():
            yield row.but(mode="eval")


def _in_place(module: nn.Module, new: States) -> None:
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        for name, value in new.items():
            own[name].copy_(value)


def _by_data(module: nn.Module, new: States) -> None:
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, value in new.items():
        own[name].data = value.to(own[name].dtype).clone()


def _loaded(module: nn.Module, new: States) -> None:
    module.load_state_dict({**module.state_dict(), **new})


def _assigned(module: nn.Module, new: States) -> None:
    module.load_state_dict({**module.state_dict(), **{k: v.clone() for k, v in new.items()}}, assign=True)


def _stepped(module: nn.Module, new: States) -> None:
    own = dict(module.named_parameters())
    moved = {k: v for k, v in own.items() if k in new and v.requires_grad}
    for name, parameter in moved.items():
        parameter.grad = parameter.detach() - new[name].to(parameter)
    if moved:
        torch.optim.SGD(moved.values(), lr=1.0).step()
    for parameter in moved.values():
        parameter.grad = None


def _widened(module: nn.Module, new: States) -> None:
    module.double()
    _in_place(module, new)
    module.float()


WAYS: dict[str, Callable[[nn.Module, States], None]] = {
    "a change in place": _in_place,
    "a change of .data": _by_data,
    "load_state_dict": _loaded,
    "load_state_dict(assign=True)": _assigned,
    "an optimizer's step": _stepped,
    "a way through .double() and .float()": _widened,
}


@check(cases=evaluated, kinds=("module",))
def fresh(trial: Trial, case: Case) -> Iterator[Finding]:
    """After any change of its state, a layer that was called before answers by the state it has now."""
    other = trial.state(trial.build_native(case), case.seed + 1)
    for what, way in WAYS.items():
        used = trial.build_subject(case)
        module = used.module
        if module is None:
            return
        _answer(trial, used, case)
        new = {used.names[k]: v.to(used.state()[k]) for k, v in other.items() if k in used.names}
        try:
            way(module, new)
            got = _answer(trial, used, case)
        except Exception as error:
            told = f"{type(error).__name__}: {shortened(error)}"
            yield Finding(
                repr(case), f"must answer after {what}, got {told}", grade="differs", kind="refuses-new-state"
            )
            continue
        yield from _same(trial, case, _new_with_state_of(trial, case, module), got, what)


def _answer(trial: Trial, instance: Instance, case: Case) -> list[Tensor]:
    with torch.no_grad():
        return [o.detach().clone() for o in trial.call(instance, case, trial.inputs(case))]


def _new_with_state_of(trial: Trial, case: Case, module: nn.Module) -> Instance:
    """A subject that was never called, holding what `module` holds now."""
    new = trial.subject.build(case, trial.initial(case), trial.device)
    if new.module is None:
        raise MappingError(f"subject must build a torch.nn.Module each time, got {type(new.function).__name__}")
    held = {k: v.detach().clone() for k, v in (*module.named_parameters(), *module.named_buffers())}
    _in_place(new.module, held)
    return new


def _same(trial: Trial, case: Case, new: Instance, got: list[Tensor], what: str) -> Iterator[Finding]:
    wanted = _answer(trial, new, case)
    for i, (w, g) in enumerate(zip(wanted, got, strict=True)):
        if not near(trial, case, w, g):
            message = f"after {what} output[{i}] must be that of a new layer with the same state: something is stale"
            yield Finding(repr(case), message, where=f"output[{i}]", kind="stale-state")


@check(cases=two)
def results(trial: Trial, case: Case) -> Iterator[Finding]:
    """Results are plain tensors and the caller's own; the same memory with other numbers gives another answer."""
    subject = trial.build_subject(case)
    held = {k: v.detach().clone() for k, v in subject.state().items()}
    given = [t.detach() for t in trial.inputs(case)]
    first = _raw(trial, subject, case, given)
    yield from _of_class(case, first)
    kept = [plain(o).clone() for o in first]
    apart = [not any(_shares(plain(o), t) for t in given) for o in first]
    others = [t.detach() for t in trial.inputs(case.but(seed=case.seed + 1))]
    for tensor, numbers in zip(given, others, strict=True):
        if not _overlaps(tensor):
            tensor.data.copy_(numbers)  # behind autograd's back: no version counter tells of it
    subject.load(held)
    now = [t.clone() for t in given]
    second = [plain(o).clone() for o in _raw(trial, subject, case, given)]
    for i, (before, after, own) in enumerate(zip(kept, map(plain, first), apart, strict=True)):
        if own and not _equal(before, after):
            message = f"output[{i}] must be left alone by a second call, it was overwritten"
            yield Finding(repr(case), message, where=f"output[{i}]", kind="shared-buffer")
    new = trial.build_subject(case)
    new.load(held)
    wanted = [plain(o) for o in _raw(trial, new, case, now)]
    for i, (w, g) in enumerate(zip(wanted, second, strict=False)):
        if not near(trial, case, w, g):
            message = f"output[{i}] must be that of the numbers now in the inputs' memory, it is another"
            yield Finding(repr(case), message, where=f"output[{i}]", kind="remembered-answer")


def _raw(trial: Trial, subject: Instance, case: Case, given: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        args, kwargs = fill(case.call, iter(given))
        seed_global(case.seed)
        return list(_tensors(subject(*args, **kwargs)))


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in a returned value, of whatever class."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _of_class(case: Case, outputs: list[Tensor]) -> Iterator[Finding]:
    for i, output in enumerate(outputs):
        if type(output) not in (Tensor, nn.Parameter):
            message = f"output[{i}] must be a plain tensor as native's is, got {type(output).__qualname__}"
            yield Finding(repr(case), message, where=f"output[{i}]", grade="differs", kind="tensor-subclass")


def _shares(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _overlaps(tensor: Tensor) -> bool:
    return any(n > 1 and s == 0 for n, s in zip(tensor.shape, tensor.stride(), strict=True))


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.nan_to_num(), b.nan_to_num())
