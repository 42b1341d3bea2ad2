"""Formulas of tensor operations against native torch, on the meta device."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.shapes import contraction
from refops.shapes import tensor as shapes

SHAPES = [(), (1,), (3,), (2, 3), (1, 3), (3, 1), (2, 1, 3), (2, 3, 4), (0, 3), (1, 1, 1)]
REFUSED = (RuntimeError, IndexError, TypeError, ValueError)
DIMS = range(-4, 4)
few = settings(deadline=None, max_examples=150)


def empty(shape):
    return torch.empty(shape, device="meta")


def agrees(formula, native):
    """The same shapes, or both refuse."""
    try:
        result = native()
    except REFUSED:
        with pytest.raises(ValueError, match="must"):
            formula()
        return
    several = isinstance(result, tuple)
    assert formula() == (tuple(tuple(t.shape) for t in result) if several else tuple(result.shape))


@given(st.sampled_from(SHAPES), st.lists(st.integers(-2, 6), max_size=3).map(tuple))
@few
def test_reshape(input, shape):
    agrees(lambda: shapes.reshape(input, shape), lambda: torch.reshape(empty(input), shape))
    agrees(lambda: shapes.view(input, shape), lambda: empty(input).view(shape))


@pytest.mark.parametrize("input", SHAPES)
def test_axes_exchanged_inserted_dropped(input):
    x = empty(input)
    for a, b in itertools.product(DIMS, repeat=2):
        agrees(lambda a=a, b=b: shapes.transpose(input, a, b), lambda a=a, b=b: torch.transpose(x, a, b))
        agrees(lambda a=a, b=b: shapes.squeeze(input, (a, b)), lambda a=a, b=b: torch.squeeze(x, (a, b)))
        agrees(lambda a=a, b=b: shapes.select(input, a, b), lambda a=a, b=b: torch.select(x, a, b))
        for c in range(-1, 4):
            agrees(lambda a=a, b=b, c=c: shapes.narrow(input, a, b, c), lambda a=a, b=b, c=c: torch.narrow(x, a, b, c))
    for dim in DIMS:
        agrees(lambda dim=dim: shapes.unsqueeze(input, dim), lambda dim=dim: torch.unsqueeze(x, dim))
        agrees(lambda dim=dim: shapes.squeeze(input, dim), lambda dim=dim: torch.squeeze(x, dim))
    agrees(lambda: shapes.squeeze(input), lambda: torch.squeeze(x))


@given(st.sampled_from(SHAPES), st.lists(st.integers(-4, 3), max_size=3))
@few
def test_permute(input, dims):
    agrees(lambda: shapes.permute(input, dims), lambda: torch.permute(empty(input), dims))


@given(st.sampled_from(SHAPES), st.lists(st.integers(-2, 4), max_size=4).map(tuple))
@few
def test_expand(input, sizes):
    if 0 in sizes and -1 in sizes[: max(len(sizes) - len(input), 0)]:
        return  # native gives a tensor with an axis of size -1
    agrees(lambda: shapes.expand(input, sizes), lambda: empty(input).expand(sizes))


BOUND = st.none() | st.integers(-5, 5)
ENTRY = st.integers(-4, 4) | st.none() | st.builds(slice, BOUND, BOUND, st.none() | st.integers(-1, 3))


@given(st.sampled_from(SHAPES), st.lists(ENTRY, max_size=4), st.integers(-1, 4))
@few
def test_slicing(input, entries, dots):
    if 0 <= dots <= len(entries):
        entries.insert(dots, ...)
    agrees(lambda: shapes.slicing(input, tuple(entries)), lambda: empty(input)[tuple(entries)])


@pytest.mark.parametrize("pair", list(itertools.product(SHAPES, repeat=2)))
def test_two_tensors(pair):
    x, y = map(empty, pair)
    agrees(lambda: shapes.broadcast_shape(*pair), lambda: torch.add(x, y))
    agrees(lambda: contraction.matmul(*pair), lambda: torch.matmul(x, y))
    agrees(lambda: contraction.mm(*pair), lambda: torch.mm(x, y))
    agrees(lambda: contraction.bmm(*pair), lambda: torch.bmm(x, y))
    for dim in DIMS:
        agrees(lambda dim=dim: shapes.cat(pair, dim), lambda dim=dim: torch.cat([x, y], dim))
        agrees(lambda dim=dim: shapes.stack(pair, dim), lambda dim=dim: torch.stack([x, y], dim))


@given(
    st.sampled_from(SHAPES),
    st.integers(-1, 5) | st.lists(st.integers(-1, 4), min_size=1, max_size=3),
    st.integers(-4, 3),
)
@few
def test_split(tensor, sizes, dim):
    agrees(lambda: shapes.split(tensor, sizes, dim), lambda: torch.split(empty(tensor), sizes, dim))
    if isinstance(sizes, int) and tensor:
        agrees(lambda: shapes.chunk(tensor, sizes, dim), lambda: torch.chunk(empty(tensor), sizes, dim))


@given(
    st.sampled_from(SHAPES), st.none() | st.integers(-4, 3) | st.lists(st.integers(-4, 3), max_size=3), st.booleans()
)
@few
def test_reductions(input, dim, keepdim):
    x = empty(input)
    for name in ("sum", "mean", "var"):
        formula, native = getattr(shapes, name), getattr(torch, name)
        agrees(lambda f=formula: f(input, dim, keepdim), lambda f=native: f(x, dim, keepdim=keepdim))
    if isinstance(dim, int):
        agrees(lambda: shapes.max(input, dim, keepdim), lambda: tuple(torch.max(torch.zeros(input), dim, keepdim)))
        agrees(lambda: shapes.min(input, dim, keepdim), lambda: tuple(torch.min(torch.zeros(input), dim, keepdim)))


@given(st.data())
@few
def test_einsum(data):
    terms = data.draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    dotted = data.draw(st.booleans())
    sizes = {x: data.draw(st.integers(1, 3)) for x in "abc"}
    operands = [tuple(sizes[x] for x in term) for term in terms]
    if dotted:
        operands[0] = (*operands[0], 2, 1)
        terms[0] += "..."
    broken = data.draw(st.integers(0, 9))
    if broken == 0 and operands[-1]:
        operands[-1] = (*operands[-1][:-1], 5)
    result = data.draw(st.none() | st.text("abc", max_size=3))
    dots = "..." if dotted and data.draw(st.booleans()) else ""
    equation = ",".join(terms) + ("" if result is None else "->" + result + dots)
    tensors = [torch.zeros(s) for s in operands]
    agrees(lambda: contraction.einsum(equation, *operands), lambda: torch.einsum(equation, *tensors))


def test_documented_examples():
    assert shapes.reshape((4,), (2, 2)) == (2, 2)
    assert shapes.view((4, 4), (-1, 8)) == (2, 8)
    assert shapes.transpose((1, 2, 3, 4), 1, 2) == shapes.view((1, 2, 3, 4), (1, 3, 2, 4)) == (1, 3, 2, 4)
    assert shapes.permute((2, 3, 5), (2, 0, 1)) == (5, 2, 3)
    assert shapes.squeeze((2, 1, 3, 1)) == (2, 3)
    assert shapes.unsqueeze((2, 3), 1) == (2, 1, 3)
    assert shapes.cat([(2, 3)] * 3) == (6, 3)
    assert shapes.cat([(2, 3)] * 3, 1) == (2, 9)
    assert shapes.stack([(2, 3)] * 2, 1) == (2, 2, 3)
    assert shapes.expand((3, 1), (3, 4)) == shapes.expand((3, 1), (-1, 4)) == (3, 4)
    assert shapes.split((5, 2), 2) == ((2, 2), (2, 2), (1, 2))
    assert shapes.split((5, 2), [1, 4]) == ((1, 2), (4, 2))
    assert shapes.sum((4, 5, 6), (2, 1)) == (4,)
    assert contraction.mm((2, 3), (3, 3)) == (2, 3)
    assert contraction.bmm((10, 3, 4), (10, 4, 5)) == contraction.matmul((10, 3, 4), (10, 4, 5)) == (10, 3, 5)
    assert contraction.matmul((10, 20), (20, 30)) == (10, 30)
    assert contraction.matmul((2, 3, 4), (2, 4, 5)) == (2, 3, 5)
    assert math.prod(shapes.view((4, 4), (16,))) == 16
