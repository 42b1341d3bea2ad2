"""The pooling formulas against native torch: the same shape, and a ValueError exactly where native raises."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from refops.shapes import pooling

MAX = {"MaxPool1d": 1, "MaxPool2d": 2, "MaxPool3d": 3}
AVG = {"AvgPool1d": 1, "AvgPool2d": 2, "AvgPool3d": 3}
FORMULAS = {name: getattr(pooling, f"{name[:3].lower()}_pool{n}d") for name, n in (MAX | AVG).items()}


def native(name: str, input: tuple[int, ...], **kwargs: Any) -> Any:
    output = getattr(torch.nn, name)(**kwargs)(torch.empty(input, device="meta"))
    return tuple(tuple(o.shape) for o in output) if isinstance(output, tuple) else tuple(output.shape)


def assert_same(name: str, input: tuple[int, ...], **kwargs: Any) -> None:
    try:
        expected = native(name, input, **kwargs)
    except (RuntimeError, IndexError):
        with pytest.raises(ValueError):
            FORMULAS[name](input, **kwargs)
    else:
        assert FORMULAS[name](input, **kwargs) == expected


def one_axis(dilations: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for k, s, p, d, c in itertools.product(range(5), (None, 0, 1, 2, 3, 5), range(-1, 3), dilations, (False, True)):
        yield {"kernel_size": k, "stride": s, "padding": p, "dilation": d, "ceil_mode": c}


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_max_pool1d_over_a_grid(size: int) -> None:
    for kwargs in one_axis((0, 1, 2, 3)):
        assert_same("MaxPool1d", (2, size), **kwargs)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_avg_pool1d_over_a_grid(size: int) -> None:
    for kwargs in one_axis((1,)):
        del kwargs["dilation"]
        assert_same("AvgPool1d", (2, size), **kwargs)


def numbers(n: int, low: int, high: int) -> st.SearchStrategy[Any]:
    each = st.integers(low, high)
    return each | st.tuples(*[each] * n) | st.tuples(each)


@pytest.mark.parametrize("name", [*MAX, *AVG])
@given(data=st.data())
def test_like_native(name: str, data: st.DataObject) -> None:
    n = (MAX | AVG)[name]
    spatial = data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    leading = data.draw(st.sampled_from([(2, 3), (3,), (0, 3), (2, 0), (0,), (), (1, 2, 3)]))
    kwargs: dict[str, Any] = {
        "kernel_size": data.draw(numbers(n, 0, 4)),
        "stride": data.draw(st.none() | numbers(n, 0, 3)),
        "padding": data.draw(numbers(n, -1, 2)),
        "ceil_mode": data.draw(st.booleans()),
    }
    if name in MAX:
        kwargs |= {"dilation": data.draw(numbers(n, 0, 3)), "return_indices": data.draw(st.booleans())}
    elif n > 1:
        kwargs["divisor_override"] = data.draw(st.none() | st.integers(-2, 2))
    if data.draw(st.booleans()):  # most draws are refused: steer half of them to legal ones
        spatial, leading = [max(5, s) for s in spatial], leading if leading in [(2, 3), (3,), (0, 3)] else (2, 3)
        kwargs |= {"kernel_size": 3, "padding": data.draw(numbers(n, 0, 1)), "stride": data.draw(numbers(n, 1, 3))}
        kwargs |= {"dilation": data.draw(numbers(n, 1, 3))} if name in MAX else {}
        kwargs |= {"divisor_override": 3} if "divisor_override" in kwargs else {}
    assert_same(name, (*leading, *spatial), **kwargs)


@pytest.mark.parametrize(
    ("input", "kwargs", "expected"),
    [
        ((1, 64, 32, 32), {"kernel_size": 2, "stride": 2}, (1, 64, 16, 16)),
        ((20, 16, 50, 32), {"kernel_size": 3, "stride": 2}, (20, 16, 24, 15)),
        ((20, 16, 50, 32), {"kernel_size": (3, 2), "stride": (2, 1)}, (20, 16, 24, 31)),
        ((1, 1, 4, 4), {"kernel_size": (2, 2), "stride": (2, 2)}, (1, 1, 2, 2)),
        ((1, 1, 5, 5), {"kernel_size": 1, "stride": 3, "ceil_mode": True}, (1, 1, 2, 2)),  # ceil(4 / 3) + 1 would be 3
        ((1, 1, 5, 5), {"kernel_size": 2, "stride": 2, "ceil_mode": True}, (1, 1, 3, 3)),
        ((1, 1, 6, 6), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, (1, 1, 4, 4)),
    ],
)
@pytest.mark.parametrize("name", ["MaxPool2d", "AvgPool2d"])
def test_the_usual_examples(name: str, input: tuple[int, ...], kwargs: dict[str, Any], expected: Any) -> None:
    assert FORMULAS[name](input, **kwargs) == expected == native(name, input, **kwargs)


def test_indices_have_the_shape_of_the_maxima() -> None:
    assert pooling.max_pool2d((1, 1, 4, 4), 2, return_indices=True) == ((1, 1, 2, 2), (1, 1, 2, 2))


@pytest.mark.parametrize(
    ("formula", "kwargs", "named"),
    [
        ("max_pool2d", {"kernel_size": 0}, "kernel_size"),
        ("max_pool2d", {"kernel_size": 2, "stride": 0}, "stride"),
        ("max_pool2d", {"kernel_size": 2, "padding": 2}, "padding"),
        ("max_pool2d", {"kernel_size": 2, "dilation": 0}, "dilation"),
        ("max_pool2d", {"kernel_size": 9}, "kernel_size"),
        ("max_pool2d", {"kernel_size": (2, 2, 2)}, "kernel_size"),
        ("avg_pool2d", {"kernel_size": 2, "divisor_override": 0}, "divisor_override"),
        ("max_pool3d", {"kernel_size": 2}, "input"),
    ],
)
def test_the_message_names_the_argument(formula: str, kwargs: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        getattr(pooling, formula)((1, 4, 4), **kwargs)


def test_every_formula_is_tried() -> None:
    assert set(pooling.__all__) == {f.__name__ for f in FORMULAS.values()}
