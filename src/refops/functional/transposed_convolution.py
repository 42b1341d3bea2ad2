"""Transposed convolution is the transpose of the linear map that convolution is: every input adds a kernel's worth.

Convolution reads a window per output; its transpose writes one per input, and overlapping windows add up. It is not
the inverse: only the shapes go back. The sum is the middle map of `refops.functional.contraction`.

Legend: N batch, C input channels, O output channels, G groups, *P spatial axes of the input (one window each), *S of
the output, *K kernel offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from refops.functional.autocast import autocasting, without_autocast
from refops.functional.contraction import Contraction, Geometry
from refops.functional.convolution import _lowered
from refops.functional.memory_format import following
from refops.functional.padding import pad
from refops.functional.window import tuple_of
from refops.hand_derived import call

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

Size = int | Sequence[int]


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """`convolve_transposed` along one axis: (N, C, L) or (C, L). Native: `torch.nn.functional.conv_transpose1d`.

    Example:
        >>> conv_transpose1d(torch.tensor([[1.0, 10.0]]), torch.tensor([[[1.0, 2.0, 3.0]]]), stride=2)
        tensor([[ 1.,  2., 13., 20., 30.]])
    """
    return convolve_transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """`convolve_transposed` over two axes: (N, C, H, W) or (C, H, W). Native: `torch.nn.functional.conv_transpose2d`.

    Example:
        >>> conv_transpose2d(torch.ones(2, 16, 50, 100), torch.ones(16, 33, 3, 5), stride=(2, 1), padding=(4, 2)).shape
        torch.Size([2, 33, 93, 100])
    """
    return convolve_transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """`convolve_transposed` over three axes, with or without N. Native: `torch.nn.functional.conv_transpose3d`.

    Example:
        >>> conv_transpose3d(torch.ones(4, 2, 3, 4), torch.ones(4, 5, 3, 3, 3), stride=2, groups=2).shape
        torch.Size([10, 5, 7, 9])
    """
    return convolve_transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolve_transposed(
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Tensor:
    """Add the kernel, times each input, to the window of the output that a convolution would read for that input.

    y[n, o, s] = bias[o] + sum over c, p, k with stride p + dilation k - padding = s of x[n, c, p] * weight[c, o, k]

    Shape:
        input (N, C, *P) or (C, *P), weight (C, O / G, *K), bias (O) -> (N, O, *S) or (O, *S), where
        S = (P - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.

    Raises:
        RuntimeError: if ranks, channels, groups or dtypes do not fit, padding or output_padding is negative, stride or
            dilation not positive, output_padding reaches both stride and dilation, or nothing of the output is left.
        TypeError: if padding is a word: 'same' and 'valid' are unknown here.

    Trap: the weight begins with the *input* channels. `padding` takes away from the output, and `output_padding`
        adds no zeros around anything: it only moves the far end of the output, which has a kernel's tail or the bias.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html; Dumoulin & Visin,
        arXiv 1603.07285, chapter 4.
    """
    if autocasting(input):
        low = torch.get_autocast_dtype(input.device.type)
        input, weight, bias = _lowered(input, low), _lowered(weight, low), None if bias is None else _lowered(bias, low)
        with without_autocast(input):
            return convolve_transposed(n, input, weight, bias, stride, padding, output_padding, groups, dilation)
    _require_fitting(n, input, weight, bias, groups)
    batch = input if input.dim() == n + 2 else input[None]  # (N, C, *P)
    positions, kernel_size = tuple(batch.shape[2:]), tuple(weight.shape[2:])
    stride, padding, output_padding, dilation = _require_legal(
        n, positions, kernel_size, stride=stride, padding=padding, output_padding=output_padding, dilation=dilation
    )
    covered = output_sizes(positions, kernel_size, stride, dilation=dilation)
    size = output_sizes(positions, kernel_size, stride, padding, output_padding, dilation)
    if min(size) < 1:
        raise RuntimeError(f"padding must leave some of the output, got {padding}, which leaves a map of {size}")
    geometry = Geometry(covered, kernel_size, positions, stride, dilation, groups)
    exact = torch.float32 if input.dtype in (torch.float16, torch.bfloat16) else input.dtype
    whole: Tensor = call(Contraction, None, weight.to(exact), batch.to(exact), geometry)  # (N, O, *covered)
    output = _framed(whole, padding, size)
    output = output if bias is None else output + bias.to(exact).view(-1, *(1,) * n)
    output = following(output.to(input.dtype), batch, weight)
    return output if input.dim() == n + 2 else output[0]


def output_sizes(
    positions: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """S = (P - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1, for each axis.

    Example:
        >>> output_sizes((6, 6), (3, 3), (2, 2), (1, 1), (1, 0))
        (12, 11)
    """
    none, one = (0,) * len(positions), (1,) * len(positions)
    rows = zip(positions, kernel_size, stride, padding or none, output_padding or none, dilation or one, strict=True)
    return tuple((p - 1) * s - 2 * w + d * (k - 1) + extra + 1 for p, k, s, w, extra, d in rows)


def output_padding_for(output_size: Sequence[int], least: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    """What must be added to `least`, the size without it, so that the map has `output_size`.

    `stride` sizes of a convolution's input give one size of its output; this names the one to go back to.

    Raises:
        ValueError: if `output_size` is not among them.

    Example:
        >>> output_padding_for((12, 11), (11, 11), (2, 2))
        (1, 0)
    """
    if any(not low <= size < low + step for size, low, step in zip(output_size, least, stride, strict=True)):
        most = [low + step - 1 for low, step in zip(least, stride, strict=True)]
        raise ValueError(f"output_size must lie from {list(least)} to {most}, got {list(output_size)}")
    return tuple(size - low for size, low in zip(output_size, least, strict=True))


def _framed(whole: Tensor, padding: Sequence[int], size: Sequence[int]) -> Tensor:
    """The part of `whole` from `padding` on; where no window reaches the far end, zeros."""
    frame: list[Any] = [slice(start, start + length) for start, length in zip(padding, size, strict=True)]
    kept = whole[(..., *frame)]
    missing = [length - there for length, there in zip(size, kept.shape[2:], strict=True)]
    return pad(kept, [width for gap in reversed(missing) for width in (0, gap)]) if any(missing) else kept


def _require_fitting(n: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    if weight.dim() != n + 2:
        raise RuntimeError(
            f"weight must have {n + 2} axes, (in_channels, out_channels / groups, *kernel_size), got "
            f"{tuple(weight.shape)}; is kernel_size given for another number of axes?"
        )
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"input must have {n + 1} axes (unbatched) or {n + 2}, got {tuple(input.shape)}")
    if groups < 1:
        raise RuntimeError(f"groups must be positive, got {groups}")
    channels, each = weight.shape[:2]
    if channels < 1 or channels % groups or each < 1:
        raise RuntimeError(
            f"weight must have in_channels divisible by groups = {groups} and some channels, got {tuple(weight.shape)}"
        )
    if input.shape[-n - 1] != channels:
        raise RuntimeError(
            f"input must have {channels} channels for weight {tuple(weight.shape)}, got {input.shape[-n - 1]} in "
            f"{tuple(input.shape)}"
        )
    if bias is not None and tuple(bias.shape) != (each * groups,):
        raise RuntimeError(f"bias must have shape ({each * groups},), one per output channel, got {tuple(bias.shape)}")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype != input.dtype:
            raise RuntimeError(f"{name} must have the dtype of input, {input.dtype}, got {tensor.dtype}")


def _require_legal(
    n: int, positions: Sequence[int], kernel_size: Sequence[int], **options: Size
) -> list[tuple[int, ...]]:
    """Every option for each axis, in the order given."""
    for name, value in options.items():
        if isinstance(value, str) or (isinstance(value, Sequence) and any(isinstance(entry, str) for entry in value)):
            raise TypeError(f"{name} must be an int or a tuple of ints, got {value!r}")
    each = {name: tuple_of(n, value, name) for name, value in options.items()}
    least = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": 0, "output_padding": 0, "input size": 1}
    for name, values in {"input size": positions, "kernel_size": kernel_size, **each}.items():
        if any(value < least[name] for value in values):
            raise RuntimeError(f"{name} must be at least {least[name]} along every spatial axis, got {tuple(values)}")
    rows = zip(each["output_padding"], each["stride"], each["dilation"], strict=True)
    if any(extra >= max(step, gap) for extra, step, gap in rows):
        raise RuntimeError(
            f"output_padding must be smaller than stride or dilation, got {each['output_padding']} for stride "
            f"{each['stride']} and dilation {each['dilation']}"
        )
    return list(each.values())
