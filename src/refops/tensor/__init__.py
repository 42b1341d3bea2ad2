"""Tensor operations written from strides, index arithmetic and sums: views, joining, reductions, products.

Names and arguments are native torch's. Results that are views in torch are views here, of the same strides.
"""

from refops.tensor.axes import expand, narrow, permute, select, squeeze, transpose, unsqueeze
from refops.tensor.broadcasting import broadcast_shape, broadcast_tensors
from refops.tensor.contraction import bmm, einsum, matmul, mm
from refops.tensor.indexing import slicing
from refops.tensor.joining import cat, chunk, split, stack
from refops.tensor.pointwise import (
    add,
    div,
    maximum,
    minimum,
    mul,
    sqrt,
    sub,
    where,
)
from refops.tensor.reductions import max, mean, min, sum, var
from refops.tensor.views import flatten, reshape, view

__all__ = [
    "add",
    "bmm",
    "broadcast_shape",
    "broadcast_tensors",
    "cat",
    "chunk",
    "div",
    "einsum",
    "expand",
    "flatten",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mm",
    "mul",
    "narrow",
    "permute",
    "reshape",
    "select",
    "slicing",
    "split",
    "sqrt",
    "squeeze",
    "stack",
    "sub",
    "sum",
    "transpose",
    "unsqueeze",
    "var",
    "view",
    "where",
]
