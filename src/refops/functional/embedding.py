"""Embedding: a row of a table for every index. The lookup is one `index_select`; the options only shape its gradient.

Legend: V rows of the table (num_embeddings), D length of a row (embedding_dim), * the axes of the indices,
R number of indices.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from refops.hand_derived import HandDerived, call, keep

__all__ = ["embedding"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Look up the rows of `weight` that `input` names.

    y[i] = w[x[i]]

    Native: `torch.nn.functional.embedding`.

    Args:
        input: row numbers, int32 or int64.
        weight: the table.
        padding_idx: a row that is looked up like any other but has no gradient.
        max_norm: first scale the rows looked up, *in `weight` itself*, down to this norm where they are longer.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often it occurs in `input`.
        sparse: give the gradient as a sparse tensor, holding one row per index.

    Shape:
        input (*), weight (V, D) -> (*, D).

    Raises:
        AssertionError: if `padding_idx` is not in [-V, V).
        IndexError: if `input` names a row that does not exist. A negative index does not count from the end.
        RuntimeError: if `input` has another dtype or `weight` is not a matrix.

    Trap: zeros in the padding row are a custom of the constructor. The row can be set to anything and is then looked
        up as it is; only its gradient stays zero.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html

    Example:
        >>> embedding(torch.tensor([[2, 0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        tensor([[[5., 6.],
                 [1., 2.]]])
    """
    if weight.dim() != 2:
        raise RuntimeError(f"weight must have shape (num_embeddings, embedding_dim), got {tuple(weight.shape)}")
    if input.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(f"input must hold int64 or int32 row numbers, got {input.dtype}")
    padding_idx = row_number(padding_idx, weight.shape[0])
    index = input.reshape(-1).long()  # (R)
    try:
        if max_norm is not None:
            _shorten_rows_(weight.detach(), index, max_norm, norm_type)
        if sparse:
            rows: Tensor = call(_SparseRows, weight, index, padding_idx, scale_grad_by_freq)  # (R, D)
        else:
            rows = _rows(weight, index, padding_idx, scale_grad_by_freq)
    except IndexError as error:
        raise IndexError(f"input must hold row numbers in [0, {weight.shape[0]}), got {input}") from error
    return rows.view(*input.shape, weight.shape[1])  # (*, D)


def _rows(weight: Tensor, index: Tensor, padding_idx: int | None, scale_grad_by_freq: bool) -> Tensor:
    """The lookup. Its gradient adds the rows of dL/dy to the rows of the table they came from."""
    rows = weight.index_select(0, index)  # (R, D)
    if padding_idx is None and not scale_grad_by_freq:
        return rows
    padding = None if padding_idx is None else (index == padding_idx)[:, None]  # (R, 1)
    count = None
    if scale_grad_by_freq:
        occurrences = index.new_zeros(weight.shape[0]).index_add(0, index, torch.ones_like(index))  # (V)
        count = occurrences.index_select(0, index)[:, None]  # (R, 1)
    output: Tensor = call(_RowGradient, rows, padding, count)
    return output


def row_number(padding_idx: int | None, num_embeddings: int) -> int | None:
    """`padding_idx` counted from the front.

    Raises:
        AssertionError: if it is no row of the table.

    Example:
        >>> row_number(-1, 10)
        9
    """
    if padding_idx is None or padding_idx == 0:
        return padding_idx
    if not -num_embeddings <= padding_idx < num_embeddings:
        raise AssertionError(f"padding_idx must be a row, in [{-num_embeddings}, {num_embeddings}), got {padding_idx}")
    return padding_idx + num_embeddings if padding_idx < 0 else padding_idx


class _RowGradient(HandDerived):
    """y = x, but the gradient of a row is divided by how often the row occurs, and withheld from padding."""

    @staticmethod
    def forward(rows: Tensor, padding: Tensor | None, count: Tensor | None) -> Tensor:
        return rows.view_as(rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        keep(ctx, *inputs[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,), (padding, count) = grads, ctx.saved_tensors
        grad = grad if count is None else grad / count
        return grad if padding is None else torch.where(padding, 0.0, grad), None, None

    @staticmethod
    def tangent(ctx: Any, t: Tensor, *_: None) -> Tensor:
        return t.view_as(t)  # of y = x: what is withheld, native withholds on the way back alone


class _SparseRows(HandDerived):
    """The lookup with a sparse gradient: the rows of dL/dy as they came, one entry per index, padding left out."""

    @staticmethod
    def forward(weight: Tensor, index: Tensor, padding_idx: int | None, scale_grad_by_freq: bool) -> Tensor:
        return weight.index_select(0, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        weight, index, ctx.padding_idx, ctx.scale_grad_by_freq = inputs
        ctx.shape = weight.shape
        keep(ctx, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (grad,), (index,) = grads, ctx.saved_tensors  # (R, D), (R)
        if ctx.scale_grad_by_freq:
            raise RuntimeError("scale_grad_by_freq must be False where sparse=True, got True")
        if ctx.padding_idx is not None:
            kept = index != ctx.padding_idx
            grad, index = grad[kept], index[kept]
        total = torch.sparse_coo_tensor(index[None], grad, ctx.shape, check_invariants=False)  # (V, D)
        return total, None, None, None

    @staticmethod
    def tangent(ctx: Any, t: Tensor, *_: None) -> Tensor:
        return t.index_select(0, ctx.saved_tensors[0])


@torch.no_grad()
def _shorten_rows_(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows of `weight` that `index` names to `max_norm` where they are longer, in place."""
    rows = weight.index_select(0, index)  # (R, D)
    wide = rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
    norm = _norm(wide, norm_type)  # (R, 1)
    factor = torch.where(norm > max_norm, max_norm / (norm + 1e-7), 1.0)
    # A row named twice is written twice, with equal values.
    weight.index_copy_(0, index, (wide * factor).to(rows.dtype))


def _norm(rows: Tensor, p: float) -> Tensor:
    """The p-norm of each row: (R, D) -> (R, 1)."""
    size = rows.abs()
    if p == 2:
        return (size * size).sum(-1, keepdim=True).sqrt()
    if p == 0:
        return (size != 0).sum(-1, keepdim=True).to(rows.dtype)
    if math.isinf(p):
        return size.amax(-1, keepdim=True) if p > 0 else size.amin(-1, keepdim=True)
    return (size**p).sum(-1, keepdim=True) ** (1 / p)
