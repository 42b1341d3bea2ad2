"""Honest variants of deformable convolution."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.functional.deformable_convolution import deform_conv2d
from refops.nn.deformable_convolution import DeformableConv2d as Learned
from refops.nn.deformable_convolution import DeformConv2d as Given
from refops.parity.proving.collection import honest


def two(size):
    return (size, size) if isinstance(size, int) else tuple(size) * (3 - len(size))


def checked(*arguments):
    """Everything that must be refused is refused."""
    with torch.no_grad():
        deform_conv2d(*arguments)


def places(offset, weight, stride, padding, dilation):
    """Rows and columns looked at, (N, D, kh, kw, oh, ow)."""
    kernel, size = weight.shape[2:], offset.shape[2:]
    moved = offset.reshape(len(offset), offset.shape[1] // (2 * kernel[0] * kernel[1]), *kernel, 2, *size)
    starts = []
    for k, s, d, p, n in zip(kernel, two(stride), two(dilation), two(padding), size, strict=True):
        steps = torch.arange(n, device=offset.device) * s
        starts.append((torch.arange(k, device=offset.device) * d - p)[:, None] + steps)
    return moved[:, :, :, :, 0] + starts[0][:, None, :, None], moved[:, :, :, :, 1] + starts[1][None, :, None]


def summed(samples, weight, bias, mask):
    """Samples (N, C, K, oh, ow) and a kernel (O, C / G, kh, kw): (N, O, oh, ow), by one einsum."""
    groups = samples.shape[1] // weight.shape[1]
    samples = samples.unflatten(1, (groups, weight.shape[1]))
    kernel = weight.flatten(2).unflatten(0, (groups, weight.shape[0] // groups))
    output = torch.einsum("ngckyx,gock->ngoyx", samples, kernel).flatten(1, 2)
    return output if bias is None else output + bias[:, None, None]


def wide(function):
    """Half precision in float32, rounded once; autocast left aside."""

    def widened(input, offset, weight, bias=None, stride=1, padding=0, dilation=1, mask=None):
        with torch.autocast(input.device.type, enabled=False):
            checked(input, offset, weight, bias, stride, padding, dilation, mask)
            half = input.dtype in (torch.float16, torch.bfloat16)
            tensors = (input, offset, weight, bias, mask)
            x, moved, kernel, shift, factor = (t.float() if half and t is not None else t for t in tensors)
            return function(x, moved, kernel, shift, stride, padding, dilation, factor).to(input.dtype)

    widened.__module__, widened.__name__, widened.__qualname__ = function.__module__, function.__name__, ""
    return widened


def masked(samples, mask):
    """Samples (N, D, C / D, K, oh, ow), times the mask where there is one."""
    return samples if mask is None else samples * mask.reshape(samples[:, :, :1].shape)


@honest("functional.deform_conv2d", why="neighbours outside the image are left out by a condition each")
@wide
def with_conditions(input, offset, weight, bias, stride, padding, dilation, mask):
    y, x = places(offset, weight, stride, padding, dilation)
    height, width = input.shape[2:]
    planes = input.flatten(2).unflatten(1, (y.shape[1], input.shape[1] // y.shape[1]))
    top, left = y.detach().floor(), x.detach().floor()
    total = 0
    for v, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
        for u, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
            seen = (v >= 0) & (v < height) & (u >= 0) & (u < width)
            at = (v.clamp(0, height - 1) * width + u.clamp(0, width - 1)).long().flatten(2)[:, :, None]
            pixel = planes.gather(3, at.expand(-1, -1, planes.shape[2], -1))
            total = total + pixel * torch.where(seen, share_y * share_x, 0).flatten(2)[:, :, None]
    samples = masked(total.unflatten(3, y.shape[2:]).flatten(3, 4), mask)
    return summed(samples.flatten(1, 2), weight, bias, mask)


def tent(distance):
    return torch.where((distance >= -1) & (distance < 0), 1 + distance, 0) + torch.where(
        (distance >= 0) & (distance < 1), 1 - distance, 0
    )


@honest("functional.deform_conv2d", why="two matrix products with tents: all pixels, most of them times zero")
@wide
def by_tents(input, offset, weight, bias, stride, padding, dilation, mask):
    y, x = places(offset, weight, stride, padding, dilation)
    rows = tent(y[..., None] - torch.arange(input.shape[2], device=y.device))  # (N, D, kh, kw, oh, ow, H)
    columns = tent(x[..., None] - torch.arange(input.shape[3], device=x.device))
    planes = input.unflatten(1, (y.shape[1], input.shape[1] // y.shape[1]))
    samples = torch.einsum("ndchw,ndijyxh,ndijyxw->ndcijyx", planes, rows, columns).flatten(3, 4)
    return summed(masked(samples, mask).flatten(1, 2), weight, bias, mask)


@honest("functional.deform_conv2d", why="first between columns, then between rows, as a + t (b - a)")
@wide
def one_axis_after_the_other(input, offset, weight, bias, stride, padding, dilation, mask):
    y, x = places(offset, weight, stride, padding, dilation)
    framed = F.pad(input, (2, 2, 2, 2))
    height, width = input.shape[2:]
    planes = framed.flatten(2).unflatten(1, (y.shape[1], input.shape[1] // y.shape[1]))
    y, x = y.clamp(-1, height), x.clamp(-1, width)
    top, left = y.detach().floor(), x.detach().floor()

    def pixel(v, u):
        at = ((v + 2) * (width + 4) + u + 2).long().flatten(2)[:, :, None]
        return planes.gather(3, at.expand(-1, -1, planes.shape[2], -1)).unflatten(3, y.shape[2:])

    t, s = (y - top)[:, :, None], (x - left)[:, :, None]
    above = pixel(top, left) * (1 - s) + s * pixel(top, left + 1)
    below = pixel(top + 1, left) * (1 - s) + s * pixel(top + 1, left + 1)
    samples = masked((above * (1 - t) + t * below).flatten(3, 4), mask)
    return summed(samples.flatten(1, 2), weight, bias, mask)


@honest("functional.deform_conv2d", why="a sum over the offset groups, the last one first")
@wide
def group_after_group(input, offset, weight, bias, stride, padding, dilation, mask):
    shared = offset.shape[1] // (2 * weight.shape[2] * weight.shape[3])
    if weight.shape[1] != input.shape[1]:
        return deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)
    masks = [None] * shared if mask is None else mask.chunk(shared, 1)
    parts = zip(input.chunk(shared, 1), offset.chunk(shared, 1), weight.chunk(shared, 1), masks, strict=True)
    total = sum(deform_conv2d(x, o, w, None, stride, padding, dilation, m) for x, o, w, m in reversed([*parts]))
    return total if bias is None else total + bias[:, None, None]


@honest("functional.deform_conv2d", why="image by image")
@wide
def image_by_image(input, offset, weight, bias, stride, padding, dilation, mask):
    rest = (weight, bias, stride, padding, dilation)
    if not len(input):
        return deform_conv2d(input, offset, *rest, mask)
    masks = [None] * len(input) if mask is None else mask.split(1)
    parts = zip(input.split(1), offset.split(1), masks, strict=True)
    return torch.cat([deform_conv2d(x, o, *rest, m) for x, o, m in parts])


@honest("DeformConv2d", why="native's own convolution holds kernel and bias, under other names")
class Wrapped(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        if isinstance(padding, str):
            raise ValueError(f"padding must be numbers, got {padding}")
        self.plain = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x, offset, mask=None):
        c = self.plain
        if x.dim() == 4 and x.shape[1] != c.in_channels:
            raise RuntimeError(f"expected {c.in_channels} channels, got {x.shape[1]}")
        return with_conditions(x, offset, c.weight, c.bias, c.stride, c.padding, c.dilation, mask)


@honest("DeformConv2d", why="by tents")
class Tents(Given):
    def forward(self, input, offset, mask=None):
        if input.dim() == 4 and input.shape[1] != self.in_channels:
            raise RuntimeError(f"expected {self.in_channels} channels, got {input.shape[1]}")
        return by_tents(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)


@honest("DeformableConv2d", why="offsets and mask predicted by slices of the kernel, apart")
class PredictedApart(Learned):
    def forward(self, input):
        if isinstance(self.padding, str):
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            half = input.dtype in (torch.float16, torch.bfloat16)
            x, w, b, p, q = (
                t.float() if half and t is not None else t
                for t in (input, self.weight, self.bias, self.conv_offset.weight, self.conv_offset.bias)
            )
            batch = x if x.dim() == 4 else x[None]
            geometry = self.stride, self.padding, self.dilation
            pairs = 2 * self.offset_groups * self.kernel_size[0] * self.kernel_size[1]
            offset = F.conv2d(batch, p[:pairs], q[:pairs], *geometry)
            mask = F.conv2d(batch, p[pairs:], q[pairs:], *geometry).sigmoid() if self.modulated else None
            y = deform_conv2d(batch, offset, w, b, *geometry, mask).to(input.dtype)
        return y if input.dim() == 4 else y[0]
