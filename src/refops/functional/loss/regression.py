"""Regression losses: a distance for each pair of numbers, then the reduction every loss shares.

Legend: *S any shape, the same for input, target and weight.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from refops.functional.derivative import widened
from refops.functional.loss.reduction import answered, chosen_reduction, common_dtype, reduced
from refops.hand_derived import HandDerived, call, keep

__all__ = ["l1_loss", "mse_loss"]


class _SquaredError(HandDerived):
    """(x - t)^2, whose derivative is 2 (x - t)."""

    @staticmethod
    def forward(x: Tensor, t: Tensor) -> Tensor:
        error = x - t
        return error.mul_(error)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        keep(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor | None]:
        x, t = ctx.saved_tensors
        gradient = (x - t).mul_(2) * g
        return gradient, -gradient if ctx.needs_input_grad[1] else None

    @staticmethod
    def tangent(ctx: Any, a: Tensor | None, b: Tensor | None) -> Tensor:
        x, t = ctx.saved_tensors
        error = (x - t).mul_(2)
        along = torch.zeros_like(x) if a is None else error * a
        return along if b is None else along - error * b


def _squared_error(x: Tensor, t: Tensor) -> Tensor:
    squares: Tensor = call(_SquaredError, x, t)
    return squares


def _absolute_error(x: Tensor, t: Tensor) -> Tensor:
    return (x - t).abs()


def _loss(
    distance: Callable[[Tensor, Tensor], Tensor], input: Tensor, target: Tensor, reduction: str, weight: Tensor | None
) -> Tensor:
    if target.shape != input.shape:
        warnings.warn(
            f"target of size {tuple(target.shape)} and input of size {tuple(input.shape)} are broadcast against each "
            "other, which is likely a mistake; please give them the same size",
            stacklevel=3,
        )
    try:
        pair = torch.broadcast_tensors(input, target)
    except RuntimeError as error:
        raise RuntimeError(f"target must have the size of input, or one that broadcasts to it: {error}") from error
    shared = common_dtype(input, target)
    losses = distance(*(widened(tensor.to(shared)) for tensor in pair))
    if weight is not None:
        if weight.shape != input.shape:
            raise ValueError(f"weight must have the size of input {tuple(input.shape)}, got {tuple(weight.shape)}")
        losses = losses * widened(weight)
    result = reduced(losses, reduction, None if weight is None else widened(weight))
    return answered(result, result.dtype if shared.is_complex else common_dtype(input, target, weight))


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared error: weight * (input - target)^2, reduced.

    Native: `torch.nn.functional.mse_loss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        NotImplementedError: if neither input nor target is floating.
        RuntimeError: if the sizes do not broadcast.
        ValueError: if the weight has another size than the input, or there is no such reduction.

    Trap: (N, 1) against (N,) broadcasts to (N, N): native and this warn. The weighted mean divides by the weights' sum.

    Example:
        >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(2.)
    """
    whole = not torch.is_floating_point(input) and not torch.is_floating_point(target)
    if whole and (weight is None or torch.is_complex(input)):
        raise NotImplementedError(f"input of mse_loss must have a floating dtype, got {input.dtype}")
    return _loss(_squared_error, input, target, chosen_reduction(reduction, size_average, reduce), weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute error: weight * |input - target|, reduced.

    Native: `torch.nn.functional.l1_loss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if the sizes do not broadcast, or whole numbers are to be averaged.
        ValueError: if the weight has another size than the input, or there is no such reduction.

    Trap: the derivative where input and target are equal is 0, neither 1 nor -1.

    Example:
        >>> l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(1.)
    """
    return _loss(_absolute_error, input, target, chosen_reduction(reduction, size_average, reduce), weight)
