"""OctaveConv2d: a Conv2d whose channels are split between a map of full and one of half the size.

Legend: N batch, C in_channels, O out_channels of both maps together, G groups, H W height and width of the high map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.functional.octave_convolution import low_channels, octave_conv2d
from refops.nn.initial import fan_in_uniform_, kaiming_uniform_

__all__ = ["OctaveConv2d"]

Size = int | Sequence[int]


class OctaveConv2d(nn.Module):
    """`functional.octave_conv2d` with a learned kernel: it takes (high, low) and gives (high, low).

    Layers follow one another as `second(*first(high, low))`. The first has `alpha_in=0` and takes the image alone, the
    last `alpha_out=0` and gives (map, None). Parameters and their start are those of Conv2d with the same channels.

    Native: none.

    Args:
        alpha_in: the share of the input channels that is low, floor(alpha_in * in_channels) of them.
        alpha_out: the same of the output channels.
        stride: 1 keeps the sizes; 2 halves them by pooling. There is no `padding`: it is 'same', for even kernels too.

    Shape:
        high (N, C_h, H, W), low (N, C_l, H // 2, W // 2) -> high (N, O_h, H, W), low (N, O_l, H // 2, W // 2), None
        for a map without channels; `weight` is (O, C / G, kh, kw), `bias` (O), high channels first. Without N too.

    Raises:
        ValueError: if an alpha is outside [0, 1], `stride` is not 1 or 2, or a number of high or low channels is not
            divisible by `groups`.
        RuntimeError: on a call, as `functional.octave_conv2d`.

    Trap: `int(in_channels * (1 - alpha))` loses a channel: 10 * (1 - 0.9) is 0.9999999999999998. Maps of odd size must
        be halved by pooling before the convolution, else the two low parts differ in size.

    Source: arXiv 1904.05049.

    Example:
        >>> first, last = OctaveConv2d(3, 8, alpha_in=0), OctaveConv2d(8, 4, 5, alpha_out=0)
        >>> [tuple(x.shape) for x in first(torch.rand(2, 3, 9, 7))]
        [(2, 4, 9, 7), (2, 4, 4, 3)]
        >>> y, _ = last(*first(torch.rand(2, 3, 9, 7)))
        >>> tuple(y.shape)
        (2, 4, 9, 7)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        alpha_in: float = 0.5,
        alpha_out: float = 0.5,
        stride: int = 1,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride must be 1 or 2, got {stride}")
        if groups < 1:
            raise ValueError(f"groups must be positive, got {groups}")
        sides = (("in_channels", in_channels, alpha_in), ("out_channels", out_channels, alpha_out))
        for name, channels, alpha in sides:
            low = low_channels(alpha, channels, f"alpha_{name.partition('_')[0]}")
            if channels < 1 or channels % groups or low % groups:
                raise ValueError(
                    f"{name} must be positive, its high and low parts divisible by groups = {groups}, got {channels}, "
                    f"of which {low} are low"
                )
        kernel = tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size, kernel_size)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel
        self.alpha_in = alpha_in
        self.alpha_out = alpha_out
        self.stride = stride
        self.dilation = dilation
        self.groups = groups
        shape = (out_channels, in_channels // groups, *kernel)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight, then bias, from U(-1/sqrt(f), 1/sqrt(f)) with f = C / G * kh * kw, as Conv2d does."""
        kaiming_uniform_(self.weight)
        if self.bias is not None:
            fan_in_uniform_(self.bias, self.weight)

    def forward(self, high: Tensor | None, low: Tensor | None = None) -> tuple[Tensor | None, Tensor | None]:
        """(N, C_h, H, W), (N, C_l, H // 2, W // 2) -> (N, O_h, H, W), (N, O_l, H // 2, W // 2)."""
        return octave_conv2d(
            high, low, self.weight, self.bias, self.alpha_in, self.alpha_out, self.stride, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", alpha_in={self.alpha_in}, alpha_out={self.alpha_out}, stride={self.stride}"
        text += f", dilation={self.dilation}" if self.dilation not in (1, (1, 1)) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return text + (", bias=False" if self.bias is None else "")
