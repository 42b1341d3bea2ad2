"""Contraction: products of tensors, summed over what they share.

`mm` and `bmm` are written out; `matmul` and `einsum` rearrange axes until what is left is a batch of matrix products.

Legend: B batch, N rows, K what is summed over, M columns, *B any batch axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from refops.tensor.axes import expand, permute, select, squeeze, unsqueeze
from refops.tensor.broadcasting import broadcast_shape
from refops.tensor.equation import aligned, parsed
from refops.tensor.reductions import sum
from refops.tensor.strides import numel
from refops.tensor.views import reshape

__all__ = ["bmm", "einsum", "matmul", "mm"]


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Matrix product: out[n, m] = sum over k of input[n, k] * mat2[k, m].

    Native: `torch.mm`.

    Shape:
        (N, K), (K, M) -> (N, M).

    Raises:
        RuntimeError: if one is no matrix, K differs, or the dtypes do.

    Trap: matrices only: it neither broadcasts nor takes vectors. Written out it holds N * K * M products at a time.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mm.html

    Example:
        >>> import torch
        >>> mm(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5], [6]]))
        tensor([[17],
                [39]])
    """
    _require(2, input, mat2)
    return _products(unsqueeze(input, 0), unsqueeze(mat2, 0)).squeeze(0)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """One matrix product per batch entry: out[b, n, m] = sum over k of input[b, n, k] * mat2[b, k, m].

    Native: `torch.bmm`.

    Shape:
        (B, N, K), (B, K, M) -> (B, N, M).

    Raises:
        RuntimeError: if one has not three axes, B or K differs, or the dtypes do.

    Trap: a batch of one is not broadcast; `matmul` does that.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bmm.html

    Example:
        >>> import torch
        >>> bmm(torch.ones(10, 3, 4), torch.ones(10, 4, 5)).shape
        torch.Size([10, 3, 5])
    """
    _require(3, input, mat2)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"mat2 must have the batch of input, {input.shape[0]}, got {mat2.shape[0]}")
    return _products(input, mat2)


def _products(x: Tensor, y: Tensor) -> Tensor:
    """Every product, then their sum: (B, N, K, 1) * (B, 1, K, M), summed over K; half precision in float32."""
    if _autocasting(x) and x.is_floating_point() and x.dtype != torch.float64:
        x, y = (t.to(torch.get_autocast_dtype(t.device.type)) for t in (x, y))
    dtype = x.dtype
    if dtype in (torch.float16, torch.bfloat16):
        x, y = x.float(), y.float()
    return sum(unsqueeze(x, 3) * unsqueeze(y, 1), 2, dtype=x.dtype).to(dtype).contiguous()


def _autocasting(x: Tensor) -> bool:
    return x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)


def _require(rank: int, input: Tensor, mat2: Tensor) -> None:
    for tensor, name in ((input, "input"), (mat2, "mat2")):
        if tensor.dim() != rank:
            raise RuntimeError(f"{name} must have {rank} axes, got {tuple(tensor.shape)}")
    if input.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(f"mat2 must have {input.shape[-1]} rows as input has columns, got {mat2.shape[-2]}")
    if input.dtype != mat2.dtype and not _autocasting(input):
        raise RuntimeError(f"mat2 must be {input.dtype} as input is, got {mat2.dtype}")


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product of the last two axes, over all axes in front of them, which broadcast.

    Native: `torch.matmul`, also written `input @ other`.

    Shape:
        (*B, N, K), (*B, K, M) -> (*B, N, M); a vector (K) on the left is a row, on the right a column, and the axis
        it lacks is missing in the result.

    Raises:
        RuntimeError: if one has no axes, K or the dtypes differ, or the batch axes do not meet.

    Trap: only the batch axes broadcast: (3, 4) @ (1, 5) is refused. A vector on the right is no (K, 1) matrix.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html

    Example:
        >>> import torch
        >>> matmul(torch.ones(10, 3, 4), torch.ones(4, 5)).shape, matmul(torch.ones(2, 1, 3, 4), torch.ones(4)).shape
        (torch.Size([10, 3, 5]), torch.Size([2, 1, 3]))
    """
    for tensor, name in ((input, "input"), (other, "other")):
        if tensor.dim() == 0:
            raise RuntimeError(f"{name} must have an axis, got a tensor without axes")
    x = unsqueeze(input, 0) if input.dim() == 1 else input  # (*B, N, K)
    y = unsqueeze(other, 1) if other.dim() == 1 else other  # (*B, K, M)
    if x.shape[-1] != y.shape[-2]:
        raise RuntimeError(f"other must have {x.shape[-1]} rows as input has columns, got {y.shape[-2]}")
    result = _folded(x, y) if y.dim() == 2 else _batched(x, y)
    if input.dim() == 1:
        result = select(result, -2, 0)
    return select(result, -1, 0) if other.dim() == 1 else result


def _folded(x: Tensor, y: Tensor) -> Tensor:
    """One matrix on the right: every row of every batch entry is a row."""
    rows = reshape(x, (numel(x.shape[:-1]), x.shape[-1]))
    return reshape(torch.mm(rows, y), (*x.shape[:-1], y.shape[-1]))


def _batched(x: Tensor, y: Tensor) -> Tensor:
    """Both expanded to one batch, all batch axes merged."""
    try:
        batch = broadcast_shape(x.shape[:-2], y.shape[:-2])
    except RuntimeError as error:
        raise RuntimeError(f"other must have batch axes that meet those of input: {error}") from error
    x, y = (reshape(expand(t, *batch, *t.shape[-2:]), (numel(batch), *t.shape[-2:])) for t in (x, y))
    return reshape(torch.bmm(x, y), (*batch, x.shape[1], y.shape[2]))


def einsum(equation: str, *operands: Tensor | Sequence[Tensor]) -> Tensor:
    """Products of numbers with equal letters, summed over the letters that the result does not name.

    Native: `torch.einsum` with an equation.

    Args:
        equation: the axes of every operand as letters, separated by commas; after `->` those of the result. Without
            it they are the letters that stand once, in alphabetical order, behind `...`, which stands for all axes
            not named.
        operands: the tensors, one by one or as one sequence.

    Shape:
        "bnk,bkm->bnm": (B, N, K), (B, K, M) -> (B, N, M).

    Raises:
        RuntimeError: if the equation cannot be read, does not fit the operands, or sizes of a letter differ.
        ValueError: if there are no operands.

    Trap: a letter standing twice in one operand takes the diagonal, and sums it only if the result does not name it.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.einsum.html

    Example:
        >>> import torch
        >>> einsum("ij,j->i", torch.tensor([[1, 2], [3, 4]]), torch.tensor([5, 6]))
        tensor([17, 39])
        >>> einsum("ii->i", torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    tensors = [t for given in operands for t in ([given] if isinstance(given, Tensor) else given)]
    if not tensors:
        raise ValueError("operands must hold one tensor at least, got none")
    terms, wanted = parsed(equation, [t.dim() for t in tensors])
    letters = [*wanted, *dict.fromkeys(letter for term in terms for letter in term if letter not in wanted)]
    left = aligned(terms, letters, tensors)  # one axis for every letter, 1 where it is missing
    result = left.pop(0)
    for later in range(len(terms)):
        gone = [i for i, x in enumerate(letters) if i >= len(wanted) and not any(x in t for t in terms[later + 1 :])]
        if later == 0:
            alone = [i for i in gone if letters[i] in terms[0]]
            result = result.sum(alone, keepdim=True) if alone else result
        else:
            result = _pair(result, left.pop(0), [i for i in gone if letters[i] in terms[later] or result.shape[i] > 1])
    return squeeze(result, range(len(wanted), len(letters))) if len(letters) > len(wanted) else result


def _pair(x: Tensor, y: Tensor, gone: list[int]) -> Tensor:
    """The product of two aligned tensors, summed over some axes, which stay with size 1."""
    only = [[i for i in gone if t.shape[i] > 1 and u.shape[i] == 1] for t, u in ((x, y), (y, x))]
    x, y = (t.sum(axes, keepdim=True) if axes else t for t, axes in zip((x, y), only, strict=True))
    inner = [i for i in gone if i not in only[0] + only[1]]
    if not inner:
        return x * y
    rest = [i for i in range(x.dim()) if i not in inner]
    both = [i for i in rest if x.shape[i] == y.shape[i]]
    mine, theirs = ([i for i in rest if i not in both and t.shape[i] != 1] for t in (x, y))
    ones = [i for i in rest if x.shape[i] == 1]
    if ones and mine and ones[-1] < mine[0]:  # as native: the other way round the product lies in the order of the axes
        x, y, mine, theirs = y, x, theirs, mine
    sizes = [[t.shape[i] for i in axes] for t, axes in ((x, both), (x, mine), (y, theirs), (x, inner))]
    b, n, m, k = [numel(s) for s in sizes]
    rows = reshape(permute(x, both + mine + inner + theirs), (b, n, k))
    columns = reshape(permute(y, both + inner + theirs + mine), (b, k, m))
    product = reshape(torch.bmm(rows, columns), [*sizes[0], *sizes[1], *sizes[2], *[1] * len(inner)])
    order = both + mine + theirs + inner
    return permute(product, [order.index(i) for i in range(x.dim())])
