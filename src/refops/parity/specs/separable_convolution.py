"""DepthwiseSeparableConv2d against torch's two convolutions one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.nn.separable_convolution import DepthwiseSeparableConv2d
from refops.parity.case import Case, built, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes.transposed_convolution import depthwise_separable_conv2d

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Size = int | tuple[int, ...]
Pair = tuple[Tensor, Tensor]


class Composed(torch.nn.Module):
    """Torch's Conv2d over each channel, then its Conv2d over the channels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        padding: Any = "same",
        dilation: Any = 1,
        bias: bool = True,
        padding_mode: Any = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.depthwise = torch.nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, in_channels, bias, padding_mode, **where
        )
        self.pointwise = torch.nn.Conv2d(in_channels, out_channels, 1, bias=bias, **where)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) -> (N, O, *P) or (O, *P)."""
        output: Tensor = self.pointwise(self.depthwise(input))
        return output


def cases() -> SearchStrategy[Case]:
    """Channels, kernel, stride, dilation and padding drawn together, so that at least one window fits."""
    from hypothesis import strategies as st

    @st.composite
    def draw_case(draw: DrawFn) -> Case:
        padding = draw(st.integers(0, 2) | st.sampled_from(["same", "valid"]))
        kernel = tuple(draw(st.lists(st.integers(1, 4), min_size=2, max_size=2)))
        layer = built(
            draw(st.integers(1, 4)),
            draw(st.integers(1, 4)),
            kernel,
            draw(st.integers(1, 3)) if padding != "same" else 1,
            padding,
            draw(st.integers(1, 2)),
            bias=draw(st.booleans()),
            padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
        )
        lead = draw(st.sampled_from([(), (0,), (1,), (2,)]))
        spatial = draw(st.lists(st.integers(7, 9), min_size=2, max_size=2))  # the widest window spans 7
        return layer.on(real(*lead, layer.init.args[0], *spatial))

    return draw_case()


def splitting(build: Callable[..., Any], x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(3, 5)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def rank_one(build: Callable[..., Any], x: Tensor) -> Pair:
    """One channel's impulse gives an outer product of o and p: r[o, p] r[q, s] = r[o, s] r[q, p]."""
    layer = build(4, 6, (3, 2), bias=False)
    impulse = torch.zeros_like(x)
    impulse[:, 2, 3, 3] = x[:, 2, 3, 3]
    response = layer(impulse).flatten(2)  # (N, O, |P|)
    products = torch.einsum("nop,nqs->noqps", response, response)
    return products, products.transpose(3, 4)


def zeros_around(build: Callable[..., Any], x: Tensor) -> Pair:
    """An even kernel keeps the size, and more zeros around the image change nothing."""
    layer = build(3, 5, 4)
    return layer(x), layer(torch.nn.functional.pad(x, (3, 3, 3, 3)))[..., 3:-3, 3:-3]


def channels_apart(build: Callable[..., Any], x: Tensor) -> Pair:
    """Channels add up: what each gives alone, the others being zero, sums to the whole."""
    layer = build(3, 5, 3, bias=False)
    alone = [torch.zeros_like(x).index_copy(1, torch.tensor([c], device=x.device), x[:, c : c + 1]) for c in range(3)]
    return layer(alone[0]) + layer(alone[1]) + layer(alone[2]), layer(x)


SPECS = (
    Spec(
        "DepthwiseSeparableConv2d",
        "separable_convolution",
        DepthwiseSeparableConv2d,
        None,
        (
            built(3, 5, 3).on(real(2, 3, 4, 5)),
            built(1, 2, 1).on(real(1, 3, 4)),
            built(2, 3).on(real(0, 2, 4, 5)),
            built(2, 3, 2).on(real(2, 2, 5, 7)),
            built(3, 4, 4, bias=False).on(real(3, 10, 10)),
            built(3, 4, (4, 3), 1, "same", (1, 2)).on(real(2, 3, 6, 7)),
            built(3, 4, 3, stride=2, padding=1, padding_mode="reflect").on(real(2, 3, 9, 5)),
            built(3, 4, (2, 3), (1, 2), (0, 1), 2, True, "circular").on(real(2, 3, 6, 5)),
            built(3, 4, 2, 2, "valid", padding_mode="zeros").on(real(2, 3, 6, 17)),
            built(16, 32, 3, padding=0).on(real(1, 16, 7, 6)),
            built(600, 2, 3).on(real(1, 600, 3, 4)),
        ),
        oracle=Composed,
        shape=depthwise_separable_conv2d,
        strategy=cases,
        laws=(
            Law("batch split", splitting, (real(70, 3, 5, 6),)),
            Law("rank one", rank_one, (real(2, 4, 6, 7),)),
            Law("zeros around", zeros_around, (real(2, 3, 9, 8),)),
            Law("channels apart", channels_apart, (real(2, 3, 6, 5),)),
        ),
        refusals=(
            Refusal(built(0, 6, 3).on(real(2, 0, 7, 7)), "in_channels"),
            Refusal(built(4, 6, 3, stride=2).on(real(2, 4, 7, 7)), "padding"),
            Refusal(built(4, 6, 3, padding="full").on(real(2, 4, 7, 7)), "padding"),
            Refusal(built(4, 6, 8, padding=0).on(real(2, 4, 7, 7)), "kernel_size"),
            Refusal(built(4, 6, 3, padding_mode="edge").on(real(2, 4, 7, 7)), "padding_mode"),
            Refusal(built(4, 6, 3).on(real(2, 3, 7, 7)), "input"),
            Refusal(built(4, 6, 3).on(real(2, 1, 7, 7)), "input"),
            Refusal(built(4, 6, 3).on(real(7, 7)), "input"),
        ),
    ),
)
