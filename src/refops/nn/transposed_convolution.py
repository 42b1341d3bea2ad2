"""ConvTranspose1d, 2d and 3d are one layer over n axes: they keep the kernel and bias of `functional.conv_transpose*`.

Legend: N batch, C in_channels, O out_channels, G groups, *P spatial axes of the input, *S of the output, *K kernel
offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.functional.transposed_convolution import convolve_transposed, output_padding_for, output_sizes
from refops.nn.initial import fan_in_uniform_, kaiming_uniform_

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Size = int | Sequence[int]


class _ConvTranspose(nn.Module):
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
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._each(kernel_size)
        self.stride = self._each(stride)
        self.padding = self._each(padding)
        self.output_padding = self._each(output_padding)
        self.dilation = self._each(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        self._require_legal()
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def _each(self, value: Size) -> tuple[int, ...]:
        """An int for every axis; a tuple is kept as it is, and judged when the layer runs."""
        return tuple(value) if isinstance(value, Sequence) else (value,) * self.axes

    def _require_legal(self) -> None:
        if self.padding_mode != "zeros":
            raise ValueError(f"padding_mode must be 'zeros' in a transposed convolution, got {self.padding_mode!r}")
        if self.groups < 1:
            raise ValueError(f"groups must be positive, got {self.groups}")
        sizes = {
            "in_channels": [self.in_channels],
            "out_channels": [self.out_channels],
            "kernel_size": self.kernel_size,
        }
        for name in ("in_channels", "out_channels"):
            if sizes[name][0] % self.groups:
                raise ValueError(f"{name} must be divisible by groups = {self.groups}, got {sizes[name][0]}")
        for name, values in sizes.items():
            if any(value < 0 for value in values):
                raise RuntimeError(f"{name} must not be negative, got {values}")

    def reset_parameters(self) -> None:
        """Draw weight, then bias, from U(-1/sqrt(f), 1/sqrt(f)) with f = O / G * |K|: torch counts axis 1 as inputs."""
        kaiming_uniform_(self.weight)
        if self.bias is not None:
            fan_in_uniform_(self.bias, self.weight)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, *P) or (C, *P) -> (N, O, *S) or (O, *S).

        `output_size`, with or without (N, O), takes the place of `output_padding`.
        """
        output_padding = self.output_padding if output_size is None else self._wanted(input, output_size)
        return convolve_transposed(
            self.axes, input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups,
            self.dilation,
        )  # fmt: skip

    def _wanted(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives `output_size`."""
        if not isinstance(output_size, Sequence):
            raise TypeError(f"output_size must be a sequence of ints, got {output_size!r}")
        n = self.axes
        if len(output_size) not in (n, input.dim()):
            raise ValueError(f"output_size must have {n} or {input.dim()} entries, got {tuple(output_size)}")
        least = output_sizes(input.shape[-n:], self.kernel_size, self.stride, self.padding, dilation=self.dilation)
        return output_padding_for(output_size[-n:], least, self.stride)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets: only what differs from the defaults, after the first four."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, default in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            values = getattr(self, name)
            text += f", {name}={values}" if any(value != default for value in values) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return text + (", bias=False" if self.bias is None else "")


class ConvTranspose1d(_ConvTranspose):
    """Write learned kernels along one axis: `functional.conv_transpose1d`.

    Native: `torch.nn.ConvTranspose1d`.

    Shape:
        (N, C, P) or (C, P) -> (N, O, S) or (O, S); `weight` is (C, O / G, K), `bias` (O).

    Raises:
        ValueError: if channels are not divisible by `groups`, `padding_mode` is not 'zeros', or `output_size` cannot
            be reached.
        RuntimeError, TypeError: on a call, as `functional.conv_transpose1d`.

    Example:
        >>> ConvTranspose1d(16, 33, 3, stride=2)(torch.ones(20, 16, 50)).shape
        torch.Size([20, 33, 101])
    """

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Write learned kernels over two axes: `functional.conv_transpose2d`.

    Native: `torch.nn.ConvTranspose2d`; there is no `nn.ConvTranspose`.

    Shape:
        (N, C, *P) or (C, *P) -> (N, O, *S) or (O, *S); `weight` is (C, O / G, *K), `bias` (O).

    Raises:
        ValueError, RuntimeError, TypeError: as ConvTranspose1d.

    Trap: a stride above 1 maps several input sizes of a convolution to one; `output_size` says which to go back to.
        A kernel that its stride does not divide overlaps unevenly: a checkerboard.

    Example:
        >>> down, up = nn.Conv2d(16, 16, 3, stride=2, padding=1), ConvTranspose2d(16, 16, 3, stride=2, padding=1)
        >>> up(down(torch.ones(1, 16, 12, 12))).shape
        torch.Size([1, 16, 11, 11])
        >>> up(down(torch.ones(1, 16, 12, 12)), output_size=(1, 16, 12, 12)).shape
        torch.Size([1, 16, 12, 12])
    """

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """Write learned kernels over three axes: `functional.conv_transpose3d`.

    Native: `torch.nn.ConvTranspose3d`.

    Shape:
        (N, C, *P) or (C, *P) -> (N, O, *S) or (O, *S); `weight` is (C, O / G, *K), `bias` (O).

    Raises:
        ValueError, RuntimeError, TypeError: as ConvTranspose1d.

    Example:
        >>> ConvTranspose3d(4, 8, 2, stride=2, groups=2)(torch.ones(2, 4, 5, 6, 7)).shape
        torch.Size([2, 8, 10, 12, 14])
    """

    axes = 3
