"""Schedules: native's rates step for step, its state in both directions, its refusals, and the closed forms."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import random

import pytest
import torch
from torch.optim import lr_scheduler as native

import refops.optim.lr_scheduler
from refops.optim import SGD
from refops.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR

STEPS = 65
TIMED = [
    ("CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("CosineAnnealingLR", {"T_max": 200, "eta_min": 0.2}),  # the floor stands above one group's rate
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("StepLR", {"step_size": 100, "gamma": 0.5}),
]
PLATEAU = [
    {},
    {"patience": 2},
    {"mode": "max", "patience": 0, "factor": 0.5},
    {"threshold_mode": "abs", "threshold": 0.05, "patience": 1},
    {"mode": "max", "threshold_mode": "abs", "threshold": 0.05, "patience": 1, "cooldown": 3},
    {"patience": 1, "cooldown": 2, "min_lr": 1e-3},
    {"patience": 0, "min_lr": [1e-2, 1e-3, 0.0]},
    {"patience": 0, "eps": 1e-2},
]
OWN = {"CosineAnnealingLR": CosineAnnealingLR, "StepLR": StepLR, "ReduceLROnPlateau": ReduceLROnPlateau}


def optimizer(rates=(0.1, 0.03, 1.0), tensor=False):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": torch.tensor(r) if tensor else r} for r in rates]
    return SGD(groups, lr=0.5)


def rates(scheduler):
    return [float(g["lr"]) for g in scheduler.optimizer.param_groups]


def run(scheduler, steps=STEPS, seen=None):
    found = []
    for i in range(steps):
        scheduler.optimizer.step()
        scheduler.step(*(() if seen is None else (seen[i],)))
        assert [float(r) for r in scheduler.get_last_lr()] == rates(scheduler)
        found.append(rates(scheduler))
    return found


def metrics(seed):
    """Losses that fall, stand still, rise, and are nan or infinite once."""
    draw = random.Random(seed)
    values = [math.exp(-i / 20) + draw.choice((0.0, 0.0, 0.1)) * draw.random() for i in range(STEPS)]
    values[17], values[31] = math.nan, math.inf
    return values


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize(("name", "options"), TIMED)
def test_rates_are_natives(name, options, tensor):
    own = OWN[name](optimizer(tensor=tensor), **options)
    theirs = getattr(native, name)(optimizer(tensor=tensor), **options)
    kept = [g["lr"] for g in own.optimizer.param_groups]
    assert run(own) == run(theirs)
    if tensor:
        assert all(a is g["lr"] for a, g in zip(kept, own.optimizer.param_groups, strict=True))
        assert all(a is not b for a, b in zip(kept, own.get_last_lr(), strict=True))


@pytest.mark.parametrize(("name", "options"), TIMED)
def test_closed_form(name, options):
    scheduler = OWN[name](optimizer(), **options)
    base = (0.1, 0.03, 1.0)
    for t, found in enumerate(run(scheduler), start=1):
        if name == "StepLR":
            expected = [b * options.get("gamma", 0.1) ** (t // options["step_size"]) for b in base]
        else:
            low = options.get("eta_min", 0.0)
            expected = [low + (b - low) * (1 + math.cos(math.pi * t / options["T_max"])) / 2 for b in base]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-13)
        assert scheduler.last_epoch != t or scheduler._get_closed_form_lr() == pytest.approx(expected, rel=1e-12)


def test_the_documents_schedule():
    """Rate 0.1 over 200 epochs: 0.05 (1 + cos(pi e / 200))."""
    found = run(CosineAnnealingLR(optimizer((0.1,)), T_max=200), 200)
    assert found == [[pytest.approx(0.05 * (1 + math.cos(math.pi * e / 200)), abs=1e-15)] for e in range(1, 201)]


@pytest.mark.parametrize("options", PLATEAU)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tensor", [False, True])
def test_plateaus_are_natives(options, seed, tensor):
    seen = metrics(seed)
    ours, theirs = (kind(optimizer(tensor=tensor), **options) for kind in (ReduceLROnPlateau, native.ReduceLROnPlateau))
    fresh = [{k: v for k, v in s.state_dict().items() if k not in ("_last_lr", "optimizer")} for s in (ours, theirs)]
    assert fresh[0] == {k: fresh[1][k] for k in fresh[0]}
    own = run(ours, seen=seen)
    assert own == run(theirs, seen=seen)
    counted = ("last_epoch", "num_bad_epochs", "cooldown_counter", "best")
    assert [getattr(ours, name) for name in counted] == [getattr(theirs, name) for name in counted]
    assert "patience" not in options or own[-1] != own[0]


@pytest.mark.parametrize(("name", "options"), [*TIMED, *(("ReduceLROnPlateau", o) for o in PLATEAU)])
@pytest.mark.parametrize("from_own", [True, False])
def test_states_are_exchangeable_in_the_middle(name, options, from_own):
    """Ten steps with one, its state into the other, and on: nothing shows."""
    seen = metrics(5) if name == "ReduceLROnPlateau" else None
    later = seen and seen[10:]
    kinds = [OWN[name], getattr(native, name)]
    first, second = kinds if from_own else kinds[::-1]
    a = first(optimizer(), **options)
    run(a, 10, seen)
    b = second(optimizer(), **options)
    assert set(a.state_dict()) == set(b.state_dict())
    state = pickle.loads(pickle.dumps(a.state_dict()))
    b.optimizer.load_state_dict(copy.deepcopy(a.optimizer.state_dict()))
    b.load_state_dict(state)
    assert b.get_last_lr() == a.get_last_lr()
    assert run(a, 30, later) == run(b, 30, later)


@pytest.mark.parametrize(("name", "options"), TIMED)
def test_last_epoch_resumes_as_native(name, options):
    found = []
    for kind in (OWN[name], getattr(native, name)):
        scheduler = kind(optimizer(), **options)
        run(scheduler, 5)
        found.append(run(kind(scheduler.optimizer, **options, last_epoch=scheduler.last_epoch), 20))
    assert found[0] == found[1]
    with pytest.raises(KeyError, match="initial_lr"):
        OWN[name](optimizer(), **options, last_epoch=3)


def test_schedules_multiply_and_follow_each_other():
    for make in (
        lambda kit, o: native.ChainedScheduler([kit.CosineAnnealingLR(o, 12), kit.StepLR(o, 4, 0.5)]),
        lambda kit, o: native.SequentialLR(
            o, [native.LinearLR(o, 0.1, total_iters=5), kit.CosineAnnealingLR(o, 20), kit.StepLR(o, 3)], [5, 30]
        ),
    ):
        found = []
        for kit in (refops.optim.lr_scheduler, native):
            o = optimizer()
            scheduler = make(kit, o)
            found.append([])
            for _ in range(45):
                o.step()
                scheduler.step()
                found[-1].append(rates(scheduler) if hasattr(scheduler, "optimizer") else scheduler.get_last_lr())
        assert found[0] == found[1]


def test_a_group_added_later():
    for kind in (ReduceLROnPlateau, native.ReduceLROnPlateau):
        scheduler = kind(optimizer(), patience=0)
        scheduler.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 2.0})
        assert run(scheduler, 2, [1.0, 1.0])[-1][-1] == pytest.approx(0.2)
        scheduler = kind(optimizer(), patience=0, min_lr=[0.0, 0.0, 0.0])
        scheduler.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 2.0})
        with pytest.raises(RuntimeError, match="min_lrs"):
            run(scheduler, 2, [1.0, 1.0])


@pytest.mark.parametrize(
    ("name", "options", "kind", "says"),
    [
        ("ReduceLROnPlateau", {"factor": 1.0}, ValueError, "factor"),
        ("ReduceLROnPlateau", {"mode": "least"}, ValueError, "mode"),
        ("ReduceLROnPlateau", {"threshold_mode": "ratio"}, ValueError, "threshold_mode"),
        ("ReduceLROnPlateau", {"min_lr": [0.1]}, ValueError, "min_lr"),
        ("ReduceLROnPlateau", {"optimizer": 3}, TypeError, "optimizer"),
        ("CosineAnnealingLR", {"optimizer": 3, "T_max": 4}, TypeError, "Optimizer"),
        ("StepLR", {"optimizer": 3, "step_size": 4}, TypeError, "Optimizer"),
    ],
)
def test_refusals_are_natives(name, options, kind, says):
    given = {"optimizer": optimizer(), **options}
    with pytest.raises(kind):
        getattr(native, name)(**given)
    with pytest.raises(kind, match=says):
        OWN[name](**given)


@pytest.mark.parametrize("name", OWN)
def test_signatures_and_warnings_are_natives(name):
    own, theirs = (inspect.signature(c).parameters for c in (OWN[name], getattr(native, name)))
    assert {n: (p.default, p.kind) for n, p in own.items()} == {n: (p.default, p.kind) for n, p in theirs.items()}
    assert list(own) == list(theirs)
    scheduler = OWN[name](optimizer(), **{"StepLR": {"step_size": 2}, "CosineAnnealingLR": {"T_max": 3}}.get(name, {}))
    assert isinstance(scheduler, native.LRScheduler)
    if name == "ReduceLROnPlateau":
        with pytest.warns(UserWarning, match="epoch"):
            scheduler.step(1.0, epoch=4)
        assert scheduler.last_epoch == 4
    else:
        with pytest.warns(UserWarning, match="get_last_lr"):
            scheduler.get_lr()


def test_the_module_stands_in_for_torchs():
    own = refops.optim.lr_scheduler
    assert set(own.__all__) == set(native.__all__)
    assert all(hasattr(own, name) for name in native.__all__)
