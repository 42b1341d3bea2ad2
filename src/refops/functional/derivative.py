"""A formula and its derivative, written side by side, as one operation.

The derivative is worth writing by hand: from the answer y itself it is short (sigmoid y (1 - y), tanh 1 - y^2, softmax
y (g - <g, y>)), it cannot overflow where the formula's own steps do (exp(-x) is inf at -89), and it keeps one tensor
where the chain of steps would keep five. Half precision is computed in float32 and rounded once.

A derivative is itself built from differentiable steps, so it can be differentiated again. Where each output hangs on
one input, or y_i on x_j as y_j on x_i, it serves forward-mode differentiation (`torch.func.jvp`) as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from refops.hand_derived import HandDerived, call, keep

__all__ = ["FromInput", "FromOutput", "applied", "floating", "overwritten", "saved", "widened"]

HALF = (torch.float16, torch.bfloat16)


def widened(input: Tensor) -> Tensor:
    """The input in a dtype good enough to compute in: float32 for float16 and bfloat16, its own otherwise.

    Example:
        >>> widened(torch.ones(2, dtype=torch.float16)).dtype
        torch.float32
    """
    return input.float() if input.dtype in HALF else input


class Symmetric(HandDerived):
    """A formula whose derivative is the same in both directions, J^T = J: of one input, besides constants."""

    @classmethod
    def tangent(cls, ctx: Any, t: Tensor, *_: None) -> Tensor:
        """What `backward` makes of it."""
        result = cls.backward(ctx, t)
        tangent: Tensor = result[0] if isinstance(result, tuple) else result
        return tangent


class FromInput(Symmetric):
    """A formula whose derivative is written in terms of its input."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the input."""
        keep(ctx, inputs[0])
        ctx.constants = inputs[1:]


class FromOutput(Symmetric):
    """A formula whose derivative is written in terms of its own answer."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep the answer."""
        keep(ctx, output)
        ctx.constants = inputs[1:]


def saved(ctx: Any) -> Tensor:
    """The one tensor the derivative is written in."""
    tensor: Tensor = ctx.saved_tensors[0]
    return tensor


def applied(function: type[HandDerived], input: Tensor, *constants: Any) -> Tensor:
    """Apply in float32 or better, answer in the dtype of the input."""
    output: Tensor = call(function, widened(input), *constants)
    return output.to(input.dtype)


def floating(input: Tensor, function: str) -> Tensor:
    """The input, if it is a tensor of floating dtype.

    Raises:
        NotImplementedError: if it is not.
    """
    if not torch.is_floating_point(input):
        raise NotImplementedError(f"input of {function} must have a floating dtype, got {input.dtype}")
    return input


def overwritten(input: Tensor, function: Callable[..., Tensor], *constants: Any) -> Tensor:
    """The input itself, holding function(input); the derivative needs the old numbers, so those are copied first.

    Raises:
        RuntimeError: if the input is a leaf that requires a gradient.
    """
    if input.is_leaf and input.requires_grad and torch.is_grad_enabled():
        raise RuntimeError("inplace must be False for a leaf tensor that requires a gradient, got inplace=True")
    return input.copy_(function(input.clone(), *constants))
