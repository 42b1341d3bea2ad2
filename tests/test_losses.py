"""What losses cost, and what their papers and torch say of single numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import functional as native

from refops.functional.loss.focal import focal_loss, sigmoid_focal_loss
from refops.functional.loss.metric import contrastive_loss, nt_xent_loss
from refops.functional.loss.mining import triplet_mining_loss
from refops.functional.loss.robust import huber_loss, quantile_loss, smooth_l1_loss
from refops.functional.loss.smoothing import label_smoothing_cross_entropy

GROWTH = """
import resource, torch
torch.set_num_threads(1)
from refops.functional import nt_xent_loss, triplet_mining_loss
def run(n, d):
    {call}
run({small}, 8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run({large}, 128)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def growth_in_mib(call: str, small: int, large: int) -> float:
    """How much more memory a process needs at its peak for the large call than for the small one."""
    code = GROWTH.format(call=call, small=small, large=large)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(said.stdout) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_nt_xent_of_4096_pairs_stays_under_a_gibibyte():
    call = "nt_xent_loss(torch.randn(n, d, requires_grad=True), torch.randn(n, d, requires_grad=True)).backward()"
    assert growth_in_mib(call, 4, 4096) < 1024


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_hard_mining_builds_no_cube():
    call = "triplet_mining_loss(torch.randn(n, d, requires_grad=True), torch.arange(n) % 64).backward()"
    assert growth_in_mib(call, 4, 2048) < 256  # N x N is 16 MiB, N x N x N 32 GiB


def test_smooth_l1_is_huber_over_beta():
    x, y = torch.randn(50, dtype=torch.float64) * 3, torch.randn(50, dtype=torch.float64)
    for beta in (0.25, 1.0, 2.0):
        assert torch.allclose(smooth_l1_loss(x, y, beta=beta), huber_loss(x, y, delta=beta) / beta)


def test_huber_at_the_bend_and_in_half_precision():
    x = torch.tensor([0.0, 0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(huber_loss(x, torch.zeros_like(x), "sum"), x, create_graph=True)
    assert slope.tolist() == [0.0, 0.5, 1.0, 1.0]
    assert torch.autograd.grad(slope.sum(), x)[0].tolist() == [1.0, 1.0, 0.0, 0.0]
    far = torch.tensor([300.0], dtype=torch.float16)
    assert huber_loss(far, torch.zeros_like(far), delta=300.0).item() == 44992.0  # the float16 nearest to 45000


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_slope_at_a_tie(quantile):
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(quantile_loss(x, torch.zeros_like(x), quantile), x)[0].item() == -quantile


def test_both_rules_of_smoothing():
    x, t = torch.randn(6, 5, dtype=torch.float64), torch.tensor([0, 4, 2, -100, 1, 1])
    weight = torch.rand(5, dtype=torch.float64)
    ours = label_smoothing_cross_entropy(x, t, 0.2, "all", weight)
    assert torch.allclose(ours, native.cross_entropy(x, t, weight, label_smoothing=0.2))
    q = torch.full((5, 5), 0.2 / 4, dtype=torch.float64).fill_diagonal_(0.8)[t[t >= 0]]
    assert torch.allclose(label_smoothing_cross_entropy(x, t, 0.2, "others"), native.cross_entropy(x[t >= 0], q))


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_focal_losses_are_finite_however_sure(gamma, dtype):
    sure = torch.tensor([0.0, 17.0, 80.0, 105.0, 800.0, 60000.0], dtype=dtype)
    x = torch.cat([sure, -sure]).requires_grad_()
    for loss in (
        focal_loss(torch.stack([x, x * 0], 1), torch.zeros(len(x), dtype=torch.int64), gamma, reduction="none"),
        sigmoid_focal_loss(x, torch.ones_like(x), gamma=gamma),
        sigmoid_focal_loss(x, torch.zeros_like(x), gamma=gamma),
    ):
        (slope,) = torch.autograd.grad(loss.sum(), x)
        assert loss.isfinite().all()
        assert slope.isfinite().all()


@pytest.mark.parametrize("margin", [5.0, 10.0, 14.0, 16.0, 17.0, 40.0])
def test_focal_loss_of_a_sure_sample_keeps_its_digits(margin):
    got = focal_loss(torch.tensor([[margin, 0.0]]), torch.tensor([0]), gamma=1.0).double()
    z = torch.tensor(-margin, dtype=torch.float64)
    assert torch.allclose(got, z.sigmoid() * torch.log1p(z.exp()), rtol=1e-5, atol=0)


def test_focal_loss_leaves_ignored_samples_out_of_the_mean():
    loss = focal_loss(torch.zeros(4, 2), torch.tensor([0, -100, -100, -100]), gamma=0.0)
    assert loss.item() == pytest.approx(0.6931, abs=1e-4)


def test_equal_points_of_different_classes_stay_where_they_are():
    x = torch.ones(3, 2, requires_grad=True)
    loss = contrastive_loss(x, torch.ones(3, 2), torch.tensor([1, 1, 0]), reduction="none")
    assert loss.tolist() == [0.5, 0.5, 0.0]
    assert torch.autograd.grad(loss.sum(), x)[0].abs().max() == 0


@pytest.mark.parametrize("mining", ["hard", "semi-hard", "all"])
def test_loners_have_no_triplet(mining):
    x = torch.tensor([[0.0], [0.5]], requires_grad=True)
    loss = triplet_mining_loss(x, torch.tensor([0, 1]), mining=mining)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, x)[0].abs().max() == 0


def test_nt_xent_of_zero_vectors_and_of_one_pair():
    z = torch.zeros(3, 4, requires_grad=True)
    loss = nt_xent_loss(z, torch.randn(3, 4))
    assert loss.isfinite()
    assert torch.autograd.grad(loss, z)[0].abs().max() == 0
    assert nt_xent_loss(torch.randn(1, 4), torch.randn(1, 4)).item() == 0
    with pytest.raises(ValueError, match="z1"):
        nt_xent_loss(z[:0], z[:0])
