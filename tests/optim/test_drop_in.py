"""What drop-in means beyond the numbers: signatures, attributes, arguments that torch has."""

import copy
import inspect
import warnings

import pytest
import torch
from torch.nn import Parameter

from refops import optim

PAIRS = [(optim.SGD, torch.optim.SGD), (optim.Adam, torch.optim.Adam), (optim.AdamW, torch.optim.AdamW)]
EVERY = [optim.SGD, optim.Adam, optim.AdamW, optim.LAMB, lambda p, **k: optim.Lookahead(torch.optim.SGD(p, **k))]


def params(dtype=torch.float64, shapes=((4, 3), (5,))):
    generator = torch.Generator().manual_seed(0)
    return [Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in shapes]


def feed(ps, step=0):
    generator = torch.Generator().manual_seed(100 + step)
    for p in ps:
        p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)


@pytest.mark.parametrize(("own", "native"), PAIRS)
def test_signature(own, native):
    ours, theirs = inspect.signature(own).parameters, inspect.signature(native).parameters
    assert {n: (p.default, p.kind) for n, p in ours.items()} == {n: (p.default, p.kind) for n, p in theirs.items()}
    assert list(ours)[:7] == list(theirs)[:7]


@pytest.mark.parametrize(("own", "native"), PAIRS)
def test_repr_and_defaults(own, native):
    a, b = own(params(), lr=0.1), native(params(), lr=0.1)
    assert repr(a) == repr(b)
    assert a.defaults == b.defaults
    assert list(a.param_groups[0]) == list(b.param_groups[0])


def test_the_namespace_has_what_a_training_script_uses():
    assert optim.lr_scheduler.LambdaLR is torch.optim.lr_scheduler.LambdaLR
    assert optim.Optimizer is torch.optim.Optimizer
    assert all(
        issubclass(c, optim.Optimizer) for c in (optim.SGD, optim.Adam, optim.AdamW, optim.LAMB, optim.Lookahead)
    )


@pytest.mark.parametrize(("own", "native"), PAIRS)
def test_differentiable_steps(own, native):
    """The gradient of a loss after two steps with respect to the learning rate and the gradients, as native's."""
    results = []
    for kind in (own, native):
        lr = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
        leaf = params()[0].detach().requires_grad_()
        p = leaf * 1.0
        optimizer = kind([p], lr=lr, weight_decay=0.1, differentiable=True)
        grads = []
        for step in range(3):
            feed([p], step)
            grads.append(p.grad.requires_grad_())
            p.grad = grads[-1]
            optimizer.step()
        results.append(torch.autograd.grad((p**2).sum(), [lr, leaf, grads[0], grads[2]]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)  # native takes powers of beta in float32


def test_differentiable_momentum_reaches_the_first_gradient():
    """Native detaches the first buffer, so momentum's gradient with respect to the first gradient is cut there."""
    found = []
    for kind in (optim.SGD, torch.optim.SGD):
        p, first = torch.ones((), dtype=torch.float64, requires_grad=True) * 1.0, torch.ones((), dtype=torch.float64)
        first.requires_grad_()
        optimizer = kind([p], lr=0.1, momentum=0.9, differentiable=True)
        for grad in (first, torch.ones((), dtype=torch.float64)):
            p.grad = grad
            optimizer.step()
        (slope,) = torch.autograd.grad(p, first, allow_unused=True)
        found.append(slope)
    assert found[0].item() == pytest.approx(-0.1 - 0.1 * 0.9)
    assert found[1] is None


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
def test_tensor_betas_and_rates(kind):
    ps, qs = params(), params()
    exact = kind(ps, lr=0.125, betas=(0.5, 0.75))
    tensors = kind(qs, lr=torch.tensor([0.125]), betas=(torch.tensor(0.5), torch.tensor([0.75])))
    for step in range(4):
        for optimizer, own in ((exact, ps), (tensors, qs)):
            feed(own, step)
            optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(ps, qs, strict=True))


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
def test_capturable_gives_the_same_steps(kind):
    ps, qs = params(), params()
    for own, capturable in ((ps, False), (qs, True)):
        optimizer = kind(own, lr=0.1, weight_decay=0.1, amsgrad=True, capturable=capturable)
        for step in range(4):
            feed(own, step)
            optimizer.step()
    torch.testing.assert_close(ps, qs, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("own", "native"), PAIRS)
def test_old_checkpoints_without_newer_options(own, native):
    ps = params()
    optimizer = native(ps, lr=0.1)
    feed(ps)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    for group in state["param_groups"]:
        for name in (
            "maximize",
            "foreach",
            "differentiable",
            "fused",
            "capturable",
            "decoupled_weight_decay",
            "nesterov",
        ):
            group.pop(name, None)
    for entry in state["state"].values():
        if "step" in entry:
            entry["step"] = 1
    loaded = own(ps, lr=0.5)
    loaded.load_state_dict(state)
    feed(ps, 1)
    loaded.step()
    assert loaded.param_groups[0]["lr"] == 0.1
    assert all(entry.get("step", torch.tensor(2.0)).item() == 2 for entry in loaded.state.values())


@pytest.mark.parametrize("kind", EVERY)
def test_named_parameters(kind):
    model = torch.nn.Linear(3, 2)
    optimizer = kind(list(model.named_parameters()), lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    model(torch.ones(1, 3)).sum().backward()
    before = model.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, model.weight)


@pytest.mark.parametrize("kind", EVERY)
def test_step_without_any_gradient_changes_nothing(kind):
    ps = params()
    before = [p.detach().clone() for p in ps]
    optimizer = kind(ps, lr=0.1)
    optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(ps, before, strict=True))


@pytest.mark.parametrize("kind", EVERY)
def test_every_scheduler_accepts_it(kind):
    ps = params()
    optimizer = kind(ps, lr=0.1)
    feed(ps)
    optimizer.step()
    schedules = optim.lr_scheduler
    for make in (
        lambda: schedules.CosineAnnealingLR(optimizer, T_max=10),
        lambda: schedules.ReduceLROnPlateau(optimizer),
        lambda: schedules.ExponentialLR(optimizer, 0.9),
    ):
        assert make().optimizer is optimizer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not isinstance(optimizer, optim.Lookahead) and "betas" in optimizer.defaults:
            assert schedules.OneCycleLR(optimizer, max_lr=0.1, total_steps=10).optimizer is optimizer


@pytest.mark.parametrize("kind", EVERY)
def test_grad_scaler(kind):
    """An optimizer that does not claim to unscale by itself gets its gradients unscaled."""
    ps = params(torch.float32)
    optimizer = kind(ps, lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(sum((p**2).sum() for p in ps)).backward()
    scaler.step(optimizer)
    torch.testing.assert_close(ps[0].grad, 2 * params(torch.float32)[0])


def test_sgd_takes_sparse_gradients_and_keeps_them_sparse():
    table, twin = torch.nn.Embedding(10, 3, sparse=True), torch.nn.Embedding(10, 3, sparse=True)
    twin.load_state_dict(table.state_dict())
    pairs = [(table, optim.SGD), (twin, torch.optim.SGD)]
    optimizers = [kind(model.parameters(), lr=0.1, momentum=0.9) for model, kind in pairs]
    for row in ([1, 1, 4], [4, 2]):
        for (model, _), optimizer in zip(pairs, optimizers, strict=True):
            optimizer.zero_grad()
            model(torch.tensor(row)).sum().backward()
            optimizer.step()
    torch.testing.assert_close(table.weight, twin.weight)
    assert optimizers[0].state[table.weight]["momentum_buffer"].is_sparse


def test_duplicate_parameter_warns_as_native_does():
    ps = params()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([ps[0], ps[0]], lr=0.1)


def test_float64_default_dtype_gives_a_wide_step_count():
    torch.set_default_dtype(torch.float64)
    try:
        counts = []
        for kind in (optim.Adam, torch.optim.Adam):
            ps = params()
            optimizer = kind(ps)
            feed(ps)
            optimizer.step()
            counts.append(optimizer.state[ps[0]]["step"])
        assert counts[0].dtype == counts[1].dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_non_leaf_parameters_are_refused():
    with pytest.raises(ValueError, match="non-leaf"):
        optim.Adam([params()[0] * 2])


@pytest.mark.parametrize("kind", EVERY)
def test_subnormal_and_inf_gradients_do_not_spread(kind):
    ps = params(torch.float32)
    optimizer = kind(ps, lr=0.1)
    feed(ps)
    ps[0].grad[0, 0] = float("inf")
    optimizer.step()
    assert ps[1].isfinite().all()
    assert kind is optim.LAMB or ps[0][1:].isfinite().all()


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.LAMB])
def test_compiled_step(kind):
    ps, qs = params(), params()
    eager, compiled = kind(ps, lr=0.1), kind(qs, lr=0.1)
    step = torch.compile(compiled.step, backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(3):
            feed(ps, i)
            feed(qs, i)
            eager.step()
            step()
    torch.testing.assert_close(ps, qs, rtol=1e-12, atol=1e-13)
