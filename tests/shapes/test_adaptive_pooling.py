"""The adaptive pooling formulas against native torch: the same shape, and a ValueError exactly where native raises."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from refops.shapes import adaptive_pooling

AVG = {f"AdaptiveAvgPool{n}d": n for n in (1, 2, 3)}
MAX = {f"AdaptiveMaxPool{n}d": n for n in (1, 2, 3)}
FORMULAS = {
    name: getattr(adaptive_pooling, f"adaptive_{name[8:11].lower()}_pool{n}d") for name, n in (AVG | MAX).items()
}


def native(name: str, input: tuple[int, ...], *args: Any, **kwargs: Any) -> Any:
    output = getattr(torch.nn, name)(*args, **kwargs)(torch.zeros(input))
    return tuple(tuple(o.shape) for o in output) if isinstance(output, tuple) else tuple(output.shape)


def assert_same(name: str, input: tuple[int, ...], *args: Any, **kwargs: Any) -> None:
    try:
        expected = native(name, input, *args, **kwargs)
    except (RuntimeError, IndexError, ValueError, TypeError):
        with pytest.raises(ValueError):
            FORMULAS[name](input, *args, **kwargs)
    else:
        assert FORMULAS[name](input, *args, **kwargs) == expected


@pytest.mark.parametrize("name", [*AVG, *MAX])
def test_over_a_grid(name: str) -> None:
    n = (AVG | MAX)[name]
    leading = [(2, 3), (3,), (0, 3), (2, 0), (0,), (), (1, 2, 3)]
    for lead, size, out in itertools.product(leading, (0, 1, 4), (-1, 0, 1, 2, 5)):
        assert_same(name, (*lead, *(size,) * n), out)
        assert_same(name, (*lead, *(size,) * n), (out,) * n)


@pytest.mark.parametrize("name", [*AVG, *MAX])
@given(data=st.data())
def test_like_native(name: str, data: st.DataObject) -> None:
    n = (AVG | MAX)[name]
    lead = data.draw(st.sampled_from([(2, 3), (2, 3), (3,), (0, 3), (2, 0), (0,), (), (1, 2, 3)]))
    entries = st.none() | st.integers(-1, 5) if data.draw(st.booleans()) else st.integers(0, 5)
    size = data.draw(st.integers(-1, 4) | st.lists(entries, min_size=n - 1, max_size=n + 1).map(tuple))
    spatial = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    kwargs = {"return_indices": data.draw(st.booleans())} if name in MAX else {}
    assert_same(name, (*lead, *spatial), size, **kwargs)


@pytest.mark.parametrize(
    ("input", "output_size", "expected"),
    [
        ((1, 64, 8, 9), (5, 7), (1, 64, 5, 7)),
        ((1, 64, 10, 9), 7, (1, 64, 7, 7)),
        ((1, 64, 10, 9), (None, 7), (1, 64, 10, 7)),
        ((1, 512, 4, 4), (1, 1), (1, 512, 1, 1)),
        ((1, 4, 2, 3), (5, 6), (1, 4, 5, 6)),  # more bins than elements
    ],
)
@pytest.mark.parametrize("name", ["AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])
def test_the_usual_examples(name: str, input: tuple[int, ...], output_size: Any, expected: tuple[int, ...]) -> None:
    assert FORMULAS[name](input, output_size) == expected == native(name, input, output_size)


def test_global_average_pooling_is_adaptive_pooling_to_size_one() -> None:
    assert adaptive_pooling.global_average_pool((2, 512, 7, 5)) == (2, 512)
    assert adaptive_pooling.global_average_pool((2, 512, 7, 5), keepdim=True) == native(
        "AdaptiveAvgPool2d", (2, 512, 7, 5), 1
    )
    for refused in ((2, 3), (2,), (2, 3, 0), (2, 3, 4, 0)):
        with pytest.raises(ValueError, match=r"^input must"):
            adaptive_pooling.global_average_pool(refused)


@pytest.mark.parametrize(
    ("input", "output_size", "named"),
    [
        ((1, 4, 4), (2,), "output_size"),
        ((1, 4, 4), -1, "output_size"),
        ((1, 4), (2, 2), "output_size"),
        ((1, 0, 4), 3, "input"),
        ((4, 4), 3, "input"),
    ],
)
def test_the_message_names_the_argument(input: tuple[int, ...], output_size: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        adaptive_pooling.adaptive_avg_pool2d(input, output_size)


def test_every_formula_is_tried() -> None:
    assert set(adaptive_pooling.__all__) == {"global_average_pool", *(f.__name__ for f in FORMULAS.values())}
