"""What is called wrong in other libraries, calculated again in float64 from the formula, without the kit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from foreign_libraries import AbsentError, load

F64 = torch.float64


def had(path: str) -> Any:
    try:
        return load(path)
    except AbsentError as error:
        pytest.skip(str(error))


def test_local_attention_attends_to_its_own_padding() -> None:
    attention = had("local_attention:LocalAttention")(
        2, look_backward=0, look_forward=0, use_rotary_pos_emb=False, autopad=True
    )
    q, k, v = torch.randn(3, 1, 1, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    everything = torch.ones(1, 1, dtype=torch.bool)
    # one position attends to itself alone: the answer is v
    assert (attention(q, k, v) - v).abs().max() > 0.01
    torch.testing.assert_close(attention(q, k, v, mask=everything), v)


def test_soft_cross_entropy_divides_by_ignored_pixels_too() -> None:
    loss = had("segmentation_models_pytorch.losses:SoftCrossEntropyLoss")(smooth_factor=0.0, ignore_index=0)
    logits = torch.zeros(4, 2, dtype=F64)
    target = torch.tensor([1, 0, 0, 0])  # one counts, with log 2
    assert loss(logits, target).item() == pytest.approx(math.log(2) / 4)
    loss.reduction = "none"
    assert loss(logits, target).shape == (4, 1)  # one loss for each of 4 targets is (4,)


def test_lamb_of_pytorch_optimizer_takes_ten_times_the_first_step() -> None:
    lamb = had("pytorch_optimizer:Lamb")
    for settings, length in (({}, 5.0), ({"adam_debias": True}, 0.5)):
        p = torch.tensor([3.0, 4.0], dtype=F64, requires_grad=True)
        p.grad = torch.tensor([1.0, 0.5], dtype=F64)
        lamb([p], lr=0.1, weight_decay=0.0, max_grad_norm=0.0, **settings).step()
        assert (p.detach() - torch.tensor([3.0, 4.0], dtype=F64)).norm().item() == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("path", ["torchvision.ops:sigmoid_focal_loss", "fvcore.nn:sigmoid_focal_loss"])
def test_focal_losses_lose_easy_examples(path: str) -> None:
    got = had(path)(torch.tensor([-10.0]), torch.tensor([0.0]), alpha=-1).item()
    p = 1 / (1 + math.exp(10))
    right = math.log1p(math.exp(-10)) * p**2  # 1 - p_t is p, and is computed as 1 - (1 - p)
    assert 0.005 < abs(got / right - 1) < 0.02


@pytest.mark.parametrize(
    "path",
    [
        "torchvision.ops:sigmoid_focal_loss",
        "fvcore.nn:sigmoid_focal_loss",
        "segmentation_models_pytorch.losses._functional:focal_loss_with_logits",
    ],
)
def test_focal_losses_have_no_slope_of_easy_examples(path: str) -> None:
    x = torch.tensor([-20.0], requires_grad=True)
    had(path)(x, torch.tensor([0.0]), alpha=None if "segmentation" in path else -1, gamma=0.1).sum().backward()
    p = 1 / (1 + math.exp(20))  # the loss is p^0.1 * -log(1 - p), near enough p^1.1
    assert 1.1 * p**1.1 == pytest.approx(3.1e-10, rel=0.02)
    assert math.isnan(x.grad.item())


def test_top_p_of_one_removes_the_improbable() -> None:
    warper = had("transformers.generation.logits_process:TopPLogitsWarper")(1.0)
    assert warper(None, torch.tensor([[0.0, -120.0]])).tolist() == [[0.0, -math.inf]]
    assert math.exp(-120) > 0  # its share, which p = 1 is to keep


def test_softmax_by_scatter_is_right_in_float64() -> None:
    softmax = had("torch_geometric.utils:softmax")
    x = torch.randn(4096, generator=torch.Generator().manual_seed(0)) * 1e-3
    one_group, right = torch.zeros(4096, dtype=torch.long), x.double().softmax(0)
    assert (softmax(x.double(), one_group, num_nodes=1) - right).abs().max() < 1e-17
    off, native = ((y - right).abs().max() for y in (softmax(x, one_group, num_nodes=1), x.softmax(0)))
    assert off > 3 * native


@pytest.mark.parametrize("path", ["torch._decomp.decompositions:hardswish", "timm.layers.activations_me:hard_swish_me"])
def test_hardswish_has_the_slope_of_the_other_side(path: str) -> None:
    slopes = []
    for hardswish in (torch.nn.functional.hardswish, had(path)):
        x = torch.tensor([-3.0, 3.0], dtype=F64, requires_grad=True)
        slopes.append(torch.autograd.grad(hardswish(x).sum(), x)[0].tolist())
    assert slopes == [[0.0, 1.0], [-0.5, 1.5]]  # (2 x + 3) / 6 inside


def test_lamb_of_timm_counts_steps_of_the_group() -> None:
    lamb = had("timm.optim:Lamb")
    early, late = (torch.tensor([3.0, 4.0], dtype=F64, requires_grad=True) for _ in range(2))
    optimizer = lamb([early, late], lr=0.1, weight_decay=0.0, max_grad_norm=None, always_adapt=True, eps=0.5)
    gradient = torch.tensor([1.0, 0.5], dtype=F64)
    for given in ((early,), (early, late)):
        for p in given:
            p.grad = gradient.clone()
        optimizer.step()
    moved = []
    for step in (1, 2):  # of the parameter; of the group
        m, v = 0.1 * gradient / (1 - 0.9**step), 0.001 * gradient**2 / (1 - 0.999**step)
        update = m / (v.sqrt() + 0.5)
        moved.append(torch.tensor([3.0, 4.0], dtype=F64) - 0.1 * 5 / update.norm() * update)
    assert (late - moved[0]).abs().max() > 1e-3
    torch.testing.assert_close(late.detach(), moved[1])


def lamb_step(subject: Any, corrected: bool, **settings: Any) -> tuple[Any, Any]:
    """What a first step of length lr |p| with decay moves, and what the rule says, corrected for bias or not."""
    start, g = torch.tensor([3.0, 4.0], dtype=F64), torch.tensor([1.0, -0.5], dtype=F64)
    p = start.clone().requires_grad_()
    p.grad = g.clone()
    subject([p], lr=0.1, betas=(0.9, 0.999), eps=1e-12, weight_decay=0.5, **settings).step()
    update = g.sign() * (1 if corrected else 0.1 / math.sqrt(0.001)) + 0.5 * start
    return p.detach() - start, -0.1 * 5 / update.norm() * update


def test_lamb_without_correction_for_bias_decays_less() -> None:
    settings = {"max_grad_norm": 0.0, "weight_decouple": False, "adam_debias": True}
    moved, right = lamb_step(had("pytorch_optimizer:Lamb"), True, **settings)
    assert (moved - right).norm() > 0.1
    torch.testing.assert_close(*lamb_step(had("pytorch_optimizer:Lamb"), False, **settings))


def test_lamb_of_torch_optimizer_shortens_the_first_steps() -> None:
    lamb = had("torch_optimizer:Lamb")
    moved, right = lamb_step(lamb, False, debias=True, clamp_value=1e9)
    torch.testing.assert_close(moved, right * math.sqrt(1 - 0.999) / (1 - 0.9))  # so the correction, of the length
    assert moved.norm() < 0.17  # where lr |p| is 0.5


def fast_and_slow(path: str, steps: int) -> list[float]:
    """A parameter from 0 on, moved by -0.1 in every step, k = 5 and alpha = 1/2."""
    p = torch.zeros(1, dtype=F64, requires_grad=True)
    optimizer = had(path)(torch.optim.SGD([p], lr=0.1), k=5, alpha=0.5)
    after = []
    for _ in range(steps):
        p.grad = torch.ones(1, dtype=F64)
        optimizer.step()
        after.append(round(p.item(), 9))
    return after


def test_lookaheads_that_take_their_slow_weights_too_late() -> None:
    right = [-0.1, -0.2, -0.3, -0.4, -0.25, -0.35]
    assert fast_and_slow("pytorch_optimizer:Lookahead", 6) == right
    assert fast_and_slow("timm.optim:Lookahead", 6) == [-0.1, -0.2, -0.3, -0.4, -0.5, -0.6]  # at the first meeting
    assert fast_and_slow("torch_optimizer:Lookahead", 6) == [-0.1, -0.2, -0.3, -0.4, -0.5, -0.35]  # after step 1 of 6


def test_lookahead_of_pytorch_optimizer_leaves_out_what_has_no_gradient() -> None:
    params = [torch.zeros(1, dtype=F64, requires_grad=True) for _ in range(2)]
    optimizer = had("pytorch_optimizer:Lookahead")(torch.optim.SGD(params, lr=0.1), k=2, alpha=0.5)
    for given in (params, params[:1]):
        optimizer.zero_grad()
        for p in given:
            p.grad = torch.ones(1, dtype=F64)
        optimizer.step()
    assert [p.item() for p in params] == pytest.approx([-0.1, -0.1])  # half of -0.2, and half of -0.1 was due


def test_sgdp_dampens_the_first_step() -> None:
    moved = []
    for path, settings in (("torch.optim:SGD", {}), ("timm.optim.sgdp:SGDP", {"delta": 0.0})):
        p = torch.zeros(1, dtype=F64, requires_grad=True)
        p.grad = torch.ones(1, dtype=F64)
        had(path)([p], lr=1.0, momentum=0.9, dampening=0.5, **settings).step()
        moved.append(p.item())
    assert moved == [-1.0, -0.5]


def test_sgdw_of_pytorch_optimizer_writes_to_the_gradient() -> None:
    p = torch.zeros(3, dtype=F64, requires_grad=True)
    p.grad = torch.ones(3, dtype=F64)
    had("pytorch_optimizer:SGDW")([p], lr=0.1, momentum=0.5, nesterov=True, foreach=False).step()
    assert p.grad.tolist() == [1.5, 1.5, 1.5]


def test_a_sum_of_focal_losses_of_monai_is_a_mean() -> None:
    loss = had("monai.losses:FocalLoss")(gamma=0.0, reduction="sum")
    got = loss(torch.zeros(2, 3), torch.ones(2, 3)).item()  # six losses of log 2
    assert got == pytest.approx(math.log(2))


@pytest.mark.parametrize("path", ["dropblock:DropBlock2D", "timm.layers:DropBlock2d"])
def test_dropped_blocks_are_cut_at_the_border(path: str) -> None:
    torch.manual_seed(0)
    gone = (had(path)(0.1, 5).train()(torch.ones(200, 1, 12, 12)) == 0).float()
    whole = -torch.nn.functional.max_pool2d(-gone, 5, 1)  # where a whole block of 5 x 5 is gone
    covered = torch.nn.functional.max_pool2d(torch.nn.functional.pad(whole, (4, 4, 4, 4)), 5, 1)
    cut, dropped = ((mask.flatten(1).amax(1) > 0).sum() for mask in (gone - covered, gone))
    assert cut > dropped / 2


def test_probabilities_are_clamped() -> None:
    loss = had("pytorch_optimizer.loss:BCEFocalLoss")(alpha=1.0, gamma=0.0, reduction="none")
    logit = torch.tensor([-750.0], dtype=F64)  # of a positive example: the loss is log(1 + e^750)
    assert loss(logit.sigmoid(), torch.ones(1, dtype=F64)).item() == pytest.approx(-math.log(1e-6), rel=1e-3)


def test_smooth_l1_of_fvcore_of_nothing_is_0() -> None:
    nothing = torch.zeros(0)
    assert had("fvcore.nn:smooth_l1_loss")(nothing, nothing, 1.0, "mean") == 0
    assert torch.nn.functional.smooth_l1_loss(nothing, nothing).isnan()
