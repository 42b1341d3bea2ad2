"""The linear map: every output is a weighted sum of every input, plus a bias.

One fused product carries it: y = b + x A^T in a single `addmm`, so that half precision rounds once.

Legend: I in_features, O out_features, * any axes before them, R rows (the axes * merged into one).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply the last axis of `input` by a matrix and add a bias.

    y = x A^T + b

    Native: `torch.nn.functional.linear`.

    Shape:
        input (*, I), weight (O, I) or (I), bias (O) or () -> (*, O), or (*) for a weight of one axis.

    Raises:
        RuntimeError: if `input` has no axis, its last axis is not I, or `weight` or `bias` has another shape; and, as
            in torch, for a weight of one axis with a bias if `input` has two axes.

    Trap: product and addition written as two operations round half precision twice, and an in-place `y += b` breaks
        `torch.func.vmap` over the bias. `weight` stands as (O, I), the transpose of the textbook's W.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html

    Example:
        >>> linear(torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([0.5, 0.5]))
        tensor([ 1.5000, 11.5000])
    """
    if weight.dim() == 1:
        if bias is not None and input.dim() == 2:
            raise RuntimeError(
                f"weight must have two axes where input has two and bias is given, got {tuple(weight.shape)}"
            )
        return linear(input, weight[None], bias).squeeze(-1)  # (*, 1) -> (*)
    _require_fitting(input, weight, bias)
    rows = input if input.dim() == 2 else input[None].flatten(0, -2)  # (R, I), also where * is empty
    output = rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())  # (R, O)
    return output if input.dim() == 2 else output.view(*input.shape[:-1], weight.shape[0])  # (*, O)


def _require_fitting(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if weight.dim() != 2:
        raise RuntimeError(f"weight must have shape (out_features, in_features), got {tuple(weight.shape)}")
    if input.dim() == 0 or input.shape[-1] != weight.shape[1]:
        raise RuntimeError(f"input must have {weight.shape[1]} features on its last axis, got {tuple(input.shape)}")
    if bias is not None and bias.dim() == 1 and bias.shape[0] not in (1, weight.shape[0]):
        raise RuntimeError(f"bias must have shape ({weight.shape[0]},), one value per output, got {tuple(bias.shape)}")
