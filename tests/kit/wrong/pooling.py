"""Poolings that do not do what they say."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from refops.nn import pooling as reference
from refops.parity.proving.collection import differs, wrong


def options(pool: Any) -> dict[str, Any]:
    names = ("stride", "padding", "dilation", "ceil_mode", "return_indices", "count_include_pad", "divisor_override")
    return {name: getattr(pool, name) for name in names if hasattr(pool, name)}


def around(input: Tensor, padding: Any, value: float) -> Tensor:
    height, width = _pair(padding)
    return F.pad(input, (width, width, height, height), value=value)


# --- maximum: which elements -----------------------------------------------------------------------------------------


@wrong(
    "MaxPool2d",
    why="pads with zeros, which beat negative numbers",
    cause="pads with zeros, which beat negative numbers",
)
class ZerosAround(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if self.return_indices or self.ceil_mode:
            return output
        return F.max_pool2d(around(input, self.padding, 0.0), self.kernel_size, self.stride, 0, self.dilation)


@wrong(
    "MaxPool1d",
    why="pads with -10, which large negative numbers undercut",
    cause="pads with -10, which large negative numbers undercut",
)
class NotLowEnough(nn.MaxPool1d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        p = self.padding if isinstance(self.padding, int) else self.padding[0]
        if self.return_indices or self.ceil_mode:
            return output
        return F.max_pool1d(F.pad(input, (p, p), value=-10.0), self.kernel_size, self.stride, 0, self.dilation)


@wrong(
    "MaxPool2d",
    why="the stride is 1 where none is given, not the kernel size",
    cause="the stride is 1 where none is given",
)
class StrideOfOne(nn.MaxPool2d):
    def __init__(self, kernel_size: Any, stride: Any = 1, *args: Any, **kwargs: Any) -> None:
        super().__init__(kernel_size, 1 if stride is None else stride, *args, **kwargs)


@wrong(
    "MaxPool2d",
    why="height and width of the kernel are swapped",
    cause="the kernel's numbers are read in reverse order",
)
class TurnedKernel(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, _pair(self.kernel_size)[::-1], **options(self))


@wrong(
    "MaxPool2d",
    why="height and width of the stride are swapped",
    cause="the stride's numbers are read in reverse order",
)
class TurnedStride(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, self.kernel_size, **{**options(self), "stride": _pair(self.stride)[::-1]})


@wrong(
    "MaxPool3d", why="only the first number of each tuple is used", cause="only the first number of the kernel is used"
)
class CubesOnly(nn.MaxPool3d):
    def forward(self, input: Tensor) -> Any:
        kernel = self.kernel_size if isinstance(self.kernel_size, int) else self.kernel_size[0]
        return F.max_pool3d(input, kernel, **options(self))


@wrong("MaxPool2d", why="takes dilation and does not use it", cause="dilation is ignored")
class Undilated(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, self.kernel_size, **{**options(self), "dilation": 1})


@wrong("MaxPool2d", why="takes ceil_mode and does not use it", cause="ceil_mode is ignored")
class AlwaysFloor(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, self.kernel_size, **{**options(self), "ceil_mode": False})


@wrong(
    "MaxPool2d",
    why="ceil_mode keeps a last window that starts in the right padding",
    cause="ceil_mode keeps a window that starts in the padding",
)
class PlainCeil(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        if not self.ceil_mode or self.return_indices:
            return output
        for axis, (k, s, p, d) in enumerate(zip(*map(_pair, self.numbers()), strict=True), start=-2):
            count = math.ceil((input.shape[axis] + 2 * p - d * (k - 1) - 1) / s) + 1
            last = output.narrow(axis, output.shape[axis] - 1, 1)
            output = torch.cat([output, *[last] * (count - output.shape[axis])], axis)
        return output

    def numbers(self) -> tuple[Any, ...]:
        return self.kernel_size, self.stride, self.padding, self.dilation


@wrong("MaxPool1d", why="windows start one element late", cause="windows start one element late")
class OneLate(nn.MaxPool1d):
    def forward(self, input: Tensor) -> Any:
        return super().forward(input.roll(-1, -1))


@wrong("MaxPool2d", why="ignores NaN instead of showing it", cause="nan is ignored")
class BlindToNaN(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return super().forward(torch.where(input.isnan(), -math.inf, input))


@wrong(
    "functional.max_pool2d",
    why="the largest magnitude, not the largest number",
    cause="the largest magnitude, not the largest number",
)
def largest_magnitude(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    values, at = F.max_pool2d_with_indices(input.abs(), kernel_size, stride, padding, dilation, ceil_mode)
    values = input.flatten(-2).gather(-1, at.flatten(-2)).view_as(values)
    return (values, at) if return_indices else values


# --- maximum: indices ------------------------------------------------------------------------------------------------


@wrong("MaxPool2d", why="indices count the padding too", cause="indices count the padding too")
class IndicesInThePaddedPlane(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        if not self.return_indices:
            return super().forward(input)
        (height, width), size = _pair(self.padding), input.shape[-1]
        values, at = super().forward(input)
        return values, (at // size + height) * (size + 2 * width) + at % size + width


@wrong(
    "MaxPool1d", why="indices count within each window, not within the input", cause="indices count within each window"
)
class IndicesInTheWindow(nn.MaxPool1d):
    def forward(self, input: Tensor) -> Any:
        if not self.return_indices:
            return super().forward(input)
        values, at = super().forward(input)
        stride = self.stride if isinstance(self.stride, int) else self.stride[0]
        return values, at - torch.arange(at.shape[-1]) * stride


@wrong(
    "functional.max_pool2d_with_indices",
    why="of equal elements the last is named, not the first",
    cause="of equal elements the last is named",
)
def last_of_equals(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    values, at = F.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    given = map(_pair, (kernel_size, stride or kernel_size, padding, dilation))
    sizes = zip(input.shape[-2:], *given, strict=True)
    if ceil_mode or any((size + 2 * p - d * (k - 1) - 1) % s for size, k, s, p, d in sizes):
        return values, at  # the windows of the flipped plane lie elsewhere
    _, at = F.max_pool2d_with_indices(input.flip(-2, -1), kernel_size, stride, padding, dilation)
    return values, input.shape[-2] * input.shape[-1] - 1 - at.flip(-2, -1)


@differs(
    "MaxPool2d", why="indices are int32", only="dtype", cause="output[1] must be torch.int64 on cpu, got torch.int32"
)
class ShortIndices(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        output = super().forward(input)
        return (output[0], output[1].int()) if self.return_indices and not input.is_meta else output


@wrong("MaxPool3d", why="takes return_indices and gives values alone", cause="return_indices is ignored")
class NoIndices(nn.MaxPool3d):
    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(input, self.kernel_size, **{**options(self), "return_indices": False})


# --- maximum: gradient -----------------------------------------------------------------------------------------------


@wrong(
    "MaxPool2d",
    why="amax shares the gradient among equal elements",
    cause="the gradient is shared among equal elements",
)
class SharedTies(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        if self.ceil_mode or self.return_indices or _pair(self.dilation) != (1, 1) or 0 in input.shape:
            return super().forward(input)
        super().forward(input.detach())  # refuses what native refuses
        (h, w), (s, t) = _pair(self.kernel_size), _pair(self.stride)
        return around(input, self.padding, -math.inf).unfold(-2, h, s).unfold(-2, w, t).amax((-2, -1))


class _SpreadGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, pool: Any) -> Tensor:
        ctx.pool, ctx.shape = pool, input.shape
        return F.max_pool1d(input, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        with torch.enable_grad():
            x = torch.zeros(ctx.shape, dtype=grads[0].dtype, device=grads[0].device, requires_grad=True)
            pool = ctx.pool
            y = F.avg_pool1d(x, pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)
            return *torch.autograd.grad(y, x, grads[0], create_graph=True), None


@wrong("MaxPool1d", why="the gradient is that of the average", cause="the gradient is that of the average")
class GradientOfTheMean(nn.MaxPool1d):
    def forward(self, input: Tensor) -> Any:
        dilated = self.dilation not in (1, (1,))
        return super().forward(input) if self.return_indices or dilated else _SpreadGradient.apply(input, self)


class _Once(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, kernel_size: Any, given: tuple[Any, ...]) -> Any:
        return F.max_pool2d_with_indices(input, kernel_size, *given)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (at,) = ctx.saved_tensors
        plane = grads[0].new_zeros((*ctx.shape[:-2], ctx.shape[-2] * ctx.shape[-1]))
        plane = plane.scatter_add(-1, at.flatten(-2), grads[0].detach().flatten(-2))
        return plane.unflatten(-1, ctx.shape[-2:]), None, None


@wrong(
    "MaxPool2d",
    why="its gradient is detached, so that there is no second one",
    only="double_backward",
    cause="second derivative 1",
)
class OnceDifferentiable(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        given = (self.stride, self.padding, self.dilation, self.ceil_mode)
        values, at = _Once.apply(input, self.kernel_size, given)
        return (values, at) if self.return_indices else values


@wrong(
    "functional.max_pool1d",
    why="overlapping windows overwrite each other's gradient instead of adding it",
    cause="overlapping windows overwrite each other's gradient",
)
def overwriting(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    _, at = F.max_pool1d_with_indices(input.detach(), kernel_size, stride, padding, dilation, ceil_mode)
    picked = _Overwrite.apply(input, at)
    return (picked, at) if return_indices else picked


class _Overwrite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, at: Tensor) -> Tensor:
        ctx.save_for_backward(at)
        ctx.size = input.shape[-1]
        return input.gather(-1, at)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (at,) = ctx.saved_tensors
        return grads[0].new_zeros((*at.shape[:-1], ctx.size)).scatter(-1, at, grads[0]), None


@wrong("functional.max_pool3d", why="computed without gradient", cause="no gradient of input")
def without_gradient(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    with torch.no_grad():
        return F.max_pool3d(input, *args, **kwargs)


# --- average: what is divided by what --------------------------------------------------------------------------------


@wrong(
    "AvgPool2d",
    why="count_include_pad is taken the other way round",
    cause="count_include_pad is taken the other way round",
)
class CountsTheWrongOnes(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        given = options(self)
        return F.avg_pool2d(input, self.kernel_size, **{**given, "count_include_pad": not given["count_include_pad"]})


@wrong(
    "AvgPool2d",
    why="in ceil_mode the overhang is counted in the divisor",
    cause="the overhang of ceil_mode is counted in the divisor",
)
class CountsTheOverhang(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        if not self.count_include_pad or self.divisor_override is not None:
            return super().forward(input)
        h, w = _pair(self.kernel_size)
        return F.avg_pool2d(input, self.kernel_size, **{**options(self), "divisor_override": h * w})


@wrong("AvgPool3d", why="divisor_override is left out", cause="argument divisor_override is ignored")
class DivisorForgotten(nn.AvgPool3d):
    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(input, self.kernel_size, **{**options(self), "divisor_override": None})


@wrong(
    "AvgPool2d",
    why="divides the mean by divisor_override, instead of the sum",
    cause="the mean is divided by divisor_override, not the sum",
)
class DividedTwice(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        mean = F.avg_pool2d(input, self.kernel_size, **{**options(self), "divisor_override": None})
        return mean if self.divisor_override is None else mean / self.divisor_override


@wrong(
    "functional.avg_pool2d",
    why="divides by the width of the kernel alone",
    cause="divided by one side of the kernel alone",
)
def one_side_only(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    mean = F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return mean * _pair(kernel_size)[0]


@wrong("AvgPool1d", why="pads by repeating the edge, as image libraries do", cause="pads by repeating the edge")
class EdgesRepeated(nn.AvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        (p,) = self.padding
        if not p or self.ceil_mode or not self.count_include_pad or 2 * p > self.kernel_size[0] or 0 in input.shape:
            return super().forward(input)
        return F.avg_pool1d(F.pad(input, (p, p), mode="replicate"), self.kernel_size, self.stride)


@wrong("AvgPool1d", why="averages over channels: the axes are transposed on the way in and not back")
class OverChannels(nn.AvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(-1, -2))


@wrong("AvgPool2d", why="averages as a difference of running sums: far from zero nothing of the spread is left")
class RunningSums(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if not self.count_include_pad or self.ceil_mode or 0 in input.shape:
            return output
        (h, w), (s, t) = _pair(self.kernel_size), _pair(self.stride)
        table = around(input, self.padding, 0.0).cumsum(-1).cumsum(-2)
        table = F.pad(table, (1, 0, 1, 0))
        box = table[..., h:, w:] - table[..., :-h, w:] - table[..., h:, :-w] + table[..., :-h, :-w]
        return box[..., ::s, ::t] / (self.divisor_override or h * w)


@wrong("functional.avg_pool1d", why="windows are weighted by a matrix, whose zeros turn inf elsewhere into NaN")
def by_matrix(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    F.avg_pool1d(input.detach(), kernel_size, stride, padding, ceil_mode, count_include_pad)  # refuses what native does
    rows = torch.eye(input.shape[-1], dtype=input.dtype, device=input.device)[None]
    return input @ F.avg_pool1d(rows, kernel_size, stride, padding, ceil_mode, count_include_pad)[0]


@wrong(
    "functional.avg_pool3d",
    why="tuples are read in the order width, height, depth",
    cause="tuples are read in reverse order",
)
def width_first(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *args: Any, **kwargs: Any
) -> Any:
    turned = (v[::-1] if isinstance(v, tuple) else v for v in (kernel_size, stride, padding))
    return F.avg_pool3d(input, *turned, *args, **kwargs)


# --- precision, memory, habits ---------------------------------------------------------------------------------------


@wrong("AvgPool2d", why="sums half precision in half precision", cause="right in float32, not in float16")
class HalfSums(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        plain = self.count_include_pad and not self.ceil_mode and self.divisor_override is None
        if input.dtype not in (torch.float16, torch.bfloat16) or not plain or 0 in input.shape:
            return output
        (h, w), (s, t) = _pair(self.kernel_size), _pair(self.stride)
        padded, total = around(input, self.padding, 0.0), torch.zeros_like(output)
        height, width = s * (output.shape[-2] - 1) + 1, t * (output.shape[-1] - 1) + 1
        for i in range(h):
            for j in range(w):
                total = total + padded[..., i : i + height : s, j : j + width : t]
        return total / (h * w)


@differs(
    "AvgPool1d",
    why="half precision comes out as float32",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class WideOutput(nn.AvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float() if input.dtype in (torch.float16, torch.bfloat16) else input)


@wrong("AvgPool2d", why="divides its input in place")
class DividesTheInput(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        h, w = _pair(self.kernel_size)
        input.data.div_(h * w)
        return output


@differs(
    "MaxPool2d",
    why="merges batch and channels with view, which transposed inputs do not allow",
)
class MergesByView(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        if input.dim() != 4 or not len(input):
            return super().forward(input)
        output = super().forward(input.view(-1, *input.shape[2:]))
        parts = output if self.return_indices else (output,)
        parts = tuple(part.view(*input.shape[:2], *part.shape[1:]) for part in parts)
        return parts if self.return_indices else parts[0]


@differs("MaxPool2d", why="an image without batch axis is refused")
class BatchesOnly(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        n, c, h, w = input.shape
        return super().forward(input.reshape(n, c, h, w))


@differs("AvgPool3d", why="an empty batch is refused: the first image is looked at")
class NeverEmpty(nn.AvgPool3d):
    def forward(self, input: Tensor) -> Tensor:
        if not input[0].numel():
            raise ValueError("nothing to pool")
        return super().forward(input)


@wrong(
    "MaxPool2d",
    why="padding over half of the kernel is accepted",
    only="refusals",
    cause="must be refused for its padding",
)
class AnyPadding(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        sizes = zip(_pair(self.kernel_size), _pair(self.padding), strict=False)
        if self.return_indices or self.ceil_mode or not any(2 * p > k for k, p in sizes):
            return super().forward(input)
        return F.max_pool2d(around(input, self.padding, -math.inf), self.kernel_size, self.stride, 0, self.dilation)


@wrong(
    "AvgPool2d",
    why="a divisor of zero is taken as none",
    only="refusals",
    cause="must be refused for its divisor_override",
)
class ZeroIsNone(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input, self.kernel_size, **{**options(self), "divisor_override": self.divisor_override or None}
        )


@wrong("AvgPool2d", why="big batches are taken in pieces of 64, and what is left over is lost", only="laws")
class LosesTheRest(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4 or input.shape[0] <= 64:
            return super().forward(input)
        pieces = input.shape[0] // 64
        return torch.cat([super(LosesTheRest, self).forward(input[64 * i : 64 * i + 64]) for i in range(pieces)])


@wrong("MaxPool1d", why="in evaluation the mean is taken", only="modes")
class MeanInEvaluation(nn.MaxPool1d):
    def forward(self, input: Tensor) -> Any:
        if self.training or self.return_indices:
            return super().forward(input)
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode)


@wrong("AvgPool2d", why="pads by itself at the first call and forgets its padding on the way")
class PadsOnce(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if self.count_include_pad and not self.ceil_mode:
            self.padding = 0
        return output


@differs("AvgPool1d", why="keeps a lambda, which cannot be pickled", only="copy", cause="Can't pickle local object")
class KeepsALambda(nn.AvgPool1d):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pool = lambda x: F.avg_pool1d(x, self.kernel_size, **options(self))

    def forward(self, input: Tensor) -> Tensor:
        return self.pool(input)


@differs(
    "AvgPool2d",
    why="a grouped convolution in disguise, which autocast lowers to half precision",
    only="autocast",
    cause="under autocast output[0] must be torch.float32, got torch.bfloat16",
)
class ByConvolution(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        if not torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled("cuda"):
            return output
        (h, w), c = _pair(self.kernel_size), input.shape[-3]
        if self.ceil_mode or not self.count_include_pad or self.divisor_override is not None or 0 in input.shape:
            return output
        ones = torch.ones(c, 1, h, w, dtype=input.dtype, device=input.device)
        return F.conv2d(input, ones, None, self.stride, self.padding, 1, c) / (h * w)


@differs(
    "MaxPool2d",
    why="writes into an output made beforehand, which vmap cannot",
    only="vmap",
    cause="vmap over the inputs must work as native's does",
)
class WritesItsOutput(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        if self.return_indices:
            return super().forward(input)
        pooled = super().forward(input)
        output = torch.empty(pooled.shape, dtype=pooled.dtype, device=pooled.device)
        output.copy_(pooled)
        return output


@wrong(
    "MaxPool2d",
    why="takes a faster road when compiled, in bfloat16",
    only="compile",
    cause="compiled, output is over budget",
)
class RoughWhenCompiled(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        if self.return_indices or not torch.compiler.is_compiling():
            return super().forward(input)
        return super().forward(input.bfloat16()).to(input.dtype)


# --- the drop-in contract alone --------------------------------------------------------------------------------------


class DropInMax2d(reference.MaxPool2d):
    def _get_name(self) -> str:
        return "MaxPool2d"


@wrong("MaxPool2d", why="its repr leaves out dilation and ceil_mode", only="repr", drop_in=True, cause="repr must be")
class ShortRepr(DropInMax2d):
    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


@wrong(
    "MaxPool2d",
    why="raises ValueError where native raises RuntimeError",
    only="exceptions",
    drop_in=True,
    cause="must raise RuntimeError as native does, got ValueError",
)
class OtherErrors(DropInMax2d):
    def forward(self, input: Tensor) -> Any:
        try:
            return super().forward(input)
        except RuntimeError as error:
            raise ValueError(str(error)) from error


@wrong(
    "AvgPool2d",
    why="its weights stand in the state_dict, where native has nothing",
    only="keys",
    drop_in=True,
    cause="state_dict must hold",
)
class KeepsWeights(reference.AvgPool2d):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("weight", torch.ones(3, 3))

    def _get_name(self) -> str:
        return "AvgPool2d"
