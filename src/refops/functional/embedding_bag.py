"""EmbeddingBag: rows of a table, looked up by the bag and reduced to one row for each bag.

It is `embedding` and then a sum, mean or maximum over the entries of each bag. Bags stand one behind the other; entry r
is in bag number `bag[r]`, and entries that do not count (padding) add nothing and are no maximum.

Legend: V rows of the table (num_embeddings), D length of a row, R entries in all, B bags, L entries of a bag where all
are equally long.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from refops.functional.embedding import _rows, _shorten_rows_, _SparseRows, row_number
from refops.hand_derived import call

__all__ = ["embedding_bag"]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Look up the rows each bag names and give their sum, mean or maximum.

    y[b] = sum over r in bag b of p[r] * w[x[r]]; or their mean, or in every column their maximum. Of nothing it is 0.

    Native: `torch.nn.functional.embedding_bag`.

    Args:
        input: row numbers; a matrix holds one bag per row, a vector holds bags one behind the other.
        weight: the table.
        offsets: where each bag of a vector begins; the first at 0.
        max_norm: first scale the rows looked up, *in `weight` itself*, down to this norm where they are longer.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often it occurs in `input`. Not for "max".
        mode: "sum", "mean" or "max".
        sparse: give the gradient as a sparse tensor. Not for "max".
        per_sample_weights: p, a factor for each entry, for "sum" only; 1 if not given.
        include_last_offset: the last of `offsets` is no bag, but the end of the last one.
        padding_idx: a row that counts for nothing: not in the sum, not among the numbers a mean divides by.

    Shape:
        input (B, L) or (R) with offsets (B), with `include_last_offset` (B + 1); weight (V, D) -> (B, D).

    Raises:
        ValueError: on another mode, another rank of `input`, `weight` or `offsets`, `offsets` missing for a vector or
            given for a matrix, weights of another shape, or what "max" does not do.
        NotImplementedError: on `per_sample_weights` in another mode than "sum".
        RuntimeError: on row numbers or offsets out of range or not integers, on a matrix of bags without entries, if
            `padding_idx` is no row, or `per_sample_weights` have another dtype.
        IndexError: on row numbers out of range with `max_norm`.

    Trap: the mean divides by the entries that count, not by the length of the bag. In a maximum equals leave the
        gradient to the first, and a NaN only counts if it comes first. Entries behind the last offset
        are in no bag; natively that depends on mode and dtype.

    Trap: natively on the CPU `scale_grad_by_freq` divides some rows by the frequency of others.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding_bag.html

    Example:
        >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> embedding_bag(torch.tensor([0, 2, 1]), table, torch.tensor([0, 2, 2]), mode="sum")
        tensor([[6., 8.],
                [0., 0.],
                [3., 4.]])
    """
    _check_arguments(input, weight, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights)
    bags = _bags(input, offsets, include_last_offset)
    try:
        padding = row_number(padding_idx, weight.shape[0])
        if max_norm is not None:
            _shorten_rows_(weight.detach(), bags.row, max_norm, norm_type)
        _check_kinds(input, weight, offsets, mode, per_sample_weights)
        rows = _look_up(weight, bags.row, padding, scale_grad_by_freq, sparse)  # (R, D)
    except AssertionError as error:
        raise RuntimeError(str(error)) from error
    except IndexError as error:
        refusal = RuntimeError if max_norm is None else IndexError
        raise refusal(f"input must hold row numbers in [0, {weight.shape[0]}), got {input}") from error
    counted = bags.bag < bags.number  # (R)
    counted = counted if padding is None else counted & (bags.row != padding)
    if padding is not None or include_last_offset:
        rows = torch.where(counted[:, None], rows, 0.0)
    if mode == "max":
        return _maximum(rows, counted, bags).to(weight.dtype)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    total = _sum(rows, bags)  # (B, D)
    if mode == "mean":
        total = total / _sum(counted[:, None].to(total.dtype), bags).clamp(min=1)
    return total.to(weight.dtype)


def _look_up(weight: Tensor, index: Tensor, padding: int | None, scale_grad_by_freq: bool, sparse: bool) -> Tensor:
    """The rows as they are in the table, in float32 where it is half precision: so are all sums."""
    half = weight.dtype in (torch.float16, torch.bfloat16)
    if sparse:
        rows: Tensor = call(_SparseRows, weight, index, padding, scale_grad_by_freq)
        return rows.float() if half else rows
    return _rows(weight.float() if half else weight, index, None, scale_grad_by_freq)


class _Bags(NamedTuple):
    """The entries of all bags one behind the other."""

    row: Tensor  # (R) the rows they name
    bag: Tensor  # (R) the bags they are in, from 0, rising; what is in none is in number B
    number: int  # B
    length: int  # L if all bags are equally long, otherwise 0


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> _Bags:
    index = input.reshape(-1).long()  # (R)
    count = index.shape[0]
    if offsets is None:
        if 0 in input.shape[1:]:
            raise RuntimeError(f"input must not hold bags without entries, got shape {tuple(input.shape)}")
        length = input.shape[1]
        return _Bags(index, torch.arange(count, device=input.device) // length, input.shape[0], length)
    number = offsets.shape[0] - (1 if include_last_offset else 0)
    if number < 0:
        raise RuntimeError("offsets must have at least one entry with include_last_offset, got none")
    if offsets.shape[0] and not offsets.is_meta and not torch.compiler.is_compiling():
        first, last = int(offsets[0]), int(offsets[-1])
        if first != 0 or last > count:
            raise RuntimeError(f"offsets must begin with 0 and not exceed the {count} entries, got {offsets}")
    begins = index.new_zeros(count + 1).index_add(0, offsets.long(), torch.ones_like(offsets, dtype=torch.int64))
    return _Bags(index, begins.cumsum(0)[:count] - 1, number, 0)


def _sum(rows: Tensor, bags: _Bags) -> Tensor:
    """Sum over the entries of each bag: (R, D) to (B, D)."""
    if bags.length:
        return rows.reshape(bags.number, bags.length, rows.shape[1]).sum(1)
    return rows.new_zeros(bags.number + 1, rows.shape[1]).index_add(0, bags.bag, rows)[:-1]


def _maximum(rows: Tensor, counted: Tensor, bags: _Bags) -> Tensor:
    """Maximum in every column over the entries of each bag: (R, D) to (B, D). Found first, then gathered.

    The place behind the last entry holds zeros: the maximum of nothing.
    """
    none = rows.shape[0]
    values = rows.detach()
    place = _first_maximum(torch.where(values != values, -torch.inf, values), counted, bags)  # (B, D)
    first = _first_maximum(values.new_zeros(none, 1), counted, bags)  # (B, 1) the first entry that counts
    rows = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])  # (R + 1, D)
    start = rows.detach().index_select(0, first[:, 0])  # (B, D)
    place = torch.where(start != start, first, place)
    return rows.gather(0, place)


def _first_maximum(keys: Tensor, counted: Tensor, bags: _Bags) -> Tensor:
    """Where the first maximum of each bag stands, R if nothing counts: (R, D) to (B, D).

    A running maximum within bags, by doubling: after a step of 2^s every entry knows the best of the 2^(s+1) up to it.
    """
    none = keys.shape[0]
    place = torch.where(counted[:, None], torch.arange(none, device=keys.device)[:, None], none).expand_as(keys)
    step = 1
    while step < (bags.length or none):
        earlier, later = place[:-step], place[step:]
        same = (bags.bag[:-step] == bags.bag[step:])[:, None]
        wins = same & (earlier < none) & ((later == none) | (keys[:-step] >= keys[step:]))
        place = torch.cat([place[:step], torch.where(wins, earlier, later)])
        keys = torch.cat([keys[:step], torch.where(wins, keys[:-step], keys[step:])])
        step *= 2
    # The last entry of a bag knows its maximum; a bag that has none leaves `none`.
    last = torch.cat([bags.bag[1:] != bags.bag[:-1], counted.new_ones(min(none, 1))])  # (R)
    at = torch.where(last, bags.bag.clamp(max=bags.number), bags.number)  # (R)
    output = place.new_full((bags.number + 1, keys.shape[1]), none)
    return output.scatter(0, at[:, None].expand_as(place), place)[:-1]


def _check_arguments(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None,
    scale_grad_by_freq: bool,
    mode: str,
    sparse: bool,
    per_sample_weights: Tensor | None,
) -> None:
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        shapes = f"{tuple(per_sample_weights.shape)} for {tuple(input.shape)}"
        raise ValueError(f"per_sample_weights must have the shape of input, got {shapes}")
    if weight.dim() != 2:
        raise ValueError(f"weight must have shape (num_embeddings, embedding_dim), got {tuple(weight.shape)}")
    if input.dim() not in (1, 2):
        raise ValueError(f"input must be a vector or a matrix, got shape {tuple(input.shape)}")
    if (offsets is None) != (input.dim() == 2):
        raise ValueError(f"offsets must be given for a vector and for nothing else, got {offsets} for {input.dim()}D")
    if offsets is not None and offsets.dim() != 1:
        raise ValueError(f"offsets must be a vector, got shape {tuple(offsets.shape)}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode must be 'sum', 'mean' or 'max', got {mode!r}")
    for name, given in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
        if mode == "max" and given:
            raise ValueError(f"{name} must be False where mode is 'max', got True")


def _check_kinds(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, per_sample_weights: Tensor | None
) -> None:
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"per_sample_weights must be None unless mode is 'sum', got mode {mode!r}")
    if per_sample_weights is not None and per_sample_weights.dtype != weight.dtype:
        raise RuntimeError(f"per_sample_weights must have the dtype of weight, got {per_sample_weights.dtype}")
    if not weight.is_floating_point():
        raise RuntimeError(f"weight must be floating, got {weight.dtype}")
    for name, given in (("input", input), ("offsets", offsets)):
        if given is not None and given.dtype not in (torch.int64, torch.int32):
            raise RuntimeError(f"{name} must be int64 or int32, got {given.dtype}")
