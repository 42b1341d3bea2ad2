"""Merging neighbouring axes and splitting one: the numbers keep their order, only their addresses are counted anew.

Torch keeps `flatten` and `unflatten` beside its functional namespace, not in it; they stand here for `nn.Flatten` and
`nn.Unflatten`.

Legend: *A axes before, *S the axes merged or split into, *B axes after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

__all__ = ["flatten", "unflatten"]


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes `start_dim` to `end_dim`, both included, into one.

    Native: `torch.flatten`.

    Shape:
        (*A, *S, *B) -> (*A, prod(S), *B); a tensor without axes becomes (1).

    Raises:
        IndexError: if `start_dim` or `end_dim` is no axis of `input`.
        RuntimeError: if `start_dim` comes after `end_dim`.

    Trap: the result is a view of `input` wherever its strides allow and a copy elsewhere (of a transpose, say): write
        into neither. With one axis to merge it is `input` itself.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.flatten.html

    Example:
        >>> import torch
        >>> flatten(torch.arange(8).view(2, 2, 2), start_dim=1)
        tensor([[0, 1, 2, 3],
                [4, 5, 6, 7]])
    """
    first, last = _axis(input, start_dim, "start_dim"), _axis(input, end_dim, "end_dim")
    if first > last:
        raise RuntimeError(f"start_dim must not come after end_dim, got {start_dim} and {end_dim}")
    if first == last and input.dim() > 0:
        return input
    merged = math.prod(input.shape[first : last + 1])
    return input.reshape(*input.shape[:first], merged, *input.shape[last + 1 :])  # (*A, prod(S), *B)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split the axis `dim` into several.

    Native: `torch.unflatten`.

    Args:
        input: the tensor.
        dim: the axis to split.
        sizes: the sizes of its parts; one of them may be -1 and is then found by division.

    Shape:
        (*A, prod(S), *B) -> (*A, *S, *B). Always a view.

    Raises:
        IndexError: if `dim` is no axis of `input`.
        RuntimeError: if `sizes` is empty or its product is not the size of the axis.
        TypeError: if `dim` or one of `sizes` is not an integer.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.unflatten.html

    Example:
        >>> import torch
        >>> unflatten(torch.arange(6), 0, (2, -1))
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if not isinstance(sizes, Sequence) or any(isinstance(n, bool | str | float) for n in sizes):
        raise TypeError(f"sizes must be a sequence of ints, got {sizes!r}")
    axis = _axis(input, dim, "dim")
    if input.dim() == 0:
        raise RuntimeError("input must have an axis to split, got one without axes")
    parts = _complete(sizes, input.shape[axis])
    return input.view(*input.shape[:axis], *parts, *input.shape[axis + 1 :])  # (*A, *S, *B)


def _axis(input: Tensor, dim: int, name: str) -> int:
    """`dim` counted from the front; a tensor without axes is counted as having one."""
    axes = max(input.dim(), 1)
    if not isinstance(dim, int):
        raise TypeError(f"{name} must be an int, got {dim!r}")
    if not -axes <= dim < axes:
        raise IndexError(f"{name} must be in [{-axes}, {axes - 1}] for an input of {input.dim()} axes, got {dim}")
    return dim % axes


def _complete(sizes: Sequence[int], whole: int) -> tuple[int, ...]:
    """`sizes` with its -1 replaced by what is left of `whole`."""
    if len(sizes) == 0:
        raise RuntimeError("sizes, or unflattened_size, must have at least one entry, got none")
    known = math.prod([n for n in sizes if n != -1])
    unknown = len([n for n in sizes if n == -1])
    if min(sizes) < -1 or unknown > 1:
        raise RuntimeError(f"sizes, or unflattened_size, must be non-negative with at most one -1, got {tuple(sizes)}")
    if unknown and known == 0:
        raise RuntimeError(f"sizes, or unflattened_size, must leave -1 only one meaning, got {tuple(sizes)}")
    parts = tuple([whole // known if n == -1 else n for n in sizes])
    if math.prod(parts) != whole:
        raise RuntimeError(f"sizes, or unflattened_size, must multiply to {whole}, got {tuple(sizes)}")
    return parts
