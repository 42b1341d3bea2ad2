"""Conv1d, Conv2d and Conv3d are one layer over n axes: they keep the kernel and the bias of `functional.conv*`.

Legend: N batch, C in_channels, O out_channels, G groups, *S spatial axes, *P window positions, *K kernel offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.functional.convolution import convolve
from refops.nn.initial import fan_in_uniform_, kaiming_uniform_

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

Size = int | Sequence[int]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(nn.Module):
    """What the three have in common; a subclass says how many axes the kernel slides along."""

    axes: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._each(kernel_size)
        self.stride = self._each(stride)
        self.padding = padding if isinstance(padding, str) else self._each(padding)
        self.dilation = self._each(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        self._require_legal()
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def _each(self, value: Size) -> tuple[int, ...]:
        """An int for every axis; a tuple is kept as it is, and judged when the layer runs."""
        return tuple(value) if isinstance(value, Sequence) else (value,) * self.axes

    def _require_legal(self) -> None:
        if self.groups < 1:
            raise ValueError(f"groups must be positive, got {self.groups}")
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name} must be divisible by groups = {self.groups}, got {channels}")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"padding must be 'same' or 'valid' if it is a string, got {self.padding!r}")
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"padding 'same' needs a stride of 1, got stride {self.stride}")
        if self.padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {PADDING_MODES}, got {self.padding_mode!r}")
        sizes = {
            "in_channels": [self.in_channels],
            "out_channels": [self.out_channels],
            "kernel_size": self.kernel_size,
        }
        for name, values in sizes.items():
            if any(value < 0 for value in values):
                raise RuntimeError(f"{name} must not be negative, got {values}")

    def reset_parameters(self) -> None:
        """Draw weight, then bias, from U(-1/sqrt(f), 1/sqrt(f)) with f = C / G * |K|, the inputs of one output."""
        kaiming_uniform_(self.weight)
        if self.bias is not None:
            fan_in_uniform_(self.bias, self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *S) or (C, *S) -> (N, O, *P) or (O, *P)."""
        return convolve(
            self.axes, input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
            self.padding_mode,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """What `print` shows between the brackets: only what differs from the defaults, after the first four."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if isinstance(self.padding, str) or any(self.padding):
            text += f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            text += f", dilation={self.dilation}"
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv1d(_Conv):
    """Slide learned kernels along one axis: `functional.conv1d` after padding by `padding_mode`.

    Native: `torch.nn.Conv1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, O, P) or (O, P); `weight` is (O, C / G, K), `bias` (O).

    Raises:
        ValueError: if channels are not divisible by `groups`, `padding` or `padding_mode` is an unknown word, or
            `padding` is 'same' with a stride.
        RuntimeError: on a call, as `functional.conv1d`.

    Example:
        >>> Conv1d(16, 33, 3, stride=2)(torch.ones(20, 16, 50)).shape
        torch.Size([20, 33, 24])
    """

    axes = 1


class Conv2d(_Conv):
    """Slide learned kernels over two axes: `functional.conv2d` after padding by `padding_mode`.

    Native: `torch.nn.Conv2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, O, *P) or (O, *P); `weight` is (O, C / G, *K), `bias` (O).

    Raises:
        ValueError, RuntimeError: as Conv1d.

    Trap: `bias` is idle before a batch norm, which takes the mean away again.

    Example:
        >>> Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))(torch.ones(20, 16, 50, 100)).shape
        torch.Size([20, 33, 26, 100])
    """

    axes = 2


class Conv3d(_Conv):
    """Slide learned kernels over three axes: `functional.conv3d` after padding by `padding_mode`.

    Native: `torch.nn.Conv3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> (N, O, *P) or (O, *P); `weight` is (O, C / G, *K), `bias` (O).

    Raises:
        ValueError, RuntimeError: as Conv1d.

    Example:
        >>> Conv3d(4, 8, 3, padding="same", groups=2)(torch.ones(2, 4, 5, 6, 7)).shape
        torch.Size([2, 8, 5, 6, 7])
    """

    axes = 3
