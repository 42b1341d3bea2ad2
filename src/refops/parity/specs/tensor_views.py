"""Tensor views: other sizes and strides over the same numbers, and copies only where native copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import called, real
from refops.parity.spec import Law, Refusal
from refops.parity.specs._tensor_views_cases import (
    _spec,
    every_second,
    expand_cases,
    factored,
    permute_cases,
    reads_in_order,
    repeated,
    slicing_cases,
    twice,
    undone,
)
from refops.shapes import tensor as shapes
from refops.shapes.reshaping import flatten as flatten_shape
from refops.tensor.axes import expand, narrow, permute, select, squeeze, transpose, unsqueeze
from refops.tensor.indexing import slicing
from refops.tensor.views import flatten, reshape, view

if TYPE_CHECKING:
    pass

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
TRIVIAL = "only the labels change, every number stays"


def native_slicing(input: Tensor, *slices: Any) -> Tensor:
    """What square brackets do."""
    return input[slices]


def one_sequence(given: tuple[Any, ...]) -> Shape:
    """Sizes given one by one or as one sequence."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given


def view_shape(input: Shape, shape: tuple[Any, ...]) -> Shape:
    """`view` takes its sizes either way."""
    return shapes.view(input, one_sequence(shape))


def expand_shape(input: Shape, sizes: tuple[Any, ...]) -> Shape:
    """`expand` takes its sizes either way."""
    return shapes.expand(input, one_sequence(sizes))


def function_flatten_shape(input: Shape, start_dim: int = 0, end_dim: int = -1) -> Shape:
    """The function starts at axis 0, the layer at axis 1."""
    return flatten_shape(input, start_dim, end_dim)


SPECS = (
    _spec(
        "reshape",
        reshape,
        torch.reshape,
        (
            called(real(4, 6, 3), (8, 9)),
            called(real(4), (2, 2)),
            called(real(2, 2), (-1,)),
            called(real(4, 4), [-1, 8]),
            called(real(), (1, 1)),
            called(real(1, 1), ()),
            called(real(2, 1, 3), (1, 2, 3, 1)),
            called(real(3, 5, 2), shape=(5, -1)),
            called(real(0, 3), (3, 0)),
            called(real(0, 3), (-1, 3)),
            called(real(2, 3, 4), (2, 3, 4)),
            called(real(3, 17, 33), (33, 17, 3)),
        ),
        shape=shapes.reshape,
        strategy=lambda: factored(separate=False),
        laws=(Law("reads in order", reads_in_order, (real(7, 13),)),),
        refusals=(
            Refusal(called(real(2, 3), (4,)), "shape"),
            Refusal(called(real(2, 3), (-1, -1)), "shape"),
            Refusal(called(real(2, 3), (-1, 4)), "shape"),
            Refusal(called(real(2, 3), (-2, -3)), "shape"),
            Refusal(called(real(0, 3), (-1, 0)), "shape"),
            Refusal(called(real(2, 3), 6), "shape"),
            Refusal(called(real(2, 3), (6.0,)), "shape"),
        ),
    ),
    _spec(
        "view",
        view,
        torch.Tensor.view,
        (
            called(real(4, 6, 3), 8, 9),
            called(real(4, 4), (16,)),
            called(real(4, 4), -1, 8),
            called(real(1, 2, 3, 4), (1, 3, 2, 4)),
            called(real(), 1),
            called(real(1, 1), ()),
            called(real(2, 1, 3), [2, 3]),
            called(real(0, 3), 3, 0),
            called(real(2, 3, 4), 2, 1, 12),
            called(real(17, 33), 33, 17),
        ),
        shape=view_shape,
        strategy=lambda: factored(separate=True),
        refusals=(
            Refusal(called(real(2, 3), 4), "shape"),
            Refusal(called(real(2, 3), -1, -1), "shape"),
            Refusal(called(real(2, 3), (-1, 5)), "shape"),
            Refusal(called(real(0, 3), -1, 0), "shape"),
            Refusal(called(real(2, 3), 6.0), "shape"),
            Refusal(called(real(6, 4), (24,)).but(layout="transposed"), "shape"),
        ),
    ),
    _spec(
        "transpose",
        transpose,
        torch.transpose,
        (
            called(real(6, 5, 4), 0, 2),
            called(real(2, 3), 0, 1),
            called(real(1, 2, 3, 4), 1, 2),
            called(real(3, 4, 5), -1, -2),
            called(real(5), 0, -1),
            called(real(), 0, -1),
            called(real(0, 3), 0, 1),
            called(real(2, 3, 4), dim0=1, dim1=1),
            called(real(17, 33), 1, 0),
        ),
        shape=shapes.transpose,
        laws=(Law("twice", twice, (real(7, 3, 11),)),),
        refusals=(
            Refusal(called(real(2, 3), 0, 2), "dim1"),
            Refusal(called(real(2, 3), -3, 0), "dim0"),
            Refusal(called(real(2, 3), 0, 1.0), "dim1"),
        ),
    ),
    _spec(
        "permute",
        permute,
        torch.permute,
        (
            called(real(6, 5, 4), (2, 0, 1)),
            called(real(2, 3, 5), (2, 0, 1)),
            called(real(2, 3), [1, 0]),
            called(real(3, 4, 5), (-1, 0, -2)),
            called(real(5), (0,)),
            called(real(), ()),
            called(real(0, 3, 2), (1, 2, 0)),
            called(real(2, 1, 3, 2), dims=(3, 1, 0, 2)),
            called(real(3, 17, 33), (1, 2, 0)),
        ),
        shape=shapes.permute,
        strategy=permute_cases,
        laws=(Law("undone", undone, (real(7, 3, 11),)),),
        refusals=(
            Refusal(called(real(2, 3), (0,)), "dims"),
            Refusal(called(real(2, 3), (0, 0)), "dims"),
            Refusal(called(real(2, 3), (0, -2)), "dims"),
            Refusal(called(real(2, 3), (0, 2)), "dims"),
            Refusal(called(real(2), 0), "dims"),
        ),
    ),
    _spec(
        "squeeze",
        squeeze,
        torch.squeeze,
        (
            called(real(8, 1, 6, 1)),
            called(real(2, 1, 3, 1)),
            called(real(2, 1, 3, 1), 1),
            called(real(2, 1, 3, 1), -1),
            called(real(2, 1, 3, 1), 0),
            called(real(1, 2, 1, 1), (0, -1)),
            called(real(1, 2, 1), dim=[1, 2]),
            called(real(1, 1)),
            called(real()),
            called(real(0, 1, 3)),
            called(real(1, 33, 1)),
        ),
        shape=shapes.squeeze,
        refusals=(
            Refusal(called(real(2, 1), 2), "dim"),
            Refusal(called(real(2, 1), (1, 1)), "dim"),
            Refusal(called(real(2, 1), (1, -1)), "dim"),
            Refusal(called(real(2, 1), 1.0), "dim"),
        ),
    ),
    _spec(
        "unsqueeze",
        unsqueeze,
        torch.unsqueeze,
        (
            called(real(8, 6), 1),
            called(real(2, 3), 1),
            called(real(2, 3), 0),
            called(real(2, 3), -1),
            called(real(2, 3), -3),
            called(real(2, 3), dim=2),
            called(real(), 0),
            called(real(0, 3), 1),
            called(real(17, 33), -2),
        ),
        shape=shapes.unsqueeze,
        refusals=(
            Refusal(called(real(2, 3), 3), "dim"),
            Refusal(called(real(2, 3), -4), "dim"),
            Refusal(called(real(2, 3), 1.0), "dim"),
        ),
    ),
    _spec(
        "expand",
        expand,
        torch.Tensor.expand,
        (
            called(real(12, 1, 4), 12, 5, 4),
            called(real(3, 1), 3, 4),
            called(real(3, 1), (-1, 4)),
            called(real(3), [2, 3]),
            called(real(1, 3), 4, 1, 2, 3),
            called(real(), 5),
            called(real(), ()),
            called(real(3), 1, -1),
            called(real(1, 3), 0, 3),
            called(real(0, 1), 0, 4),
            called(real(1, 1), 1, 4097),
            called(real(17, 1), 17, 33),
        ),
        shape=expand_shape,
        strategy=expand_cases,
        laws=(Law("repeated", repeated, (real(7, 1),)),),
        refusals=(
            Refusal(called(real(3, 2), 3, 4), "sizes"),
            Refusal(called(real(3, 1), -1, 3, 4), "sizes"),
            Refusal(called(real(3, 1), 3), "sizes"),
            Refusal(called(real(3, 1), 1, 1), "sizes"),
            Refusal(called(real(3, 1), 3, -2), "sizes"),
            Refusal(called(real(3, 1), 3, 4.0), "sizes"),
        ),
    ),
    _spec(
        "flatten",
        flatten,
        torch.flatten,
        (
            called(real(5, 2, 3, 4), 1, 2),
            called(real(2, 2, 2)),
            called(real(2, 2, 2), start_dim=1),
            called(real(6)),
            called(real()),
            called(real(2, 3, 4), 1, 1),
            called(real(2, 3, 4), -3, end_dim=-2),
            called(real(0, 3, 2), 1),
            called(real(3, 17, 33), 1),
        ),
        shape=function_flatten_shape,
        refusals=(
            Refusal(called(real(2, 3, 4), 2, 1), "start_dim"),
            Refusal(called(real(2, 3, 4), 3), "start_dim"),
            Refusal(called(real(2, 3, 4), 0, -4), "end_dim"),
        ),
    ),
    _spec(
        "narrow",
        narrow,
        torch.narrow,
        (
            called(real(6, 9, 3), 1, 2, 4),
            called(real(10), 0, 2, 5),
            called(real(3, 4), -1, 0, 2),
            called(real(3, 4), 0, -2, 2),
            called(real(3, 4), dim=1, start=4, length=0),
            called(real(0, 3), 0, 0, 0),
            called(real(17, 33), 1, 16, 17),
        ),
        shape=shapes.narrow,
        refusals=(
            Refusal(called(real(5), 0, 3, 3), "length"),
            Refusal(called(real(5), 0, 3, -1), "length"),
            Refusal(called(real(5), 0, 6, 0), "start"),
            Refusal(called(real(5), 0, -6, 1), "start"),
            Refusal(called(real(5), 1, 0, 1), "dim"),
            Refusal(called(real(), 0, 0, 0), "input"),
        ),
    ),
    _spec(
        "select",
        select,
        torch.select,
        (
            called(real(6, 9, 3), 1, 4),
            called(real(10), 0, 3),
            called(real(3, 4), -1, -4),
            called(real(3, 4), dim=0, index=2),
            called(real(2, 0), 0, 1),
            called(real(17, 33), 0, 16),
        ),
        shape=shapes.select,
        refusals=(
            Refusal(called(real(5), 0, 5), "index"),
            Refusal(called(real(5), 0, -6), "index"),
            Refusal(called(real(5), 1, 0), "dim"),
            Refusal(called(real(), 0, 0), "input"),
        ),
    ),
    _spec(
        "slicing",
        slicing,
        native_slicing,
        (
            called(real(9, 10, 4), slice(1, 8, 2), slice(2, 7)),
            called(real(10), slice(2, 7)),
            called(real(10), slice(1, 9, 2)),
            called(real(10), slice(None)),
            called(real(10), slice(-3, None)),
            called(real(10), slice(8, 3)),
            called(real(10), slice(-100, 100, 7)),
            called(real(3, 4), 1),
            called(real(3, 4), -1, -2),
            called(real(3, 4), ..., 0),
            called(real(3, 4), None, slice(None), None, slice(1, 3)),
            called(real(2, 3, 4), 0, ..., slice(None, None, 3)),
            called(real(), None, ...),
            called(real(0, 3), slice(None), 1),
            called(real(3, 4)),
            called(real(17, 33), slice(None, None, 16), slice(1, None, 31)),
        ),
        shape=shapes.slicing,
        strategy=slicing_cases,
        laws=(Law("every second", every_second, (real(7, 12),)),),
        refusals=(
            Refusal(called(real(10), slice(None, None, -1)), "slices"),
            Refusal(called(real(10), slice(0, 5, 0)), "slices"),
            Refusal(called(real(10), slice(0.0, 5)), "slices"),
            Refusal(called(real(10), 10), "slices"),
            Refusal(called(real(3, 4), 0, -5), "slices"),
            Refusal(called(real(3), 0, 0), "slices"),
        ),
    ),
)
