"""Convolution in any number of dimensions: the kernel times every window of the input, summed by one matrix product.

`convolve` checks and pads; the product and its gradients stand in `refops.functional.contraction`.

Legend: N batch, C input channels, O output channels, G groups, *S spatial axes (L, or H W, or D H W), *P window
positions, *K kernel offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from refops.functional.autocast import autocasting, without_autocast
from refops.functional.contraction import Contraction, Geometry
from refops.functional.memory_format import following
from refops.functional.padding import pad
from refops.functional.window import tuple_of
from refops.hand_derived import call

__all__ = ["conv1d", "conv2d", "conv3d"]

Size = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`convolve` along one axis: (N, C, L) or (C, L). Native: `torch.nn.functional.conv1d`.

    Example:
        >>> conv1d(torch.tensor([[1.0, 2.0, 4.0, 8.0]]), torch.tensor([[[-1.0, 1.0]]]))
        tensor([[1., 2., 4.]])
    """
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`convolve` over two axes: (N, C, H, W) or (C, H, W). Native: `torch.nn.functional.conv2d`.

    Example:
        >>> conv2d(torch.ones(20, 16, 50, 100), torch.ones(33, 16, 3, 5), stride=(2, 1), padding=(4, 2)).shape
        torch.Size([20, 33, 28, 100])
    """
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`convolve` over three axes: (N, C, D, H, W) or (C, D, H, W). Native: `torch.nn.functional.conv3d`.

    Example:
        >>> conv3d(torch.ones(2, 4, 5, 6), torch.ones(8, 1, 3, 3, 3), padding="same", groups=2).shape
        torch.Size([8, 4, 5, 6])
    """
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


def convolve(
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
    padding_mode: str = "zeros",
) -> Tensor:
    """Slide the kernel over the last `n` axes and take the weighted sum of every window.

    y[n, o, p] = bias[o] + sum over c, k of weight[o, c, k] * x[n, c, stride p + dilation k - padding]

    It is a cross-correlation: the kernel is not flipped. With `groups`, output channels of one G-th see the input
    channels of the same G-th only.

    Shape:
        input (N, C, *S) or (C, *S), weight (O, C / G, *K), bias (O) -> (N, O, *P) or (O, *P), where
        P = floor((S + 2 padding - dilation (K - 1) - 1) / stride) + 1.

    Raises:
        RuntimeError: if ranks, channels, groups or dtypes do not fit, the kernel is larger than the padded input,
            padding is negative, stride or dilation not positive, or padding is 'same' with a stride.

    Trap: 'same' pads dilation * (K - 1) in all; where that is odd, the extra one stands *after* the input. K // 2 on
        either side lets the map grow for every even kernel.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """
    if autocasting(input):
        low = torch.get_autocast_dtype(input.device.type)
        input, weight, bias = _lowered(input, low), _lowered(weight, low), None if bias is None else _lowered(bias, low)
        with without_autocast(input):
            return convolve(n, input, weight, bias, stride, padding, dilation, groups, padding_mode)
    _require_rank(n, weight)
    kernel_size = tuple(weight.shape[2:])
    stride, dilation = tuple_of(n, stride, "stride"), tuple_of(n, dilation, "dilation")
    widths = _widths(n, padding, kernel_size, stride, dilation)
    if padding_mode != "zeros":
        input, widths = _padded(input, widths, padding_mode), [(0, 0)] * n
    _require_fitting(n, input, weight, bias, groups)
    batch = input if input.dim() == n + 2 else input[None]  # (N, C, *S)
    positions = _positions(batch.shape[2:], kernel_size, widths, stride, dilation)
    padded = _padded(batch, widths, "constant") if any(map(any, widths)) else batch
    geometry = Geometry(tuple(padded.shape[2:]), kernel_size, positions, stride, dilation, groups)
    exact = torch.float32 if input.dtype in (torch.float16, torch.bfloat16) else input.dtype
    output: Tensor = call(Contraction, padded.to(exact), weight.to(exact), None, geometry)  # (N, O, *P)
    if bias is not None:
        output = output + bias.to(exact).view(-1, *(1,) * n)
    output = following(output.to(input.dtype), batch, weight)
    return output if input.dim() == n + 2 else output[0]


def _lowered(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """What autocast makes of an operand: half precision, but float64 and integers are left alone."""
    return tensor.to(dtype) if tensor.is_floating_point() and tensor.dtype != torch.float64 else tensor


def _widths(
    n: int, padding: Size | str, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """How much is added before and after each axis."""
    if padding == "valid":
        return [(0, 0)] * n
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError(f"padding 'same' needs a stride of 1, got stride {tuple(stride)}")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str):
        raise RuntimeError(f"padding must be an int, a tuple of ints, 'same' or 'valid', got {padding!r}")
    return [(p, p) for p in tuple_of(n, padding, "padding")]


def _padded(input: Tensor, widths: list[tuple[int, int]], mode: str) -> Tensor:
    return pad(input, [width for pair in reversed(widths) for width in pair], mode)


def _require_rank(n: int, weight: Tensor) -> None:
    if weight.dim() != n + 2:
        raise RuntimeError(
            f"weight must have {n + 2} axes, (out_channels, in_channels / groups, *kernel_size), got "
            f"{tuple(weight.shape)}; is kernel_size given for another number of axes?"
        )


def _require_fitting(n: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"input must have {n + 1} axes (unbatched) or {n + 2}, got {tuple(input.shape)}")
    if groups < 1:
        raise RuntimeError(f"groups must be positive, got {groups}")
    if weight.shape[0] < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"weight must have out_channels divisible by groups = {groups}, got {tuple(weight.shape)}")
    if input.shape[-n - 1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"input must have {weight.shape[1] * groups} channels for weight {tuple(weight.shape)} and groups = "
            f"{groups}, got {input.shape[-n - 1]} in {tuple(input.shape)}"
        )
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise RuntimeError(
            f"bias must have shape ({weight.shape[0]},), one per output channel, got {tuple(bias.shape)}"
        )
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype != input.dtype:
            raise RuntimeError(f"{name} must have the dtype of input, {input.dtype}, got {tensor.dtype}")


def _positions(
    size: Sequence[int],
    kernel_size: Sequence[int],
    widths: list[tuple[int, int]],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[int, ...]:
    """P, the number of windows along each axis; an error where there is none."""
    for name, values, least in (
        ("kernel_size", kernel_size, 1),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
        ("padding", [min(pair) for pair in widths], 0),
        ("input size", size, 1),
    ):
        if any(value < least for value in values):
            raise RuntimeError(f"{name} must be at least {least} along every spatial axis, got {tuple(values)}")
    padded = [s + before + after for s, (before, after) in zip(size, widths, strict=True)]
    spans = [d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True)]
    if any(span > s for span, s in zip(spans, padded, strict=True)):
        raise RuntimeError(f"kernel_size must fit into the padded input of {padded}, got windows of {spans}")
    return tuple((s - span) // step + 1 for s, span, step in zip(padded, spans, stride, strict=True))
