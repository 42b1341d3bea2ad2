"""Conv1d, Conv2d, Conv3d and their functions. Legend: C input channels, O output channels, G groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.convolution import conv1d, conv2d, conv3d
from refops.nn.convolution import Conv1d, Conv2d, Conv3d
from refops.parity.case import Case, built, called, param, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes.convolution import conv1d as conv1d_shape
from refops.shapes.convolution import conv2d as conv2d_shape
from refops.shapes.convolution import conv3d as conv3d_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Size = int | Shape
Pair = tuple[Tensor, Tensor]


def functional_shape(n: int, formula: Callable[..., Shape]) -> Callable[..., Shape]:
    """The formula with `out_channels`, `in_channels` and `kernel_size` read from the weight's shape."""

    def shape(
        input: Shape,
        weight: Shape,
        bias: Shape | None = None,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> Shape:
        if len(weight) != n + 2:
            raise ValueError(f"weight must have {n + 2} axes, got {weight}")
        if bias not in (None, weight[:1]):
            raise ValueError(f"bias must have shape {weight[:1]}, got {bias}")
        channels = weight[1] * groups
        return formula(input, weight[0], weight[2:], stride, padding, dilation, groups, in_channels=channels)

    return shape


def cases(n: int, *, function: bool) -> SearchStrategy[Case]:
    """Channels, groups, kernel, stride, dilation and padding drawn together, so that at least one window fits."""
    from hypothesis import strategies as st

    def per_axis(values: SearchStrategy[int]) -> SearchStrategy[Any]:
        return values | st.lists(values, min_size=n, max_size=n).map(tuple)

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        groups = draw(st.integers(1, 3))
        into, out = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
        kernel = tuple(draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
        padding = draw(per_axis(st.integers(0, 2)) | st.sampled_from(["same", "valid"]))
        options: dict[str, Any] = {"padding": padding, "groups": groups, "dilation": draw(per_axis(st.integers(1, 2)))}
        if padding != "same":
            options["stride"] = draw(per_axis(st.integers(1, 3)))
        spatial = draw(st.lists(st.integers(5, 7), min_size=n, max_size=n))  # the widest window spans 5
        x = real(*draw(st.sampled_from([(), (0,), (1,), (2,)])), into, *spatial)
        if function:
            bias = (param(out),) if draw(st.booleans()) else ()
            return called(x, param(out, into // groups, *kernel), *bias, **options)
        options["padding_mode"] = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
        return built(into, out, kernel, bias=draw(st.booleans()), **options).on(x)

    return draw_case()


def splitting(build: Callable[..., Any], x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(3, 5, 3, padding=1)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def one_by_one(build: Callable[..., Any], x: Tensor) -> Pair:
    """An image alone gives what it gives in a batch."""
    layer = build(3, 5, 2, stride=2)
    return torch.stack([layer(image) for image in x]), layer(x)


def additive(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """f(x + y) + f(0) = f(x) + f(y)."""
    layer = build(6, 10, 3, padding=1, groups=2)
    return layer(x + y) + layer(torch.zeros_like(x)), layer(x) + layer(y)


def shifting(build: Callable[..., Any], x: Tensor) -> Pair:
    """On a ring, a shifted input gives the shifted output."""
    layer = build(3, 4, 4, padding="same", padding_mode="circular", dilation=2)
    return layer(x.roll(3, -1)), layer(x).roll(3, -1)


def groups_apart(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """Groups are convolutions side by side."""
    apart = [build()(a, w) for a, w in zip(x.chunk(2, 1), weight.chunk(2), strict=True)]
    return torch.cat(apart, 1), build()(x, weight, groups=2)


def striding(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """A stride of 2 keeps every second output."""
    return build()(x, weight, stride=2), _every(2, build()(x, weight))


def dilating(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """A dilated kernel is a kernel with zeros between its entries."""
    sizes = [2 * k - 1 for k in weight.shape[2:]]
    spread = weight.new_zeros(*weight.shape[:2], *sizes)
    _every(2, spread).copy_(weight)
    return build()(x, weight, dilation=2), build()(x, spread)


def identity_kernel(build: Callable[..., Any], x: Tensor) -> Pair:
    """A kernel with a single one in its middle copies its channel."""
    channels, n = x.shape[1], x.dim() - 2
    weight = x.new_zeros(channels, 1, *(3,) * n)
    weight.view(channels, -1)[:, 3**n // 2] = 1
    return build()(x, weight, padding="same", groups=channels), x


def _every(step: int, x: Tensor) -> Tensor:
    for axis in range(2, x.dim()):
        x = x.unfold(axis, 1, step).squeeze(-1)  # a view: what is written to it stands in `x`
    return x


def module_laws(*spatial: int) -> tuple[Law, ...]:
    """The laws of the layers on inputs of this size."""
    return (
        Law("batch split", splitting, (real(70, 3, *spatial),)),
        Law("one by one", one_by_one, (real(9, 3, *spatial),)),
        Law("additive", additive, (real(3, 6, *spatial), real(3, 6, *spatial))),
        Law("shift on a ring", shifting, (real(2, 3, *(s + 5 for s in spatial)),)),
    )


def function_laws(*spatial: int) -> tuple[Law, ...]:
    """The laws of the functions on inputs of this size."""
    kernel = tuple(range(3, 3 - len(spatial), -1))
    return (
        Law("groups apart", groups_apart, (real(3, 6, *spatial), param(8, 3, *kernel))),
        Law("stride", striding, (real(3, 5, *spatial), param(4, 5, *kernel))),
        Law("dilation", dilating, (real(3, 5, *spatial), param(4, 5, *kernel))),
        Law("identity kernel", identity_kernel, (real(3, 5, *spatial),)),
    )


REFUSED_LAYERS = (
    Refusal(built(4, 6, 3, groups=3).on(real(2, 4, 7, 7)), "in_channels"),
    Refusal(built(4, 6, 3, groups=4).on(real(2, 4, 7, 7)), "out_channels"),
    Refusal(built(4, 6, 3, groups=0).on(real(2, 4, 7, 7)), "groups"),
    Refusal(built(-4, 6, 3).on(real(2, 4, 7, 7)), "in_channels"),
    Refusal(built(4, 0, 3).on(real(2, 4, 7, 7)), "weight"),
    Refusal(built(4, 6, -3).on(real(2, 4, 7, 7)), "kernel_size"),
    Refusal(built(4, 6, 8).on(real(2, 4, 7, 9)), "kernel_size"),
    Refusal(built(4, 6, 3, padding=2).on(real(4, 0, 5)), "input"),
    Refusal(built(4, 6, 3, dilation=4).on(real(2, 4, 7, 9)), "kernel_size"),
    Refusal(built(4, 6, (3, 3, 3)).on(real(2, 4, 7, 7)), "kernel_size"),
    Refusal(built(4, 6, 3, stride=0).on(real(2, 4, 7, 7)), "stride"),
    Refusal(built(4, 6, 3, stride=(1, 2, 1)).on(real(2, 4, 7, 7)), "stride"),
    Refusal(built(4, 6, 3, dilation=0).on(real(2, 4, 7, 7)), "dilation"),
    Refusal(built(4, 6, 3, padding=-1).on(real(2, 4, 7, 7)), "padding"),
    Refusal(built(4, 6, 3, padding="full").on(real(2, 4, 7, 7)), "padding"),
    Refusal(built(4, 6, 3, padding="same", stride=2).on(real(2, 4, 7, 7)), "padding"),
    Refusal(built(4, 6, 3, padding=7, padding_mode="reflect").on(real(2, 4, 7, 7)), "pad"),
    Refusal(built(4, 6, 3, padding=8, padding_mode="circular").on(real(2, 4, 7, 7)), "pad"),
    Refusal(built(4, 6, 3, padding_mode="constant").on(real(2, 4, 7, 7)), "padding_mode"),
    Refusal(built(4, 6, 3).on(real(2, 3, 7, 7)), "input"),
    Refusal(built(4, 6, 3).on(real(2, 1, 7, 7)), "input"),
    Refusal(built(1, 6, 3).on(real(2, 4, 7, 7)), "input"),
    Refusal(built(4, 6, 3, groups=2).on(real(2, 2, 7, 7)), "input"),
    Refusal(built(4, 6, 3).on(real(7, 7)), "input"),
    Refusal(built(4, 6, 3).on(real(1, 2, 4, 7, 7)), "input"),
)

LEFT_OPEN = (("strides", "with three axes native's layout hangs on the kernel it picks: by sizes, dtype and threads"),)

SPECS = (
    Spec(
        "Conv1d",
        "convolution",
        Conv1d,
        torch.nn.Conv1d,
        (
            built(4, 6, 3, padding=1).on(real(2, 4, 7)),
            built(2, 3, 2).on(real(2, 5)),
            built(1, 1, 1, bias=False).on(real(1, 1, 6)),
            built(2, 3, 3).on(real(0, 2, 5)),
            built(3, 4, 4, 1, "same").on(real(2, 3, 9)),
            built(4, 6, 3, stride=2, padding="valid", groups=2).on(real(2, 4, 17)),
            built(4, 8, (5,), (3,), (2,), (2,), 4, False).on(real(2, 4, 13)),
            built(3, 2, 4, padding="same", dilation=3, padding_mode="reflect").on(real(2, 3, 11)),
            built(3, 2, 3, padding=2, padding_mode="circular").on(real(3, 7)),
            built(3, 2, 3, stride=2, padding=4, padding_mode="replicate").on(real(2, 3, 7)),
            built(8, 33, 3, stride=2).on(real(2, 8, 50)),
            built(600, 2, 5).on(real(1, 600, 9)),
        ),
        shape=conv1d_shape,
        strategy=lambda: cases(1, function=False),
        laws=module_laws(8),
        refusals=(
            Refusal(built(4, 6, 3, groups=3).on(real(2, 4, 7)), "in_channels"),
            Refusal(built(4, 6, 8).on(real(2, 4, 7)), "kernel_size"),
            Refusal(built(4, 6, 3, padding=-1).on(real(2, 4, 7)), "padding"),
            Refusal(built(4, 6, 3, padding="same", stride=2).on(real(2, 4, 7)), "padding"),
            Refusal(built(4, 6, 3).on(real(2, 3, 7)), "input"),
            Refusal(built(4, 6, 3).on(real(2, 4, 7, 7)), "input"),
            Refusal(built(4, 6, 3).on(real(4)), "input"),
        ),
    ),
    Spec(
        "Conv2d",
        "convolution",
        Conv2d,
        torch.nn.Conv2d,
        (
            built(4, 6, 3, padding=1).on(real(2, 4, 5, 4)),
            built(1, 2, 1).on(real(1, 3, 4)),
            built(2, 3, (2, 1)).on(real(2, 4, 5)),
            built(2, 3, 2).on(real(0, 2, 4, 5)),
            built(4, 6, 1, bias=False).on(real(2, 4, 5, 3)),
            built(3, 4, (4, 2), padding="same").on(real(2, 3, 5, 7)),
            built(3, 4, (2, 3), padding="same", dilation=(3, 2)).on(real(2, 3, 7, 6)),
            built(3, 4, 3, 2, "valid").on(real(2, 3, 8, 9)),
            built(4, 4, 3, 1, 1, 1, 4).on(real(2, 4, 6, 5)),
            built(4, 12, 3, groups=4, stride=2, padding=(0, 1)).on(real(2, 4, 6, 5)),
            built(6, 9, (3, 2), (2, 1), (1, 2), (1, 2), 3, False).on(real(2, 6, 7, 6)),
            built(3, 4, 3, padding=(2, 1), padding_mode="reflect").on(real(2, 3, 6, 5)),
            built(3, 4, (2, 4), padding="same", padding_mode="reflect", dilation=(1, 2)).on(real(3, 6, 9)),
            built(3, 4, 3, padding=(3, 1), padding_mode="replicate", stride=2).on(real(2, 3, 6, 5)),
            built(3, 4, 3, padding=(1, 2), padding_mode="circular").on(real(2, 3, 6, 5)),
            built(3, 4, (4, 3), padding="same", padding_mode="circular").on(real(2, 3, 6, 5)),
            built(3, 4, 3, padding=-1, padding_mode="replicate").on(real(2, 3, 7, 8)),
            built(3, 5, 7, stride=2, padding=3).on(real(1, 3, 17, 13)),
            built(4, 7, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1)).on(real(2, 4, 10, 12)),
            built(256, 3, 3).on(real(1, 256, 4, 5)),
        ),
        shape=conv2d_shape,
        strategy=lambda: cases(2, function=False),
        laws=module_laws(5, 6),
        refusals=REFUSED_LAYERS,
    ),
    Spec(
        "Conv3d",
        "convolution",
        Conv3d,
        torch.nn.Conv3d,
        (
            built(2, 4, 2, padding=1).on(real(2, 2, 3, 2, 4)),
            built(2, 3, 1).on(real(2, 3, 2, 4)),
            built(2, 3, 2).on(real(0, 2, 4, 3, 5)),
            built(2, 3, (1, 2, 3), bias=False).on(real(1, 2, 3, 4, 5)),
            built(2, 3, (2, 3, 4), padding="same").on(real(2, 2, 3, 4, 5)),
            built(4, 4, 2, stride=(2, 1, 3), padding=(1, 0, 2), groups=2).on(real(2, 4, 4, 3, 5)),
            built(3, 3, (2, 2, 1), dilation=(2, 1, 3), groups=3).on(real(1, 3, 5, 3, 4)),
            built(2, 2, 3, padding=1, padding_mode="reflect").on(real(2, 2, 3, 4, 5)),
            built(2, 2, 2, padding=(1, 2, 1), padding_mode="circular").on(real(2, 3, 4, 3)),
            built(2, 2, 3, 2, padding=(2, 1, 0), padding_mode="replicate").on(real(1, 2, 3, 4, 5)),
            built(96, 2, 3).on(real(1, 96, 3, 4, 3)),
        ),
        shape=conv3d_shape,
        strategy=lambda: cases(3, function=False),
        laws=module_laws(4, 5, 3),
        refusals=(
            Refusal(built(4, 6, 3, groups=3).on(real(2, 4, 5, 5, 5)), "in_channels"),
            Refusal(built(4, 6, (2, 6, 2)).on(real(2, 4, 5, 5, 5)), "kernel_size"),
            Refusal(built(4, 6, 3, padding=(0, -1, 0)).on(real(2, 4, 5, 5, 5)), "padding"),
            Refusal(built(4, 6, 3, padding="same", stride=(1, 1, 2)).on(real(2, 4, 5, 5, 5)), "padding"),
            Refusal(built(4, 6, 3).on(real(2, 3, 5, 5, 5)), "input"),
            Refusal(built(4, 6, 3).on(real(5, 5, 5)), "input"),
        ),
        no_check=LEFT_OPEN,
    ),
    Spec(
        "functional.conv1d",
        "convolution",
        conv1d,
        torch.nn.functional.conv1d,
        (
            called(real(2, 4, 7), param(6, 4, 3), param(6), padding=1),
            called(real(2, 5), param(3, 2, 2)),
            called(real(0, 2, 5), param(3, 2, 2), param(3)),
            called(real(2, 3, 9), param(4, 3, 4), padding="same"),
            called(real(2, 3, 9), param(4, 3, 4), None, 2, "valid"),
            called(real(2, 4, 17), param(6, 2, 3), param(6), (2,), (2,), (3,), 2),
            called(real(2, 4, 13), weight=param(4, 1, 3), bias=param(4), groups=4),
            called(real(1, 600, 9), param(2, 600, 5), param(2)),
        ),
        shape=functional_shape(1, conv1d_shape),
        strategy=lambda: cases(1, function=True),
        laws=function_laws(11),
        refusals=(
            Refusal(called(real(2, 4, 7), param(6, 4, 8)), "kernel_size"),
            Refusal(called(real(2, 4, 7), param(6, 4, 3, 3)), "weight"),
            Refusal(called(real(2, 4, 7), param(6, 3, 3)), "input"),
            Refusal(called(real(2, 4, 7), param(6, 4, 3), param(1)), "bias"),
        ),
    ),
    Spec(
        "functional.conv2d",
        "convolution",
        conv2d,
        torch.nn.functional.conv2d,
        (
            called(real(2, 4, 5, 4), param(6, 4, 3, 3), param(6), padding=1),
            called(real(2, 4, 5), param(3, 2, 2, 1)),
            called(real(0, 2, 4, 5), param(3, 2, 2, 2), param(3)),
            called(real(2, 4, 5, 3), param(6, 4, 1, 1), param(6)),
            called(real(2, 3, 7, 6), param(4, 3, 2, 4), padding="same", dilation=(3, 1)),
            called(real(2, 3, 8, 9), param(4, 3, 3, 3), None, 2, "valid"),
            called(real(2, 4, 6, 5), param(4, 1, 3, 3), param(4), 1, 1, 1, 4),
            called(real(2, 6, 7, 6), param(9, 2, 3, 2), param(9), (2, 1), (1, 2), (1, 2), 3),
            called(real(2, 3, 9, 8), weight=param(4, 3, 3, 3), bias=param(4), stride=(3,), padding=(1,), dilation=(2,)),
            called(real(1, 3, 17, 13), param(5, 3, 7, 7), stride=2, padding=3),
            called(real(1, 256, 4, 5), param(3, 256, 3, 3), param(3)),
        ),
        shape=functional_shape(2, conv2d_shape),
        strategy=lambda: cases(2, function=True),
        laws=function_laws(9, 8),
        refusals=(
            Refusal(called(real(2, 4, 7, 7), param(6, 1, 3, 3)), "input"),
            Refusal(called(real(2, 1, 7, 7), param(6, 4, 3, 3)), "input"),
            Refusal(called(real(2, 5, 7, 7), param(4, 2, 3, 3), groups=2), "input"),
            Refusal(called(real(2, 4, 7, 7), param(3, 2, 3, 3), groups=2), "weight"),
            Refusal(called(real(2, 4, 7, 7), param(0, 4, 3, 3)), "weight"),
            Refusal(called(real(2, 4, 7, 7), param(6, 4, 3)), "weight"),
            Refusal(called(real(2, 4, 7, 7), param(6, 4, 3, 3), groups=0), "groups"),
            Refusal(called(real(2, 4, 7, 7), param(6, 4, 3, 3), param(3)), "bias"),
            Refusal(called(real(2, 4, 7, 7), param(6, 4, 3, 3), param(1)), "bias"),
            Refusal(called(real(2, 4, 7, 7), param(6, 4, 3, 3), param(6, 1)), "bias"),
            Refusal(called(real(2, 4, 2, 2), param(6, 4, 3, 3)), "kernel_size"),
            Refusal(called(real(2, 4, 8, 8), param(6, 4, 3, 3), padding=-1), "padding"),
            Refusal(called(real(2, 4, 8, 8), param(6, 4, 3, 3), padding="same", stride=2), "padding"),
            Refusal(called(real(2, 4, 8, 8), param(6, 4, 3, 3), padding="full"), "padding"),
            Refusal(called(real(2, 4, 8, 8), param(6, 4, 3, 3), stride=0), "stride"),
            Refusal(called(real(2, 4, 8, 8), param(6, 4, 3, 3), dilation=0), "dilation"),
            Refusal(called(real(2, 4, 0, 8), param(6, 4, 3, 3), padding=2), "input"),
            Refusal(called(real(8, 8), param(6, 4, 3, 3)), "input"),
        ),
    ),
    Spec(
        "functional.conv3d",
        "convolution",
        conv3d,
        torch.nn.functional.conv3d,
        (
            called(real(2, 2, 3, 2, 4), param(4, 2, 2, 2, 2), param(4), padding=1),
            called(real(2, 3, 2, 4), param(3, 2, 1, 2, 2)),
            called(real(0, 2, 4, 3, 5), param(3, 2, 2, 2, 2), param(3)),
            called(real(2, 2, 3, 4, 5), param(3, 2, 2, 3, 4), None, 1, "same"),
            called(real(2, 4, 5, 3, 6), param(4, 2, 2, 2, 2), param(4), (2, 1, 3), (1, 0, 2), (2, 1, 1), 2),
            called(real(1, 3, 5, 3, 4), weight=param(3, 1, 2, 2, 1), bias=param(3), padding="valid", groups=3),
            called(real(1, 96, 3, 4, 3), param(2, 96, 3, 3, 3), stride=2, dilation=1),
        ),
        shape=functional_shape(3, conv3d_shape),
        strategy=lambda: cases(3, function=True),
        laws=function_laws(6, 5, 7),
        refusals=(
            Refusal(called(real(2, 4, 5, 5, 5), param(6, 4, 2, 6, 2)), "kernel_size"),
            Refusal(called(real(2, 4, 5, 5, 5), param(6, 4, 2, 2)), "weight"),
            Refusal(called(real(2, 3, 5, 5, 5), param(6, 4, 2, 2, 2)), "input"),
            Refusal(called(real(2, 4, 5, 5, 5), param(6, 4, 2, 2, 2), stride=(1, 1)), "stride"),
        ),
        no_check=LEFT_OPEN,
    ),
)
