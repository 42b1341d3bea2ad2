"""Dropout layers: a probability, the training flag, and one call down into `functional.dropout`.

Legend: N batch, C channels, L length, D, H, W spatial axes.
"""

from __future__ import annotations

from torch import Tensor, nn

from refops.functional.dropout import dropout, dropout1d, dropout2d, dropout3d

__all__ = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]


class _Dropout(nn.Module):
    """What the four layers share: `p`, `inplace` and how they print."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"p must be a probability, between 0 and 1, got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training zero each element with probability `p` and scale the others by 1/(1-p); in evaluation do nothing.

    Native: `torch.nn.Dropout`.

    Shape:
        (*) -> (*).

    Raises:
        ValueError: if `p` is outside [0, 1].

    Trap: each *element* has its own draw; whole channels are zeroed by `Dropout1d`, `Dropout2d`, `Dropout3d`.

    Example:
        >>> import torch
        >>> Dropout(0.2).eval()(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(*) -> (*)."""
        return dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """In training zero whole channels of a signal with probability `p`.

    Native: `torch.nn.Dropout1d`.

    Shape:
        (N, C, L) -> (N, C, L) or (C, L) -> (C, L).

    Raises:
        ValueError: if `p` is outside [0, 1].
        RuntimeError: if the input has neither 2 nor 3 axes.

    Example:
        >>> import torch
        >>> Dropout1d(p=1.0)(torch.ones(2, 3))
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L)."""
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """In training zero whole feature maps with probability `p`.

    Native: `torch.nn.Dropout2d`.

    Shape:
        (N, C, H, W) -> (N, C, H, W). Every other input is read as (N, C, *S), with a warning.

    Raises:
        ValueError: if `p` is outside [0, 1].

    Trap: an input of three axes is read as (N, C, L), not as one image.

    Example:
        >>> import torch
        >>> Dropout2d(p=0.0)(torch.ones(1, 1, 1, 2))
        tensor([[[[1., 1.]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """In training zero whole feature volumes with probability `p`.

    Native: `torch.nn.Dropout3d`.

    Shape:
        (N, C, D, H, W) -> same, or (C, D, H, W) -> same. Every other input is read as (C, *S), with a warning.

    Raises:
        ValueError: if `p` is outside [0, 1].

    Example:
        >>> import torch
        >>> Dropout3d().eval()(torch.ones(1, 1, 1, 1, 2)).flatten()
        tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, C, D, H, W)."""
        return dropout3d(input, self.p, self.training, self.inplace)
