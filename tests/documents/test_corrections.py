"""What the source documents get wrong, each corrected by a measurement; the page is docs/corrections.md."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import refops
from refops import functional as F
from refops import nn, shapes
from refops.parity import check

X = torch.arange(-120, 121, dtype=torch.float64) / 20


def gradient(function: Any, at: torch.Tensor) -> torch.Tensor:
    x = at.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def rounded(x: torch.Tensor) -> list[float]:
    return [round(v, 4) for v in x.tolist()]


def test_softmax_at_temperature_two() -> None:
    logits = torch.tensor([1.0, 2.0, 4.0])
    assert rounded(F.softmax(logits / 2, 0)) == [0.1402, 0.2312, 0.6285]
    assert rounded(F.softmax(logits / 0.5, 0)) == [0.0024, 0.0179, 0.9796]
    assert rounded(F.softmax(logits, 0)) == [0.0420, 0.1142, 0.8438]


def test_tanh_formula() -> None:
    right = 2 / (1 + torch.exp(-2 * X)) - 1
    torch.testing.assert_close(F.tanh(X), right)
    assert 2 / (1 + math.exp(0)) + 1 == 2  # as printed, at 0
    assert F.tanh(torch.zeros(())).item() == 0


def test_tanh_slope_reaches_one() -> None:
    slope = gradient(F.tanh, X)
    assert slope.max() == 1
    assert slope.min() > 0
    torch.testing.assert_close(slope, 1 - F.tanh(X) ** 2)


def test_sigmoid_slope_reaches_a_quarter_and_never_zero() -> None:
    slope = gradient(F.sigmoid, X)
    assert slope.max() == 0.25
    assert slope.min() > 0


def test_sigmoid_reaches_its_bounds_in_float32() -> None:
    assert F.sigmoid(torch.tensor([17.0, -104.0])).tolist() == [1.0, 0.0]


def test_relu_slope_at_zero_is_zero_and_zero_is_an_output() -> None:
    assert gradient(F.relu, torch.zeros(1)).item() == 0
    assert F.relu(torch.tensor([-1.0, 0.0])).tolist() == [0.0, 0.0]


def test_hardswish_is_quadratic_in_the_middle() -> None:
    inside = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    slope = gradient(F.hardswish, inside)
    torch.testing.assert_close(slope, (2 * inside + 3) / 6)  # a piecewise linear function has one slope here


def test_leaky_relu_is_the_maximum_only_for_slopes_up_to_one() -> None:
    torch.testing.assert_close(F.leaky_relu(X, 0.3), torch.maximum(0.3 * X, X))
    assert F.leaky_relu(torch.tensor(-1.0), 2.0) == -2
    assert max(-1.0 * 2.0, -1.0) == -1


def test_gelu_is_not_its_tanh_form() -> None:
    x = torch.linspace(-5, 5, 10001, dtype=torch.float64)
    off = (F.gelu(x) - F.gelu(x, approximate="tanh")).abs().max().item()
    assert 4e-4 < off < 5e-4


def test_dropout_drops_elements_not_channels() -> None:
    torch.manual_seed(0)
    ones = torch.ones(2, 8, 16, 16)
    dropped = (nn.Dropout(0.5)(ones) == 0).flatten(2).float().mean(2)
    assert ((dropped > 0) & (dropped < 1)).all()
    whole = (nn.Dropout2d(0.5)(ones) == 0).flatten(2).float().mean(2)
    assert ((whole == 0) | (whole == 1)).all()


def test_same_padding_needs_a_stride_of_one() -> None:
    with pytest.raises(ValueError, match="padding"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")


def test_depthwise_may_have_several_kernels_a_channel() -> None:
    assert nn.Conv2d(4, 12, 3, groups=4)(torch.randn(1, 4, 5, 5)).shape == (1, 12, 3, 3)


def test_a_bias_before_batch_norm_is_lost() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 8, 3).double(), nn.BatchNorm2d(8).double()
    x = torch.randn(4, 3, 9, 9, dtype=torch.float64)
    before = norm(conv(x))
    conv.bias.data += 5
    torch.testing.assert_close(norm(conv(x)), before)


def test_output_size_needs_the_dilation() -> None:
    without = (32 + 2 * 1 - 3) // 2 + 1
    assert shapes.conv2d((1, 3, 32, 32), 8, 3, stride=2, padding=1, dilation=3)[2] == 14
    assert without == 16


def test_convolution_changes_spatial_axes_too() -> None:
    assert nn.Conv2d(3, 5, 3)(torch.randn(1, 3, 8, 8)).shape == (1, 5, 6, 6)


def test_ceil_mode_drops_a_window_that_starts_in_the_padding() -> None:
    assert shapes.max_pool2d((1, 1, 5, 5), 1, stride=3, ceil_mode=True) == (1, 1, 2, 2)
    assert math.ceil((5 - 1) / 3) + 1 == 3


def test_pooling_has_no_parameters() -> None:
    assert [*nn.MaxPool2d(2).parameters(), *nn.AvgPool2d(2).parameters()] == []


def test_batch_norm_standardises_it_does_not_make_normal() -> None:
    torch.manual_seed(0)
    two_humps = torch.cat([torch.randn(4000, 1) - 20, torch.randn(4000, 1) + 20])
    y = nn.BatchNorm1d(1)(two_humps)
    assert abs(y.mean().item()) < 1e-4
    assert abs(y.std().item() - 1) < 1e-3
    assert (y**4).mean() < 1.1  # a normal distribution has 3


def test_batch_norm_works_on_one_image_and_refuses_one_value() -> None:
    assert nn.BatchNorm2d(3)(torch.randn(1, 3, 4, 4)).shape == (1, 3, 4, 4)
    with pytest.raises(ValueError, match="value"):
        nn.BatchNorm1d(3)(torch.randn(1, 3))


def test_running_variance_is_unbiased() -> None:
    x = torch.randn(5, 2, dtype=torch.float64)
    norm = nn.BatchNorm1d(2, momentum=1.0).double()
    norm(x)
    torch.testing.assert_close(norm.running_var, x.var(0))


def test_layer_norm_takes_the_last_axis_and_may_take_all() -> None:
    x = torch.randn(2, 5, 10, dtype=torch.float64)
    y = nn.LayerNorm(10).double()(x)
    torch.testing.assert_close(y.mean(-1), torch.zeros(2, 5, dtype=torch.float64))
    assert y.mean(1).abs().max() > 0.01
    z = torch.randn(2, 3, 4, 5)
    assert nn.LayerNorm((2, 3, 4, 5))(z).shape == z.shape


def test_group_norm_of_one_group_is_layer_norm_of_the_whole_image() -> None:
    x = torch.randn(2, 6, 10, 10, dtype=torch.float64)
    group, image, row = nn.GroupNorm(1, 6).double(), nn.LayerNorm([6, 10, 10]).double(), nn.LayerNorm(10).double()
    torch.testing.assert_close(group(x), image(x))
    assert (group(x) - row(x)).abs().max() > 1
    assert [sum(p.numel() for p in m.parameters()) for m in (group, image)] == [12, 1200]


def test_group_norm_of_one_channel_a_group_is_instance_norm() -> None:
    x = torch.randn(2, 6, 10, 10, dtype=torch.float64)
    torch.testing.assert_close(nn.GroupNorm(6, 6).double()(x), nn.InstanceNorm2d(6).double()(x))


def test_rms_norm_is_invariant_to_scale_and_not_to_shift() -> None:
    x = torch.randn(4, 32, dtype=torch.float64)
    norm = nn.RMSNorm(32, eps=0.0).double()
    torch.testing.assert_close(norm(8 * x), norm(x))
    assert (norm(x + 3) - norm(x)).abs().max() > 1


def test_names_that_do_not_exist() -> None:
    for namespace in (torch.nn, refops.nn):
        assert not any(hasattr(namespace, name) for name in ("ConvTranspose", "tanh", "LeakuReLU"))
        assert all(hasattr(namespace, name) for name in ("ConvTranspose2d", "Tanh", "LeakyReLU"))
    assert not any(hasattr(torch, name) for name in ("sequenze", "unequenze"))


def test_label_smoothing_has_two_rules() -> None:
    logits, target = torch.tensor([[2.0, 0.0, -1.0, 0.5]], dtype=torch.float64), torch.tensor([0])
    log_p, eps, k = F.log_softmax(logits, 1)[0], 0.1, 4
    torchs = -((1 - eps) * log_p[0] + eps / k * log_p.sum())
    torch.testing.assert_close(F.cross_entropy(logits, target, label_smoothing=eps), torchs)
    documents = -((1 - eps) * log_p[0] + eps / (k - 1) * log_p[1:].sum())
    assert abs(documents - torchs) > 0.01


def test_cross_entropy_takes_logits() -> None:
    logits, target = torch.tensor([[3.0, 0.0]]), torch.tensor([0])
    once = nn.CrossEntropyLoss()(logits, target)
    twice = nn.CrossEntropyLoss()(F.softmax(logits, 1), target)
    assert twice > 5 * once
    torch.testing.assert_close(once, nn.NLLLoss()(F.log_softmax(logits, 1), target))


def test_lookahead_needs_no_other_library() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = refops.optim.Lookahead(refops.optim.AdamW([weight], lr=0.1))
    weight.sum().backward()
    optimizer.step()
    assert weight.item() < 1


def test_lamb_decays_outside_the_gradient() -> None:
    from refops.optim.lamb import lamb_step

    x, zero = torch.tensor([3.0, 4.0], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    _, m, v = lamb_step(x, zero, zero, zero, step=1, lr=0.1, weight_decay=0.01)
    assert torch.equal(m, zero)  # coupled decay would be in both moments
    assert torch.equal(v, zero)


def test_slices_refuse_a_negative_step() -> None:
    with pytest.raises(ValueError, match="step"):
        torch.arange(10)[::-1]


def test_the_documents_dropout_is_caught() -> None:
    assert not check(DocumentDropout, like="Dropout", dtypes=["float32"], checks=["randomness"]).passed


class DocumentDropout(torch.nn.Module):
    """x * mask / (1 - p) as it is printed: 0 / 0 at p = 1."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * (torch.rand_like(x) > self.p).float() / (1 - self.p)
