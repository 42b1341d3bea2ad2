"""Octave convolution. Torch has none: the oracle is made of torch's own convolution, pooling and interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.octave_convolution import octave_conv2d
from refops.nn.octave_convolution import OctaveConv2d
from refops.parity.case import Case, built, called, param, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes.octave_convolution import octave_conv2d as octave_conv2d_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
F = torch.nn.functional


def four_convolutions(
    high: Tensor | None,
    low: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    alpha_in: float = 0.5,
    alpha_out: float = 0.5,
    stride: int = 1,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Tensor | None, Tensor | None]:
    """The oracle: every output channel on its own, as the paper's sums over the input channels of either sort.

    Channels are counted in hundredths, so that no product of floats is cut to an integer.
    """
    outputs = len(weight)
    y_high = outputs - round(alpha_out * 100) * outputs // 100
    batch = [None if x is None else x if x.dim() == 4 else x[None] for x in (high, low)]
    whole = next(x for x in batch if x is not None)
    results: list[list[Tensor]] = [[], []]
    for o in range(outputs):
        total = None
        for sort, x in enumerate(batch):  # from high, from low
            if x is None:
                continue
            to_low = o >= y_high
            sources = x.shape[1] // groups  # how many inputs of this sort the output sees
            first = 0 if sort == 0 else weight.shape[1] - sources
            kernel = weight[o : o + 1, first : first + sources]
            among = (o - y_high, outputs - y_high) if to_low else (o, y_high)
            group = among[0] * groups // among[1]
            seen = x[:, group * sources : (group + 1) * sources]
            halvings = (stride == 2) + (1 if to_low else 0) - sort  # -1: to be enlarged
            for _ in range(halvings):
                seen = F.avg_pool2d(seen, 2)
            term = F.conv2d(seen, kernel, None, 1, "same", dilation)
            if halvings < 0:
                size = batch[0].shape[2:] if batch[0] is not None else [2 * s for s in whole.shape[2:]]
                term = F.interpolate(term, size=size, mode="nearest")
            total = term if total is None else total + term
        if total is not None:
            results[o >= y_high].append(total if bias is None else total + bias[o])
    maps = [torch.cat(terms, 1) if terms else None for terms in results]
    given = [high, low][0 if high is not None else 1]
    y, z = (x if x is None or given is None or given.dim() == 4 else x[0] for x in maps)
    return y, z


class FourConvolutions(torch.nn.Module):
    """The oracle of the module, its parameters those of one convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        alpha_in: float = 0.5,
        alpha_out: float = 0.5,
        stride: int = 1,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.options = (alpha_in, alpha_out, stride, dilation, groups)
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.weight = torch.nn.Parameter(torch.zeros(out_channels, in_channels // groups, *kernel))
        self.bias = torch.nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, high: Tensor | None, low: Tensor | None = None) -> tuple[Tensor | None, Tensor | None]:
        """As the function."""
        return four_convolutions(high, low, self.weight, self.bias, *self.options)


def function_shape(
    high: Shape | None,
    low: Shape | None,
    weight: Shape,
    bias: Shape | None = None,
    alpha_in: float = 0.5,
    alpha_out: float = 0.5,
    stride: int = 1,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Shape, ...]:
    """The formula with channels and kernel read from the shape of the weight."""
    if len(weight) != 4 or bias not in (None, weight[:1]):
        raise ValueError(f"weight must have 4 axes and bias its first, got {weight} and {bias}")
    return module_shape(
        high, low, weight[0], weight[2:], alpha_in, alpha_out, stride, dilation, groups, weight[1] * groups
    )


def module_shape(
    high: Shape | None,
    low: Shape | None,
    out_channels: int,
    kernel_size: Any = 3,
    alpha_in: float = 0.5,
    alpha_out: float = 0.5,
    stride: int = 1,
    dilation: Any = 1,
    groups: int = 1,
    in_channels: int | None = None,
) -> tuple[Shape, ...]:
    """The shapes of the maps there are."""
    both = octave_conv2d_shape(
        high, low, out_channels, kernel_size, alpha_in, alpha_out, stride, dilation, groups, in_channels
    )
    return tuple(shape for shape in both if shape is not None)


def cases(*, function: bool) -> SearchStrategy[Case]:
    """Alphas, groups, channels and sizes drawn together, so that every map can be pooled as often as it must."""
    from hypothesis import strategies as st

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        alphas = draw(st.tuples(*(st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0)),) * 2))
        groups = draw(st.integers(1, 2))
        channels = [groups * draw(st.sampled_from((1, 2, 5)) if a in (0, 1) else st.just(4)) for a in alphas]
        low = [round(4 * a) * n // 4 for a, n in zip(alphas, channels, strict=True)]
        kernel = draw(st.integers(1, 4) | st.tuples(st.integers(1, 4), st.integers(1, 4)))
        stride, size = draw(st.integers(1, 2)), draw(st.tuples(st.integers(4, 7), st.integers(4, 7)))
        lead = draw(st.sampled_from([(), (0,), (1,), (2,)]))
        high = real(*lead, channels[0] - low[0], *size) if alphas[0] < 1 else None
        coarse = real(*lead, low[0], *(s // 2 for s in size)) if alphas[0] > 0 else None
        options = {"stride": stride, "dilation": draw(st.integers(1, 2)), "groups": groups}
        if function:
            pair = (kernel, kernel) if isinstance(kernel, int) else kernel
            weight = param(channels[1], channels[0] // groups, *pair)
            return called(high, coarse, weight, param(channels[1]), *alphas, **options)
        return built(*channels, kernel, *alphas, bias=draw(st.booleans()), **options).on(high, coarse)

    return draw_case()


def all_high(build: Callable[..., Any], x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """Without low channels it is a convolution."""
    return build()(x, None, weight, bias, 0, 0)[0], F.conv2d(x, weight, bias, 1, "same")


def all_low(build: Callable[..., Any], x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """Without high channels it is a convolution of the low map."""
    return build()(None, x, weight, bias, 1, 1, dilation=2)[1], F.conv2d(x, weight, bias, 1, "same", 2)


def downwards(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """From high to low: pool, then convolve."""
    return build()(x, None, weight, None, 0, 1)[1], F.conv2d(F.avg_pool2d(x, 2), weight, None, 1, "same")


def upwards(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """From low to high: convolve, then repeat every number in a cell of 2 x 2."""
    y = F.conv2d(x, weight, None, 1, "same")
    return build()(None, x, weight, None, 1, 0)[0], y.repeat_interleave(2, -1).repeat_interleave(2, -2)


def sum_of_paths(build: Callable[..., Any], high: Tensor, low: Tensor, weight: Tensor) -> Pair:
    """What comes from both maps is what comes from either, the other being zero."""
    f = build()
    parts = f(high, torch.zeros_like(low), weight, None, 0.25)[0], f(torch.zeros_like(high), low, weight, None, 0.25)[0]
    return f(high, low, weight, None, 0.25)[0], parts[0] + parts[1]


def constant(build: Callable[..., Any], x: Tensor) -> Pair:
    """Of constant maps a kernel of one pixel makes constant maps, the mixture of both, at odd sizes too."""
    weight = torch.ones(2, 2, 1, 1).to(x)
    high, low = x[:, :, :1, :1].expand(-1, -1, 9, 7), x[:, :, 1:2, :1].expand(-1, -1, 4, 3)
    y = build()(high, low, weight)[0]
    return y, (high[:, :, :1, :1] + low[:, :, :1, :1]).expand_as(y)


def last_map(build: Callable[..., Any], high: Tensor, low: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole: the low map."""
    layer = build(4, 5, 3, 0.25, 0.4)
    return torch.cat([layer(high[:33], low[:33])[1], layer(high[33:], low[33:])[1]]), layer(high, low)[1]


def first_is_convolution(build: Callable[..., Any], x: Tensor) -> Pair:
    """With both alphas 0 it is a convolution of its own kernel and bias."""
    layer = build(3, 4, (2, 3), 0, 0, dilation=2)
    parameters = {p.dim(): p.detach() for p in layer.parameters()}
    return layer(x)[0], F.conv2d(x, parameters[4], parameters[1], 1, "same", 2)


SPECS = (
    Spec(
        "functional.octave_conv2d",
        "octave_convolution",
        octave_conv2d,
        None,
        (
            called(real(2, 3, 5, 4), real(2, 1, 2, 2), param(5, 4, 3, 2), param(5), 0.25, 0.4),
            called(real(1, 2, 2), real(1, 1, 1), param(2, 2, 1, 1)),
            called(real(2, 3, 5, 3), None, param(4, 3, 3, 3), param(4), 0, 0.5),
            called(real(2, 2, 9, 7), real(2, 2, 4, 3), param(3, 4, 3, 3), alpha_out=0),
            called(None, real(2, 3, 3, 2), param(4, 3, 2, 2), alpha_in=1),
            called(real(2, 3, 3, 5), None, param(4, 3, 2, 2), alpha_in=0.0, alpha_out=1.0),
            called(real(2, 2, 7, 6), real(2, 2, 3, 3), param(4, 4, 3, 3), param(4), stride=2),
            called(real(0, 2, 4, 4), real(0, 2, 2, 2), param(4, 4, 2, 2), param(4)),
            called(
                real(2, 4, 6, 4),
                real(2, 4, 3, 2),
                weight=param(6, 4, 3, 2),
                bias=param(6),
                alpha_out=2 / 3,
                dilation=(1, 2),
                groups=2,
            ),
            called(real(2, 1, 2, 3), real(2, 9, 1, 1), param(10, 10, 1, 1), None, 0.9, 0.8),
            called(real(1, 21, 2, 2), real(1, 29, 1, 1), param(3, 50, 1, 1), None, 0.58, 0.34),
            called(real(1, 2, 17, 3), real(1, 2, 8, 1), param(2, 4, 4, 1)),
            called(real(1, 256, 3, 2), real(1, 256, 1, 1), param(2, 512, 3, 3)),
        ),
        oracle=four_convolutions,
        shape=function_shape,
        strategy=lambda: cases(function=True),
        laws=(
            Law("all high", all_high, (real(3, 4, 5, 6), param(5, 4, 3, 2), param(5))),
            Law("all low", all_low, (real(3, 4, 5, 6), param(5, 4, 2, 3), param(5))),
            Law("downwards", downwards, (real(3, 4, 7, 6), param(5, 4, 3, 3))),
            Law("upwards", upwards, (real(3, 4, 3, 5), param(5, 4, 3, 3))),
            Law("sum of paths", sum_of_paths, (real(3, 3, 11, 6), real(3, 1, 5, 3), param(6, 4, 3, 3))),
            Law("constant maps", constant, (real(3, 1, 2, 1),)),
        ),
        refusals=(
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 8, 8), param(4, 4, 3, 3)), "low"),
            Refusal(called(real(1, 2, 9, 9), real(1, 2, 5, 5), param(4, 4, 3, 3)), "low"),
            Refusal(called(real(2, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3)), "low"),
            Refusal(called(real(1, 2, 8, 8), real(2, 4, 4), param(4, 4, 3, 3)), "low"),
            Refusal(called(real(1, 2, 8, 8), None, param(4, 4, 3, 3)), "low"),
            Refusal(called(real(1, 4, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3), alpha_in=0), "low"),
            Refusal(called(None, real(1, 2, 4, 4), param(4, 4, 3, 3)), "high"),
            Refusal(called(None, None, param(4, 4, 3, 3)), "high"),
            Refusal(called(real(1, 3, 8, 8), real(1, 1, 4, 4), param(4, 4, 3, 3)), "high"),
            Refusal(called(real(1, 1, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3)), "high"),
            Refusal(called(real(8, 8), real(4, 4), param(4, 4, 3, 3)), "high"),
            Refusal(called(real(1, 2, 1, 8), None, param(4, 2, 3, 3), alpha_in=0), "high"),
            Refusal(called(real(1, 2, 3, 8), None, param(4, 2, 3, 3), alpha_in=0, stride=2), "high"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3), alpha_in=1.5), "alpha_in"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3), alpha_out=-0.5), "alpha_out"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3), stride=3), "stride"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3), param(2)), "bias"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 1, 3, 3), groups=4), "groups"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3, 3), groups=0), "groups"),
            Refusal(called(real(1, 2, 8, 8), real(1, 2, 4, 4), param(4, 4, 3)), "weight"),
        ),
    ),
    Spec(
        "OctaveConv2d",
        "octave_convolution",
        OctaveConv2d,
        None,
        (
            built(4, 5, 3, 0.25, 0.4).on(real(2, 3, 5, 4), real(2, 1, 2, 2)),
            built(2, 2, 1).on(real(1, 2, 2), real(1, 1, 1)),
            built(3, 4, alpha_in=0).on(real(2, 3, 5, 3)),
            built(4, 3, alpha_out=0).on(real(2, 2, 9, 7), low=real(2, 2, 4, 3)),
            built(3, 4, 2, alpha_in=1).on(None, real(2, 3, 3, 2)),
            built(3, 4, 2, 0.0, 1.0, bias=False).on(real(2, 3, 3, 5)),
            built(4, 4, (3, 2), stride=2).on(real(2, 2, 7, 6), real(2, 2, 3, 3)),
            built(3, 5, 3, 0, 0).on(real(2, 3, 4, 3)),
            built(3, 5, 3, 1, 1, 2).on(None, real(2, 3, 4, 3)),
            built(4, 4, 2).on(real(0, 2, 4, 4), real(0, 2, 2, 2)),
            built(8, 6, (3, 2), alpha_out=2 / 3, dilation=(1, 2), groups=2).on(real(2, 4, 6, 4), real(2, 4, 3, 2)),
            built(10, 10, 1, 0.9, 0.8).on(real(2, 1, 2, 3), real(2, 9, 1, 1)),
            built(50, 3, 1, 0.58, 0.34).on(real(1, 21, 2, 2), real(1, 29, 1, 1)),
            built(512, 2).on(real(1, 256, 3, 2), real(1, 256, 1, 1)),
        ),
        oracle=FourConvolutions,
        shape=module_shape,
        strategy=lambda: cases(function=False),
        laws=(
            Law("a first and last layer", first_is_convolution, (real(3, 3, 5, 6),)),
            Law("batch split", last_map, (real(70, 3, 5, 4), real(70, 1, 2, 2))),
        ),
        refusals=(
            Refusal(built(4, 4, alpha_in=1.5).on(real(1, 2, 8, 8), real(1, 2, 4, 4)), "alpha_in"),
            Refusal(built(4, 4, alpha_out=-0.1).on(real(1, 2, 8, 8), real(1, 2, 4, 4)), "alpha_out"),
            Refusal(built(4, 4, stride=3).on(real(1, 2, 8, 8), real(1, 2, 4, 4)), "stride"),
            Refusal(built(4, 4, groups=4).on(real(1, 2, 8, 8), real(1, 2, 4, 4)), "groups"),
            Refusal(built(4, 4, groups=0).on(real(1, 2, 8, 8), real(1, 2, 4, 4)), "groups"),
            Refusal(built(4, 4).on(real(1, 2, 9, 9), real(1, 2, 5, 5)), "low"),
            Refusal(built(4, 4).on(real(1, 2, 8, 8), real(1, 2, 8, 8)), "low"),
            Refusal(built(4, 4).on(real(1, 2, 8, 8)), "low"),
            Refusal(built(4, 4, alpha_in=0).on(real(1, 4, 8, 8), real(1, 2, 4, 4)), "low"),
            Refusal(built(4, 4).on(real(1, 4, 8, 8), real(1, 2, 4, 4)), "high"),
            Refusal(built(4, 4).on(real(1, 3, 8, 8), real(1, 1, 4, 4)), "high"),
            Refusal(built(4, 4, alpha_in=0).on(real(1, 4, 1, 1)), "high"),
        ),
    ),
)
