"""The unpooling formulas against native torch: the same shape, and a ValueError exactly where native raises."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from refops.shapes import pooling, unpooling

FORMULAS = {n: getattr(unpooling, f"max_unpool{n}d") for n in (1, 2, 3)}


def native(n: int, input: tuple[int, ...], output_size: Any = None, **kwargs: Any) -> tuple[int, ...]:
    indices = torch.zeros(input, dtype=torch.int64)  # all at 0, which lies in every output that is not empty
    output = getattr(torch.nn, f"MaxUnpool{n}d")(**kwargs)(torch.zeros(input), indices, output_size)
    return tuple(output.shape)


def assert_same(n: int, input: tuple[int, ...], output_size: Any = None, **kwargs: Any) -> None:
    try:
        expected = native(n, input, output_size, **kwargs)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        if "invalid max index" in str(error):  # an output without a place for the indices: a matter of their numbers
            return
        with pytest.raises(ValueError):
            FORMULAS[n](input, output_size=output_size, **kwargs)
    else:
        assert FORMULAS[n](input, output_size=output_size, **kwargs) == expected


@pytest.mark.parametrize("n", [1, 2, 3])
def test_over_a_grid(n: int) -> None:
    options = itertools.product((1, 3), (1, 2, 3), (None, 1, 2), (0, 1), (None, 3, 4, 5, 7))
    for size, k, s, p, out in options:
        kwargs = {"kernel_size": k, "stride": s, "padding": p}
        assert_same(n, (2, 3, *(size,) * n), None if out is None else (out,) * n, **kwargs)


@pytest.mark.parametrize("n", [1, 2, 3])
@given(data=st.data())
def test_like_native(n: int, data: st.DataObject) -> None:
    lead = data.draw(st.sampled_from([(2, 3), (2, 3), (3,), (0, 3), (2, 0), (0,), (), (1, 2, 3)]))
    spatial = data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))

    def numbers(low: int, high: int) -> Any:
        return data.draw(st.integers(low, high) | st.tuples(*[st.integers(low, high)] * n))

    kwargs = {"kernel_size": numbers(1, 3), "stride": data.draw(st.none()) or numbers(1, 3), "padding": numbers(0, 1)}
    size = data.draw(st.none() | st.lists(st.integers(1, 9), min_size=n, max_size=n + 2).map(tuple))
    assert_same(n, (*lead, *spatial), size, **kwargs)


@pytest.mark.parametrize("n", [1, 2, 3])
@given(data=st.data())
def test_what_was_pooled_is_among_the_sizes_allowed(n: int, data: st.DataObject) -> None:
    size = tuple(data.draw(st.lists(st.integers(3, 12), min_size=n, max_size=n)))
    windows = {"kernel_size": data.draw(st.integers(1, 3)), "stride": data.draw(st.integers(1, 3))}
    pooled = getattr(pooling, f"max_pool{n}d")((1, 1, *size), **windows)
    assert FORMULAS[n](pooled, output_size=(1, 1, *size), **windows) == (1, 1, *size)


def test_the_usual_examples() -> None:
    assert unpooling.max_unpool2d((1, 1, 2, 2), (2, 2), stride=(2, 2)) == (1, 1, 4, 4)
    assert unpooling.max_unpool3d((20, 16, 25, 16, 7), 3, stride=2) == (20, 16, 51, 33, 15)
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    pooled, indices = torch.nn.MaxPool2d((2, 2), stride=(2, 2), return_indices=True)(image)
    assert tuple(torch.nn.MaxUnpool2d((2, 2), stride=(2, 2))(pooled, indices).shape) == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"kernel_size": (2, 2, 2)}, "kernel_size"),
        ({"kernel_size": 2, "stride": 0}, "stride"),
        ({"kernel_size": 2, "padding": (1,) * 3}, "padding"),
        ({"kernel_size": 2, "output_size": (4, 6)}, "output_size"),
        ({"kernel_size": 2, "output_size": (4, 4, 4)}, "output_size"),
        ({"kernel_size": 1, "stride": 1, "padding": 2}, "output_size"),
        ({"kernel_size": 2, "indices": (1, 4)}, "indices"),
    ],
)
def test_the_message_names_the_argument(kwargs: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        unpooling.max_unpool2d((1, 2, 2), **kwargs)


def test_every_formula_is_tried() -> None:
    assert set(unpooling.__all__) == {f.__name__ for f in FORMULAS.values()}
