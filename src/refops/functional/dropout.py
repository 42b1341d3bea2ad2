"""Dropout: multiply by noise that is 0 with probability p and 1/(1-p) otherwise, so that the mean stays.

One function carries all four; they differ in how many axes have a draw of their own. The noise is drawn by the same
calls as torch's on CPU, so one seed gives torch's own mask.

Legend: N batch, C channels, *S spatial axes.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

__all__ = ["dropout", "dropout1d", "dropout2d", "dropout3d"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p` and scale the others by 1/(1-p); without `training` return the input.

    y = x * m / (1-p),  m ~ Bernoulli(1-p)

    Native: `torch.nn.functional.dropout`.

    Shape:
        (*) -> (*).

    Raises:
        ValueError: if `p` is outside [0, 1].

    Trap: p=1 must give zeros (0/0 in the plain formula) and p=0 the input itself; a `.float()` mask promotes half
        precision; `rand > p` is coarse and biased there. The backward pass uses the mask of the forward pass.

    Source: Srivastava et al., JMLR 15 (2014), "Dropout: a simple way to prevent neural networks from overfitting".

    Example:
        >>> dropout(torch.ones(1000), p=0.5).unique()
        tensor([0., 2.])
    """
    _require_probability(p)
    return _multiply_by_noise(input, None, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of a signal with probability `p`.

    Native: `torch.nn.functional.dropout1d`.

    Shape:
        (N, C, L) -> (N, C, L) or (C, L) -> (C, L).

    Raises:
        ValueError: if `p` is outside [0, 1].
        RuntimeError: if `input` has neither 2 nor 3 axes.

    Source: Tompson et al., arXiv 1411.4280.

    Example:
        >>> dropout1d(torch.ones(1000, 2)).unique(dim=0)
        tensor([[0., 0.],
                [2., 2.]])
    """
    _require_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(f"input must have shape (N, C, L) or (C, L), got {tuple(input.shape)}")
    return _multiply_by_noise(input, input.dim() - 1, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole feature maps with probability `p`.

    Native: `torch.nn.functional.dropout2d`.

    Shape:
        (N, C, H, W) -> (N, C, H, W). Every other input is read as (N, C, *S), with a warning.

    Raises:
        ValueError: if `p` is outside [0, 1].
        RuntimeError: if there is something to draw and `input` has fewer than 2 axes.

    Trap: three axes are *not* (C, H, W): torch reads them as (N, C, L) and so drops single rows of an unbatched image.

    Source: Tompson et al., arXiv 1411.4280.

    Example:
        >>> dropout2d(torch.ones(1, 1000, 1, 2)).flatten(0, 2).unique(dim=0)
        tensor([[0., 0.],
                [2., 2.]])
    """
    _require_probability(p)
    if input.dim() != 4:
        _warn(f"input of dropout2d should have shape (N, C, H, W), got {tuple(input.shape)}: read as (N, C, *S)")
    return _multiply_by_noise(input, 2, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole feature volumes with probability `p`.

    Native: `torch.nn.functional.dropout3d`.

    Shape:
        (N, C, D, H, W) -> same, or (C, D, H, W) -> same. Every other input is read as (C, *S), with a warning.

    Raises:
        ValueError: if `p` is outside [0, 1].
        RuntimeError: if there is something to draw and `input` has no axis.

    Source: Tompson et al., arXiv 1411.4280.

    Example:
        >>> dropout3d(torch.ones(1000, 1, 1, 2)).flatten(0, 2).unique(dim=0)
        tensor([[0., 0.],
                [2., 2.]])
    """
    _require_probability(p)
    if input.dim() not in (4, 5):
        _warn(f"input of dropout3d should have shape (N, C, D, H, W), got {tuple(input.shape)}: read as (C, *S)")
    return _multiply_by_noise(input, 2 if input.dim() == 5 else 1, p, training, inplace)


def _multiply_by_noise(input: Tensor, drawn: int | None, p: float, training: bool, inplace: bool) -> Tensor:
    """`input` times noise: one draw for each position of the first `drawn` axes (None: of all), shared by the rest."""
    if p == 0 or not training or input.numel() == 0:
        return input
    noise = input.new_zeros(()) if p == 1 else _empty_noise(input, drawn).bernoulli_(1 - p).div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


def _empty_noise(input: Tensor, drawn: int | None) -> Tensor:
    """Room for the draws. They are made in memory order, so a full mask must have the layout of `input`, as torch's."""
    if drawn is None:
        return torch.empty_like(input)
    if input.dim() < drawn:
        raise RuntimeError(f"input must have at least {drawn} axes to drop channels from, got {tuple(input.shape)}")
    return input.new_empty((*input.shape[:drawn], *(1,) * (input.dim() - drawn)))  # (N, C, 1, 1)


def _require_probability(p: float) -> None:
    if p != p:  # nan, which native refuses later and otherwise
        raise RuntimeError(f"p must be a probability, between 0 and 1, got {p}")
    if p < 0 or p > 1:
        raise ValueError(f"p must be a probability, between 0 and 1, got {p}")


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)
