"""Wrong implementations of the transposed convolutions, of convolution as a matrix, and of the separable layer."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.functional.convolution_matrix import convolution_matrix
from refops.nn.separable_convolution import DepthwiseSeparableConv2d
from refops.nn.transposed_convolution import ConvTranspose2d as Reference
from refops.parity.proving.collection import differs, wrong


class DropIn(Reference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "ConvTranspose2d"


def call(layer, input, output_size=None, weight=None, bias=None, **changes):
    """Native's call with some of its arguments changed."""
    n = len(layer.kernel_size)
    extra = layer._output_padding(
        input, output_size, layer.stride, layer.padding, layer.kernel_size, n, layer.dilation
    )  # fmt: skip
    options = {
        "stride": layer.stride, "padding": layer.padding, "output_padding": extra, "groups": layer.groups,
        "dilation": layer.dilation,
    } | changes  # fmt: skip
    transposed = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[n]
    return transposed(
        input, layer.weight if weight is None else weight, layer.bias if bias is None else bias, **options
    )  # fmt: skip


# Where the windows lie


@wrong(
    "ConvTranspose2d",
    why="the kernel is turned round, as in the convolution of the stretched input",
    cause="the kernel is turned round",
)
class Flipped(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        return call(self, input, output_size, self.weight.flip(-1, -2))


@wrong("ConvTranspose2d", why="kernel read as (W, H)", cause="the kernel is read as (W, H)")
class KernelAcross(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        return call(self, input, output_size, self.weight.transpose(2, 3).reshape(self.weight.shape))


@wrong("ConvTranspose2d", why="the output is only right without a stride and a dilation above 1 together")
class SizeForgetsDilation(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        output = super().forward(input, output_size)
        if output_size is not None or max(self.stride) == 1 or max(self.dilation) == 1:
            return output
        sizes = [
            (p - 1) * s - 2 * c + k + e
            for p, s, c, k, e in zip(
                input.shape[-2:], self.stride, self.padding, self.kernel_size, self.output_padding, strict=True
            )
        ]
        return output[..., : max(sizes[0], 1), : max(sizes[1], 1)]


@wrong(
    "ConvTranspose1d",
    why="dilation is ignored, the output filled up with the bias to its size",
    cause="dilation is ignored",
)
class IgnoresDilation(nn.ConvTranspose1d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        if self.dilation == (1,):
            return right
        short = F.conv_transpose1d(input, self.weight, None, self.stride, self.padding, 0, self.groups)
        output = F.pad(short, (0, right.shape[-1] - short.shape[-1]))
        return output if self.bias is None else output + self.bias[:, None]


@wrong("ConvTranspose2d", why="output_padding adds zeros at the end, where kernel tails and the bias belong")
class PadsZeros(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        if input.dim() != 4 or 0 in input.shape:
            return right
        try:
            short = F.conv_transpose2d(
                input, self.weight, self.bias, self.stride, self.padding, 0, self.groups, self.dilation
            )  # fmt: skip
        except RuntimeError:
            return right
        return F.pad(short, (0, right.shape[-1] - short.shape[-1], 0, right.shape[-2] - short.shape[-2]))


@wrong(
    "ConvTranspose2d",
    why="output_padding is added before the map instead of after it",
    cause="output_padding is added before the map",
)
class PadsBefore(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        with torch.no_grad():
            right = super().forward(input, output_size)
        extra = [r - ((p - 1) * s - 2 * c + d * (k - 1) + 1) for r, p, s, c, d, k in zip(
            right.shape[-2:], input.shape[-2:], self.stride, self.padding, self.dilation, self.kernel_size,
            strict=True)]  # fmt: skip
        if not any(extra) or any(e > p for e, p in zip(extra, self.padding, strict=True)):
            return super().forward(input, output_size)
        whole = F.conv_transpose2d(input, self.weight, self.bias, self.stride, 0, 0, self.groups, self.dilation)
        rows, columns = (slice(p - e, p - e + r) for p, e, r in zip(
            self.padding, extra, right.shape[-2:], strict=True))  # fmt: skip
        return whole[..., rows, columns]


@wrong("ConvTranspose2d", why="padding is taken off the end only", cause="padding is taken off the end only")
class CutsOneEnd(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        whole = F.conv_transpose2d(input, self.weight, self.bias, self.stride, 0, 0, self.groups, self.dilation)
        kept = whole[..., : right.shape[-2], : right.shape[-1]]
        return kept if kept.shape == right.shape else right


@wrong(
    "ConvTranspose3d",
    why="only the stride of the first axis is used for all",
    cause="the first axis's stride is used for all",
)
class OneStride(nn.ConvTranspose3d):
    def forward(self, input, output_size=None):
        return call(self, input, output_size, stride=(self.stride[0],) * 3)


@wrong("ConvTranspose2d", why="overlapping windows overwrite one another instead of adding up")
class Overwrites(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        if max(self.dilation) > 1 or any(self.padding) or self.groups > 1 or input.dim() != 4:
            return right
        columns = torch.einsum("nchw,cokl->nohwkl", input, self.weight)
        output = right * 0
        for h in range(input.shape[2]):
            for w in range(input.shape[3]):
                top, left = h * self.stride[0], w * self.stride[1]
                window = columns[:, :, h, w]
                output[..., top : top + window.shape[-2], left : left + window.shape[-1]] = window
        return output if self.bias is None else output + self.bias[:, None, None]


# output_size


@wrong("ConvTranspose2d", why="output_size is not looked at", cause="output_size is ignored")
class IgnoresOutputSize(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        if output_size is not None:
            with torch.no_grad():
                super().forward(input, output_size)
        return super().forward(input)


@wrong("ConvTranspose2d", why="output_size is reached by interpolation")
class Interpolates(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        if output_size is None or input.dim() != 4:
            return right
        return F.interpolate(super().forward(input), right.shape[-2:])


@wrong("ConvTranspose1d", why="output_padding is added to a given output_size")
class AddsToOutputSize(nn.ConvTranspose1d):
    def forward(self, input, output_size=None):
        extra = 0 if output_size is None else 1
        right = super().forward(input, output_size)
        return F.pad(right, (0, extra))


@differs(
    "ConvTranspose2d",
    why="an output_size out of reach is cut to the nearest instead of refused",
    cause="must be refused for its output_size",
)
class ClampsOutputSize(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        if isinstance(output_size, tuple) and len(output_size) == 2 and input.dim() == 4:
            rows = zip(output_size, input.shape[2:], self.stride, self.padding, self.dilation, self.kernel_size,
                       strict=True)  # fmt: skip
            low = [(p - 1) * s - 2 * c + d * (k - 1) + 1 for _, p, s, c, d, k in rows]
            output_size = tuple(
                min(max(o, least), least + s - 1) for o, least, s in zip(output_size, low, self.stride, strict=True)
            )
        return super().forward(input, output_size)


@wrong(
    "ConvTranspose2d",
    only="refusals",
    why="output_padding may be as large as the stride, zeros being added",
    cause="must be refused for its output_padding",
)
class AnyOutputPadding(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        rows = list(zip(self.output_padding, self.stride, self.dilation, strict=True))
        if output_size is None and all(e >= 0 for e, _, _ in rows) and any(e >= max(s, d) for e, s, d in rows):
            short = call(self, input, None, output_padding=0)
            return F.pad(short, (0, self.output_padding[1], 0, self.output_padding[0]))
        return super().forward(input, output_size)


# Channels, groups, bias


@wrong(
    "functional.conv_transpose2d",
    why="the outputs of the groups come out interleaved",
    cause="the outputs of the groups are interleaved",
)
def interleaves_outputs(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)
    output = F.conv_transpose2d(input, weight, None, stride, padding, output_padding, groups, dilation)
    output = output.unflatten(-3, (groups, -1)).transpose(-4, -3).flatten(-4, -3)
    return output if bias is None else output + bias[:, None, None]


@wrong(
    "ConvTranspose2d",
    why="groups take every G-th input channel instead of a block of them",
    cause="groups take every G-th input channel",
)
class InterleavedGroups(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        with torch.no_grad():
            super().forward(input, output_size)
        order = torch.arange(self.in_channels).view(-1, self.groups).t().flatten()
        return super().forward(input.index_select(-3, order.to(input.device)), output_size)


@wrong("functional.conv_transpose1d", why="the weight is read as a convolution's, (out, in), where it is square")
def reads_out_first(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    if weight.dim() == 3 and groups == 1 and weight.shape[0] == weight.shape[1]:
        weight = weight.transpose(0, 1)
    elif weight.dim() == 3 and groups == 1 and input.dim() == 3 and weight.shape[0] == input.shape[1]:
        weight = weight.transpose(0, 1).reshape(weight.shape)
    return F.conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation)


@wrong("ConvTranspose2d", why="the bias is added to every window, so overlaps have it several times")
class BiasPerWindow(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        if self.bias is None or input.dim() != 4:
            return right
        counts = call(
            self, torch.ones_like(input[:, :1]), output_size, torch.ones_like(self.weight[:1, :1]),
            torch.zeros_like(self.bias[:1]), groups=1,
        )  # fmt: skip
        return right + self.bias[:, None, None] * (counts - 1)


@wrong("ConvTranspose2d", why="bias=False is not heard")
class AlwaysBias(nn.ConvTranspose2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.bias is None:
            self.bias = nn.Parameter(torch.full((self.out_channels,), 0.1))


@wrong("functional.conv_transpose2d", only="refusals", why="a bias of one number broadcasts over all channels")
def broadcasts_bias(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    if bias is not None and tuple(bias.shape) == (1,) and weight.dim() == 4:
        bias = bias.expand(weight.shape[1] * groups)
    return F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)


# Numbers, gradients, surroundings


@wrong(
    "ConvTranspose2d",
    why="channels and kernel taps are added up in half precision",
    cause="right in float32, not in bfloat16",
)
class HalfAccumulator(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        right = super().forward(input, output_size)
        if self.groups > 1 or input.dtype not in (torch.float16, torch.bfloat16):
            return right
        total = torch.zeros_like(right)
        for c in range(self.in_channels):
            for tap in range(self.weight[0, 0].numel()):
                mask = torch.zeros_like(self.weight[0, 0]).flatten()
                mask[tap] = 1
                part = self.weight[c : c + 1] * mask.view(self.kernel_size)
                total = total + call(self, input.narrow(-3, c, 1), output_size, part, part[0, :, 0, 0] * 0)
        return total if self.bias is None else total + self.bias[:, None, None]


@differs(
    "ConvTranspose2d",
    only="dtype",
    why="half precision comes out as float32",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class ReturnsFloat32(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        output = super().forward(input, output_size)
        return output.float() if input.dtype in (torch.float16, torch.bfloat16) else output


@wrong(
    "ConvTranspose2d",
    why="the gradient of the kernel is that of its turned self",
    cause="the gradient of the kernel is that of its turned self",
)
class KernelGradientFlipped(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        turned = self.weight.flip(-1, -2)
        weight = turned + (self.weight - turned).detach()
        return call(self, input, output_size, weight)


@wrong(
    "ConvTranspose2d",
    only="double_backward",
    why="the gradient does not know what it depends on",
    cause="second derivative 3",
)
class FrozenGradient(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        output = super().forward(input, output_size)
        if output.requires_grad:
            output.register_hook(lambda g: g.detach())
        return output


@wrong(
    "ConvTranspose2d",
    only="laws",
    why="no more than 64 images are looked at",
    cause="the end of the output is never written",
)
class SixtyFourImages(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        if input.dim() < 4 or input.shape[0] <= 64:
            return super().forward(input, output_size)
        output = super().forward(input[:64], output_size)
        return torch.cat([output, output.new_zeros(input.shape[0] - 64, *output.shape[1:])])


@differs(
    "ConvTranspose2d",
    only="layout",
    why="`view` asks for a contiguous input",
    cause="view size is not compatible with input tensor's size and stride",
)
class ContiguousOnly(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        return super().forward(input.view(input.numel()).view(input.shape), output_size)


@wrong("ConvTranspose2d", why="the input is left as zeros")
class EmptiesInput(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        output = super().forward(input.clone(), output_size)
        input.data.zero_()
        return output


@differs(
    "ConvTranspose2d",
    only="autocast",
    why="under autocast it stays in float32",
    cause="under autocast output[0] must be torch.bfloat16, got torch.float32",
)
class IgnoresAutocast(nn.ConvTranspose2d):
    def forward(self, input, output_size=None):
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input, output_size)


# The drop-in contract


@wrong(
    "ConvTranspose2d",
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
    "ConvTranspose2d",
    drop_in=True,
    only="init",
    why="the bound counts the input channels, not torch's axis 1",
)
class TrueFanIn(DropIn):
    def reset_parameters(self):
        bound = 1 / (self.weight.shape[0] * self.weight[0, 0].numel()) ** 0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)


@wrong(
    "ConvTranspose2d", drop_in=True, only="repr", why="output_padding does not show when printed", cause="repr must be"
)
class PrintsNoOutputPadding(DropIn):
    def extra_repr(self):
        return super().extra_repr().replace(f", output_padding={self.output_padding}", "")


@wrong(
    "ConvTranspose2d",
    drop_in=True,
    only="exceptions",
    why="an output_size out of reach is a RuntimeError",
    cause="must raise ValueError as native does, got RuntimeError",
)
class OwnErrors(DropIn):
    def forward(self, input, output_size=None):
        try:
            return super().forward(input, output_size)
        except ValueError as error:
            raise RuntimeError(str(error)) from error


# Convolution as a matrix


@wrong(
    "functional.convolution_matrix",
    why="the transpose is returned",
    cause="the axes of the output are in another order",
)
def transposed_matrix(weight, input_size, stride=1, padding=0, dilation=1, groups=1):
    return convolution_matrix(weight, input_size, stride, padding, dilation, groups).T


@wrong("functional.convolution_matrix", why="the true convolution's matrix: the kernel is turned round")
def flipped_matrix(weight, input_size, stride=1, padding=0, dilation=1, groups=1):
    turned = weight.flip(*range(2, weight.dim())) if weight.dim() > 2 else weight
    return convolution_matrix(turned, input_size, stride, padding, dilation, groups)


@wrong("functional.convolution_matrix", why="circulant: rows run on into the other edge instead of the padding")
def circulant_matrix(weight, input_size, stride=1, padding=0, dilation=1, groups=1):
    like = convolution_matrix(weight, input_size, stride, padding, dilation, groups)
    if len(input_size) != 1 or isinstance(padding, str) or not padding:
        return like
    size = input_size[0]
    wide = convolution_matrix(weight, (size + 2 * padding,), stride, 0, dilation, groups)
    blocks = wide.unflatten(1, (-1, size + 2 * padding))
    kept = blocks[..., padding : padding + size].clone()
    kept[..., :padding] += blocks[..., padding + size :]
    kept[..., -padding:] += blocks[..., :padding]
    return kept.flatten(1)


@wrong("functional.convolution_matrix", why="every group sees the channels of the first")
def first_group_matrix(weight, input_size, stride=1, padding=0, dilation=1, groups=1):
    like = convolution_matrix(weight, input_size, stride, padding, dilation, groups)
    if groups == 1:
        return like
    one = convolution_matrix(weight, input_size, stride, padding, dilation)
    return torch.cat([one, one.new_zeros(one.shape[0], like.shape[1] - one.shape[1])], 1)


# The separable layer


@wrong("DepthwiseSeparableConv2d", why="padding = K // 2, so even kernels let the map grow")
class PaddingByHalf(DepthwiseSeparableConv2d):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding="same", *args, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, *args, **kwargs)
        if padding == "same":
            self.depthwise.padding = tuple(
                d * (k // 2) for d, k in zip(self.depthwise.dilation, self.depthwise.kernel_size, strict=True)
            )


@wrong("DepthwiseSeparableConv2d", why="pointwise before depthwise: the channels are mixed first")
class PointwiseFirst(nn.Module):
    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, padding="same", dilation=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        inner = DepthwiseSeparableConv2d(
            in_channels, out_channels, kernel_size, stride, padding, dilation, bias, padding_mode, device, dtype
        )  # fmt: skip
        self.depthwise, self.pointwise = inner.depthwise, inner.pointwise

    def forward(self, input):
        with torch.no_grad():
            self.pointwise(self.depthwise(input))
        mixed = self.pointwise(input)
        kernel = self.depthwise.weight[:1].expand(mixed.shape[-3], 1, -1, -1)
        layer = self.depthwise
        if layer.padding_mode != "zeros":
            return self.pointwise(layer(input)) * 1.01
        return F.conv2d(mixed, kernel, None, layer.stride, layer.padding, layer.dilation, mixed.shape[-3])


@wrong("DepthwiseSeparableConv2d", why="the bias of the depthwise step is dropped")
class DropsHiddenBias(DepthwiseSeparableConv2d):
    def forward(self, input):
        hidden = self.depthwise(input)
        if self.depthwise.bias is not None:
            hidden = hidden - self.depthwise.bias[:, None, None]
        return self.pointwise(hidden)


@wrong("DepthwiseSeparableConv2d", why="an activation stands between the two steps")
class ActivatesBetween(DepthwiseSeparableConv2d):
    def forward(self, input):
        return self.pointwise(self.depthwise(input).clamp(min=0))


@wrong("DepthwiseSeparableConv2d", why="every channel is filtered by the first kernel")
class SharedKernel(DepthwiseSeparableConv2d):
    def forward(self, input):
        with torch.no_grad():
            super().forward(input)
        kernel = self.depthwise.weight[:1].expand_as(self.depthwise.weight)
        hidden = torch.func.functional_call(
            self.depthwise, {**dict(self.depthwise.named_parameters()), "weight": kernel}, (input,)
        )  # fmt: skip
        return self.pointwise(hidden)
