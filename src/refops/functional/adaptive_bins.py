"""The one idea of adaptive pooling: S elements fall into O bins, of equal size as nearly as overlapping lets them.

    bin o = [floor(o * S / O), ceil((o + 1) * S / O))

Every bin holds ceil(S / O) elements or one more; where O divides S they are plain windows, elsewhere neighbours share
an element. Which bins an element stands in is the same formula with S and O exchanged, so the gradient of a sum over
bins is again a sum over bins. A box is pooled along one axis after the other: where bins are few one bin at a time,
where they are many one *tap* at a time, which is element j of every bin.

Legend: *S spatial sizes, *O numbers of bins, k elements of the largest bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["bins", "find_max", "flat_index", "mean"]


def bins(size: int, out: int) -> list[tuple[int, int]]:
    """First element of each bin, and the first one after it.

    Example:
        >>> bins(8, 5)
        [(0, 2), (1, 4), (3, 5), (4, 7), (6, 8)]
    """
    return [(o * size // out, -(-(o + 1) * size // out)) for o in range(out)]


# --- means -----------------------------------------------------------------------------------------------------------


def mean(input: Tensor, output_size: Sequence[int]) -> Tensor:
    """Mean of every bin: (..., *S) to (..., *O). Half precision is summed in float32 and rounded once."""
    n = len(output_size)
    if set(output_size) == {1}:  # one bin holds everything
        return input.mean(tuple(range(-n, 0)), keepdim=True)
    total = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    add = _sum if torch.compiler.is_compiling() else _BinSum.apply  # a compiler needs no help
    counts = torch.ones((), dtype=torch.int64, device=input.device)
    for dim, out in enumerate(output_size, start=-n):  # the first axis first: its bins are whole rows
        lengths = [end - start for start, end in bins(input.shape[dim], out)]
        counts = counts[..., None] * torch.tensor(lengths, dtype=torch.int64, device=input.device)
        total = add(total, dim, out)
    return (total / counts).to(input.dtype)


class _BinSum(torch.autograd.Function):
    """`_sum`; the gradient of an element is the sum over the bins it stands in: `_sum` the other way round.

    Autograd alone would make a zero-filled copy of the input for every tap.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, dim: int, out: int) -> Tensor:
        return _sum(input, dim, out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, ctx.dim, ctx.out = inputs
        ctx.size = input.shape[ctx.dim]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _BinSum.apply(grads[0], ctx.dim, ctx.size), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        output: Tensor = _BinSum.apply(tangents[0], ctx.dim, ctx.out)
        return output


def _sum(input: Tensor, dim: int, out: int) -> Tensor:
    """Sum of every bin along `dim`: S becomes O."""
    size = input.shape[dim]
    if 0 in (size, out):
        shape = list(input.shape)
        shape[dim] = out
        return input.new_zeros(shape)
    ends = bins(size, out)
    common = -(-size // out)  # elements of the smaller bins
    if out <= common:
        return torch.stack([input.narrow(dim, start, end - start).sum(dim) for start, end in ends], dim)
    start = torch.tensor([start for start, _ in ends], device=input.device)
    total = input.index_select(dim, start)
    for j in range(1, common):
        total += input.index_select(dim, start + j)
    larger = [o for o, (start, end) in enumerate(ends) if end - start > common]
    if larger:
        last = torch.tensor([ends[o][1] - 1 for o in larger], device=input.device)
        total.index_add_(dim, torch.tensor(larger, device=input.device), input.index_select(dim, last))
    return total


# --- maxima ----------------------------------------------------------------------------------------------------------


def find_max(input: Tensor, output_size: Sequence[int]) -> list[Tensor]:
    """Where the maximum of every bin stands along each axis, last axis first: (..., *S) to n times (..., *O)."""
    values, places = input.detach(), []
    for dim in range(-1, -len(output_size) - 1, -1):  # among equals, row-major order decides
        places.append(_place_of_max(values, dim, output_size[dim]))
        values = values.gather(dim, places[-1])
    return places


def _place_of_max(values: Tensor, dim: int, out: int) -> Tensor:
    """Where the maximum of every bin along `dim` stands: the first of equals, the last of several NaN."""
    ends = bins(values.shape[dim], out)
    common = -(-values.shape[dim] // out) if out else 0
    if 0 < 8 * out <= common:
        return torch.stack([_argmax(values.narrow(dim, a, b - a), dim) + a for a, b in ends], dim)
    shape = (-1, *(1,) * (-1 - dim))
    start = torch.tensor([start for start, _ in ends], dtype=torch.int64, device=values.device)
    last = torch.tensor([end - 1 for _, end in ends], dtype=torch.int64, device=values.device)
    best = values.index_select(dim, start)
    number = best.new_zeros(
        best.shape, dtype=torch.uint8 if common < 255 else torch.int64
    )  # bytes are light to compare
    for j in range(1, common + 1):
        tap = values.index_select(
            dim, torch.minimum(start + j, last)
        )  # a small bin's last element twice: no new maximum
        wins = (tap > best) | (tap != tap)
        best = torch.maximum(best, tap)  # NaN stays
        number = torch.maximum(number, wins.to(number.dtype) * j)
    return torch.minimum(start.reshape(shape) + number, last.reshape(shape))


def _argmax(values: Tensor, dim: int) -> Tensor:
    """The place of the maximum along `dim`: the first of equals, the last of several NaN."""
    number = torch.arange(1, values.shape[dim] + 1, device=values.device).reshape(-1, *(1,) * (-1 - dim))
    last_nan = ((values != values) * number).amax(dim) - 1
    return torch.maximum(values.max(dim).indices, last_nan)


def flat_index(places: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """Places along each axis (last axis first) as positions in the flattened *S."""
    at, step = places[0], sizes[-1]
    for dim, place in enumerate(places[1:], start=2):
        at = at.gather(-dim, place) + place * step
        step *= sizes[-dim]
    return at
