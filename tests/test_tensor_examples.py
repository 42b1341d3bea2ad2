"""The literal examples of tensor operations, with their numbers."""

import pytest
import torch

from refops import tensor as ops
from refops.shapes import contraction
from refops.shapes import tensor as shapes


def shares(a, b):
    return a.untyped_storage()._cdata == b.untyped_storage()._cdata


def test_matmul_of_matrices():
    assert ops.matmul(torch.randn(10, 20), torch.randn(20, 30)).shape == (10, 30)
    assert contraction.matmul((10, 20), (20, 30)) == (10, 30)


def test_matmul_of_batches():
    assert ops.matmul(torch.randn(2, 3, 4), torch.randn(2, 4, 5)).shape == (2, 3, 5)
    assert ops.matmul(torch.randn(10, 3, 4), torch.randn(10, 4, 5)).shape == (10, 3, 5)


def test_mm_is_for_matrices_alone():
    assert ops.mm(torch.randn(2, 3), torch.randn(3, 3)).shape == (2, 3) == contraction.mm((2, 3), (3, 3))
    with pytest.raises(RuntimeError, match="mat2"):
        ops.mm(torch.randn(2, 3), torch.randn(3))


def test_bmm_does_not_broadcast():
    assert ops.bmm(torch.randn(10, 3, 4), torch.randn(10, 4, 5)).shape == (10, 3, 5)
    with pytest.raises(RuntimeError, match="mat2"):
        ops.bmm(torch.randn(1, 3, 4), torch.randn(2, 4, 5))


def test_reshape():
    assert ops.reshape(torch.arange(4.0), (2, 2)).tolist() == [[0, 1], [2, 3]]
    assert ops.reshape(torch.tensor([[0, 1], [2, 3]]), (-1,)).tolist() == [0, 1, 2, 3]


def test_reshape_copies_only_what_strides_cannot_say():
    x = torch.randn(4, 6)
    assert shares(ops.reshape(x, (24,)), x)
    assert not shares(ops.reshape(x.t(), (24,)), x)
    assert shares(ops.reshape(x.t(), (6, 2, 2)), x)


def test_view():
    x = torch.randn(4, 4)
    assert ops.view(x, 16).shape == (16,)
    assert ops.view(x, -1, 8).shape == (2, 8)
    with pytest.raises(RuntimeError, match="shape"):
        ops.view(x.t(), 16)


def test_view_is_no_transpose():
    a = torch.randn(1, 2, 3, 4)
    b, c = ops.transpose(a, 1, 2), ops.view(a, 1, 3, 2, 4)
    assert b.shape == c.shape == (1, 3, 2, 4)
    assert not torch.equal(b, c)


def test_transpose_and_permute_are_views():
    x = torch.randn(2, 3, 5)
    assert ops.transpose(x[:, :, 0], 0, 1).shape == (3, 2)
    y = ops.permute(x, (2, 0, 1))
    assert y.shape == (5, 2, 3)
    assert shares(x, y)
    assert y.stride() == (1, 15, 5)


def test_squeeze_and_unsqueeze():
    assert ops.squeeze(torch.zeros(2, 1, 3, 1)).shape == (2, 3)
    assert ops.unsqueeze(torch.zeros(2, 3), 1).shape == (2, 1, 3)


def test_cat_and_stack():
    x = torch.randn(2, 3)
    assert ops.cat((x, x, x), 0).shape == (6, 3)
    assert ops.cat((x, x, x), 1).shape == (2, 9)
    assert ops.stack((x, x), dim=1).shape == (2, 2, 3)
    assert torch.equal(ops.cat((torch.empty(0), x), 1), x)


def test_expand():
    x = torch.tensor([[1], [2], [3]])
    assert ops.expand(x, 3, 4).tolist() == [[1] * 4, [2] * 4, [3] * 4]
    assert ops.expand(x, -1, 4).shape == (3, 4)
    assert shares(ops.expand(x, 3, 4), x)


def test_expand_takes_no_shape_one_likes():
    x = torch.zeros(3, 1)
    assert ops.expand(x, 2, 3, 4).shape == (2, 3, 4)
    for sizes in ((6, 4), (-1, 3, 4), (3,), (1, 1)):
        with pytest.raises(RuntimeError, match="sizes"):
            ops.expand(x, sizes)
    with pytest.raises(RuntimeError):
        ops.expand(x, 3, 4)[0] = 1


def test_flatten():
    t = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert ops.flatten(t).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert ops.flatten(t, start_dim=1).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    one = torch.arange(3)
    assert ops.flatten(one) is one
    assert shares(ops.flatten(t), t)
    assert not shares(ops.flatten(t.transpose(0, 2)), t)


def test_sqrt_of_negatives_and_at_zero():
    x = torch.tensor([-1.0, 0.0, 4.0], requires_grad=True)
    y = ops.sqrt(x)
    assert torch.isnan(y[0])
    assert y[1:].tolist() == [0, 2]
    (slope,) = torch.autograd.grad(y[1], x)
    assert slope[1] == torch.inf


def test_shapes_that_meet_and_that_do_not():
    assert ops.add(torch.randn(3, 1), torch.randn(4)).shape == (3, 4) == shapes.broadcast_shape((3, 1), (4,))
    with pytest.raises(RuntimeError, match="input and other"):
        ops.add(torch.randn(3), torch.randn(4))


def test_split():
    a = torch.arange(10).reshape(5, 2)
    assert [p.tolist() for p in ops.split(a, 2)] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9]]]
    assert [p.tolist() for p in ops.split(a, [1, 4])] == [[[0, 1]], [[2, 3], [4, 5], [6, 7], [8, 9]]]
    assert all(shares(p, a) for p in ops.split(a, 2))
    assert [p.shape for p in ops.split(a, 1, dim=1)] == [(5, 1), (5, 1)]  # the first axis only where none is named


def test_slices():
    x = torch.arange(1, 11)
    assert ops.slicing(x, slice(2, 7)).tolist() == [3, 4, 5, 6, 7]
    assert ops.slicing(x, slice(1, 9, 2)).tolist() == [2, 4, 6, 8]
    assert torch.equal(ops.slicing(x, slice(None)), x)
    with pytest.raises(ValueError, match="slices"):
        ops.slicing(x, slice(None, None, -1))


def test_mean():
    x = torch.randn(4, 4)
    assert ops.mean(x, 1).shape == (4,)
    assert ops.mean(x, 1, True).shape == (4, 1)
    torch.testing.assert_close(ops.mean(x, 1), torch.mean(x, 1))


def test_var_is_unbiased():
    x = torch.tensor([
        [0.2035, 1.2959, 1.8101, -0.4644],
        [1.5027, -0.3270, 0.5905, 0.6538],
        [-1.5745, 1.3330, -0.5596, -0.6548],
        [0.1264, -0.5080, 1.6420, 0.1992],
    ])  # fmt: skip
    unbiased = torch.tensor([[1.0631], [0.5590], [1.4893], [0.8258]])
    biased = torch.tensor([[0.7973], [0.4193], [1.1170], [0.6193]])
    torch.testing.assert_close(ops.var(x, dim=1, keepdim=True), unbiased, atol=6e-5, rtol=0)
    torch.testing.assert_close(ops.var(x, 1, correction=0, keepdim=True), biased, atol=6e-5, rtol=0)


def test_sum():
    assert ops.sum(torch.randn(4, 4), 1).shape == (4,)
    b = torch.arange(4 * 5 * 6).view(4, 5, 6)
    assert ops.sum(b, (2, 1)).tolist() == [435, 1335, 2235, 3135]


def test_max_and_min_name_the_place():
    x = torch.randn(4, 4)
    for ours, native in ((ops.max, torch.max), (ops.min, torch.min)):
        values, indices = ours(x, 1)
        assert torch.equal(values, native(x, 1).values)
        assert torch.equal(indices, native(x, 1).indices)


def test_one_of_equals_gets_the_gradient_of_max_and_all_share_that_of_amax():
    x = torch.tensor([[2.0, 1.0, 2.0]], requires_grad=True)
    assert torch.autograd.grad(ops.max(x, 1).values, x)[0].tolist() == [[1, 0, 0]]
    assert torch.autograd.grad(ops.max(x), x)[0].tolist() == [[0.5, 0, 0.5]]
    assert torch.autograd.grad(x.amax(1), x)[0].tolist() == [[0.5, 0, 0.5]]


def test_max_and_min_of_booleans_and_the_smallest_integer():
    flags = torch.tensor([False, True, True])
    assert ops.max(flags, 0) == (torch.tensor(True), torch.tensor(1))
    assert ops.min(torch.tensor([5, -(2**63), 3]), 0).indices == 1


@pytest.mark.parametrize("view", [
    lambda x: ops.transpose(x, 0, 1), lambda x: ops.view(x, 12), lambda x: ops.slicing(x, 1, slice(1, 3)),
    lambda x: ops.narrow(x, 1, 1, 2), lambda x: ops.split(x, 2)[1], lambda x: ops.unsqueeze(x, 0),
])  # fmt: skip
def test_writing_into_a_view_reaches_the_whole_and_its_gradient(view):
    leaf = torch.ones(3, 4, requires_grad=True)
    whole = leaf * 1
    view(whole).mul_(5)
    assert (whole == 5).sum() == view(whole).numel()
    (slope,) = torch.autograd.grad(whole.sum(), leaf)
    assert torch.equal(slope, whole.detach())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("dynamic", [False, True])
def test_one_graph_under_compile(dynamic):
    def mixed(x, y):
        parts = ops.split(ops.permute(x, (1, 0)), 2)
        joined = ops.cat([parts[1], ops.slicing(parts[0], slice(1, None))], 0)
        return ops.einsum("ij,kj->ik", joined, ops.where(y > 0, y, 0.0)) + ops.mean(ops.expand(x, 2, 5, 4))

    x, y = torch.randn(5, 4, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    torch._dynamo.reset()
    compiled = torch.compile(mixed, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    torch.testing.assert_close(compiled(x, y), mixed(x, y))
    for a, b in zip(*(torch.autograd.grad(f(x, y).sum(), (x, y)) for f in (compiled, mixed)), strict=True):
        torch.testing.assert_close(a, b)
