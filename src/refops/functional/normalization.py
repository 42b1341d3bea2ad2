"""One idea carries every norm: subtract the mean, divide by the spread, over a choice of axes.

    y = (x - mean) * scale + bias,    scale = weight / sqrt(variance + eps),    variance = mean((x - mean)^2)

    batch_norm     axes N, *S: one mean per channel, shared by the batch (in evaluation: remembered ones)
    instance_norm  axes *S: one mean per sample and channel
    group_norm     axes C/G, *S: one mean per sample and group of channels
    layer_norm     axes *D, the last ones: one mean per position
    rms_norm       axes *D, and the mean is left at 0

The variance is that of the deviations themselves (two passes), never E[x^2] - E[x]^2, which cancels when the mean is
large; half precision is worked out in float32 and rounded once, at the end.

Legend: N batch, C channels, G groups, *S any spatial axes, *D the normalized axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from refops.functional.memory_format import following

__all__ = ["group_norm", "layer_norm", "rms_norm"]


class Deviation(torch.autograd.Function):
    """Deviations from the mean over `axes`, their mean square, and the mean itself; the gradient by hand.

    With d = x - mean(x) and v = mean(d^2), gradients g of d and h of v give that of x:

        dx = p - mean(p),    p = g + d * 2h/n

    Behind y = d / sqrt(v + eps) this is the formula of textbooks, dx = (g - mean(g) - y * mean(g * y)) / sqrt(v + eps).
    Autograd alone needs twice as many passes over the data.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        mean = _mean(input, axes)
        deviation = input - mean
        return deviation, _mean(deviation * deviation, axes), mean

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        deviation, _, mean = output
        ctx.axes = inputs[1]
        ctx.save_for_backward(deviation)
        ctx.save_for_forward(deviation)
        ctx.mark_non_differentiable(mean)

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor, _: Tensor) -> tuple[Tensor, None]:
        (deviation,) = ctx.saved_tensors
        pull = (deviation * (2 / _count(deviation, ctx.axes) * h)).add_(g)
        return pull.sub_(_mean(pull, ctx.axes)), None

    @staticmethod
    def jvp(ctx: Any, t: Tensor, _: None) -> tuple[Tensor, Tensor, None]:
        return t - _mean(t, ctx.axes), 2 * _mean(ctx.saved_tensors[0] * t, ctx.axes), None


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Standardise each group of C/G neighbouring channels of each sample.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var over C/G and *S.

    Native: `torch.nn.functional.group_norm`.

    Shape: (N, C, *S) to the same; weight and bias (C).

    Raises:
        ValueError: if there is one value per group in the whole batch; ZeroDivisionError: if num_groups is 0.
        RuntimeError: if num_groups does not divide C, the input has one axis only, or a size or dtype does not fit.

    Trap: statistics belong to the group, weight and bias to the channel; `view` refuses some strides, `reshape` none.

    Source: Wu & He, arXiv 1803.08494.

    Example:
        >>> group_norm(torch.tensor([[1.0, 3.0, 10.0, 50.0]]), 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    input, weight, bias = _float_under_autocast(input, weight, bias)
    check_channels(input)
    if num_groups == 0:
        raise ZeroDivisionError("num_groups must be positive, got 0")
    if input.shape[:2].numel() // num_groups * input.shape[2:].numel() == 1:
        raise ValueError(
            f"input must have more than 1 value per group, got {tuple(input.shape)} for {num_groups} groups"
        )
    if num_groups < 0 or input.shape[1] % num_groups != 0:
        raise RuntimeError(f"num_groups must divide the channels of input, got {num_groups} for {input.shape[1]}")
    check_channels(input, weight=weight, bias=bias)
    check_dtypes(input, weight=weight, bias=bias)
    groups = (num_groups, input.shape[1] // num_groups)
    grouped = input.reshape(input.shape[0], *groups, input.shape[2:].numel())  # (N, G, C/G, S)
    weight, bias = (None if p is None else p.reshape(*groups, 1) for p in (weight, bias))  # (G, C/G, 1)
    return following(standardise(grouped, (2, 3), weight, bias, eps)[0].reshape(input.shape), input)  # (N, C, *S)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise over the last axes, those of `normalized_shape`.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var over *D.

    Native: `torch.nn.functional.layer_norm`.

    Shape: (*, *D) to the same; weight and bias (*D).

    Raises:
        RuntimeError: if the last axes of input, weight or bias are not `normalized_shape`, or that is empty.
        TypeError: if `normalized_shape` is not a sequence.

    Trap: a biased variance with eps *inside* the root, over *all* axes of `normalized_shape`.

    Source: Ba, Kiros & Hinton, arXiv 1607.06450.

    Example:
        >>> layer_norm(torch.tensor([[1.0, 3.0], [10.0, 50.0]]), (2,), bias=torch.tensor([0.0, 1.0]))
        tensor([[-1.0000,  2.0000],
                [-1.0000,  2.0000]])
    """
    input, weight, bias = _float_under_autocast(input, weight, bias)
    axes = _last_axes(input, normalized_shape, weight=weight, bias=bias)
    check_dtypes(input, weight=weight, bias=bias)
    return standardise(input.contiguous(), axes, weight, bias, eps)[0]


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root mean square of the last axes.

    y = x / sqrt(mean(x^2) + eps) * weight, mean over *D. eps=None is the machine epsilon of the dtype computed in:
    float32's for half precision, otherwise the input's own.

    Native: `torch.nn.functional.rms_norm`.

    Shape: (*, *D) to the same; weight (*D).

    Raises:
        RuntimeError: if the last axes of input or weight are not `normalized_shape`, or that is empty.
        ValueError: if the input has fewer axes than that; TypeError: if it is not a sequence.

    Trap: the default eps is neither 1e-5 nor 1e-6; the weight multiplies before the result is rounded to half.

    Source: Zhang & Sennrich, arXiv 1910.07467.

    Example:
        >>> rms_norm(torch.tensor([[3.0, 4.0]]), (2,)) * 12.5**0.5
        tensor([[3., 4.]])
    """
    input, weight = _float_under_autocast(input, weight)
    check_dtypes(input)
    axes = _last_axes(input, normalized_shape, ValueError, weight=weight)
    eps = torch.finfo(wide_dtype(input)).eps if eps is None else eps
    return following(standardise(input, axes, weight, None, eps, centred=False)[0], input)


def standardise(
    input: Tensor, axes: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float, centred: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """The one idea of this file; weight and bias broadcast against the input. Also returns mean and biased variance."""
    wide = input.to(wide_dtype(input))
    if centred:
        moments = Deviation.forward if torch.compiler.is_compiling() else Deviation.apply  # a compiler needs no help
        deviation, variance, mean = moments(wide, axes)
    else:
        deviation, variance, mean = wide, _mean(wide * wide, axes), wide.new_zeros(())
    return scale_and_shift(deviation, variance, weight, bias, eps).to(input.dtype), mean, variance


def _count(input: Tensor, axes: tuple[int, ...]) -> int:
    return max(math.prod([input.shape[axis] for axis in axes]), 1)  # of nothing, the mean is 0


def _mean(input: Tensor, axes: tuple[int, ...]) -> Tensor:
    return input.sum(axes, keepdim=True) / _count(input, axes)


def scale_and_shift(
    deviation: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Deviation / sqrt(variance + eps) * weight + bias."""
    scale = (variance + eps).rsqrt()
    if weight is not None and weight.shape[-1] == 1:  # one weight for many values: to the scale first, it is smaller
        scale, weight = scale * weight, None
    output = deviation * scale if weight is None else deviation * scale * weight
    return output if bias is None else output + bias


def wide_dtype(input: Tensor) -> torch.dtype:
    """The dtype sums are taken in: float32 for half precision, otherwise the input's own."""
    return torch.float32 if input.dtype in (torch.float16, torch.bfloat16) else input.dtype


def check_dtypes(input: Tensor, **parameters: Tensor | None) -> None:
    """Refuse parameters of another dtype than the input's; half precision may have all its parameters in float32."""
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating point, got {input.dtype}")
    dtypes = {name: p.dtype for name, p in parameters.items() if p is not None}
    if len(set(dtypes.values())) > 1 or not set(dtypes.values()) <= {input.dtype, wide_dtype(input)}:
        raise RuntimeError(f"{', '.join(dtypes)} must have the dtype of input, {input.dtype}, got {dtypes}")


def check_channels(input: Tensor, **parameters: Tensor | None) -> None:
    """Refuse parameters that have not one value per channel: nothing is broadcast."""
    if input.dim() < 2:
        raise RuntimeError(f"input must have at least 2 dimensions (N, C, *S), got shape {tuple(input.shape)}")
    for name, p in parameters.items():
        if p is not None and p.shape != input.shape[1:2]:
            raise RuntimeError(f"{name} must have the channels of input, {input.shape[1]}, got {tuple(p.shape)}")


def _last_axes(
    input: Tensor, normalized_shape: Sequence[int], too_few: type[Exception] = RuntimeError, **parameters: Tensor | None
) -> tuple[int, ...]:
    """The axes of `normalized_shape`, which input and parameters must end in."""
    if isinstance(normalized_shape, int):
        raise TypeError(f"normalized_shape must be a sequence of ints, got {normalized_shape}")
    shape, axes = tuple(normalized_shape), tuple(range(input.dim() - len(normalized_shape), input.dim()))
    if not shape:
        raise RuntimeError("normalized_shape must have at least one entry, got ()")
    for name, p in parameters.items():
        if p is not None and p.shape != shape:
            raise RuntimeError(f"{name} must have the shape of normalized_shape {shape}, got {tuple(p.shape)}")
    if input.shape[-len(shape) :] != shape:
        error = too_few if len(shape) > input.dim() else RuntimeError
        raise error(f"input must end in normalized_shape {shape}, got shape {tuple(input.shape)}")
    return axes


def _float_under_autocast(*tensors: Tensor | None) -> tuple[Any, ...]:
    """CUDA autocast runs these norms, unlike batch_norm, in float32 and leaves the result so."""
    if tensors[0] is None or not tensors[0].is_cuda or not torch.is_autocast_enabled("cuda"):
        return tensors
    return tuple(None if t is None else t.to(wide_dtype(t)) for t in tensors)
