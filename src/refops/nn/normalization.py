"""Layer, group and RMS norm: parameters over `refops.functional`'s one idea. No state, so evaluation changes nothing.

Legend: N batch, C channels, *S any spatial axes, *D the normalized axes.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.functional.normalization import group_norm, layer_norm, rms_norm

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm"]


class LayerNorm(nn.Module):
    """Standardise over the last axes; see `refops.functional.layer_norm`.

    Native: `torch.nn.LayerNorm`.

    Shape: (*, *D) to the same; weight and bias (*D) = `normalized_shape`.

    Raises:
        RuntimeError: if the input does not end in `normalized_shape`.

    Trap: `LayerNorm(C)` on (N, C, H, W) normalises the last axis W, not the channels.

    Example:
        >>> LayerNorm([5, 10, 10])(torch.rand(20, 5, 10, 10)).shape
        torch.Size([20, 5, 10, 10])
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        register_affine(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        """Standardise `input` over its last axes."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(nn.Module):
    """Standardise groups of channels of each sample; see `refops.functional.group_norm`.

    Native: `torch.nn.GroupNorm`.

    Shape: (N, C, *S) to the same; weight and bias (C) with C = `num_channels`.

    Raises:
        ValueError: if `num_groups` does not divide `num_channels`; if the batch holds one value per group.
        RuntimeError: if the input has not `num_channels` channels.

    Trap: GroupNorm(C, C) has InstanceNorm's statistics and GroupNorm(1, C) those of LayerNorm([C, *S]), but the latter
        learns one weight per element.

    Example:
        >>> GroupNorm(3, 6)(torch.rand(20, 6, 10, 10)).shape
        torch.Size([20, 6, 10, 10])
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups == 0:
            raise ZeroDivisionError("num_groups must be positive, got 0")
        if num_channels % num_groups != 0:
            raise ValueError(f"num_groups must divide num_channels, got {num_groups} and {num_channels}")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        register_affine(self, (num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        """Standardise each group of channels of each sample of `input`."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(nn.Module):
    """Divide by the root mean square of the last axes; see `refops.functional.rms_norm`.

    Native: `torch.nn.RMSNorm`.

    Shape: (*, *D) to the same; weight (*D) = `normalized_shape`; there is no bias.

    Raises:
        RuntimeError: if the input does not end in `normalized_shape`.

    Trap: eps=None, the default, is the machine epsilon of the type computed in.

    Example:
        >>> RMSNorm([2, 3])(torch.rand(2, 2, 3)).shape
        torch.Size([2, 2, 3])
    """

    weight: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = torch.empty(self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", None if weight is None else nn.Parameter(weight))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        reset_affine(self)

    def forward(self, x: Tensor) -> Tensor:
        """Divide `x` by the root mean square of its last axes."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def register_affine(
    module: nn.Module,
    shape: tuple[int, ...],
    weight: bool,
    bias: bool,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> None:
    """Give `module` a weight and a bias of this shape, not yet initialised, or None in their places."""
    for name, wanted in (("weight", weight), ("bias", bias)):
        parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if wanted else None
        module.register_parameter(name, parameter)


@torch.no_grad()
def reset_affine(module: nn.Module) -> None:
    """Weight 1, bias 0, where there are any."""
    for name, value in (("weight", 1.0), ("bias", 0.0)):
        parameter = getattr(module, name, None)
        if parameter is not None:
            parameter.fill_(value)


def _as_tuple(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, numbers.Integral):
        return (int(normalized_shape),)
    return tuple(normalized_shape)  # type: ignore[arg-type]
