"""The pure rules: the same as the in-place ones, and open to gradients."""

import pytest
import torch

from refops.optim.adam import adam_step, adam_step_
from refops.optim.adamw import adamw_step
from refops.optim.lamb import lamb_step, lamb_step_, length, trust_ratio
from refops.optim.lookahead import lookahead_step
from refops.optim.sgd import sgd_step, sgd_step_


def drawn(count, shape=(4, 3), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(count)]


RULES = [
    (sgd_step, sgd_step_, 2, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (sgd_step, sgd_step_, 3, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1}),
    (sgd_step, sgd_step_, 3, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (adam_step, adam_step_, 4, {"step": 3, "lr": 0.1, "weight_decay": 0.1}),
    (adam_step, adam_step_, 5, {"step": 3, "lr": 0.1, "beta1": 0.5, "beta2": 0.75, "eps": 0.1, "maximize": True}),
    (adam_step, adam_step_, 5, {"step": 3, "lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (lamb_step, lamb_step_, 4, {"step": 3, "lr": 0.1, "weight_decay": 0.1, "maximize": True}),
]


@pytest.mark.parametrize(("rule", "rule_", "count", "options"), RULES)
def test_the_rule_and_its_in_place_form_agree(rule, rule_, count, options):
    tensors = drawn(count)
    tensors[3:] = [t.abs() for t in tensors[3:]]
    before = [t.clone() for t in tensors]
    new = rule(*tensors, **options)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True)), "the pure rule wrote to its arguments"
    rule_(*tensors, **options)
    assert torch.equal(tensors[1], before[1]), "the in-place rule wrote to the gradient"
    torch.testing.assert_close([tensors[0], *tensors[2:]], list(new), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(("rule", "rule_", "count", "options"), RULES)
def test_the_rule_can_be_differentiated(rule, rule_, count, options):
    tensors = drawn(count)
    tensors[3:] = [t.abs() + 0.1 for t in tensors[3:]]
    lr = torch.tensor(options["lr"], dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (lr, *tensors)]
    torch.autograd.gradcheck(lambda lr, *args: rule(*args, **{**options, "lr": lr})[0], inputs)


def test_adamw_is_adam_from_a_shrunken_parameter():
    p, g, m, v = drawn(4)
    both = {"step": 2, "lr": 0.1}
    assert torch.equal(
        adamw_step(p, g, m, v.abs(), weight_decay=0.5, **both)[0],
        adam_step(p - 0.1 * 0.5 * p, g, m, v.abs(), **both)[0],
    )


def test_lamb_with_trust_ratio_one_is_adamw_without_the_trust():
    p, g = drawn(2)
    zeros = torch.zeros_like(p)
    direction = p - adam_step(p, g, zeros, zeros, step=1, lr=1.0)[0] + 0.1 * p
    p = p * length(direction) / length(p)  # now |x| = |r + decay x| up to the change of x; make it exact by iterating
    for _ in range(60):
        direction = p - adam_step(p, g, zeros, zeros, step=1, lr=1.0)[0] + 0.1 * p
        p = p * length(direction) / length(p)
    adam = p - 0.01 * direction
    lamb = lamb_step(p, g, zeros, zeros, step=1, lr=0.01, eps=1e-8, weight_decay=0.1)[0]
    torch.testing.assert_close(lamb, adam, rtol=1e-12, atol=1e-13)


def test_lamb_moves_by_a_fixed_fraction_whatever_the_gradient():
    p, g = drawn(2)
    zeros = torch.zeros_like(p)
    for scale in (1e-2, 1.0, 1e6):
        new = lamb_step(p, scale * g, zeros, zeros, step=1, lr=0.1, eps=0.0)[0]
        assert length(new - p).item() == pytest.approx(0.1 * length(p).item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_length_accumulates_widely(dtype):
    x = torch.full((300, 400), 200.0, dtype=dtype)  # the square of one of them does not fit float16
    assert length(x).dtype == torch.float32
    assert length(x).item() == pytest.approx(200.0 * 120000**0.5, rel=1e-6)


def test_length_does_not_lose_digits_over_many_equal_numbers():
    x = torch.full((2**22,), 0.1)
    assert length(x).item() == pytest.approx(x[0].item() * 2.0**11, rel=1e-6)


def test_trust_ratio_is_one_where_there_is_nothing_to_compare():
    one, none = torch.ones(3), torch.zeros(3)
    assert [trust_ratio(a, b).item() for a, b in ((one, none), (none, one), (none, none), (2 * one, one))] == [
        1,
        1,
        1,
        2,
    ]


def test_lookahead_step_is_a_way_between():
    slow, fast = drawn(2)
    assert torch.equal(lookahead_step(slow, fast, alpha=0.0), slow)
    torch.testing.assert_close(lookahead_step(slow, fast, alpha=1.0), fast, rtol=1e-14, atol=1e-15)


def test_rules_work_under_vmap_and_compile_free_functional_transforms():
    p, g, m, v = drawn(4, (5, 3))
    whole = adam_step(p, g, m, v.abs(), step=2, lr=0.1)
    rows = torch.func.vmap(lambda *t: adam_step(*t, step=2, lr=0.1))(p, g, m, v.abs())
    torch.testing.assert_close(rows, whole, rtol=0, atol=0)
