"""Flatten and Unflatten: the views of `functional.reshaping` as layers, for use inside `Sequential`.

Legend: N batch, *A axes before, *S the axes merged or split into, *B axes after.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from refops.functional.reshaping import flatten, unflatten

__all__ = ["Flatten", "Unflatten"]


class Flatten(nn.Module):
    """Merge the axes `start_dim` to `end_dim` into one; by default all but the batch.

    Native: `torch.nn.Flatten`.

    Shape:
        (*A, *S, *B) -> (*A, prod(S), *B); by default (N, *S) -> (N, prod(S)).

    Raises:
        IndexError: if `start_dim` or `end_dim` is no axis of the input.
        RuntimeError: if `start_dim` comes after `end_dim`.

    Trap: the default `start_dim` is 1 here and 0 in `flatten`.

    Example:
        >>> import torch
        >>> Flatten()(torch.ones(32, 1, 5, 5)).shape
        torch.Size([32, 25])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """(*A, *S, *B) -> (*A, prod(S), *B)."""
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(nn.Module):
    """Split the axis `dim` into axes of the sizes `unflattened_size`.

    Native: `torch.nn.Unflatten`.

    Shape:
        (*A, prod(S), *B) -> (*A, *S, *B).

    Raises:
        TypeError: if `unflattened_size` is not a tuple or list of ints. Named axes went with torch's named tensors.
        IndexError, RuntimeError: on a call, as `unflatten` does.

    Example:
        >>> import torch
        >>> Unflatten(1, (2, 5, 5))(torch.ones(2, 50)).shape
        torch.Size([2, 2, 5, 5])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, tuple | list) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"unflattened_size must be a tuple or list of ints, got {unflattened_size!r}")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """(*A, prod(S), *B) -> (*A, *S, *B)."""
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
