"""ConvTranspose1d, 2d and 3d, their functions, and the matrix whose transpose they are.

Legend: C input channels, O output channels, G groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.convolution_matrix import convolution_matrix
from refops.functional.transposed_convolution import conv_transpose1d, conv_transpose2d, conv_transpose3d
from refops.nn.transposed_convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from refops.parity.case import Case, built, called, param, real
from refops.parity.spec import Difference, Law, Refusal, Spec
from refops.parity.specs._transposed_convolution_laws import (
    columns,
    convolves,
    convolves_back,
    function_laws,
    module_laws,
    one_kernel_a_row,
)
from refops.parity.specs.convolution import LEFT_OPEN
from refops.shapes.transposed_convolution import conv_transpose1d as conv_transpose1d_shape
from refops.shapes.transposed_convolution import conv_transpose2d as conv_transpose2d_shape
from refops.shapes.transposed_convolution import conv_transpose3d as conv_transpose3d_shape
from refops.shapes.transposed_convolution import convolution_matrix as convolution_matrix_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Size = int | Shape
Pair = tuple[Tensor, Tensor]

CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}


def functional_shape(n: int, formula: Callable[..., Shape]) -> Callable[..., Shape]:
    """The formula with `out_channels`, `in_channels` and `kernel_size` read from the weight's shape."""

    def shape(
        input: Shape,
        weight: Shape,
        bias: Shape | None = None,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        dilation: Size = 1,
    ) -> Shape:
        if len(weight) != n + 2:
            raise ValueError(f"weight must have {n + 2} axes, got {weight}")
        channels = weight[1] * groups
        if bias not in (None, (channels,)):
            raise ValueError(f"bias must have shape {(channels,)}, got {bias}")
        options = (stride, padding, output_padding, groups, dilation)
        return formula(input, channels, weight[2:], *options, in_channels=weight[0])

    return shape


def cases(n: int, *, function: bool) -> SearchStrategy[Case]:
    """Channels, groups and geometry drawn together, so that padding never takes all of the output."""
    from hypothesis import strategies as st

    def each(low: int, high: int) -> SearchStrategy[Shape]:
        return st.lists(st.integers(low, high), min_size=n, max_size=n).map(tuple)

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        groups = draw(st.integers(1, 3))
        into, out = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
        spatial, kernel, stride, dilation = (draw(each(*range)) for range in ((1, 5), (1, 3), (1, 3), (1, 3)))
        widest = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        extra = tuple(draw(st.integers(0, most)) for most in widest)
        rows = zip(spatial, kernel, stride, dilation, extra, strict=True)
        sizes = [(p - 1) * s + d * (k - 1) + 1 + e for p, k, s, d, e in rows]
        padding = tuple(draw(st.integers(0, min(3, (size - 1) // 2))) for size in sizes)
        x = real(*draw(st.sampled_from([(), (0,), (1,), (2,)])), into, *spatial)
        options: dict[str, Any] = {"stride": stride, "padding": padding, "groups": groups, "dilation": dilation}
        if function:
            bias = (param(out),) if draw(st.booleans()) else ()
            return called(x, param(into, out // groups, *kernel), *bias, output_padding=extra, **options)
        layer = built(into, out, kernel, output_padding=extra, bias=draw(st.booleans()), **options)
        if not draw(st.booleans()):
            return layer.on(x)
        steps = zip(sizes, padding, extra, stride, strict=True)
        wanted = [draw(st.integers(max(1, s - 2 * p - e), s - 2 * p - e + step - 1)) for s, p, e, step in steps
                  if s - 2 * p - e + step > 1]  # fmt: skip
        return layer.on(x, tuple(wanted)) if len(wanted) == n else layer.on(x)

    return draw_case()


NOTHING_LEFT = Difference(
    "an output without a single position is refused in every dtype",
    "conv_transpose2d of 2x4x4x5 by 4x6x3x3 with padding 3: native gives (2, 6, 0, 1) in float32, and in float64 "
    "'Calculated output size per channel: (0 x 1). Output size is too small'",
    "https://github.com/pytorch/pytorch, aten/src/ATen/native/NaiveConvolutionTranspose2d.cpp",
)

REFUSED_LAYERS = (
    Refusal(built(4, 6, 3, groups=3).on(real(2, 4, 5, 5)), "in_channels"),
    Refusal(built(4, 6, 3, groups=4).on(real(2, 4, 5, 5)), "out_channels"),
    Refusal(built(4, 6, 3, groups=0).on(real(2, 4, 5, 5)), "groups"),
    Refusal(built(-4, 6, 3).on(real(2, 4, 5, 5)), "in_channels"),
    Refusal(built(4, 6, -3).on(real(2, 4, 5, 5)), "kernel_size"),
    Refusal(built(4, 6, (3, 3, 3)).on(real(2, 4, 5, 5)), "kernel_size"),
    Refusal(built(4, 6, 3, stride=0).on(real(2, 4, 5, 5)), "stride"),
    Refusal(built(4, 6, 3, stride=(1, 2, 1)).on(real(2, 4, 5, 5)), "stride"),
    Refusal(built(4, 6, 3, dilation=-1).on(real(2, 4, 5, 5)), "dilation"),
    Refusal(built(4, 6, 3, padding=-1).on(real(2, 4, 5, 5)), "padding"),
    Refusal(built(4, 6, 3, padding=4).on(real(2, 4, 5, 5)), "padding"),
    Refusal(built(4, 6, 3, padding="same").on(real(2, 4, 5, 5)), "padding"),
    Refusal(built(4, 6, 3, padding_mode="reflect").on(real(2, 4, 5, 5)), "padding_mode"),
    Refusal(built(4, 6, 3, output_padding=1).on(real(2, 4, 5, 5)), "output_padding"),
    Refusal(built(4, 6, 3, 2, output_padding=2).on(real(2, 4, 5, 5)), "output_padding"),
    Refusal(built(4, 6, 3, (1, 2), output_padding=(1, 0)).on(real(2, 4, 5, 5)), "output_padding"),
    Refusal(built(4, 6, 3, 2, output_padding=-1).on(real(2, 4, 5, 5)), "output_padding"),
    Refusal(built(4, 6, 3, 2).on(real(2, 4, 5, 5), (13, 11)), "output_size"),
    Refusal(built(4, 6, 3, 2).on(real(2, 4, 5, 5), (11, 10)), "output_size"),
    Refusal(built(4, 6, 3, 2).on(real(2, 4, 5, 5), (12,)), "output_size"),
    Refusal(built(4, 6, 3, 2).on(real(2, 4, 5, 5), (6, 12, 12)), "output_size"),
    Refusal(built(4, 6, 3, 2).on(real(4, 5, 5), (2, 6, 12, 12)), "output_size"),
    Refusal(built(4, 6, 3, 2).on(real(2, 4, 5, 5), 12), "output_size"),
    Refusal(built(4, 6, 3).on(real(2, 6, 5, 5)), "input"),
    Refusal(built(4, 6, 3).on(real(2, 1, 5, 5)), "input"),
    Refusal(built(4, 6, 3, groups=2).on(real(2, 2, 5, 5)), "input"),
    Refusal(built(4, 6, 3).on(real(5, 5)), "input"),
    Refusal(built(4, 6, 3).on(real(1, 2, 4, 5, 5)), "input"),
)

SPECS = (
    Spec(
        "ConvTranspose1d",
        "transposed_convolution",
        ConvTranspose1d,
        torch.nn.ConvTranspose1d,
        (
            built(4, 6, 3, stride=2, padding=1).on(real(2, 4, 5)),
            built(2, 3, 2).on(real(2, 5)),
            built(1, 1, 1, bias=False).on(real(1, 1, 6)),
            built(2, 3, 3).on(real(0, 2, 5)),
            built(3, 4, 3, 2, 1, 1).on(real(2, 3, 7)),
            built(3, 4, 2, 3).on(real(2, 3, 4), (12,)),
            built(4, 8, (5,), (3,), (2,), (2,), 4, False, (2,)).on(real(2, 4, 7)),
            built(4, 6, 3, dilation=3, output_padding=2, groups=2, padding_mode="zeros").on(real(2, 4, 17)),
            built(8, 33, 3, stride=2).on(real(2, 8, 13)),
            built(900, 2, 5).on(real(1, 900, 5)),
        ),
        shape=conv_transpose1d_shape,
        strategy=lambda: cases(1, function=False),
        laws=module_laws(8),
        differences=(NOTHING_LEFT,),
        refusals=(
            Refusal(built(4, 6, 3, groups=3).on(real(2, 4, 7)), "in_channels"),
            Refusal(built(4, 6, 3, padding=-1).on(real(2, 4, 7)), "padding"),
            Refusal(built(4, 6, 3, output_padding=1).on(real(2, 4, 7)), "output_padding"),
            Refusal(built(4, 6, 3, 2).on(real(2, 4, 7), (17,)), "output_size"),
            Refusal(built(4, 6, 3, padding_mode="circular").on(real(2, 4, 7)), "padding_mode"),
            Refusal(built(4, 6, 3).on(real(2, 6, 7)), "input"),
            Refusal(built(4, 6, 3).on(real(2, 4, 7, 7)), "input"),
            Refusal(built(4, 6, 3).on(real(4)), "input"),
        ),
    ),
    Spec(
        "ConvTranspose2d",
        "transposed_convolution",
        ConvTranspose2d,
        torch.nn.ConvTranspose2d,
        (
            built(4, 6, 3, stride=2, padding=1).on(real(2, 4, 3, 4)),
            built(1, 2, 1).on(real(1, 3, 4)),
            built(3, 1, 3, stride=2).on(real(2, 3, 4, 5)),
            built(2, 3, 2).on(real(0, 2, 4, 5)),
            built(4, 6, 1, bias=False).on(real(2, 4, 5, 3)),
            built(16, 33, 3, stride=2).on(real(1, 16, 5, 3)),
            built(8, 7, (3, 5), stride=(2, 1), padding=(4, 2)).on(real(2, 8, 7, 6)),
            built(4, 4, 3, 2, 1, (1, 0)).on(real(2, 4, 5, 4)),
            built(4, 4, 3, stride=2, padding=1).on(real(1, 4, 6, 6), output_size=(1, 4, 12, 12)),
            built(3, 4, (2, 3), (3, 2), 0, 0, 1, True, 2).on(real(2, 3, 4, 3), (14, 10)),
            built(3, 4, 2, (3, 4), padding_mode="zeros").on(real(3, 4, 3), [4, 12, 11]),
            built(4, 4, 3, 1, 1, 0, 4).on(real(2, 4, 6, 5)),
            built(4, 12, 3, groups=4, stride=2, padding=(0, 1)).on(real(2, 4, 3, 5)),
            built(6, 9, (3, 2), (2, 1), (1, 1), (0, 1), 3, False, (1, 2)).on(real(2, 6, 4, 5)),
            built(3, 2, 2, 2, dilation=(3, 4), output_padding=(2, 3), padding=(1, 0)).on(real(2, 3, 3, 2)),
            built(2, 3, 1, 5, 2, 4).on(real(2, 2, 1, 2)),
            built(3, 5, 4, stride=2, padding=1).on(real(1, 3, 17, 13)),
            built(512, 2, 3).on(real(1, 512, 3, 4)),
        ),
        shape=conv_transpose2d_shape,
        strategy=lambda: cases(2, function=False),
        laws=module_laws(5, 6),
        differences=(NOTHING_LEFT,),
        refusals=REFUSED_LAYERS,
    ),
    Spec(
        "ConvTranspose3d",
        "transposed_convolution",
        ConvTranspose3d,
        torch.nn.ConvTranspose3d,
        (
            built(2, 4, 3, stride=2, padding=1).on(real(2, 2, 2, 2, 3)),
            built(2, 3, 1).on(real(2, 3, 2, 4)),
            built(2, 3, 2).on(real(0, 2, 4, 3, 5)),
            built(2, 3, (1, 2, 3), bias=False).on(real(1, 2, 3, 2, 4)),
            built(2, 3, 2, (3, 2, 2), 0, (2, 0, 1)).on(real(1, 2, 2, 3, 2)),
            built(4, 4, (3, 2, 2), stride=(2, 1, 3), padding=(1, 0, 2), groups=2).on(real(2, 4, 3, 3, 4)),
            built(3, 3, (2, 2, 1), dilation=(2, 1, 3), groups=3, padding_mode="zeros").on(real(1, 3, 3, 3, 2)),
            built(2, 2, 3, 2, 1).on(real(2, 2, 2, 3), (4, 3, 6)),
            built(200, 2, 2).on(real(1, 200, 2, 3, 2)),
        ),
        shape=conv_transpose3d_shape,
        strategy=lambda: cases(3, function=False),
        laws=module_laws(3, 4, 2),
        differences=(NOTHING_LEFT,),
        refusals=(
            Refusal(built(4, 6, 3, groups=3).on(real(2, 4, 3, 3, 3)), "in_channels"),
            Refusal(built(4, 6, 3, padding=(0, -1, 0)).on(real(2, 4, 3, 3, 3)), "padding"),
            Refusal(built(4, 6, 3, (1, 1, 2), output_padding=(0, 1, 1)).on(real(2, 4, 3, 3, 3)), "output_padding"),
            Refusal(built(4, 6, 3, 2).on(real(2, 4, 3, 3, 3), (7, 7)), "output_size"),
            Refusal(built(4, 6, 3).on(real(2, 3, 3, 3, 3)), "input"),
            Refusal(built(4, 6, 3).on(real(3, 3, 3)), "input"),
        ),
        no_check=LEFT_OPEN,
    ),
    Spec(
        "functional.conv_transpose1d",
        "transposed_convolution",
        conv_transpose1d,
        torch.nn.functional.conv_transpose1d,
        (
            called(real(2, 4, 5), param(4, 6, 3), param(6), stride=2),
            called(real(2, 5), param(2, 3, 2)),
            called(real(0, 2, 5), param(2, 3, 2), param(3)),
            called(real(2, 3, 7), param(3, 4, 4), None, 3, 1, 2),
            called(real(2, 4, 17), param(4, 3, 3), param(6), (2,), (2,), (1,), 2, (3,)),
            called(real(2, 4, 7), weight=param(4, 1, 3), bias=param(4), groups=4),
            called(real(1, 900, 5), param(900, 2, 5), param(2)),
        ),
        shape=functional_shape(1, conv_transpose1d_shape),
        strategy=lambda: cases(1, function=True),
        laws=function_laws(11),
        differences=(NOTHING_LEFT,),
        refusals=(
            Refusal(called(real(2, 4, 7), param(4, 6, 3), padding=5), "padding"),
            Refusal(called(real(2, 4, 7), param(4, 6, 3, 3)), "weight"),
            Refusal(called(real(2, 4, 7), param(6, 4, 3)), "input"),
            Refusal(called(real(2, 4, 7), param(4, 6, 3), param(1)), "bias"),
        ),
    ),
    Spec(
        "functional.conv_transpose2d",
        "transposed_convolution",
        conv_transpose2d,
        torch.nn.functional.conv_transpose2d,
        (
            called(real(2, 4, 3, 4), param(4, 6, 3, 3), param(6), stride=2),
            called(real(2, 4, 5), param(2, 3, 2, 1)),
            called(real(0, 2, 4, 5), param(2, 3, 2, 2), param(3)),
            called(real(1, 1, 2, 2), param(1, 1, 3, 3)),
            called(real(2, 4, 5, 3), param(4, 6, 1, 1), param(6), 2, padding=(1, 0)),
            called(real(2, 3, 4, 5), param(3, 4, 3, 2), None, (2, 3), 1, (1, 2)),
            called(real(2, 6, 4, 5), param(6, 3, 3, 2), param(9), (2, 1), (1, 1), (0, 1), 3, (1, 2)),
            called(real(2, 3, 4, 3), weight=param(3, 4, 2, 2), bias=param(4), stride=(3,), padding=(1,), dilation=(2,)),
            called(real(1, 3, 17, 13), param(3, 5, 4, 4), stride=2, padding=1),
            called(real(1, 512, 3, 4), param(512, 2, 3, 3), param(2)),
        ),
        shape=functional_shape(2, conv_transpose2d_shape),
        strategy=lambda: cases(2, function=True),
        laws=function_laws(5, 6),
        differences=(NOTHING_LEFT,),
        refusals=(
            Refusal(called(real(2, 4, 5, 5), param(6, 4, 3, 3)), "input"),
            Refusal(called(real(2, 4, 5, 5), param(1, 6, 3, 3)), "input"),
            Refusal(called(real(2, 1, 5, 5), param(4, 6, 3, 3)), "input"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), groups=3), "weight"),
            Refusal(called(real(2, 4, 5, 5), param(4, 0, 3, 3)), "weight"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3)), "weight"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), groups=0), "groups"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), param(4)), "bias"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), param(6), groups=2), "bias"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), param(1)), "bias"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), padding=4), "padding"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), padding=-1), "padding"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), padding="same"), "padding"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), output_padding=1), "output_padding"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), output_padding=(0, 0, 0)), "output_padding"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), stride=0), "stride"),
            Refusal(called(real(2, 4, 5, 5), param(4, 6, 3, 3), dilation=0), "dilation"),
            Refusal(called(real(2, 4, 0, 5), param(4, 6, 3, 3)), "input"),
            Refusal(called(real(5, 5), param(4, 6, 3, 3)), "input"),
        ),
    ),
    Spec(
        "functional.conv_transpose3d",
        "transposed_convolution",
        conv_transpose3d,
        torch.nn.functional.conv_transpose3d,
        (
            called(real(2, 2, 3, 2, 4), param(2, 4, 2, 2, 2), param(4), stride=2),
            called(real(2, 3, 2, 4), param(2, 3, 1, 2, 2)),
            called(real(0, 2, 4, 3, 5), param(2, 3, 2, 2, 2), param(3)),
            called(real(2, 4, 3, 2, 4), param(4, 2, 2, 2, 2), param(4), (2, 1, 3), (1, 0, 1), (1, 0, 2), 2, (2, 1, 1)),
            called(real(1, 3, 3, 3, 4), weight=param(3, 1, 2, 2, 1), bias=param(3), groups=3),
            called(real(1, 200, 2, 3, 2), param(200, 2, 2, 2, 2), dilation=2),
        ),
        shape=functional_shape(3, conv_transpose3d_shape),
        strategy=lambda: cases(3, function=True),
        laws=function_laws(3, 4, 5),
        differences=(NOTHING_LEFT,),
        refusals=(
            Refusal(called(real(2, 4, 3, 3, 3), param(4, 6, 2, 2, 2), padding=(0, 3, 0)), "padding"),
            Refusal(called(real(2, 4, 3, 3, 3), param(4, 6, 2, 2)), "weight"),
            Refusal(called(real(2, 3, 3, 3, 3), param(4, 6, 2, 2, 2)), "input"),
            Refusal(called(real(2, 4, 3, 3, 3), param(4, 6, 2, 2, 2), stride=(1, 1)), "stride"),
        ),
        no_check=LEFT_OPEN,
    ),
    Spec(
        "functional.convolution_matrix",
        "transposed_convolution",
        convolution_matrix,
        None,
        (
            called(real(1, 1, 3, 3), (4, 4)),
            called(real(1, 1, 2), (5,), 2),
            called(real(2, 3, 3), (7,), padding=1),
            called(real(3, 2, 2, 3), (4, 5), (2, 1), (1, 2), (2, 1)),
            called(real(4, 1, 3, 2), (5, 4), stride=2, padding=1, groups=2),
            called(real(6, 1, 2, 2), input_size=(3, 4), padding="same", groups=3),
            called(real(2, 2, 2, 1, 2), (3, 2, 4), dilation=(1, 1, 2), padding="valid"),
            called(real(2, 64, 3), (17,), dilation=3, padding=3),
        ),
        oracle=columns,
        shape=convolution_matrix_shape,
        laws=(
            Law("convolves", convolves, (real(3, 9, 8), param(4, 3, 3, 2))),
            Law("convolves a signal", convolves, (real(5, 70), param(4, 5, 7))),
            Law("transpose convolves back", convolves_back, (real(6, 4, 3), param(6, 2, 3, 2))),
            Law("transpose convolves back in depth", convolves_back, (real(4, 3, 2, 3), param(4, 3, 2, 3, 2))),
            Law("one kernel a row", one_kernel_a_row, (param(5, 3, 2, 3),)),
        ),
        refusals=(
            Refusal(called(real(1, 1, 3, 3), (4, 4, 4)), "input_size"),
            Refusal(called(real(1, 1, 5, 3), (4, 4)), "kernel_size"),
            Refusal(called(real(1, 1, 3, 3), (4, 4), padding=-1), "padding"),
            Refusal(called(real(1, 1, 3, 3), (4, 4), stride=2, padding="same"), "padding"),
            Refusal(called(real(3, 1, 3, 3), (4, 4), groups=2), "groups"),
        ),
    ),
)
