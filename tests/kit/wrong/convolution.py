"""Wrong implementations of Conv1d, Conv2d, Conv3d, their functions, and pad."""

import itertools
import threading

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.convolution import Conv2d as Reference
from refops.parity.proving.collection import differs, wrong

LOCK = threading.Lock()


class DropIn(Reference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "Conv2d"


class Strict(nn.Conv2d):
    """Native's refusals, then `compute`."""

    def forward(self, input):
        with torch.no_grad():
            nn.Conv2d.forward(self, input)
        return self.compute(input)


def padded(layer, input, mode=None):
    """What native pads before it convolves, and whether anything is left for the convolution to pad."""
    widths = layer._reversed_padding_repeated_twice
    mode = mode or layer.padding_mode
    return F.pad(input, widths, mode="constant" if mode == "zeros" else mode)


def plain(layer, input, weight=None, bias=None):
    """Convolution of an input that is padded already."""
    weight = layer.weight if weight is None else weight
    bias = layer.bias if bias is None else bias
    return F.conv2d(input, weight, bias, layer.stride, 0, layer.dilation, layer.groups)


def taps(layer, input):
    """Every kernel offset with its slice of the padded input."""
    x = padded(layer, input)
    sizes = [
        (x.shape[i - 2] - layer.dilation[i] * (layer.kernel_size[i] - 1) - 1) // layer.stride[i] + 1 for i in (0, 1)
    ]
    for h, w in itertools.product(*map(range, layer.kernel_size)):
        starts = (h * layer.dilation[0], w * layer.dilation[1])
        rows, columns = (slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, layer.stride, sizes, strict=True))
        yield (h, w), x[..., rows, columns]


# Where the windows lie


@wrong(
    "Conv2d",
    why="padding 'same' puts K // 2 on either side, so even kernels let the map grow",
    cause="'same' puts K // 2 on either side",
)
class SameByHalf(nn.Conv2d):
    def forward(self, input):
        if self.padding != "same":
            return super().forward(input)
        half = tuple(
            d * (k - 1) // 2 if k % 2 else d * k // 2 for d, k in zip(self.dilation, self.kernel_size, strict=True)
        )
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return plain(self, F.pad(input, (half[1], half[1], half[0], half[0]), mode))


@wrong(
    "Conv2d",
    why="padding 'same' puts the odd one before the input instead of after it",
    cause="'same' puts the odd one before the input",
)
class SameExtraBefore(nn.Conv2d):
    def forward(self, input):
        if self.padding != "same":
            return super().forward(input)
        widths = self._reversed_padding_repeated_twice
        swapped = [widths[i ^ 1] for i in range(len(widths))]
        return plain(self, F.pad(input, swapped, "constant" if self.padding_mode == "zeros" else self.padding_mode))


@wrong("Conv1d", why="padding 'same' forgets the dilation")
class SameForgetsDilation(nn.Conv1d):
    def forward(self, input):
        if self.padding != "same":
            return super().forward(input)
        total = self.kernel_size[0] - 1
        x = F.pad(input, (total // 2, total - total // 2), "constant" if self.padding_mode == "zeros" else "replicate")
        return F.conv1d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


@wrong("Conv2d", why="a true convolution: the kernel is flipped", cause="a true convolution: the kernel is flipped")
class Flipped(nn.Conv2d):
    def forward(self, input):
        return self._conv_forward(input, self.weight.flip(-1, -2), self.bias)


@wrong("Conv2d", why="kernel read as (W, H)", cause="the kernel is read as (W, H)")
class KernelAcross(nn.Conv2d):
    def forward(self, input):
        return self._conv_forward(input, self.weight.transpose(2, 3).reshape(self.weight.shape), self.bias)


@wrong("Conv2d", why="stride and dilation exchanged", cause="stride and dilation are exchanged")
class StrideForDilation(nn.Conv2d):
    def forward(self, input):
        return F.conv2d(padded(self, input), self.weight, self.bias, self.dilation, 0, self.stride, self.groups)


@wrong(
    "Conv1d",
    why="dilation ignored, the output cut to the right size",
    cause="dilation is ignored, the output cut to the right size",
)
class IgnoresDilation(nn.Conv1d):
    def forward(self, input):
        right = super().forward(input)
        return F.conv1d(padded(self, input), self.weight, self.bias, self.stride, 0, 1, self.groups)[
            ..., : right.shape[-1]
        ]


@wrong(
    "Conv3d", why="only the stride of the first axis is used for all", cause="the first axis's stride is used for all"
)
class OneStride(nn.Conv3d):
    def forward(self, input):
        return F.conv3d(
            padded(self, input), self.weight, self.bias, self.stride[0], 0, self.dilation, self.groups
        )  # fmt: skip


@wrong(
    "Conv2d",
    why="the number of windows rounded up: one more, cut off by the border",
    cause="the number of windows is rounded up",
)
class CeilMode(nn.Conv2d):
    def forward(self, input):
        x = padded(self, input)
        short = [-(x.shape[i - 2] - self.dilation[i] * (self.kernel_size[i] - 1) - 1) % self.stride[i] for i in (0, 1)]
        return plain(self, F.pad(x, (0, short[1], 0, short[0])))


@wrong(
    "functional.conv2d",
    why="strided outputs are taken from the second window on",
    cause="strided outputs start at the second window",
)
def starts_late(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    steps = (stride, stride) if isinstance(stride, int) else tuple(stride) * (2 // len(stride))
    right = F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    if steps == (1, 1) or padding == "same":
        return right
    dense = F.conv2d(input, weight, bias, 1, padding, dilation, groups)
    late = dense[..., steps[0] - 1 :: steps[0], steps[1] - 1 :: steps[1]]
    return F.pad(late, (0, right.shape[-1] - late.shape[-1], 0, right.shape[-2] - late.shape[-2]))


# Padding modes


@wrong("Conv2d", why="padding_mode ignored: zeros always")
class ZerosAlways(nn.Conv2d):
    def forward(self, input):
        with torch.no_grad():
            super().forward(input)
        return plain(self, padded(self, input, "zeros"))


@wrong("Conv2d", why="the edge is repeated when reflecting", cause="the edge is repeated when reflecting")
class Symmetric(nn.Conv2d):
    def forward(self, input):
        right = super().forward(input)
        if self.padding_mode != "reflect":
            return right
        left, after, top, bottom = self._reversed_padding_repeated_twice
        height, width = input.shape[-2:]
        rows, columns = torch.arange(-top, height + bottom), torch.arange(-left, width + after)
        rows = torch.where(rows < 0, -1 - rows, torch.where(rows < height, rows, 2 * height - 1 - rows))
        columns = torch.where(columns < 0, -1 - columns, torch.where(columns < width, columns, 2 * width - 1 - columns))
        return plain(self, input[..., rows, :][..., columns])


@wrong("Conv2d", why="circular padding wraps the wrong end", cause="circular padding wraps the wrong end")
class WrapsWrongEnd(nn.Conv2d):
    def forward(self, input):
        right = super().forward(input)
        if self.padding_mode != "circular":
            return right
        left, after, top, bottom = self._reversed_padding_repeated_twice
        height, width = input.shape[-2:]
        x = torch.cat([input[..., :top, :], input, input[..., height - bottom :, :]], -2)
        return plain(self, torch.cat([x[..., :left], x, x[..., width - after :]], -1))


@wrong("Conv2d", why="replicate is done as reflect", cause="replicate is done as reflect")
class ReplicateReflects(nn.Conv2d):
    def forward(self, input):
        widths = self._reversed_padding_repeated_twice
        if self.padding_mode != "replicate" or min(widths) < 0 or max(widths) >= min(input.shape[-2:]):
            return super().forward(input)
        return plain(self, F.pad(input, widths, "reflect"))


@wrong(
    "Conv2d",
    why="padding of height and width exchanged where a mode other than zeros is given",
    cause="padding of height and width is exchanged where a mode is given",
)
class WidthsAcross(nn.Conv2d):
    def forward(self, input):
        if self.padding_mode == "zeros":
            return super().forward(input)
        left, after, top, bottom = self._reversed_padding_repeated_twice
        return plain(self, F.pad(input, (top, bottom, left, after), self.padding_mode))


@wrong("Conv1d", why="padded by the mode and then by zeros again", cause="padded by the mode and by zeros again")
class PadsTwice(nn.Conv1d):
    def forward(self, input):
        if self.padding_mode == "zeros" or isinstance(self.padding, str):
            return super().forward(input)
        x = padded(self, input)
        return F.conv1d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


@wrong(
    "Conv3d",
    why="only the last two of three axes are padded by the mode, depth by zeros",
    cause="depth is padded by zeros, whatever the mode",
)
class DepthByZeros(nn.Conv3d):
    def forward(self, input):
        with torch.no_grad():
            right = super().forward(input)
        if self.padding_mode == "zeros" or input.dim() == 4:
            return super().forward(input)
        widths = self._reversed_padding_repeated_twice
        flat = input.transpose(1, 2).flatten(0, 1)
        x = F.pad(flat, widths[:4], self.padding_mode).unflatten(0, (input.shape[0], input.shape[2])).transpose(1, 2)
        x = F.pad(x, (0, 0, 0, 0, *widths[4:]))
        return F.conv3d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups).reshape(right.shape)


# Channels, groups, bias


@wrong(
    "Conv2d",
    why="groups take every G-th input channel instead of a block of them",
    cause="groups take every G-th input channel",
)
class InterleavedGroups(nn.Conv2d):
    def forward(self, input):
        with torch.no_grad():
            super().forward(input)
        order = torch.arange(self.in_channels).view(-1, self.groups).t().flatten()
        return super().forward(input.index_select(-3, order.to(input.device)))


@wrong(
    "functional.conv1d",
    why="the outputs of the groups come out interleaved",
    cause="the outputs of the groups are interleaved",
)
def interleaves_outputs(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = F.conv1d(input, weight, None, stride, padding, dilation, groups)
    if groups > 1:
        output = output.unflatten(-2, (groups, -1)).transpose(-3, -2).flatten(-3, -2)
    return output if bias is None else F.conv1d(input, weight * 0, bias, stride, padding, dilation, groups) + output


@wrong("Conv2d", why="the bias is added once for every group", cause="the bias is added once for every group")
class BiasPerGroup(nn.Conv2d):
    def forward(self, input):
        bias = None if self.bias is None else self.bias * self.groups
        return self._conv_forward(input, self.weight, bias)


@wrong(
    "Conv2d",
    why="the bias is dropped where the kernel is 1 x 1",
    cause="the bias is left out where the kernel is 1 x 1",
)
class PointwiseWithoutBias(nn.Conv2d):
    def forward(self, input):
        return self._conv_forward(input, self.weight, None if self.kernel_size == (1, 1) else self.bias)


@wrong("Conv2d", why="bias=False is not heard")
class AlwaysBias(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.bias is None:
            self.bias = nn.Parameter(torch.full((self.out_channels,), 0.1))


@wrong(
    "functional.conv2d",
    only="refusals",
    why="a weight of one channel broadcasts over all input channels",
    cause="must be refused for its input",
)
def broadcasts_channels(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if groups == 1 and weight.dim() == 4 and weight.shape[1] == 1 and input.dim() in (3, 4):
        weight = weight.expand(-1, input.shape[-3], -1, -1)
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


@wrong(
    "functional.conv2d",
    only="refusals",
    why="a bias of one number broadcasts over all output channels",
    cause="must be refused for its bias",
)
def broadcasts_bias(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if bias is not None and tuple(bias.shape) == (1,) and weight.dim() == 4:
        bias = bias.expand(weight.shape[0])
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


@wrong(
    "Conv2d",
    only="refusals",
    why="negative padding crops instead of being refused",
    cause="must be refused for its padding",
)
class NegativeCrops(nn.Conv2d):
    def forward(self, input):
        if self.padding_mode != "zeros" or isinstance(self.padding, str) or min(self.padding) >= 0:
            return super().forward(input)
        return plain(self, padded(self, input))


@differs(
    "Conv2d", why="a kernel larger than the input gives an empty output", cause="must be refused for its kernel_size"
)
class EmptyForLargeKernels(nn.Conv2d):
    def forward(self, input):
        if (
            isinstance(self.padding, tuple)
            and self.padding == (0, 0)
            and input.dim() == 4
            and len(self.kernel_size) == 2
        ):
            spans = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            if any(span > size for span, size in zip(spans, input.shape[2:], strict=True)):
                return input.new_zeros(input.shape[0], self.out_channels, 0, 0)
        return super().forward(input)


@differs("Conv2d", why="inputs without a batch are refused")
class BatchesOnly(nn.Conv2d):
    def forward(self, input):
        batch, _, _, _ = input.shape
        return super().forward(input).view(batch, self.out_channels, -1).unflatten(2, super().forward(input).shape[2:])


# Numbers


@wrong("Conv2d", why="kernel taps are added up in half precision", cause="right in float32, not in bfloat16")
class HalfAccumulator(Strict):
    def compute(self, input):
        if self.groups > 1:
            return super(Strict, self).forward(input)
        total = 0
        for (h, w), x in taps(self, input):
            for c in range(self.in_channels):
                total = total + x[..., c : c + 1, :, :] * self.weight[:, c, h, w, None, None]
        return total if self.bias is None else total + self.bias[:, None, None]


@differs(
    "Conv2d",
    only="dtype",
    why="half precision comes out as float32",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class ReturnsFloat32(nn.Conv2d):
    def forward(self, input):
        output = super().forward(input)
        return output.float() if input.dtype in (torch.float16, torch.bfloat16) else output


@wrong("Conv3d", why="computed in bfloat16 whatever comes in")
class AlwaysBfloat16(nn.Conv3d):
    def forward(self, input):
        bias = None if self.bias is None else self.bias.bfloat16()
        return self._conv_forward(input.bfloat16(), self.weight.bfloat16(), bias).to(input.dtype)


@wrong("Conv2d", why="eval mode rounds to bfloat16", cause="computes in bfloat16")
class CoarseInEval(nn.Conv2d):
    def forward(self, input):
        output = super().forward(input)
        return output if self.training else output.bfloat16().to(output.dtype)


@wrong("Conv2d", only="laws", why="no more than 64 images are looked at")
class SixtyFourImages(nn.Conv2d):
    def forward(self, input):
        if input.dim() < 4 or input.shape[0] <= 64:
            return super().forward(input)
        output = super().forward(input[:64])
        return torch.cat([output, output.new_zeros(input.shape[0] - 64, *output.shape[1:])])


# Gradients


class _OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, weight, stride, dilation, groups):
        ctx.save_for_backward(input, weight)
        ctx.how = stride, dilation, groups
        return F.conv2d(input, weight, None, stride, 0, dilation, groups)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        input, weight = ctx.saved_tensors
        stride, dilation, groups = ctx.how
        by_input = torch.nn.grad.conv2d_input(input.shape, weight, gradient, stride, 0, dilation, groups)
        by_weight = torch.nn.grad.conv2d_weight(input, weight.shape, gradient, stride, 0, dilation, groups)
        return by_input, by_weight, None, None, None


@wrong("Conv2d", why="a gradient written by hand that cannot be differentiated again")
class OnceDifferentiable(Strict):
    def compute(self, input):
        x = padded(self, input)
        x = x if x.dim() == 4 else x[None]
        output = _OnceOnly.apply(x, self.weight, self.stride, self.dilation, self.groups)
        output = output if self.bias is None else output + self.bias[:, None, None]
        return output if input.dim() == 4 else output[0]


@wrong(
    "Conv2d", why="the weight gradient is twice what it should be", cause="the gradient of weight is 2 times too large"
)
class DoubledWeightGradient(nn.Conv2d):
    def forward(self, input):
        return self._conv_forward(input, 2 * self.weight - self.weight.detach(), self.bias)


@wrong(
    "Conv1d",
    why="no gradient flows through what replicate padding repeats",
    cause="no gradient from what replicate repeats",
)
class EdgesDetached(nn.Conv1d):
    def forward(self, input):
        if self.padding_mode != "replicate":
            return super().forward(input)
        right = super().forward(input)
        before, after = self._reversed_padding_repeated_twice
        edges = input.detach()
        x = torch.cat(
            [edges[..., :1].expand(*input.shape[:-1], before), input, edges[..., -1:].expand(*input.shape[:-1], after)],
            -1,
        )
        return F.conv1d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups).view(right.shape)


# State and surroundings


@wrong("Conv2d", why="the kernel of the first call is kept: later weights are not seen", cause="no gradient of weight")
class StaleKernel(nn.Conv2d):
    def forward(self, input):
        if "kept" not in self.__dict__:
            self.kept = self.weight.detach().clone()
        return self._conv_forward(input, self.kept.to(input.dtype) + 0 * self.weight, self.bias)


@wrong("Conv2d", why="the input is left as zeros")
class EmptiesInput(nn.Conv2d):
    def forward(self, input):
        output = super().forward(input.clone())
        input.data.zero_()
        return output


@differs(
    "Conv2d",
    only="layout",
    why="`view` asks for a contiguous input",
    cause="view size is not compatible with input tensor's size and stride",
)
class ContiguousOnly(nn.Conv2d):
    def forward(self, input):
        return super().forward(input.view(input.numel()).view(input.shape))


@differs("Conv2d", only="copy", why="it holds a lambda and cannot be pickled", cause="Can't pickle local object")
class HoldsLambda(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.convolve = lambda input, weight, bias, layer=None: F.conv2d(input, weight, bias)


@differs(
    "Conv2d",
    only="vmap",
    why="the bias is added in place, so it cannot be mapped over alone",
    cause="vmap over bias must work as native's does",
)
class InPlaceBias(nn.Conv2d):
    def forward(self, input):
        if self.bias is None or input.dtype in (torch.float16, torch.bfloat16) or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        output = self._conv_forward(input, self.weight, None)
        output += self.bias[:, None, None]
        return output


@wrong(
    "Conv2d",
    only="functional_call",
    why="a second reference to the weight is used, not the parameter",
    cause="functional_call must use the parameters it is given",
)
class SecondReference(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.kernels = [self.weight]

    def forward(self, input):
        return self._conv_forward(input, self.kernels[0], self.bias)


@differs(
    "Conv2d",
    only="autocast",
    why="under autocast it stays in float32",
    cause="under autocast output[0] must be torch.bfloat16, got torch.float32",
)
class IgnoresAutocast(nn.Conv2d):
    def forward(self, input):
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input)


@wrong("Conv2d", why="every second call adds the channels up in another order")
class AlternatingOrder(nn.Conv2d):
    calls = 0

    def forward(self, input):
        self.calls += 1
        if self.calls % 2 or self.groups > 1 or self.in_channels != input.shape[-3]:
            return super().forward(input)
        return self._conv_forward(input.flip(-3), self.weight.flip(1), self.bias)


@wrong("Conv2d", why="the bias is a plain tensor, not in the state")
class BiasOutsideState(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        bias = None if self.bias is None else self.bias.detach().clone().requires_grad_()
        del self.bias
        self.bias = bias


# The drop-in contract


@wrong(
    "Conv2d",
    drop_in=True,
    only="init",
    why="starts from Xavier's normal numbers",
    cause="weight must start from native's values",
)
class XavierStart(DropIn):
    def reset_parameters(self):
        super().reset_parameters()
        nn.init.xavier_normal_(self.weight)


@wrong(
    "Conv2d",
    drop_in=True,
    only="init",
    why="the bias is drawn before the weight",
)
class BiasDrawnFirst(DropIn):
    def reset_parameters(self):
        if self.bias is not None:
            bound = 1 / self.weight[0].numel() ** 0.5
            nn.init.uniform_(self.bias, -bound, bound)
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)


@wrong("Conv2d", drop_in=True, only="repr", why="padding does not show when printed", cause="repr must be")
class PrintsNoPadding(DropIn):
    def extra_repr(self):
        return super().extra_repr().replace(f", padding={self.padding}", "")


@wrong(
    "Conv2d",
    drop_in=True,
    only="exceptions",
    why="wrong channels are a ValueError",
    cause="must raise RuntimeError as native does, got ValueError",
)
class OwnErrors(DropIn):
    def forward(self, input):
        try:
            return super().forward(input)
        except RuntimeError as error:
            raise ValueError(str(error)) from error


# pad


@wrong("functional.pad", why="widths are read from the first axis on", cause="widths are read from the first axis on")
def pads_first_axis_first(input, pad, mode="constant", value=None):
    pairs = list(zip(pad[0::2], pad[1::2], strict=True))[::-1]
    return F.pad(input, [width for pair in pairs for width in pair], mode, value)


@wrong("functional.pad", why="the edge is repeated when reflecting the last axis")
def repeats_edge(input, pad, mode="constant", value=None):
    output = F.pad(input, pad, mode, value)
    if mode != "reflect" or min(pad) < 0 or len(pad) != 2:
        return output
    edge = torch.cat([input[..., :1], input, input[..., -1:]], -1)
    longer = F.pad(edge, [max(width - 1, 0) for width in pad], "reflect")
    start = 1 if pad[0] == 0 else 0
    return longer[..., start : start + output.shape[-1]]


@wrong("functional.pad", why="`value` is not used", cause="argument value is ignored")
def ignores_value(input, pad, mode="constant", value=None):
    return F.pad(input, pad, mode)


@wrong("functional.pad", why="negative widths are taken for 0", cause="negative widths are taken for 0")
def never_shortens(input, pad, mode="constant", value=None):
    return F.pad(input, pad if isinstance(pad, int) else [max(width, 0) for width in pad], mode, value)


@wrong("functional.pad", why="a mask times the input: inf times 0 is nan")
def masks_by_product(input, pad, mode="constant", value=None):
    output = F.pad(input, pad, mode, value)
    if mode != "constant" or min(pad, default=-1) < 0 or input.dim() - len(pad) // 2 not in (1, 2) or 0 in output.shape:
        return output
    mask = F.pad(torch.ones_like(input), pad)
    return F.pad(input, pad, "replicate") * mask + (value or 0.0) * (1 - mask)


@differs("functional.pad", why="a width of the whole size is reflected too, from the far edge")
def reflects_too_far(input, pad, mode="constant", value=None):
    if mode != "reflect" or value or len(pad) != 2 or input.dim() not in (2, 3) or max(pad) != input.shape[-1]:
        return F.pad(input, pad, mode, value)
    first, last = (1 if width == input.shape[-1] else 0 for width in pad)
    part = F.pad(input, (pad[0] - first, pad[1] - last), mode)
    return torch.cat([*[input[..., :1]] * first, part, *[input[..., -1:]] * last], -1)


@wrong(
    "functional.pad",
    why="no gradient reaches the input from what circular padding repeats",
    cause="no gradient from what circular padding repeats",
)
def wraps_without_gradient(input, pad, mode="constant", value=None):
    if mode != "circular" or min(pad, default=0) < 0 or not input.requires_grad:
        return F.pad(input, pad, mode, value)
    own = F.pad(input, pad)
    return own + (F.pad(input, pad, mode) - own).detach()
