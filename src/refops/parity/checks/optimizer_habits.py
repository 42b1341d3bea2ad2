"""Checks of optimizers: what they do around their steps. Gradients, states, copies, hooks, refused arguments."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from refops.parity.case import Case
from refops.parity.checks import check, differs
from refops.parity.checks.optimizer import OPTIMIZER, first, rows
from refops.parity.judging.primitives import Recorder
from refops.parity.judging.scenarios import HALFWAY, feed, grouped, key, snapshot, train
from refops.parity.judging.training import Training
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding


@check(cases=rows, kinds=OPTIMIZER)
def gradients(trial: Trial, case: Case) -> Iterator[Finding]:
    """`step` only reads gradients and leaves parameters without one alone; `zero_grad` removes them, or fills zeros."""
    training = Training(trial, case.but(regime="missing"))
    params = training.params()
    optimizer = training.make()(grouped(params))
    wraps = "base" in (case.init.keywords if case.init else {})  # a wrapper moves parameters when it synchronises
    for t, now in enumerate(training.grads):
        feed(params, now)
        given, before = [p.grad for p in params], snapshot(params)
        kept = [None if g is None else g.detach().clone() for g in given]
        optimizer.step()
        for i, (param, grad, copied) in enumerate(zip(params, given, kept, strict=True)):
            if param.grad is not grad or (grad is not None and copied is not None and not torch.equal(grad, copied)):
                yield Finding(
                    repr(case), f"step must leave p.grad alone, that of parameter {i} changed in step {t + 1}"
                )
                return
            if grad is None and not wraps and not torch.equal(param, before[i]):
                yield Finding(repr(case), f"step must skip parameter {i}, which has no gradient, in step {t + 1}")
                return
    optimizer.zero_grad(set_to_none=False)
    if any(p.grad is not None and p.grad.any() for p in params):
        yield differs(case, "zero-grad", "zero_grad(set_to_none=False) must fill gradients with zeros")
    optimizer.zero_grad()
    if any(p.grad is not None for p in params):
        yield differs(case, "zero-grad", "zero_grad() must set gradients to None, got tensors left")


@check(cases=rows, kinds=OPTIMIZER)
def resume(trial: Trial, case: Case) -> Iterator[Finding]:
    """A state saved in mid-training, loaded with weights_only into a fresh instance, continues bit for bit."""
    training = Training(trial, case)
    params = training.params()
    optimizer = training.make()(grouped(params))
    train(optimizer, params, training.grads[:HALFWAY])
    for group in optimizer.param_groups:
        name = key(group, "lr")
        group[name] = group[name] * 0.5  # hyperparameters belong to the state
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    try:
        state = torch.load(file, weights_only=True)
    except pickle.UnpicklingError as error:
        message = f"state_dict must load with weights_only=True, got {str(error).splitlines()[0]}"
        yield differs(case, "weights-only", message)
        return
    again: list[Tensor] = [Parameter(p) for p in snapshot(params)]
    fresh = training.make()(grouped(again))
    fresh.load_state_dict(state)
    whole = train(optimizer, params, training.grads[HALFWAY:])
    yield from _same(case, whole, train(fresh, again, training.grads[HALFWAY:]), "training after load_state_dict")


@check(cases=rows, kinds=OPTIMIZER, contract="drop-in", applies=lambda spec: spec.native is not None)
def exchange(trial: Trial, case: Case) -> Iterator[Finding]:
    """A state may go from native to the subject and back in mid-training; its keys and types are native's."""
    training = Training(trial, case)
    subject, native = training.make(), training.make(trial.spec.native)
    outlines = []
    for one, other, route in ((native, subject, "native to subject"), (subject, native, "subject to native")):
        params = training.params()
        optimizer, second = one(grouped(params)), other(grouped(params))
        after = train(optimizer, params, training.grads[:HALFWAY])
        state = copy.deepcopy(optimizer.state_dict())
        outlines.append(_outline(state))
        second.load_state_dict(state)
        after += train(second, params, training.grads[HALFWAY:])
        for finding in training.compare(after):
            finding.message += f" (state handed over after step {HALFWAY}, {route})"
            yield finding
    if difference := _difference(*outlines):
        yield differs(case, "exchange", f"state_dict must be like native's: {difference}")


@check(cases=first, kinds=OPTIMIZER)
def hooks(trial: Trial, case: Case) -> Iterator[Finding]:
    """Step hooks run around every step, state_dict hooks around every save and load."""
    training = Training(trial, case)
    params = training.params()
    optimizer, seen = training.make()(grouped(params)), []
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append("after"))
    optimizer.register_state_dict_pre_hook(lambda opt: seen.append("saving"))
    optimizer.register_state_dict_post_hook(lambda opt, state: seen.append(f"saved {sorted(state)}"))
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: seen.append("loading"))
    optimizer.register_load_state_dict_post_hook(lambda opt: seen.append("loaded"))
    train(optimizer, params, training.grads[:2])
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    wanted = ["before", "after"] * 2 + ["saving", f"saved {sorted(state)}", "loading", "loaded"]
    if seen != wanted:
        yield Finding(repr(case), f"hooks must be called as {wanted}, got {seen}")


@check(cases=rows, kinds=OPTIMIZER)
def copies(trial: Trial, case: Case) -> Iterator[Finding]:
    """An optimizer copied by deepcopy or pickle together with its parameters continues alike, and by itself."""
    training = Training(trial, case)
    params = training.params()
    optimizer = training.make()(grouped(params))
    train(optimizer, params, training.grads[:HALFWAY])
    ways = {"deepcopy": copy.deepcopy, "pickle": lambda pair: pickle.loads(pickle.dumps(pair))}
    if "<locals>" in type(optimizer).__qualname__:
        del ways["pickle"]  # Python itself cannot pickle what is defined inside a function
    made = {name: way((params, optimizer)) for name, way in ways.items()}
    after = train(optimizer, params, training.grads[HALFWAY:])
    for name, (own, other) in made.items():
        yield from _same(case, after, train(other, own, training.grads[HALFWAY:]), f"training after {name}")


@check(cases=first, kinds=OPTIMIZER)
def repeatable(trial: Trial, case: Case) -> Iterator[Finding]:
    """Two equal runs give equal bits, also when they take turns: instances share nothing."""
    training = Training(trial, case)
    alone = training.run()
    yield from _same(case, alone, training.run(), "the second of two equal runs")
    runs = [(training.make()(grouped(params)), params) for params in (training.params(), training.params())]
    turns: list[list[Tensor]] = [[], []]
    for now in training.grads:
        for after, (optimizer, params) in zip(turns, runs, strict=True):
            after += train(optimizer, params, [now])
    for after in turns:
        yield from _same(case, alone, after, "a run that takes turns with another instance")


@check(cases=rows, kinds=OPTIMIZER, contract="reference")
def primitive_steps(trial: Trial, case: Case) -> Iterator[Finding]:
    """A reference's step is made of primitive operations alone, in place or not."""
    training = Training(trial, case)
    params = training.params()
    optimizer = training.make()(grouped(params))
    feed(params, training.grads[0])
    if "base" in (case.init.keywords if case.init else {}):
        optimizer.optimizer.step = lambda closure=None: None  # type: ignore[attr-defined]  # the wrapped one is torch's
    with Recorder() as recorder:
        optimizer.step()
    forbidden = [name for name in recorder.forbidden() if "profiler" not in name]  # Optimizer's own bookkeeping
    if forbidden:
        yield Finding(repr(case), f"a step may use primitive operations only, got {', '.join(forbidden)}")


@check(cases=first, kinds=OPTIMIZER)
def precision(trial: Trial, case: Case) -> Iterator[Finding]:
    """Every parameter keeps its dtype and moves, also beside parameters of other dtypes in one group."""
    training = Training(trial, case)
    dtypes = [torch.float64, torch.float32, torch.bfloat16]
    params: list[Tensor] = [Parameter(training.start[0].to(trial.device, dtype, copy=True)) for dtype in dtypes]
    before = snapshot(params)
    train(training.make()(params), params, [[now[0]] * len(params) for now in training.grads])
    for old, param, dtype in zip(before, params, dtypes, strict=True):
        if param.dtype != dtype:
            yield Finding(repr(case), f"a parameter of dtype {dtype} must keep it, got {param.dtype}")
        elif torch.equal(old, param) or not param.isfinite().all():
            yield Finding(repr(case), f"a parameter of dtype {dtype} must be updated beside those of other dtypes")


def refused_rows(trial: Trial) -> Iterator[Case]:
    """What native refuses."""
    for refusal in trial.spec.refusals:
        yield refusal.case.but(dtype=trial.dtype, regime="random")


@check(cases=refused_rows, kinds=OPTIMIZER)
def refused(trial: Trial, case: Case) -> Iterator[Finding]:
    """What native refuses is refused; by a drop-in with native's type, by a reference naming the argument."""
    training = Training(trial, case)
    error = _error(lambda: training.make()(training.params()))
    if error is None:
        argument = _refused_for(trial, case)
        yield differs(case, f"accepts-{argument}", f"the constructor must refuse this {argument}, no error was raised")
        return
    native = trial.spec.native and _error(lambda: training.make(trial.spec.native)(training.params()))
    if native and trial.subject.drop_in and not isinstance(error, type(native)):
        message = f"must raise {type(native).__name__} as native does, got {type(error).__name__}: {error}"
        yield differs(case, "raises-another", message)
    argument = _refused_for(trial, case)
    if trial.subject.reference and argument not in str(error):
        yield differs(case, "raises-unnamed", f"the message must name {argument}, got {error}")


def _refused_for(trial: Trial, case: Case) -> str:
    """The argument for whose sake the spec lists the case as refused."""
    settled = trial.subject.settled
    listed = (r for r in trial.spec.refusals if settled(r.case.but(dtype=trial.dtype, regime="random")) == case)
    return next(r.argument for r in listed)


def _error(action: Callable[[], Any]) -> Exception | None:
    try:
        action()
    except Exception as error:
        return error
    return None


def _same(case: Case, expected: list[Tensor], got: list[Tensor], what: str) -> Iterator[Finding]:
    """A finding if two runs differ in any bit."""
    for a, b in zip(expected, got, strict=True):
        if not torch.equal(a.nan_to_num(), b.nan_to_num()):
            worst = (a - b).abs().max().item()
            yield Finding(
                repr(case), f"{what} must give the same parameters, bit for bit: they differ by up to {worst:.3g}"
            )
            return


def _outline(value: Any) -> Any:
    """The keys and types of a state, without its numbers."""
    if isinstance(value, dict):
        return {key: _outline(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_outline, value))
    return f"{value.dtype} tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _difference(native: Any, own: Any, where: str = "") -> str:
    """Where two outlines differ first, in words; empty if they do not."""
    if isinstance(native, dict) and isinstance(own, dict):
        if set(native) != set(own):
            return f"keys{where} must be {list(native)}, got {list(own)}"
        found = (_difference(native[key], own[key], f"{where}[{key!r}]") for key in native)
    elif isinstance(native, list | tuple) and isinstance(own, list | tuple) and len(native) == len(own):
        found = (_difference(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(native, own, strict=True)))
    else:
        return "" if native == own else f"value{where} must be {native}, got {own}"
    return next(filter(None, found), "")
