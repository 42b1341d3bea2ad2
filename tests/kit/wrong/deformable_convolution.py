"""Wrong implementations of deformable convolution."""

import torch
from torch.nn import functional as F

from refops.functional.deformable_convolution import deform_conv2d
from refops.nn.deformable_convolution import DeformableConv2d as Learned
from refops.nn.deformable_convolution import DeformConv2d as Given
from refops.parity.proving.collection import differs, wrong


def two(size):
    return (size, size) if isinstance(size, int) else tuple(size) * (3 - len(size))


def checked(input, *rest, **named):
    """Everything that must be refused is refused."""
    with torch.no_grad():
        deform_conv2d(input, *rest, **named)


def split(offset, weight):
    """(N, D, K, 2, oh, ow)."""
    taps = weight.shape[2] * weight.shape[3]
    return offset.reshape(len(offset), offset.shape[1] // (2 * taps), taps, 2, *offset.shape[2:])


def places(input, offset, weight, stride, padding, dilation):
    """Rows and columns looked at, (N, D, K, oh, ow)."""
    moved = split(offset, weight)
    base = []
    for axis in (0, 1):
        steps = torch.arange(moved.shape[4 + axis], dtype=input.dtype) * two(stride)[axis]
        taps = torch.arange(weight.shape[2 + axis], dtype=input.dtype) * two(dilation)[axis] - two(padding)[axis]
        base.append(taps[:, None] + steps)  # (kh, oh) or (kw, ow)
    kernel, size = weight.shape[2:], moved.shape[4:]
    rows = base[0][:, None, :, None].expand(*kernel, *size).reshape(-1, *size)
    columns = base[1][None, :, None].expand(*kernel, *size).reshape(-1, *size)
    return moved[:, :, :, 0] + rows, moved[:, :, :, 1] + columns


def pixel(input, y, x):
    """The numbers at whole places, clamped to the edge: (N, D, C / D, K oh ow)."""
    height, width = input.shape[2:]
    at = y.long().clamp(0, height - 1) * width + x.long().clamp(0, width - 1)
    at = at.flatten(2)[:, :, None]
    planes = input.flatten(2).unflatten(1, (y.shape[1], input.shape[1] // y.shape[1]))
    return planes.gather(3, at.expand(-1, -1, planes.shape[2], -1))


def summed(samples, weight, bias, mask, size):
    """Samples (N, D, C / D, K oh ow), weighted: (N, O, oh, ow)."""
    n, shared, _, _ = samples.shape
    if mask is not None:
        samples = samples * mask.reshape(n, shared, 1, -1)
    taps = weight.shape[2] * weight.shape[3]
    columns = samples.flatten(1, 2).unflatten(2, (taps, size[0] * size[1]))
    groups = columns.shape[1] // weight.shape[1]
    return F.conv2d(columns, weight.flatten(2)[..., None], bias, groups=groups).squeeze(2).unflatten(2, size)


@wrong(
    "functional.deform_conv2d",
    why="offsets are taken and forgotten: it is the plain convolution",
    cause="offsets are ignored: the plain convolution",
)
def discards_offsets(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    return F.conv2d(input, weight, bias, stride, padding, dilation, input.shape[1] // weight.shape[1])


@wrong("functional.deform_conv2d", why="dx stands before dy", cause="dx stands before dy")
def columns_first(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    offset = split(offset, weight).flip(3).flatten(1, 3)
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


@wrong(
    "functional.deform_conv2d", why="all dy of a group first, then all dx", cause="all dy of a group first, then all dx"
)
def rows_then_columns(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    shape = split(offset, weight).shape
    offset = offset.reshape(*shape[:2], 2, shape[2], *shape[4:]).transpose(2, 3).flatten(1, 3)
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


@wrong(
    "functional.deform_conv2d",
    why="taps are counted down the columns of the kernel",
    cause="taps are counted down the columns of the kernel",
)
def taps_by_column(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    moved = split(offset, weight)
    moved = moved.unflatten(2, (weight.shape[3], weight.shape[2])).transpose(2, 3).flatten(1, 4)
    return deform_conv2d(input, moved, weight, bias, stride, padding, dilation, mask)


@wrong(
    "functional.deform_conv2d",
    why="the offsets of the groups are dealt out tap by tap",
    cause="the offsets of the groups are dealt out tap by tap",
)
def groups_dealt_out(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    shape = split(offset, weight).shape
    offset = offset.reshape(shape[0], shape[2], shape[1], *shape[3:]).transpose(1, 2).flatten(1, 3)
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


@wrong(
    "functional.deform_conv2d",
    why="all channels follow the first offset group",
    cause="all channels follow the first offset group",
)
def first_group_for_all(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    moved = split(offset, weight)
    offset = moved[:, :1].expand_as(moved).flatten(1, 3)
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


@wrong("functional.deform_conv2d", why="beyond the edge the edge goes on, instead of zeros")
def clamps_to_the_edge(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    y, x = places(input, offset, weight, stride, padding, dilation)
    total = 0
    for i in (0, 1):
        for j in (0, 1):
            share = (1 - (y - y.floor() - i).abs()) * (1 - (x - x.floor() - j).abs())
            total = total + pixel(input, y.floor() + i, x.floor() + j) * share.flatten(2)[:, :, None]
    return summed(total, weight, bias, mask, y.shape[-2:])


@wrong("functional.deform_conv2d", why="a place outside by half a pixel counts as outside altogether")
def cuts_off_at_the_edge(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    y, x = places(input, offset, weight, stride, padding, dilation)
    inside = (y >= 0) & (y <= input.shape[2] - 1) & (x >= 0) & (x <= input.shape[3] - 1)
    total = 0
    for i in (0, 1):
        for j in (0, 1):
            share = (1 - (y - y.floor() - i).abs()) * (1 - (x - x.floor() - j).abs()) * inside
            total = total + pixel(input, y.floor() + i, x.floor() + j) * share.flatten(2)[:, :, None]
    return summed(total, weight, bias, mask, y.shape[-2:])


@wrong("functional.deform_conv2d", why="rounds towards zero instead of down: the wrong neighbours above the image")
def truncates(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    y, x = places(input, offset, weight, stride, padding, dilation)
    height, width = input.shape[2:]
    total = 0
    for i in (0, 1):
        for j in (0, 1):
            v, u = y.trunc() + i, x.trunc() + j
            share = (1 - (y - v).abs()) * (1 - (x - u).abs()) * ((v >= 0) & (v < height) & (u >= 0) & (u < width))
            total = total + pixel(input, v, u) * share.flatten(2)[:, :, None]
    return summed(total, weight, bias, mask, y.shape[-2:])


@wrong(
    "functional.deform_conv2d", why="the nearest pixel, so no gradient reaches the offsets", cause="the nearest pixel"
)
def nearest(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    return deform_conv2d(input, offset.round(), weight, bias, stride, padding, dilation, mask)


@wrong(
    "functional.deform_conv2d", why="the offsets are detached: nothing can learn them", cause="offsets have no gradient"
)
def detaches_offsets(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    return deform_conv2d(input, offset.detach(), weight, bias, stride, padding, dilation, mask)


@wrong("functional.deform_conv2d", why="the mask is ignored", cause="the mask is ignored")
def ignores_mask(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation)


@wrong(
    "functional.deform_conv2d", why="squashes the mask it is given once more", cause="the mask is squashed once more"
)
def squashes_mask(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    return deform_conv2d(
        input, offset, weight, bias, stride, padding, dilation, None if mask is None else mask.sigmoid()
    )


@wrong(
    "functional.deform_conv2d", why="offsets are counted in dilated steps", cause="offsets are counted in dilated steps"
)
def dilates_offsets(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    checked(input, offset, weight, bias, stride, padding, dilation, mask)
    gaps = torch.tensor(two(dilation), dtype=offset.dtype)[:, None, None]
    offset = (split(offset, weight) * gaps).flatten(1, 3)
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


@differs("functional.deform_conv2d", why="half precision comes out as float32")
def widens(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    output = deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)
    return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output


@differs("functional.deform_conv2d", why="a mask of one channel or one image is broadcast")
def broadcasts_mask(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    if mask is not None and mask.dim() == 4 and offset.dim() == 4 and mask.shape[1] in (1, offset.shape[1] // 2):
        mask = mask.expand(len(offset), offset.shape[1] // 2, *offset.shape[2:])
    return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


@wrong("functional.deform_conv2d", why="adds to the offsets it was given")
def moves_offsets(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
    output = deform_conv2d(input, offset.clone(), weight, bias, stride, padding, dilation, mask)
    offset.data.add_(1)
    return output


@wrong("DeformConv2d", why="the mask is not handed on", cause="the mask is ignored")
class NoMask(Given):
    def forward(self, input, offset, mask=None):
        checked(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)
        return super().forward(input, offset)


@wrong("DeformConv2d", why="offsets of several groups are averaged", cause="offsets of several groups are averaged")
class OneOffsetGroup(Given):
    def forward(self, input, offset, mask=None):
        super().forward(input, offset, mask)
        moved = split(offset, self.weight)
        return super().forward(input, moved.mean(1, keepdim=True).expand_as(moved).flatten(1, 3), mask)


@wrong(
    "DeformableConv2d",
    why="predicts offsets and convolves at the plain places",
    cause="offsets are ignored: the plain convolution",
)
class Stub(Learned):
    def forward(self, input):
        super().forward(input)
        self.conv_offset(input)
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Composed(Learned):
    """Right as it stands; subclasses spoil what is predicted."""

    def predicted(self, batch):
        p = self.conv_offset(batch)
        pairs = p.shape[1] * 2 // 3 if self.modulated else p.shape[1]
        return p[:, :pairs], p[:, pairs:]

    def factor(self, logits):
        return logits.sigmoid()

    def forward(self, input):
        if input.dtype.itemsize == 2 or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        batch = input if input.dim() == 4 else input[None]
        padding = self.padding
        if isinstance(padding, str):
            spans = [d * (k - 1) for d, k in zip(two(self.dilation), self.kernel_size, strict=True)]
            padding = tuple(span // 2 if padding == "same" else 0 for span in spans)
            extra = [span - 2 * p if self.padding == "same" else 0 for span, p in zip(spans, padding, strict=True)]
        else:
            extra = (0, 0)
        offset, logits = self.predicted(batch)
        output = deform_conv2d(
            F.pad(batch, (0, extra[1], 0, extra[0])), offset, self.weight, self.bias, self.stride, padding,
            self.dilation, self.factor(logits) if self.modulated else None,
        )  # fmt: skip
        return output if input.dim() == 4 else output[0]


@wrong(
    "DeformableConv2d",
    why="the mask is used without a sigmoid: a kernel of zeros at the start",
    cause="the mask is used without a sigmoid",
)
class NoSigmoid(Composed):
    def factor(self, logits):
        return logits


@wrong("DeformableConv2d", why="the mask is twice the sigmoid, to start at one", cause="the mask is twice the sigmoid")
class TwiceTheSigmoid(Composed):
    def factor(self, logits):
        return 2 * logits.sigmoid()


@wrong(
    "DeformableConv2d",
    why="a softmax over the taps instead of a sigmoid for each",
    cause="a softmax over the taps, not a sigmoid",
)
class SoftmaxMask(Composed):
    def factor(self, logits):
        return logits.softmax(1)


@wrong(
    "DeformableConv2d",
    why="the mask is taken from the first third of what is predicted",
    cause="the mask is taken from the first third",
)
class MaskFirst(Composed):
    def predicted(self, batch):
        p = self.conv_offset(batch)
        masks = p.shape[1] // 3 if self.modulated else 0
        return p[:, masks:], p[:, :masks]


@wrong(
    "DeformableConv2d", why="offsets are kept within a pixel by tanh", cause="offsets are kept within a pixel by tanh"
)
class BoundedOffsets(Composed):
    def predicted(self, batch):
        offset, logits = super().predicted(batch)
        return offset.tanh(), logits


@wrong(
    "DeformableConv2d", why="what predicts the offsets never learns", cause="what predicts the offsets has no gradient"
)
class DetachedOffsets(Composed):
    def predicted(self, batch):
        offset, logits = super().predicted(batch)
        return offset.detach(), logits


@wrong("DeformableConv2d", why="padding k // 2 for 'same': even kernels let the map grow")
class HalfTheKernel(Learned):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding="same", dilation=1, *rest, **named):
        if padding == "same" and stride in (1, (1, 1)):
            padding = tuple(d * (k // 2) for d, k in zip(two(dilation), two(kernel_size), strict=True))
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, *rest, **named)


@wrong("DeformableConv2d", why="offset_groups is ignored", cause="all channels follow the first offset group")
class IgnoresOffsetGroups(Composed):
    def predicted(self, batch):
        offset, logits = super().predicted(batch)
        n = self.offset_groups
        if n == 1:
            return offset, logits
        return torch.cat([offset.chunk(n, 1)[0]] * n, 1), logits


@differs("DeformableConv2d", why="only batches of images")
class NoUnbatched(Learned):
    def forward(self, input):
        if input.dim() != 4:
            raise RuntimeError(f"expected a batch of images, got {tuple(input.shape)}")
        return super().forward(input)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


@wrong("DeformableConv2d", why="the gradient of the offsets is doubled", cause="the gradient of the offsets is doubled")
class DoubledOffsetGradient(Composed):
    def predicted(self, batch):
        offset, logits = super().predicted(batch)
        return Doubled.apply(offset), logits
