"""The examples that state numbers: the references give them, digit for digit."""

from __future__ import annotations

import math

import pytest
import torch

import refops
from refops import functional as F
from refops import nn, tensor


def rounded(x: torch.Tensor, digits: int = 4) -> object:
    return (x.double() * 10**digits).round().div(10**digits).tolist()


def test_matmul_shapes() -> None:
    for a, b, wanted in (
        ((10, 20), (20, 30), (10, 30)),
        ((2, 3, 4), (2, 4, 5), (2, 3, 5)),
        ((10, 3, 4), (10, 4, 5), (10, 3, 5)),
    ):
        assert tensor.matmul(torch.randn(a), torch.randn(b)).shape == wanted
    assert tensor.mm(torch.randn(2, 3), torch.randn(3, 3)).shape == (2, 3)
    assert tensor.bmm(torch.randn(10, 3, 4), torch.randn(10, 4, 5)).shape == (10, 3, 5)
    with pytest.raises(RuntimeError):
        tensor.bmm(torch.randn(1, 3, 4), torch.randn(2, 4, 5))


def test_softmax_of_one_two_three() -> None:
    rows = nn.Softmax(dim=1)(torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))
    assert rounded(rows) == [[0.09, 0.2447, 0.6652]] * 2
    torch.testing.assert_close(rows.sum(1), torch.ones(2))


def test_softmax_does_not_overflow() -> None:
    assert F.softmax(torch.tensor([1000.0, 0.0]), 0).tolist() == [1.0, 0.0]


def test_transposed_convolution_takes_the_size_it_came_from() -> None:
    x = torch.randn(1, 16, 12, 12)
    down, up = nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
    h = down(x)
    assert h.shape == (1, 16, 6, 6)
    assert up(h, output_size=x.shape).shape == (1, 16, 12, 12)
    assert up(h).shape == (1, 16, 11, 11)


def test_batch_norm_by_hand() -> None:
    x = torch.randn(4, 6, 5, 7, dtype=torch.float64)
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    norm = nn.BatchNorm2d(6).double()
    torch.testing.assert_close(norm(x), (x - mean) / (var + 1e-5).sqrt())
    torch.testing.assert_close(norm.running_mean, 0.1 * mean.flatten())
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.var((0, 2, 3)))


def test_norms_by_hand() -> None:
    x = torch.randn(4, 6, 5, 7, dtype=torch.float64)

    def standard(axes: tuple[int, ...], y: torch.Tensor = x) -> torch.Tensor:
        return (y - y.mean(axes, keepdim=True)) / (y.var(axes, correction=0, keepdim=True) + 1e-5).sqrt()

    torch.testing.assert_close(nn.LayerNorm((6, 5, 7)).double()(x), standard((1, 2, 3)))
    torch.testing.assert_close(nn.InstanceNorm2d(6).double()(x), standard((2, 3)))
    grouped = standard((2, 3, 4), x.view(4, 3, 2, 5, 7)).view_as(x)
    torch.testing.assert_close(nn.GroupNorm(3, 6).double()(x), grouped)


def test_global_average_pooling_is_the_mean() -> None:
    x = torch.randn(2, 5, 7, 6)
    torch.testing.assert_close(nn.AdaptiveAvgPool2d(1)(x), x.mean((2, 3), keepdim=True))


def test_embedding_rows_and_padding() -> None:
    ids = torch.tensor([[1, 2, 4, 5], [4, 3, 2, 9]])
    table = nn.Embedding(10, 3)
    assert table(ids).shape == (2, 4, 3)
    assert torch.equal(table(ids)[1, 0], table.weight[4])
    padded = nn.Embedding(10, 3, padding_idx=0)
    padded(torch.tensor([[0, 2, 0, 5]])).sum().backward()
    assert not padded.weight[0].any()
    assert not padded.weight.grad[0].any()
    assert padded.weight.grad[2].tolist() == [1, 1, 1]


def test_the_padding_row_can_be_set_and_still_takes_no_gradient() -> None:
    table = nn.Embedding(3, 3, padding_idx=0)
    with torch.no_grad():
        table.weight[0] = torch.ones(3)
    y = table(torch.tensor([0, 1]))
    y.sum().backward()
    assert y[0].tolist() == [1, 1, 1]
    assert not table.weight.grad[0].any()


def test_embedding_from_pretrained_is_frozen_and_shares_memory() -> None:
    weight = torch.tensor([[1, 2.3, 3], [4, 5.1, 6.3]])
    table = nn.Embedding.from_pretrained(weight)
    assert torch.equal(table(torch.tensor([1])), weight[1:])
    assert not table.weight.requires_grad
    assert table.weight.data_ptr() == weight.data_ptr()


def test_linear_with_stated_weights() -> None:
    layer = nn.Linear(3, 4)
    layer.weight.data = torch.tensor([[1.0] * 3, [2.0] * 3, [3.0] * 3, [4.0] * 3])
    layer.bias.data.fill_(0.5)
    assert layer(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[6.5, 12.5, 18.5, 24.5]]


def test_slopes_from_the_outputs() -> None:
    x = torch.linspace(-5, 5, 100, dtype=torch.float64, requires_grad=True)
    for function, slope in ((F.sigmoid, lambda y: y * (1 - y)), (F.tanh, lambda y: 1 - y**2)):
        y = function(x)
        torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], slope(y.detach()))


def test_defaults_of_the_leaky_family() -> None:
    assert nn.LeakyReLU().negative_slope == 0.01
    assert nn.PReLU().weight.tolist() == [0.25]
    layer = nn.RReLU().eval()
    assert (layer.lower, layer.upper) == (1 / 8, 1 / 3)
    assert math.isclose(layer(torch.tensor(-1.0)).item(), -(1 / 8 + 1 / 3) / 2, rel_tol=1e-6)


def test_average_pooling_at_the_border() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert nn.AvgPool2d(2, stride=2, padding=1)(ones)[0, 0, 0, 0] == 0.25
    assert nn.AvgPool2d(2, stride=2, padding=1, count_include_pad=False)(ones)[0, 0, 0, 0] == 1
    assert rounded(nn.AvgPool2d((2, 2), stride=(2, 2), divisor_override=3)(ones)) == [[[[1.3333] * 2] * 2]]
    assert nn.AvgPool2d(2, stride=2, ceil_mode=True)(torch.ones(1, 1, 5, 5)).tolist() == [[[[1.0] * 3] * 3]]
    corners = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)(torch.ones(1, 1, 6, 6))[0, 0]
    assert rounded(corners[0, 0]) == 0.4444
    assert rounded(corners[-1, -1]) == 0.25


def test_unpooling_puts_the_maxima_back() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    pooled, places = nn.MaxPool2d((2, 2), stride=(2, 2), return_indices=True)(x)
    back = nn.MaxUnpool2d((2, 2), stride=(2, 2))(pooled, places)
    assert back.shape == x.shape
    assert torch.equal(back, torch.where((x % 2 == 1) & (x % 8 >= 4), x, 0.0))


def test_the_first_maximum_wins() -> None:
    _, places = nn.MaxPool2d(2, return_indices=True)(torch.ones(1, 1, 2, 2))
    assert places.item() == 0


def test_convolution_is_a_matrix_and_the_transposed_one_its_transpose() -> None:
    from refops.functional.convolution_matrix import convolution_matrix

    weight = torch.randn(1, 1, 3, 3, dtype=torch.float64)
    image, small = torch.randn(1, 1, 4, 4, dtype=torch.float64), torch.randn(1, 1, 2, 2, dtype=torch.float64)
    matrix = convolution_matrix(weight, (4, 4))
    assert matrix.shape == (4, 16)
    torch.testing.assert_close(matrix @ image.flatten(), F.conv2d(image, weight).flatten())
    torch.testing.assert_close(matrix.T @ small.flatten(), F.conv_transpose2d(small, weight).flatten())
    assert (matrix.T @ matrix - torch.eye(16, dtype=torch.float64)).norm() > 1  # it does not undo the convolution


def test_weighted_cross_entropy_divides_by_the_weights() -> None:
    logits, target = torch.randn(32, 10, dtype=torch.float64), torch.randint(0, 10, (32,))
    weight = torch.tensor([1.0, 2.0, 3.0] + [1.0] * 7, dtype=torch.float64)
    nll = -F.log_softmax(logits, 1)[range(32), target]
    wanted = (weight[target] * nll).sum() / weight[target].sum()
    torch.testing.assert_close(nn.CrossEntropyLoss(weight=weight)(logits, target), wanted)


def test_negative_class_numbers_are_refused() -> None:
    with pytest.raises(IndexError):
        F.cross_entropy(torch.randn(2, 10), torch.tensor([0, -1]))


def test_huber_in_one_formula() -> None:
    error = torch.linspace(-3, 3, 61, dtype=torch.float64)
    q = error.abs().clamp(max=1.0)
    wanted = 0.5 * q**2 + 1.0 * (error.abs() - q)
    torch.testing.assert_close(F.huber_loss(error, torch.zeros_like(error), reduction="none"), wanted)


def test_ties() -> None:
    x = torch.zeros(1, requires_grad=True)
    for function, slope in ((lambda x: torch.maximum(x, torch.zeros(1)), 0.5), (lambda x: x.clamp(min=0), 1.0)):
        assert torch.autograd.grad(function(x).sum(), x)[0].item() == slope
    assert torch.autograd.grad(F.relu(x).sum(), x)[0].item() == 0


def test_accuracy_is_counted() -> None:
    outputs, labels = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), torch.tensor([1, 0, 0])
    correct = (tensor.max(outputs, 1)[1] == labels).sum().item()
    assert 100 * correct / len(labels) == pytest.approx(66.6667, abs=1e-4)


def test_separable_convolution_saves_parameters() -> None:
    ordinary = nn.Conv2d(16, 32, 3, bias=False)
    separable = [nn.Conv2d(16, 16, 3, groups=16, bias=False), nn.Conv2d(16, 32, 1, bias=False)]
    assert ordinary.weight.numel() == 16 * 32 * 9
    assert sum(layer.weight.numel() for layer in separable) == 16 * 9 + 16 * 32


def test_small_helpers_of_the_examples_are_torchs() -> None:
    assert refops.nn.Sequential is torch.nn.Sequential
    x = torch.randn(3)
    assert torch.equal(refops.nn.Sequential()(x), x)
    assert refops.nn.ModuleList is torch.nn.ModuleList
    assert refops.nn.Parameter is torch.nn.Parameter
    assert refops.nn.init.xavier_normal_ is torch.nn.init.xavier_normal_
