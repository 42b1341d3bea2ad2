"""Linear keeps the matrix and the bias of `functional.linear`; Identity keeps nothing.

Legend: I in_features, O out_features, * any axes before them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from refops.functional.linear import linear
from refops.nn.initial import fan_in_uniform_, kaiming_uniform_

__all__ = ["Identity", "Linear"]


class Identity(nn.Module):
    """Return the input itself, whatever the layer was built with.

    Native: `torch.nn.Identity`.

    Shape:
        (*) -> (*).

    Example:
        >>> Identity(54, unused=True)(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """The input, not a copy."""
        return input


class Linear(nn.Module):
    """Multiply the last axis by a learned matrix and add a learned bias: y = x A^T + b.

    Both start from U(-1/sqrt(I), 1/sqrt(I)).

    Native: `torch.nn.Linear`.

    Shape:
        (*, I) -> (*, O); `weight` is (O, I), `bias` (O).

    Raises:
        RuntimeError: if a size is negative, or the last axis of the input is not I.

    Example:
        >>> layer = Linear(20, 30)
        >>> layer(torch.ones(128, 20)).shape
        torch.Size([128, 30])
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            if isinstance(size, int) and size < 0:
                raise RuntimeError(f"{name} must not be negative, got {size}")
        self.weight = nn.Parameter(torch.empty((out_features, in_features), device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight, then bias, from U(-1/sqrt(I), 1/sqrt(I))."""
        kaiming_uniform_(self.weight)
        if self.bias is not None:
            fan_in_uniform_(self.bias, self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """(*, I) -> (*, O)."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
