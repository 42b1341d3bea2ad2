"""Convolution with moving taps: DeformConv2d is told where to look, DeformableConv2d learns it.

Legend: N batch, C in_channels, O out_channels, G groups, D offset groups, K taps of the kernel (kh * kw).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.functional.deformable_convolution import deform_conv2d, deformable_conv2d
from refops.nn.convolution import Conv2d
from refops.nn.initial import fan_in_uniform_, kaiming_uniform_

__all__ = ["DeformConv2d", "DeformableConv2d"]

Size = int | Sequence[int]


class _Deformed(nn.Module):
    """What the two have in common: the kernel of a Conv2d, with its start, its keys and its text."""

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
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if groups < 1:
            raise ValueError(f"groups must be positive, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels < 1 or channels % groups:
                raise ValueError(f"{name} must be positive and divisible by groups = {groups}, got {channels}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.stride = _pair(stride, "stride")
        self.padding = padding if isinstance(padding, str) else _pair(padding, "padding")
        self.dilation = _pair(dilation, "dilation")
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight, then bias, from U(-1/sqrt(f), 1/sqrt(f)) with f = C / G * K, as Conv2d does."""
        kaiming_uniform_(self.weight)
        if self.bias is not None:
            fan_in_uniform_(self.bias, self.weight)

    def extra_repr(self) -> str:
        """What `print` shows between the brackets: only what differs from the defaults, after the first four."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0, 0) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return text + (", bias=False" if self.bias is None else "")


class DeformConv2d(_Deformed):
    """`functional.deform_conv2d` with a learned kernel; offsets, and the mask of v2, come with each call.

    Native: none in torch; signature, keys and initial values are those of `torchvision.ops.DeformConv2d`.

    Shape:
        input (N, C, H, W), offset (N, 2DK, oh, ow), mask (N, DK, oh, ow) -> (N, O, oh, ow), where oh, ow are those of
        Conv2d; `weight` is (O, C / G, kh, kw), `bias` (O). D follows from `offset`.

    Raises:
        ValueError: if channels are not divisible by `groups`, or a pair has another length.
        RuntimeError: on a call, as `functional.deform_conv2d`, or if the input does not have `in_channels` channels.
            (torchvision reads twice as many as twice the groups.)

    Trap: the mask is used as it is given: a network that predicts it takes the sigmoid itself.

    Example:
        >>> layer = DeformConv2d(3, 8, 3, padding=1)
        >>> layer(torch.ones(2, 3, 7, 9), offset=torch.zeros(2, 2 * 3 * 3, 7, 9)).shape
        torch.Size([2, 8, 7, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if isinstance(padding, str):
            raise ValueError(f"padding must be an int or a pair of ints, got {padding!r}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, device, dtype)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, C, H, W), (N, 2DK, oh, ow) and perhaps (N, DK, oh, ow) -> (N, O, oh, ow)."""
        if input.dim() == 4 and input.shape[1] != self.in_channels:
            raise RuntimeError(f"input must have in_channels = {self.in_channels} channels, got {tuple(input.shape)}")
        padding = (0, 0) if isinstance(self.padding, str) else self.padding
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, padding, self.dilation, mask)


class DeformableConv2d(_Deformed):
    """A convolution that learns where to look: a second one, over the same windows, predicts the offsets of its taps.

    It starts with all offsets at zero. Without modulation it is then a plain convolution with the same kernel. With
    `modulated=True` (v2) a factor sigmoid(0) = 1/2 stands before every sample, as in the paper: the output is half of
    what the kernel gives, plus the bias.

    Native: none.

    Args:
        padding: 'same', the default, keeps height and width, for even kernels too.
        offset_groups: D, how many groups of input channels have offsets of their own.
        modulated: predict the mask as well.

    Shape:
        (N, C, H, W) or (C, H, W) -> (N, O, oh, ow) or (O, oh, ow); `weight` is (O, C / G, kh, kw), `bias` (O),
        `conv_offset.weight` (2DK or 3DK, C, kh, kw), `conv_offset.bias` (2DK or 3DK).

    Raises:
        ValueError: if channels are not divisible by `groups` or `offset_groups`, a pair has another length, or
            `padding` is an unknown word, or 'same' with a stride.
        RuntimeError: on a call, as `functional.deformable_conv2d`.

    Trap: predicting offsets and then convolving at the plain places is no deformable convolution: the gradient of
        `conv_offset` tells. `padding=k // 2` lets the map grow for even kernels.

    Source: arXiv 1703.06211; arXiv 1811.11168, section 3.2 (starts at 0 and 0.5; both train `conv_offset` with 0.1 of
        the learning rate, which is the optimizer's business).

    Example:
        >>> layer, x = DeformableConv2d(3, 8), torch.rand(2, 3, 7, 9)
        >>> plain = Conv2d(3, 8, 3, padding="same")
        >>> plain.load_state_dict({k: v for k, v in layer.state_dict().items() if "offset" not in k})
        <All keys matched successfully>
        >>> torch.allclose(layer(x), plain(x), atol=1e-6)
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
        groups: int = 1,
        offset_groups: int = 1,
        modulated: bool = False,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, device, dtype)
        if offset_groups < 1 or in_channels % offset_groups:
            raise ValueError(
                f"offset_groups must be positive and divide in_channels = {in_channels}, got {offset_groups}"
            )
        self.offset_groups = offset_groups
        self.modulated = modulated
        parts = (3 if modulated else 2) * offset_groups * self.kernel_size[0] * self.kernel_size[1]
        self.conv_offset = Conv2d(
            in_channels, parts, self.kernel_size, self.stride, self.padding, self.dilation, device=device, dtype=dtype
        )
        self.reset_offsets()

    def reset_offsets(self) -> None:
        """Let every tap look at its own place."""
        with torch.no_grad():
            for parameter in self.conv_offset.parameters():
                parameter.zero_()

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, oh, ow)."""
        return deformable_conv2d(
            input, self.weight, self.bias, self.conv_offset.weight, self.conv_offset.bias, self.stride, self.padding,
            self.dilation, self.modulated,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """As Conv2d's, then what is deformable about it."""
        text = super().extra_repr()
        text += f", offset_groups={self.offset_groups}" if self.offset_groups != 1 else ""
        return text + (", modulated=True" if self.modulated else "")


def _pair(value: Size, name: str) -> tuple[int, ...]:
    """One int for each of the two axes."""
    values = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name} must be an int or a pair of ints, got {value!r}")
    return values
