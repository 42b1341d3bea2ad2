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


def test_probabilities_are_clamped() -> None:
    loss = had("pytorch_optimizer.loss:BCEFocalLoss")(alpha=1.0, gamma=0.0, reduction="none")
    logit = torch.tensor([-750.0], dtype=F64)  # of a positive example: the loss is log(1 + e^750)
    assert loss(logit.sigmoid(), torch.ones(1, dtype=F64)).item() == pytest.approx(-math.log(1e-6), rel=1e-3)


def test_smooth_l1_of_fvcore_of_nothing_is_0() -> None:
    nothing = torch.zeros(0)
    assert had("fvcore.nn:smooth_l1_loss")(nothing, nothing, 1.0, "mean") == 0
    assert torch.nn.functional.smooth_l1_loss(nothing, nothing).isnan()
