"""The formula of embedding bags against native torch: the same shape, and a ValueError exactly where native raises."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from refops.functional.embedding_bag import embedding_bag as reference
from refops.shapes.embedding_bag import embedding_bag


def assert_same(
    input: tuple[int, ...], offsets: tuple[int, ...] | None, weights: tuple[int, ...] | None, **kwargs: Any
) -> None:
    shapes = {"offsets": offsets, "per_sample_weights": weights}
    try:
        layer = torch.nn.EmbeddingBag(10, 3, **kwargs)
        call = {
            "offsets": None if offsets is None else torch.zeros(offsets, dtype=torch.int64),
            "per_sample_weights": None if weights is None else torch.zeros(weights),
        }
        expected = tuple(layer(torch.zeros(input, dtype=torch.int64), **call).shape)
    except (RuntimeError, ValueError, NotImplementedError, AssertionError):
        with pytest.raises(ValueError):
            embedding_bag(input, 3, num_embeddings=10, **shapes, **kwargs)
    else:
        assert embedding_bag(input, 3, num_embeddings=10, **shapes, **kwargs) == expected


@pytest.mark.parametrize("mode", ["sum", "mean", "max", "min"])
def test_over_a_grid(mode: str) -> None:
    inputs: list[tuple[int, ...]] = [(4,), (2, 3), (0, 3), (2, 0), (), (1, 2, 3)]
    offsets: list[tuple[int, ...] | None] = [None, (1,), (3,), (1, 2), ()]
    for input, at, weighted, flags in itertools.product(inputs, offsets, (False, True), range(4)):
        options = {"scale_grad_by_freq": flags == 1, "sparse": flags == 2, "padding_idx": 4 if flags == 3 else None}
        assert_same(input, at, input if weighted else None, mode=mode, **options)


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("bags", [0, 1, 4])
def test_the_last_offset(bags: int, include: bool) -> None:
    offsets = (bags,)
    if include and not bags:
        with pytest.raises(ValueError, match=r"^offsets must"):
            embedding_bag((0,), 3, offsets, include_last_offset=True)
    else:
        layer = torch.nn.EmbeddingBag(10, 3, include_last_offset=include)
        output = layer(torch.zeros(0, dtype=torch.int64), torch.zeros(offsets, dtype=torch.int64))
        assert embedding_bag((0,), 3, offsets, include_last_offset=include) == tuple(output.shape)


def test_the_usual_examples() -> None:
    assert embedding_bag((8,), 3, offsets=(2,)) == (2, 3)
    assert embedding_bag((2, 4), 3) == (2, 3)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"embedding_dim": -3}, "num_embeddings and embedding_dim"),
        ({"embedding_dim": 3, "mode": "min"}, "mode"),
        ({"embedding_dim": 3, "num_embeddings": 10, "padding_idx": 10}, "padding_idx"),
        ({"embedding_dim": 3, "per_sample_weights": (8,)}, "per_sample_weights"),
        ({"embedding_dim": 3, "mode": "max", "sparse": True}, "scale_grad_by_freq and sparse"),
        ({"embedding_dim": 3}, "input"),
    ],
)
def test_the_message_names_the_argument(kwargs: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        embedding_bag((8,), **kwargs)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_entries_behind_the_last_offset_are_in_no_bag(mode: str, dtype: torch.dtype) -> None:
    entries, table = torch.tensor([1, 2, 4, 5, 4, 3, 2, 9]), torch.randn(10, 3).to(dtype)
    cut = reference(entries, table, torch.tensor([0, 4, 6]), mode=mode, include_last_offset=True)
    assert torch.equal(cut, reference(entries[:6], table, torch.tensor([0, 4]), mode=mode))


def test_frequencies_are_those_of_the_row_itself() -> None:
    entries, at = torch.tensor([1, 2, 4, 5, 4, 3, 2, 9]), torch.tensor([0, 4])
    table = torch.randn(10, 1, dtype=torch.float64, requires_grad=True)
    summed = reference(entries, table, at, mode="sum", scale_grad_by_freq=True)
    (gradient,) = torch.autograd.grad(summed.sum(), table)
    assert gradient[:, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0, 1]  # native: 0.5 in row 3, 2 in row 4
