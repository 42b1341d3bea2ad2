"""An operation whose derivative is written by hand, for both directions: back from the output, forward from the input.

Backward, a gradient g of the output becomes that of each input, J^T g. Forward, a direction t of each input becomes
that of the output, J t; `torch.func.jvp`, `jacfwd` and `hessian` ask for it. `torch.autograd.Function` has names for
both, `backward` and `jvp`, but `torch.compile` refuses a class that has a `jvp`, although it asks for none. So here the
second rule is called `tangent`, and `call` applies a class that has it under torch's name only where nothing is
being compiled.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["HandDerived", "call", "keep"]


class HandDerived(Function):
    """The base of such operations: `forward`, `setup_context`, `backward` and `tangent`, all static."""

    generate_vmap_rule = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the signature of `forward`, which every `apply` asks for: finding it takes half of a short call."""
        super().__init_subclass__(**kwargs)
        cls.forward.__signature__ = inspect.signature(cls.forward)  # type: ignore[attr-defined]

    @staticmethod
    def tangent(ctx: Any, *tangents: Any) -> Any:
        """The direction of the output for those of the inputs, None for what is no tensor.

        Raises:
            NotImplementedError: unless a class has its own.
        """
        raise NotImplementedError("tangent must be written for this operation to be differentiated forward")


@cache
def _both_ways(function: type[HandDerived]) -> type[HandDerived]:
    return type(function.__name__, (function,), {"jvp": staticmethod(function.tangent)})


def call(function: type[HandDerived], *inputs: Any) -> Any:
    """The operation, applied: differentiable in both directions, under a compiler in the one that it knows.

    Example:
        >>> class Square(HandDerived):
        ...     @staticmethod
        ...     def forward(x):
        ...         return x * x
        ...
        ...     @staticmethod
        ...     def setup_context(ctx, inputs, output):
        ...         keep(ctx, *inputs)
        ...
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         return 2 * ctx.saved_tensors[0] * g
        ...
        ...     @staticmethod
        ...     def tangent(ctx, t):
        ...         return 2 * ctx.saved_tensors[0] * t
        >>> torch.func.grad(lambda x: call(Square, x))(torch.tensor(3.0))
        tensor(6.)
    """
    return (function if torch.compiler.is_compiling() else _both_ways(function)).apply(*inputs)


def keep(ctx: Any, *tensors: Tensor | None) -> None:
    """Save what the derivative is written in, for either direction."""
    ctx.save_for_backward(*tensors)
    if not torch.compiler.is_compiling():
        ctx.save_for_forward(*tensors)
