"""Deformable convolution, with given and with learned offsets. Legend: D offset groups, K taps of the kernel.

Torch has neither. The oracle goes from tap to tap and adds up *all* pixels of the image for each window, each times the
product of two tents of width one around the place the tap looks at: the papers' own way of writing bilinear sampling.
Where a tent has a kink its slope is the one to the right, as with torchvision's `floor`: drawn in bfloat16, one offset
in a hundred is whole.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.deformable_convolution import deform_conv2d
from refops.nn.deformable_convolution import DeformableConv2d, DeformConv2d
from refops.parity.case import Case, built, called, index, param, real
from refops.parity.spec import Law, Refusal, Spec
from refops.parity.specs._deformable_convolution_laws import (
    far_offsets,
    half_offsets,
    kept_size,
    learned_splitting,
    linear_in_weight,
    mask_is_a_factor,
    mask_of_ones,
    no_offsets,
    offset_groups_apart,
    splitting,
    starts_at_half,
    starts_plain,
    transposed,
    whole_offsets,
)
from refops.shapes.deformable_convolution import deform_conv2d as deform_conv2d_shape
from refops.shapes.deformable_convolution import deformable_conv2d as deformable_conv2d_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Size = int | Shape
Pair = tuple[Tensor, Tensor]
plain = torch.nn.functional.conv2d


def _two(size: Size) -> Shape:
    return (size, size) if isinstance(size, int) else tuple(size) * (3 - len(size))


def _tent(t: Tensor) -> Tensor:
    """max(0, 1 - |t|), piece by piece; each piece holds its left end."""
    rising, falling = (t >= -1) & (t < 0), (t >= 0) & (t < 1)
    return torch.where(rising, 1 + t, torch.where(falling, 1 - t, torch.zeros_like(t)))


def tap_by_tap(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """The oracle: y[p] = sum over taps k and pixels q of w[k] m[k, p] g(q_y, p_y + k_y + dy) g(q_x, ...) x[q]."""
    steps, widths, gaps = _two(stride), _two(padding), _two(dilation)
    taps = list(product(*map(range, weight.shape[2:])))
    moves = offset.reshape(len(offset), offset.shape[1] // (2 * len(taps)), len(taps), 2, *offset.shape[2:])
    shared, groups = moves.shape[1], input.shape[1] // weight.shape[1]
    image = input.unflatten(1, (shared, input.shape[1] // shared))
    place = [torch.arange(n, dtype=input.dtype) * step for n, step in zip(offset.shape[2:], steps, strict=True)]
    pixel = [torch.arange(n, dtype=input.dtype) for n in input.shape[2:]]
    kernel = weight.unflatten(0, (groups, weight.shape[0] // groups))
    terms = []
    for k, (u, v) in enumerate(taps):
        y = moves[:, :, k, 0] + (place[0] - widths[0] + u * gaps[0])[:, None]  # (N, D, oh, ow)
        x = moves[:, :, k, 1] + (place[1] - widths[1] + v * gaps[1])
        by_row, by_column = _tent(y[..., None] - pixel[0]), _tent(x[..., None] - pixel[1])
        seen = torch.einsum("ndchw,ndijh,ndijw->ndcij", image, by_row, by_column)
        seen = seen if mask is None else seen * mask[:, k :: len(taps), None]
        channels = seen.flatten(1, 2).unflatten(1, (groups, weight.shape[1]))
        terms.append(torch.einsum("ngcij,goc->ngoij", channels, kernel[..., u, v]).flatten(1, 2))
    output = torch.stack(terms).sum(0)
    return output if bias is None else output + bias[:, None, None]


class Given(torch.nn.Conv2d):
    """The oracle of DeformConv2d."""

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """With the offsets of the call."""
        padding: Any = self.padding
        return tap_by_tap(input, offset, self.weight, self.bias, self.stride, padding, self.dilation, mask)


class Learned(torch.nn.Conv2d):
    """The oracle of DeformableConv2d; native's convolution predicts the offsets."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        padding: Any = "same",
        dilation: Any = 1,
        groups: int = 1,
        offset_groups: int = 1,
        modulated: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.pairs = 2 * offset_groups * self.kernel_size[0] * self.kernel_size[1]
        outputs = self.pairs * 3 // 2 if modulated else self.pairs
        self.conv_offset = torch.nn.Conv2d(in_channels, outputs, kernel_size, stride, padding, dilation)

    def forward(self, input: Tensor) -> Tensor:
        """With offsets of its own."""
        x = input if input.dim() == 4 else input[None]
        predicted = self.conv_offset(x)
        mask = predicted[:, self.pairs :].sigmoid() if predicted.shape[1] > self.pairs else None
        padding: Any = self.padding
        if isinstance(padding, str):  # 'same': what is odd stands after the input, beyond which all is zero anyway
            spans = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            padding = tuple(span // 2 if padding == "same" else 0 for span in spans)
        offset = predicted[:, : self.pairs]
        y = tap_by_tap(x, offset, self.weight, self.bias, self.stride, padding, self.dilation, mask)
        return y if input.dim() == 4 else y[0]


def given_shape(
    input: Shape,
    offset: Shape,
    weight: Shape,
    bias: Shape | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    mask: Shape | None = None,
) -> Shape:
    """The formula with channels, groups and kernel read from the shape of the weight."""
    if len(weight) != 4 or len(input) != 4 or not weight[1] or input[1] % weight[1] or not input[1]:
        raise ValueError(f"weight must have 4 axes and fit the channels of input, got {weight} for {input}")
    if bias not in (None, weight[:1]):
        raise ValueError(f"bias must have shape {weight[:1]}, got {bias}")
    groups = input[1] // weight[1]
    return deform_conv2d_shape(input, offset, weight[0], weight[2:], stride, padding, dilation, groups, mask)


def cases(sort: str) -> SearchStrategy[Case]:
    """Channels, groups, kernel and geometry drawn together; offsets and mask then have the shape they must have."""
    from hypothesis import strategies as st

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        groups, shared, unit = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        into, out = 2 * unit if 2 in (groups, shared) else unit, groups * draw(st.integers(1, 2))
        kernel, size = (tuple(draw(st.tuples(*(st.integers(*r),) * 2))) for r in ((1, 3), (5, 6)))
        options: dict[str, Any] = {
            "stride": draw(st.integers(1, 3)),
            "padding": draw(st.integers(0, 2) | st.tuples(st.integers(0, 2), st.integers(0, 2))),
            "dilation": draw(st.integers(1, 2)),
        }
        batch = draw(st.integers(0, 2))
        if sort == "learned":
            if draw(st.booleans()):
                options |= {"padding": "same", "stride": 1}
            options |= {"groups": groups, "offset_groups": shared, "modulated": draw(st.booleans())}
            return built(into, out, kernel, **options).on(real(*draw(st.sampled_from([(batch,), ()])), into, *size))
        x = (batch, into, *size)
        places = plain(torch.empty(1, into, *size, device="meta"), torch.empty(1, into, *kernel, device="meta"), None,
                       **options).shape[2:]  # fmt: skip
        taps = shared * kernel[0] * kernel[1]
        offset = param(batch, 2 * taps, *places)
        mask = {"mask": param(batch, taps, *places)} if draw(st.booleans()) else {}
        if sort == "function":
            weight = param(out, into // groups, *kernel)
            return called(real(*x), offset, weight, param(out), **options, **mask)
        return built(into, out, kernel, **options, groups=groups).on(real(*x), offset, **mask)

    return draw_case()


SPECS = (
    Spec(
        "functional.deform_conv2d",
        "deformable_convolution",
        deform_conv2d,
        None,
        (
            called(real(2, 4, 4, 5), param(2, 16, 3, 2), param(4, 2, 2, 2), param(4), (1, 2), 0, 1, param(2, 8, 3, 2)),
            called(real(1, 1, 3, 4), param(1, 2, 3, 4), param(2, 1, 1, 1)),
            called(real(2, 2, 3, 4), param(2, 12, 2, 2), param(3, 2, 3, 2), None, 2, (1, 0), 1),
            called(real(0, 2, 4, 3), param(0, 8, 3, 2), param(3, 2, 2, 2), param(3)),
            called(
                real(2, 3, 5, 7),
                param(2, 18, 2, 3),
                param(3, 1, 3, 3),
                param(3),
                stride=2,
                dilation=(1, 2),
                padding=(0, 1),
            ),
            called(
                real(1, 6, 3, 4),
                offset=param(1, 12, 4, 4),
                weight=param(4, 3, 2, 1),
                bias=param(4),
                padding=(1, 0),
                mask=param(1, 6, 4, 4),
            ),
            called(real(1, 2, 5, 4), param(1, 8, 3, 2), param(2, 2, 2, 2), dilation=2, mask=param(1, 4, 3, 2)),
            called(real(1, 1, 17, 2), param(1, 4, 9, 1), param(1, 1, 1, 2), stride=(2, 1)),
            called(real(1, 300, 3, 3), param(1, 24, 2, 2), param(2, 300, 2, 3), padding=(0, 1), stride=(1, 2)),
        ),
        oracle=tap_by_tap,
        shape=given_shape,
        strategy=lambda: cases("function"),
        laws=(
            Law("no offsets", no_offsets, (real(2, 4, 6, 7), param(6, 2, 3, 2))),
            Law("whole offsets", whole_offsets, (real(2, 3, 7, 6), param(2, 3, 3, 3))),
            Law("half a pixel", half_offsets, (real(3, 2, 4, 5),)),
            Law("far outside", far_offsets, (real(2, 3, 5, 5), param(2, 3, 3, 3))),
            Law("mask of ones", mask_of_ones, (real(2, 4, 4, 5), param(2, 36, 4, 5), param(2, 2, 3, 3))),
            Law("mask is a factor", mask_is_a_factor, (real(2, 3, 4, 5), param(2, 2, 4, 5), param(2, 1, 4, 5))),
            Law(
                "linear", linear_in_weight, (real(2, 2, 4, 3), param(2, 18, 4, 3), param(3, 2, 3, 3), param(3, 2, 3, 3))
            ),
            Law("offset groups", offset_groups_apart, (real(2, 4, 4, 3), param(2, 36, 4, 3), param(2, 4, 3, 3))),
            Law("transposition", transposed, (real(2, 2, 4, 6), param(2, 24, 5, 6), param(3, 2, 2, 3))),
        ),
        refusals=(
            Refusal(called(real(4, 5, 5), param(18, 3, 3), param(2, 4, 3, 3)), "input"),
            Refusal(called(real(1, 4, 5, 5), param(18, 3, 3), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 9, 3, 3), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 20, 3, 3), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 54, 3, 3), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 5, 5), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 1), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(2, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), mask=param(1, 18, 3, 3)), "mask"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), mask=param(1, 1, 3, 3)), "mask"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), mask=param(1, 9, 1, 1)), "mask"),
            Refusal(called(real(2, 4, 5, 5), param(2, 18, 3, 3), param(2, 4, 3, 3), mask=param(1, 9, 3, 3)), "mask"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), mask=param(9, 3, 3)), "mask"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 3, 3, 3)), "input"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 8, 3, 3)), "input"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(3, 2, 3, 3)), "weight"),
            Refusal(called(real(1, 4, 5, 5), index(1, 18, 3, 3, high=2), param(2, 4, 3, 3)), "offset"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 9)), "weight"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), param(1)), "bias"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), param(3)), "bias"),
            Refusal(called(real(1, 4, 2, 5), param(1, 18, 3, 3), param(2, 4, 3, 3)), "kernel_size"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), stride=0), "stride"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 3, 3), param(2, 4, 3, 3), stride=(1, 1, 1)), "stride"),
            Refusal(called(real(1, 4, 7, 7), param(1, 18, 3, 3), param(2, 4, 3, 3), padding=-1), "padding"),
            Refusal(called(real(1, 4, 5, 5), param(1, 18, 5, 5), param(2, 4, 3, 3), dilation=0), "dilation"),
        ),
    ),
    Spec(
        "DeformConv2d",
        "deformable_convolution",
        DeformConv2d,
        None,
        (
            built(2, 4, 2, padding=(1, 0)).on(real(2, 2, 2, 3), param(2, 8, 3, 2)),
            built(4, 4, (2, 1), 2, 1, (2, 1), 2, False).on(real(1, 4, 4, 5), param(1, 8, 2, 4), param(1, 4, 2, 4)),
            built(1, 2, 1).on(real(2, 1, 3, 3), offset=param(2, 2, 3, 3), mask=param(2, 1, 3, 3)),
            built(2, 3, 3, stride=(1, 2), padding=1, dilation=1, groups=1, bias=True).on(
                real(1, 2, 3, 4), param(1, 36, 3, 2)
            ),
            built(2, 3, 2).on(real(0, 2, 3, 3), param(0, 8, 2, 2)),
        ),
        oracle=Given,
        shape=deform_conv2d_shape,
        strategy=lambda: cases("module"),
        laws=(Law("batch split", splitting, (real(70, 3, 2, 3), param(70, 18, 2, 3))),),
        refusals=(
            Refusal(built(4, 6, 3, groups=3).on(real(1, 4, 5, 5), param(1, 18, 3, 3)), "in_channels"),
            Refusal(built(4, 6, 3, groups=4).on(real(1, 4, 5, 5), param(1, 18, 3, 3)), "out_channels"),
            Refusal(built(4, 6, 3, groups=0).on(real(1, 4, 5, 5), param(1, 18, 3, 3)), "groups"),
            Refusal(built(4, 6, 3, padding="same").on(real(1, 4, 5, 5), param(1, 18, 5, 5)), "padding"),
            Refusal(built(4, 6, 3).on(real(1, 2, 5, 5), param(1, 18, 3, 3)), "input"),
            Refusal(built(4, 6, 3).on(real(1, 8, 5, 5), param(1, 18, 3, 3)), "input"),
            Refusal(built(4, 6, 3).on(real(4, 5, 5), param(18, 3, 3)), "input"),
            Refusal(built(4, 6, 3).on(real(1, 4, 5, 5), param(1, 18, 5, 5)), "offset"),
            Refusal(built(4, 6, 3).on(real(1, 4, 5, 5), param(1, 9, 3, 3)), "offset"),
            Refusal(built(4, 6, 3).on(real(1, 4, 5, 5), param(1, 18, 3, 3), param(1, 18, 3, 3)), "mask"),
            Refusal(built(4, 6, 6).on(real(1, 4, 5, 5), param(1, 72, 1, 1)), "kernel_size"),
        ),
    ),
    Spec(
        "DeformableConv2d",
        "deformable_convolution",
        DeformableConv2d,
        None,
        (
            built(2, 4, 2).on(real(2, 2, 3, 4)),
            built(2, 3, (2, 1), offset_groups=2, modulated=True).on(real(2, 3, 2)),
            built(4, 4, 2, 2, 1, 1, 2, 2, True, False).on(real(1, 4, 3, 4)),
            built(2, 3).on(real(0, 2, 3, 3)),
            built(1, 2, 1, padding="valid", modulated=True).on(real(2, 1, 5, 3)),
            built(2, 3, kernel_size=(2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1), groups=1, bias=True).on(
                real(2, 2, 3, 5)
            ),
            built(3, 3, (3, 2), dilation=2, groups=3).on(real(1, 3, 4, 3)),
            built(64, 2, 2, 1, 0).on(real(1, 64, 3, 2)),
        ),
        oracle=Learned,
        shape=deformable_conv2d_shape,
        strategy=lambda: cases("learned"),
        regimes=("ordinary", "tiny", "ties", "zeros", "negative"),
        laws=(
            Law("starts as a convolution", starts_plain, (real(2, 3, 5, 4),)),
            Law("starts at one half", starts_at_half, (real(2, 3, 5, 6),)),
            Law("keeps the size", kept_size, (real(2, 3, 4, 5),)),
            Law("batch split", learned_splitting, (real(70, 2, 2, 2),)),
        ),
        long=(built(1, 2, 1).on(real(66_561, 1, 1, 1)), built(1, 33_793, 1).on(real(1, 1, 2, 2))),
        refusals=(
            Refusal(built(4, 6, 3, groups=3).on(real(1, 4, 5, 5)), "in_channels"),
            Refusal(built(4, 6, 3, groups=4).on(real(1, 4, 5, 5)), "out_channels"),
            Refusal(built(4, 6, 3, offset_groups=3).on(real(1, 4, 5, 5)), "offset_groups"),
            Refusal(built(4, 6, 3, offset_groups=0).on(real(1, 4, 5, 5)), "offset_groups"),
            Refusal(built(4, 6, 3, stride=2).on(real(1, 4, 5, 5)), "padding"),
            Refusal(built(4, 6, 3, padding="full").on(real(1, 4, 5, 5)), "padding"),
            Refusal(built(4, 6, 3, padding=-1).on(real(1, 4, 5, 5)), "padding"),
            Refusal(built(4, 6, 6, padding=0).on(real(1, 4, 5, 5)), "kernel_size"),
            Refusal(built(4, 6, 3).on(real(1, 2, 5, 5)), "input"),
            Refusal(built(4, 6, 3).on(real(5, 5)), "input"),
            Refusal(built(4, 6, 3, 0, 1).on(real(1, 4, 5, 5)), "stride"),
            Refusal(built(4, 6, 3, dilation=0).on(real(1, 4, 5, 5)), "dilation"),
        ),
    ),
)
