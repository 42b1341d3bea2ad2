"""One helper reduces every loss: none keeps it, sum adds it up, mean divides by the number, or weight, of what counts.

Legend: *S any shape of single losses.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from refops.functional.autocast import autocasting

__all__ = ["answered", "chosen_reduction", "common_dtype", "reduced"]

REDUCTIONS = ("none", "mean", "sum")


def chosen_reduction(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The reduction meant, also by the two deprecated switches, which win over `reduction` where given.

    Raises:
        ValueError: if there is no such reduction.

    Example:
        >>> chosen_reduction("none")
        'none'
    """
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(f"size_average and reduce are deprecated, please use reduction={reduction!r}", stacklevel=3)
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated, please use reduction='mean'", stacklevel=3)
        return "mean"
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")
    return reduction


def reduced(losses: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The losses, their sum, or their mean: sum of losses / sum of weights, without weights / their number.

    The losses are already weighted. Nothing, or nothing of weight, has the mean nan.

    Shape: (*S) to (*S) for none, otherwise ().

    Raises:
        RuntimeError: if whole numbers are to be averaged.

    Trap: a weighted mean divides by the weights, not by the number of losses; an ignored one weighs 0.

    Example:
        >>> reduced(torch.tensor([2.0, 6.0]), "mean", weight=torch.tensor([1.0, 3.0]))
        tensor(2.)
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if not torch.is_floating_point(losses):
        raise RuntimeError(f"input must have a floating dtype to be averaged, got {losses.dtype}")
    return losses.sum() / (losses.numel() if weight is None else weight.sum())


def answered(loss: Tensor, dtype: torch.dtype) -> Tensor:
    """The loss in the dtype of its inputs; under autocast it stays in the wider one it was computed in.

    Example:
        >>> answered(torch.tensor(0.1), torch.float16).dtype
        torch.float16
    """
    return loss if autocasting(loss) else loss.to(dtype)


def common_dtype(*tensors: Tensor | None) -> torch.dtype:
    """The dtype the result has where tensors of several dtypes meet; None does not count.

    Example:
        >>> common_dtype(torch.ones(2, dtype=torch.float16), None, torch.ones(2))
        torch.float32
    """
    dtypes = [tensor.dtype for tensor in tensors if tensor is not None]
    dtype = dtypes[0]
    for other in dtypes[1:]:
        dtype = dtype if dtype == other else torch.promote_types(dtype, other)
    return dtype
