"""Checks of state and conduct: modes, buffers, saving, copying, refusing; and the drop-in contract."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator

import torch

from refops.parity.case import Case
from refops.parity.checks import check, differs
from refops.parity.checks.forms import ERRORS, every_row, first_row, shapes_or_error, some
from refops.parity.judging.draw import seed_global
from refops.parity.judging.primitives import Recorder
from refops.parity.judging.trial import Trial
from refops.parity.matching import matched
from refops.parity.record import Finding
from refops.parity.spec import Refusal, Spec
from refops.parity.subject import Instance

MODULE = ("module",)


def in_eval(trial: Trial) -> Iterator[Case]:
    """Every row in evaluation mode; at the quick level the first six, outside float32 two."""
    seen = [row for row in dict.fromkeys(r.but(mode="eval") for r in trial.rows(None)) if trial.deterministic(row)]
    yield from seen if trial.full else seen[: 6 if trial.dtype == "float32" else 2]


@check(cases=in_eval, kinds=MODULE, dtypes=("float64", "float32", "bfloat16"))
def modes(trial: Trial, case: Case) -> Iterator[Finding]:
    """In evaluation mode outputs are native's, whatever was trained before, and training mode comes back."""
    subject = trial.build_subject(case)
    with torch.no_grad():
        got = trial.call(subject, case, trial.inputs(case))
    yield from trial.judge(case, got, what="in eval mode ", forward=True)
    module = subject.module
    if module is not None and (module.training or not module.train().training):
        yield Finding(repr(case), "train() and eval() must set the mode of the module", kind="train-eval")


def _remembers(spec: Spec) -> bool:
    return spec.kind == "module"


def in_training(trial: Trial) -> Iterator[Case]:
    """The rows in training mode; outside float32 fewer."""
    yield from trial.rows() if trial.dtype == "float32" else trial.spread(trial.rows(), 4)


@check(cases=in_training, kinds=MODULE, dtypes=None, applies=_remembers)
def buffers(trial: Trial, case: Case) -> Iterator[Finding]:
    """Buffers hold native's values after several batches, in place and without a graph."""
    native = trial.build_native(case)
    counted = {k: v for k, v in native.own_state().items() if k not in native.parameters()}
    if not counted:
        return
    subject = trial.build_subject(case)
    exact = trial.oracle.build(case.but(dtype="float64"), trial.drawn(case)[0])
    exact = matched(trial.oracle, exact, native.own_state())
    exact.load(native.own_state())
    live = {k: v for k, v in subject.state().items() if k in counted}
    for missing in counted.keys() - live.keys():
        if counted[missing].is_floating_point():
            yield Finding(repr(case), f"{missing} must be kept as a buffer")
        else:  # a count of batches decides no output but where it is averaged with, and then the others are wrong
            yield differs(case, f"no-{missing}", f"{missing} is not kept")
    for seed in range(3):
        batch = case.but(
            seed=seed, regime="offset" if seed == 1 and trial.dtype in ("float32", "float64") else "ordinary"
        )
        for instance in (native, subject):
            trial.call(instance, batch, trial.inputs(batch))
        trial.call(exact, batch, trial.inputs(batch.but(dtype="float64"), trial.drawn(batch)[1], "cpu"))
    for name, tensor in live.items():
        now = subject.state()[name]
        if now is not tensor:
            yield differs(case, "rebinds-buffers", f"{name} must be updated in place, it was rebound to another tensor")
        if now.requires_grad or now.grad_fn is not None:
            yield Finding(repr(case), f"{name} must be detached from the graph")
        yield from _held(trial, case, name, native, exact, now)


def _held(
    trial: Trial, case: Case, name: str, native: Instance, exact: Instance, now: torch.Tensor
) -> Iterator[Finding]:
    """One buffer against its truth: a batch's rounding per batch, or native's error where that is more."""
    truth, theirs = exact.state()[name].double().cpu(), native.state()[name].detach().cpu()
    if not now.is_floating_point():
        if not torch.equal(now.cpu(), theirs):
            yield Finding(repr(case), f"{name} must be {theirs.tolist()}, got {now.tolist()}")
        return
    from refops.parity.judging.budget import SLACK, Budget, ulp

    unit = ulp(truth.abs().clamp(min=float(truth.abs().max()) / 16), theirs.dtype) * 2
    units = ((theirs.double() - truth).abs() / unit).clamp(min=1)
    yield from trial.compare(
        case, [Budget(name, theirs.dtype, truth, SLACK * unit * units, theirs, units)], [now.detach().cpu()]
    )


@check(cases=first_row, kinds=MODULE)
def state(trial: Trial, case: Case) -> Iterator[Finding]:
    """Everything that decides the outputs is in `state_dict`: saved and loaded into a fresh module, nothing changes."""
    subject = trial.build_subject(case)
    module = subject.module
    if module is None:
        given = type(subject.function).__name__
        yield differs(case, "no-module", f"subject must build a torch.nn.Module to have a state, got {given}")
        return
    trial.call(subject, case, trial.inputs(case))
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    seed_global(case.seed + 1)
    fresh = trial.subject.build(case, trial.initial(case), trial.device)
    fresh = Instance(fresh.function, subject.names)
    assert_module = fresh.module
    if assert_module is None:
        return
    assert_module.load_state_dict(torch.load(file, weights_only=True))
    for mode in ("eval", "train"):
        at = case.but(mode=mode)
        module.train(mode == "train")
        assert_module.train(mode == "train")
        pairs = zip(trial.call(subject, at, trial.inputs(at)), trial.call(fresh, at, trial.inputs(at)), strict=True)
        if any(not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs):
            yield Finding(
                repr(at), f"a fresh module with the saved state_dict must give the same output in {mode} mode"
            )


@check(cases=first_row, kinds=MODULE)
def copy_(trial: Trial, case: Case) -> Iterator[Finding]:
    """Deep copies and pickles give the same outputs and share nothing with the original."""
    subject = trial.build_subject(case)
    ways = {"copy.deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m))}
    if "<locals>" in getattr(type(subject.function), "__qualname__", ""):
        del ways["pickle"]  # Python itself cannot pickle what is defined inside a function
    expected = trial.call(subject, case, trial.inputs(case))
    subject = trial.build_subject(case)
    for name, way in ways.items():
        twin = Instance(way(subject.function), subject.names)
        for tensor in twin.state().values():
            with torch.no_grad():
                tensor.add_(1)
        if any(
            torch.equal(a, b) for a, b in zip(subject.state().values(), twin.state().values(), strict=True) if a.numel()
        ):
            yield Finding(repr(case), f"{name} must copy the state, it is shared with the original")
        for tensor in twin.state().values():
            with torch.no_grad():
                tensor.sub_(1)
        twin.load(subject.state())
        got = trial.call(twin, case, trial.inputs(case))
        held = {k: v.detach().clone() for k, v in subject.state().items()}
        if any(not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(expected, got, strict=True)):
            yield Finding(repr(case), f"{name} must compute with its own state, its output differs from the original's")
        subject.load(held)
        subject = trial.build_subject(case)


def refused_cases(trial: Trial) -> Iterator[Case]:
    """The cases native refuses."""
    for refusal in trial.spec.refusals:
        yield refusal.case.but(dtype=trial.dtype)


def _refusal(trial: Trial, case: Case) -> Refusal:
    settled = trial.subject.settled
    return next(r for r in trial.spec.refusals if settled(r.case.but(dtype=trial.dtype)) == case)


@check(cases=refused_cases, applies=lambda spec: bool(spec.refusals))
def refusals(trial: Trial, case: Case) -> Iterator[Finding]:
    """What native refuses is refused, at construction or at the call."""
    native, got = (shapes_or_error(trial, o, case, grad=True) for o in (trial.native, trial.subject))
    if trial.spec.native is not None and not isinstance(native, Exception):
        yield Finding(repr(case), "the spec lists a refusal that native accepts", kind="spec")
    elif not isinstance(got, Exception):
        argument = _refusal(trial, case).argument
        yield differs(
            case, f"accepts-{argument}", f"must be refused for its {argument}, got output of shape {_shapes(got)}"
        )


def _shapes(got: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, got)) or "nothing"


@check(cases=refused_cases, contract="drop-in", applies=lambda spec: bool(spec.refusals))
def exceptions(trial: Trial, case: Case) -> Iterator[Finding]:
    """Errors have native's type, and the message names the argument."""
    native, got = (shapes_or_error(trial, o, case, grad=True) for o in (trial.native, trial.subject))
    if not isinstance(got, Exception):
        return
    if isinstance(native, Exception) and not isinstance(got, type(native)):
        message = f"must raise {type(native).__name__} as native does, got {type(got).__name__}: {got}"
        yield differs(case, "raises-another", message)
    argument = _refusal(trial, case).argument
    if trial.subject.reference and argument not in str(got):
        yield differs(case, "raises-unnamed", f"the message must name {argument}, got {str(got)!r}")


@check(cases=every_row, kinds=MODULE, contract="drop-in", compares=True)
def keys(trial: Trial, case: Case) -> Iterator[Finding]:
    """state_dict has native's keys, shapes and dtypes, and loads from native and into native."""
    native = trial.native.build(case, trial.initial(case), trial.device).module
    subject = trial.subject.build(case, trial.initial(case), trial.device).module
    if native is None or subject is None:
        yield differs(case, "no-module", "a drop-in must be a torch.nn.Module")
        return
    theirs, ours = ({k: (tuple(v.shape), v.dtype) for k, v in m.state_dict().items()} for m in (native, subject))
    if list(theirs.items()) != list(ours.items()):
        yield differs(case, "keys", f"state_dict must hold {theirs}, got {ours}")
        return
    try:
        subject.load_state_dict(native.state_dict())
        native.load_state_dict(subject.state_dict())
    except ERRORS as error:
        yield differs(case, "keys", f"state_dict must load both ways, got {type(error).__name__}: {error}")


@check(cases=every_row, kinds=MODULE, contract="drop-in", compares=True)
def init(trial: Trial, case: Case) -> Iterator[Finding]:
    """From one seed, initial values equal native's bit for bit, and the generator is left in the same place."""
    drawn = []
    for operator in (trial.native, trial.subject):
        seed_global(7)
        drawn.append((operator.build(case, trial.initial(case), trial.device).own_state(), torch.rand(1)))
    (native, follows), (subject, follows_too) = drawn
    for name in native.keys() & subject.keys():
        if not torch.equal(native[name], subject[name]):
            off = float((native[name] - subject[name]).abs().max())
            yield differs(case, "init", f"{name} must start from native's values, it is off by {off:.3g}")
    if not torch.equal(follows, follows_too):
        yield differs(case, "init", "construction must draw as many random numbers as native's")


@check(cases=every_row, kinds=MODULE, contract="drop-in", compares=True)
def repr_(trial: Trial, case: Case) -> Iterator[Finding]:
    """`repr` is native's, but for the class's own name."""
    built = [o.build(case, trial.initial(case), trial.device).module for o in (trial.native, trial.subject)]
    native, subject = ("" if m is None else repr(m).removeprefix(m._get_name()) for m in built)
    if native != subject:
        yield differs(case, "repr", f"repr must be {native!r}, got {subject!r}")


@check(cases=some(4), contract="reference")
def primitives(trial: Trial, case: Case) -> Iterator[Finding]:
    """The forward pass is made of primitive tensor operations alone, never of what torch.nn.functional offers."""
    subject = trial.build_subject(case)
    given = trial.inputs(case)
    with Recorder() as recorder:
        trial.call(subject, case, given)
    for name in recorder.forbidden():
        yield Finding(
            repr(case), f"a reference must not call {name}: it is no primitive (see `refops list --primitives`)"
        )
