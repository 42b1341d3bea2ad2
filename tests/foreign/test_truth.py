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
