"""One idea carries convolution, pooling and unfold in any number of dimensions: the sliding window.

Legend: N batch, C channels, *S spatial axes, *O window positions, *K kernel offsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from torch import Tensor

__all__ = ["overlap_add", "tuple_of", "windows"]


def tuple_of(n: int, value: int | Sequence[int], name: str) -> tuple[int, ...]:
    """`value` for each of `n` spatial axes: an int is repeated, a sequence of one too, a sequence of `n` kept.

    Raises:
        RuntimeError: if a sequence has another length.
        TypeError: if it is neither an int nor a sequence.

    Example:
        >>> tuple_of(2, 3, "stride")
        (3, 3)
    """
    if isinstance(value, int):
        return (value,) * n
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} must be an int or a sequence of {n} of them, got {value!r}")
    if len(value) == 1:
        return (int(value[0]),) * n
    if len(value) != n:
        raise RuntimeError(f"{name} must be an int or have {n} entries, one per spatial axis, got {tuple(value)}")
    return tuple(int(v) for v in value)


def windows(input: Tensor, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Every window of the last axes, as a view: (..., *S) to (..., *O, *K), nothing is copied.

    O = floor((S - dilation * (K - 1) - 1) / stride) + 1. Padding is the caller's.

    Example:
        >>> import torch
        >>> windows(torch.arange(5), [3], [1], [1])
        tensor([[0, 1, 2],
                [1, 2, 3],
                [2, 3, 4]])
    """
    first = input.dim() - len(kernel_size)
    for axis, (k, s, d) in enumerate(zip(kernel_size, stride, dilation, strict=True), start=first):
        input = input.unfold(axis, d * (k - 1) + 1, s)[..., ::d]  # the new kernel axis goes last
    return input


def overlap_add(windowed: Tensor, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """The transpose of `windows`: every window added back where it was taken, (..., *O, *K) to (..., *S).

    One strided addition per kernel offset; positions that no window covers stay 0.

    Example:
        >>> import torch
        >>> overlap_add(torch.ones(3, 3), [5], [1], [1])
        tensor([1., 2., 3., 2., 1.])
    """
    n = len(size)
    lead, positions, kernel_size = windowed.shape[: -2 * n], windowed.shape[-2 * n : -n], windowed.shape[-n:]
    output = windowed.new_zeros(*lead, *size)
    offsets: Iterable[tuple[Any, ...]] = product(*map(range, kernel_size))
    for offset in offsets:
        taken: list[Any] = [
            slice(d * k, d * k + s * (p - 1) + 1, s)
            for k, p, s, d in zip(offset, positions, stride, dilation, strict=True)
        ]
        output[(..., *taken)].add_(windowed[(..., *offset)])  # not `+=`, which would copy the slice onto itself too
    return output
