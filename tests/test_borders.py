"""Numbers that lie on a border exactly, and settings at their last legal value: what native does there."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch.autograd import forward_ad as ad
from torch.nn import functional as F

from refops.functional import (
    adaptive_pooling,
    convolution,
    pooling,
    rectifier,
    smooth_activation,
    switch_normalization,
)
from refops.functional.embedding import embedding
from refops.functional.loss import focal, mining, smoothing
from refops.functional.mixture_of_experts import mixture_of_experts
from refops.hand_derived import call
from refops.nn import (
    deformable_convolution,
    embedding_bag,
    initial,
    linear,
    local_attention,
    octave_convolution,
    structured_dropout,
    transformer,
)
from refops.nn import switch_normalization as switch
from refops.optim import LAMB, Adam
from refops.optim.plateau import ReduceLROnPlateau
from refops.tensor import axes, contraction, indexing, joining, pointwise, reductions, strides

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own, on going forward


def slope(function: object, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    function(x).sum().backward()
    return x.grad


def test_softplus_at_its_threshold() -> None:
    x = torch.tensor([1.0, 1.0 + 2**-23])
    for beta in (1.0, 2.0):
        x = x / beta
        mine = slope(lambda t, b=beta: smooth_activation.softplus(t, b, 1.0), x)
        torch.testing.assert_close(mine, slope(lambda t, b=beta: F.softplus(t, b, 1.0), x))


def test_unsigned_limits() -> None:
    x = torch.tensor([0, 3, 200], dtype=torch.uint8)
    assert torch.equal(rectifier.hardtanh(x, 0, 6), F.hardtanh(x, 0, 6))
    with pytest.raises(RuntimeError, match="signed"):
        rectifier.hardtanh(x, -1, 6)


def test_rrelu_in_evaluation_has_natives_strides() -> None:
    x = torch.randn(3, 4).t()
    assert rectifier.rrelu(x).stride() == F.rrelu(x).stride()


def test_bags_without_features_whatever_the_threads() -> None:
    for threads in (1, 2):  # native has them with one alone
        torch.set_num_threads(threads)
        assert embedding_bag.EmbeddingBag(10, 0)(torch.zeros(3, 4, dtype=torch.int64)).shape == (3, 0)
    torch.set_num_threads(1)
    assert torch.nn.EmbeddingBag(10, 0)(torch.zeros(3, 4, dtype=torch.int64)).shape == (3, 0)


def test_a_row_of_just_the_largest_norm_stays() -> None:
    for norm_type in (2.0, float("inf"), 1.0):
        mine = torch.tensor([[2.0**-20, 0.0], [3.0, 4.0]])
        native = mine.clone()
        index = torch.tensor([0, 1])
        embedding(index, mine, max_norm=2.0**-20, norm_type=norm_type)
        F.embedding(index, native, max_norm=2.0**-20, norm_type=norm_type)
        torch.testing.assert_close(mine, native, atol=0, rtol=1e-6)
        assert mine[0, 0] == 2.0**-20


def test_a_mean_to_one_place() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.complex64)
    torch.testing.assert_close(adaptive_pooling.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, 1))


def test_autocast_lowers_neither_float64_nor_whole_numbers() -> None:
    wide, whole = torch.randn(3, dtype=torch.float64), torch.arange(3)
    assert convolution._lowered(wide, torch.bfloat16).dtype == torch.float64
    assert convolution._lowered(whole, torch.bfloat16).dtype == torch.int64
    assert convolution._lowered(wide.float(), torch.bfloat16).dtype == torch.bfloat16


def test_the_direction_of_an_input_alone() -> None:
    x, w = torch.tensor([-2.0, 3.0]), torch.tensor([0.25])
    with ad.dual_level():
        out = rectifier.prelu(ad.make_dual(x, torch.tensor([2.0, 3.0])), w)
        assert ad.unpack_dual(out).tangent.tolist() == [0.5, 3.0]


def test_the_direction_of_the_smaller_of_two() -> None:
    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.0, 1.0])
    a, b = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([10.0, 20.0, 40.0])
    for name in ("minimum", "maximum"):
        mine = torch.func.jvp(getattr(pointwise, name), (x, y), (a, b))
        torch.testing.assert_close(mine, torch.func.jvp(getattr(torch, name), (x, y), (a, b)))


def test_the_direction_of_squared_distances() -> None:
    x, t = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    mine = torch.func.jvp(lambda z: call(mining._PairSquares, z), (x,), (t,))
    torch.testing.assert_close(mine, torch.func.jvp(lambda z: ((z[:, None] - z[None]) ** 2).sum(2), (x,), (t,)))


@pytest.mark.parametrize("dim", [0, 1])
def test_whole_numbers_have_no_direction(dim: int) -> None:
    x = torch.randn(2, 3, 4)
    whole = torch.ones_like(x, dtype=torch.int64).narrow(dim, 0, 1)
    mine = torch.func.jvp(lambda z: joining.cat([whole, z], dim), (x,), (2 * x,))
    torch.testing.assert_close(mine, torch.func.jvp(lambda z: torch.cat([whole, z], dim), (x,), (2 * x,)))


def test_the_direction_of_a_view_is_the_view_of_the_direction() -> None:
    x, t = torch.randn(1, 3, requires_grad=True), torch.randn(1, 3)  # many indices for one number, and both directions
    with ad.dual_level():
        view = axes.expand(ad.make_dual(x, t), 2, 3)
        torch.testing.assert_close(ad.unpack_dual(view).tangent, t.expand(2, 3))


def test_terms_are_widened_before_they_are_summed() -> None:
    x = torch.tensor([1.0, 2.0**-30])
    assert reductions.sum(x, dtype=torch.float64).item() == torch.sum(x, dtype=torch.float64).item() == 1 + 2.0**-30


def test_a_view_starts_where_its_base_does() -> None:
    rows = torch.arange(20.0)[4:].view(4, 4)
    assert torch.equal(strides._view(rows, (2, 2), (4, 1), (1, 1)), rows[1:3, 1:3])


def test_autocast_leaves_products_of_float64() -> None:
    x = torch.randn(2, 3, dtype=torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        products = [function(x, x.T).dtype for function in (contraction.mm, torch.mm)]
        assert products == [torch.float64, torch.float64]
        assert contraction.mm(x.float(), x.T.float()).dtype == torch.bfloat16


def test_an_int_is_an_int() -> None:
    strides.require_int(1, "n")
    for value in (True, 1.0, "1"):
        with pytest.raises(TypeError, match="n must be an int"):
            strides.require_int(value, "n")
    for entry in (True, 1.0, "1"):
        with pytest.raises(TypeError, match="slices must hold ints"):
            indexing.slicing(torch.ones(3), entry)


def test_dtypes_of_numbers_without_axes() -> None:
    single, double = torch.ones(2), torch.tensor(2.0, dtype=torch.float64)
    for name in ("add", "mul", "div"):
        assert getattr(pointwise, name)(single, double).dtype == getattr(torch, name)(single, double).dtype
    assert pointwise._common_dtype(torch.ones(()), torch.ones(1, dtype=torch.float16)) == torch.float16


def test_switch_norm_without_eps() -> None:
    x = torch.randn(2, 3, 4)
    with pytest.raises(ValueError, match="eps"):
        switch_normalization.switch_norm(x, None, None, torch.ones(3), torch.ones(3), training=True, eps=0.0)
    layer = switch.SwitchNorm1d(3, eps=0.0).eval()
    assert layer(x).isfinite().all()
    assert int(layer.num_batches_tracked) == 0
    mean = torch.zeros(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="running_mean"):
        switch_normalization.switch_norm(x, mean, torch.ones(3), torch.ones(3), torch.ones(3), training=True)


def test_what_is_refused() -> None:
    with pytest.raises(RuntimeError, match="to have a variance"):
        reductions.var(torch.ones(3, dtype=torch.int64))
    experts = [(torch.zeros(2, 1), torch.zeros(2))]
    with pytest.raises(ValueError, match="input must have 1 features"):
        mixture_of_experts(torch.tensor(1.0), (torch.zeros(1, 1), torch.zeros(1)), experts)
    with pytest.raises((RuntimeError, NotImplementedError), match="label_smoothing"):
        smoothing.label_smoothing_cross_entropy(torch.ones(2, 3, dtype=torch.int64), torch.tensor([0, 1]))
    for channels in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match="must be positive"):
            deformable_convolution.DeformableConv2d(*channels)
        with pytest.raises(ValueError, match="must be positive"):
            octave_convolution.OctaveConv2d(*channels, 3)
    with pytest.raises(ValueError, match="kernel_size must be an int or a pair"):
        deformable_convolution.DeformableConv2d(2, 2, (3, 3, 3))
    with pytest.raises(ValueError, match="mode"):
        local_attention.LocalAttention(4, 2, mode="blocks")
    with pytest.raises(ValueError, match="p must be"):
        structured_dropout.DropBlock2d(2.0)
    for pool in (pooling.avg_pool2d, F.avg_pool2d):
        with pytest.raises(NotImplementedError):
            pool(torch.ones(1, 1, 2, 2, dtype=torch.int32), 2)


def test_what_is_just_taken() -> None:
    losses = focal.focal_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1]), alpha=1.0, gamma=0.0)
    assert losses.item() == pytest.approx(math.log(2))
    weight = torch.tensor([[3.0, 4.0, 0.0], [1.0, 0.0, 0.0]])
    for function in (embedding, F.embedding):  # the 0-norm counts what is not 0
        shortened = function(torch.tensor([0, 1]), weight.clone(), max_norm=1.0, norm_type=0.0)
        torch.testing.assert_close(shortened, torch.tensor([[1.5, 2.0, 0.0], [1.0, 0.0, 0.0]]))
    for pool in (adaptive_pooling.adaptive_max_pool1d_with_indices, F.adaptive_max_pool1d_with_indices):
        assert [t.shape for t in pool(torch.ones(1, 2, 3), 0)] == [(1, 2, 0), (1, 2, 0)]


def test_sizes_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is nothing to initialise
        assert linear.Linear(0, 3).weight.shape == (3, 0)
        assert linear.Linear(3, 0).weight.shape == (0, 3)
    for bag in (embedding_bag.EmbeddingBag, torch.nn.EmbeddingBag):  # a table of one's own is asked for its own size
        with pytest.raises(AssertionError):
            bag(-1, 2, _weight=torch.ones(3, 2))


def test_a_gain_widens_the_start() -> None:
    torch.manual_seed(0)
    plain = initial.xavier_uniform_(torch.empty(30, 20))
    torch.manual_seed(0)
    torch.testing.assert_close(initial.xavier_uniform_(torch.empty(30, 20), gain=3.0), 3 * plain)


def test_an_encoders_defaults() -> None:
    layer = transformer.TransformerEncoderLayer(4, 2, 5)
    stack = transformer.TransformerEncoder(layer, 1)
    native = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4, 2, 5), 1, enable_nested_tensor=False)
    assert stack.mask_check == native.mask_check
    assert stack.enable_nested_tensor


def test_betas_of_one_element() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    for optimizer in (Adam, torch.optim.Adam):
        made = optimizer([parameter], betas=(torch.tensor([0.9]), torch.tensor([0.99])), capturable=True)
        assert [b.shape for b in made.defaults["betas"]] == [(), ()]


def test_a_state_without_entries() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    for optimizer in (Adam([parameter]), torch.optim.Adam([parameter])):
        assert optimizer.state[parameter] == {}
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.__setstate__(optimizer.__getstate__())
        assert optimizer.state[parameter] == {}


def test_lamb_in_half_precision_without_a_gradient() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    parameter.grad = torch.zeros(2, dtype=torch.float16)
    LAMB([parameter], lr=0.1, weight_decay=0.0).step()
    assert parameter.tolist() == [1.0, 1.0]


def test_lamb_in_half_precision_rounds_once() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1000, dtype=torch.bfloat16))
    parameter.grad = torch.randn(1000, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    optimizer = LAMB([parameter], lr=1.0, eps=0.1, weight_decay=0.0)
    optimizer.step()
    m, v = (optimizer.state[parameter][name].double() for name in ("exp_avg", "exp_avg_sq"))
    truth = -(m / 0.1) / ((v / 0.001).sqrt() + 0.1)  # weights of length 0: no trust ratio
    assert ((parameter.double() - truth).abs() <= 0.51 * 2.0**-7 * 2 ** truth.abs().log2().floor()).all()


def test_a_miner_and_one_row_of_nan() -> None:
    assert mining.triplet_mining_loss(torch.tensor([[torch.nan]]), torch.tensor([0]), mining="semi-hard") == 0


def test_an_equal_mark_is_not_better() -> None:
    for scheduler in (ReduceLROnPlateau, torch.optim.lr_scheduler.ReduceLROnPlateau):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        plateau = scheduler(optimizer, patience=0, threshold=0.0)
        for metric in (1.0, 1.0):
            plateau.step(metric)
        assert optimizer.param_groups[0]["lr"] == 0.1


def test_contracted_axes_of_one() -> None:
    x, y = torch.randn(1, 4), torch.randn(4, 1)
    for equation in ("ij,jk->k", "ij,jk->", "ij,jk->ik"):
        torch.testing.assert_close(contraction.einsum(equation, x, y), torch.einsum(equation, x, y))
