"""Lookahead around other optimizers."""

import copy
import io

import pytest
import torch
from torch.nn import Parameter

from refops.optim import LAMB, Lookahead, lr_scheduler


def params(shapes=((4, 3), (4, 3), (5,))):
    generator = torch.Generator().manual_seed(0)
    return [Parameter(torch.randn(s, generator=generator, dtype=torch.float64)) for s in shapes]


def train(optimizer, ps, steps, start=0):
    for step in range(start, start + steps):
        generator = torch.Generator().manual_seed(step)
        for p in ps:
            p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        optimizer.step()


@pytest.mark.parametrize("base", [torch.optim.SGD, torch.optim.AdamW, LAMB])
def test_k_one_alpha_one_is_the_wrapped_optimizer(base):
    ps, qs = params(), params()
    train(base(ps, lr=0.1), ps, 7)
    train(Lookahead(base(qs, lr=0.1), k=1, alpha=1.0), qs, 7)
    torch.testing.assert_close(ps, qs, rtol=1e-14, atol=1e-15)


def test_parameters_of_equal_shape_are_not_mixed_up():
    ps = params()
    train(Lookahead(torch.optim.SGD(ps, lr=0.1), k=3), ps, 9)
    for i in range(3):
        alone = [params()[i]]
        optimizer = Lookahead(torch.optim.SGD(alone, lr=0.1), k=3)
        for step in range(9):
            generator = torch.Generator().manual_seed(step)
            drawn = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in params()]
            alone[0].grad = drawn[i]
            optimizer.step()
        assert torch.equal(alone[0], ps[i])


def test_slow_weights_are_those_of_construction():
    ps = params()
    optimizer = Lookahead(torch.optim.SGD(ps, lr=0.1), k=2, alpha=0.0)
    start = [p.detach().clone() for p in ps]
    train(optimizer, ps, 2)
    assert all(torch.equal(p, s) for p, s in zip(ps, start, strict=True))


def test_groups_are_the_wrapped_optimizers_even_after_it_loaded_a_state():
    ps = params()
    base = torch.optim.SGD(ps, lr=0.1)
    optimizer = Lookahead(base)
    base.load_state_dict(base.state_dict())
    assert optimizer.param_groups is base.param_groups
    scheduler = lr_scheduler.StepLR(optimizer, 1, 0.5)
    train(optimizer, ps, 1)
    scheduler.step()
    assert base.param_groups[0]["lr"] == 0.05


def test_one_cycle_schedules_momentum_through_the_wrapper():
    ps = params()
    optimizer = Lookahead(torch.optim.AdamW(ps, lr=0.1))
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    before = optimizer.optimizer.param_groups[0]["betas"]
    train(optimizer, ps, 1)
    scheduler.step()
    assert optimizer.optimizer.param_groups[0]["betas"] != before


def test_an_optimizer_with_a_past_keeps_it():
    ps = params()
    base = torch.optim.Adam(ps, lr=0.1)
    train(base, ps, 3)
    optimizer = Lookahead(base)
    train(optimizer, ps, 1, start=3)
    assert base.state[ps[0]]["step"].item() == 4
    assert set(optimizer.state[ps[0]]) == {"step", "exp_avg", "exp_avg_sq", "slow"}


def test_state_survives_a_file_and_refuses_one_without_slow_weights():
    ps = params()
    optimizer = Lookahead(torch.optim.Adam(ps, lr=0.1), k=4)
    train(optimizer, ps, 6)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    qs = [Parameter(p.detach().clone()) for p in ps]
    other = Lookahead(torch.optim.Adam(qs, lr=0.7), k=2, alpha=0.1)
    other.load_state_dict(state)
    assert other.param_groups[0]["lookahead_k"] == 4
    train(optimizer, ps, 5, start=6)
    train(other, qs, 5, start=6)
    assert all(torch.equal(p, q) for p, q in zip(ps, qs, strict=True))
    with pytest.raises(ValueError, match="slow weights"):
        other.load_state_dict(torch.optim.Adam(ps).state_dict())


def test_whole_optimizer_through_torch_save_and_deepcopy():
    ps = params()
    optimizer = Lookahead(torch.optim.SGD(ps, lr=0.1, momentum=0.9), k=4)
    train(optimizer, ps, 2)
    file = io.BytesIO()
    torch.save((ps, optimizer), file)
    file.seek(0)
    saved = torch.load(file, weights_only=False)
    copied = copy.deepcopy((ps, optimizer))
    train(optimizer, ps, 4, start=2)
    for qs, other in (saved, copied):
        train(other, qs, 4, start=2)
        assert all(torch.equal(p, q) for p, q in zip(ps, qs, strict=True))


def test_lbfgs_inside_needs_its_closure():
    p = Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    optimizer = Lookahead(torch.optim.LBFGS([p], lr=0.5), k=2)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(6)]
    assert losses[0] == 13.0
    assert losses[-1] < 1e-2


def test_zero_grad_and_repr():
    ps = params()
    optimizer = Lookahead(torch.optim.SGD(ps, lr=0.1))
    train(optimizer, ps, 1)
    optimizer.zero_grad()
    assert all(p.grad is None for p in ps)
    assert repr(optimizer).startswith("Lookahead (")


def test_group_added_later_has_its_own_phase():
    ps = params()
    optimizer = Lookahead(torch.optim.SGD(ps[:2], lr=0.1), k=2, alpha=0.0)
    train(optimizer, ps[:2], 1)
    optimizer.add_param_group({"params": ps[2], "lr": 0.2})
    late = ps[2].detach().clone()
    train(optimizer, ps, 2, start=1)
    assert optimizer.param_groups[1]["lookahead_step"] == 2
    assert torch.equal(ps[2], late)


def test_only_an_optimizer_can_be_wrapped():
    with pytest.raises(TypeError, match="optimizer must be"):
        Lookahead(params())


def test_lookahead_cannot_be_wrapped_but_its_optimizer_can_be_wrapped_anew():
    ps = params()
    base = torch.optim.SGD(ps, lr=0.1)
    train(Lookahead(base, k=5), ps, 3)
    with pytest.raises(TypeError, match="other than Lookahead"):
        Lookahead(Lookahead(base))
    again = Lookahead(base, k=2, alpha=0.0)
    start = [p.detach().clone() for p in ps]
    train(again, ps, 2)
    assert all(torch.equal(p, s) for p, s in zip(ps, start, strict=True))


def test_groups_may_have_a_k_of_their_own():
    ps = params()
    optimizer = Lookahead(torch.optim.SGD(ps[:2], lr=0.1), k=4)
    optimizer.add_param_group({"params": ps[2:], "lookahead_k": 1, "lookahead_alpha": 0.0})
    late = ps[2].detach().clone()
    train(optimizer, ps, 1)
    assert torch.equal(ps[2], late)
