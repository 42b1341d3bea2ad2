"""A convolution taken apart: space first, channel by channel (depthwise), then channels, pixel by pixel (pointwise).

Legend: N batch, C in_channels, O out_channels, H W image, *P window positions, K kernel_size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.nn.convolution import Conv2d

__all__ = ["DepthwiseSeparableConv2d"]

Size = int | Sequence[int]


class DepthwiseSeparableConv2d(nn.Module):
    """One K x K kernel per channel, then a 1 x 1 convolution that mixes the channels.

    y[n, o] = sum over c of pointwise[o, c] * (depthwise[c] convolved with x[n, c])

    It has C K^2 + C O weights where a full convolution has C O K^2: an eighth to a ninth of them for K = 3.

    Native: none; `torch.nn.Conv2d(C, C, K, groups=C)`, then `torch.nn.Conv2d(C, O, 1)`.

    Args:
        in_channels, out_channels: C and O.
        kernel_size, stride, padding, dilation, padding_mode: of the depthwise step; the pointwise has none to choose.
        bias: whether both steps have one.
        device, dtype: of the parameters.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, O, *P) or (O, *P); *P is (H, W) unless `padding` says otherwise.
        `depthwise.weight` is (C, 1, K, K), `pointwise.weight` (O, C, 1, 1).

    Raises:
        ValueError, RuntimeError: as `Conv2d`; 'same', the default, needs a stride of 1.

    Trap: padding = K // 2 keeps the size only for odd kernels; an even one lets the map grow by a row and a column.

    Source: Chollet, arXiv 1610.02357; Howard et al., arXiv 1704.04861.

    Example:
        >>> layer = DepthwiseSeparableConv2d(16, 32, 4)
        >>> layer(torch.ones(1, 16, 10, 10)).shape
        torch.Size([1, 32, 10, 10])
        >>> sum(p.numel() for name, p in layer.named_parameters() if "weight" in name) == 16 * 4**2 + 16 * 32
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Size | str = "same",
        dilation: Size = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1:
            raise ValueError(f"in_channels must be positive, got {in_channels}")
        self.depthwise = Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, in_channels, bias, padding_mode, device,
            dtype,
        )  # fmt: skip
        self.pointwise = Conv2d(in_channels, out_channels, 1, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> (N, O, *P) or (O, *P)."""
        output: Tensor = self.pointwise(self.depthwise(input))
        return output
