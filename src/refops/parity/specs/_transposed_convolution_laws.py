"""Laws of transposed convolution: it is the transpose, it adds up, it shifts along."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import param, real
from refops.parity.spec import Law

if TYPE_CHECKING:
    pass

Shape = tuple[int, ...]
Size = int | Shape
Pair = tuple[Tensor, Tensor]
CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}

TRANSPOSED = {
    1: torch.nn.functional.conv_transpose1d,
    2: torch.nn.functional.conv_transpose2d,
    3: torch.nn.functional.conv_transpose3d,
}


def splitting(build: Callable[..., Any], x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(3, 5, 3, stride=2, padding=1)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def one_by_one(build: Callable[..., Any], x: Tensor) -> Pair:
    """An image alone gives what it gives in a batch."""
    layer = build(3, 5, 2, stride=2, output_padding=1)
    return torch.stack([layer(image) for image in x]), layer(x)


def additive(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """f(x + y) + f(0) = f(x) + f(y)."""
    layer = build(6, 10, 3, stride=2, padding=1, groups=2)
    return layer(x + y) + layer(torch.zeros_like(x)), layer(x) + layer(y)


def shifting(build: Callable[..., Any], x: Tensor) -> Pair:
    """An input one step later gives an output a stride later."""
    layer = build(3, 4, 4, stride=3, bias=False)
    late = torch.cat([torch.zeros_like(x[..., :1]), x], -1)
    return layer(late)[..., 3:], layer(x)


def returning(build: Callable[..., Any], x: Tensor) -> Pair:
    """Given the size a strided convolution came from, the layer goes back to it; the longer map begins as the other."""
    layer, n = build(3, 3, 3, stride=2, padding=1), x.dim() - 2
    every_second: Any = (..., *(slice(None, None, 2),) * n)
    down = x[every_second].contiguous()  # of the size such a convolution gives
    back, short = layer(down, output_size=x.shape), layer(down)
    if back.shape != x.shape:
        raise ValueError(f"output_size must be what comes out, got {tuple(back.shape)} for {tuple(x.shape)}")
    return back[(..., *(slice(size) for size in short.shape[2:]))], short


def transposing(build: Callable[..., Any], x: Tensor, y: Tensor, weight: Tensor) -> Pair:
    """<conv(x), y> = <x, conv_transpose(y)>: the definition of the transpose."""
    n = x.dim() - 2
    options: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    there = CONVOLUTIONS[n](x, weight, **options)
    back = build()(y, weight, output_padding=1, **options)
    return (there * y).sum(), (x * back).sum()


def groups_apart(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """Groups are transposed convolutions side by side."""
    apart = [build()(a, w, stride=2) for a, w in zip(x.chunk(2, 1), weight.chunk(2), strict=True)]
    return torch.cat(apart, 1), build()(x, weight, stride=2, groups=2)


def dense_flipped(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """At stride 1 it is the convolution of the input, padded by K - 1, with the kernel turned round."""
    n = x.dim() - 2
    turned = weight.transpose(0, 1).flip(*range(2, 2 + n))
    return build()(x, weight), CONVOLUTIONS[n](x, turned, padding=tuple(k - 1 for k in weight.shape[2:]))


def padding_cuts(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """Padding takes its width away from both ends."""
    whole = build()(x, weight, stride=3)
    return build()(x, weight, stride=3, padding=1), whole[(..., *(slice(1, -1),) * (x.dim() - 2))]


def module_laws(*spatial: int) -> tuple[Law, ...]:
    """The laws of the layers on inputs of this size."""
    return (
        Law("batch split", splitting, (real(70, 3, *spatial),)),
        Law("one by one", one_by_one, (real(9, 3, *spatial),)),
        Law("additive", additive, (real(3, 6, *spatial), real(3, 6, *spatial))),
        Law("shift by a stride", shifting, (real(2, 3, *spatial),)),
        Law("output_size returns", returning, (real(2, 3, *(s + 5 for s in spatial)),)),
    )


def function_laws(*spatial: int) -> tuple[Law, ...]:
    """The laws of the functions on inputs of this size."""
    kernel = tuple(range(3, 3 - len(spatial), -1))
    back = [2 * (p - 1) + 2 * (k - 1) for p, k in zip(spatial, kernel, strict=True)]  # the size the transpose returns
    return (
        Law("transpose", transposing, (real(2, 4, *back), real(2, 6, *spatial), param(6, 2, *kernel))),
        Law("groups apart", groups_apart, (real(3, 6, *spatial), param(6, 4, *kernel))),
        Law("flipped kernel", dense_flipped, (real(3, 5, *spatial), param(5, 4, *kernel))),
        Law("padding cuts", padding_cuts, (real(3, 5, *spatial), param(5, 4, *kernel))),
    )


def columns(
    weight: Tensor,
    input_size: Shape,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The matrix of any linear map: what it makes of each unit image is a column."""
    n, channels = len(input_size), weight.shape[1] * groups
    images = torch.eye(channels * torch.Size(input_size).numel(), dtype=weight.dtype, device=weight.device)
    convolved = CONVOLUTIONS[n](images.view(-1, channels, *input_size), weight, None, stride, padding, dilation, groups)
    return convolved.flatten(1).T


def convolves(build: Callable[..., Any], x: Tensor, weight: Tensor) -> Pair:
    """O = K I: the matrix times the image is its convolution."""
    matrix = build()(weight, tuple(x.shape[1:]))
    return matrix @ x.flatten(), CONVOLUTIONS[x.dim() - 1](x, weight).flatten()


def convolves_back(build: Callable[..., Any], y: Tensor, weight: Tensor) -> Pair:
    """The transposed matrix times a map is its transposed convolution, to the size the matrix was made for."""
    options: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    n = y.dim() - 1
    back = TRANSPOSED[n](y, weight, output_padding=1, **options)
    return build()(weight, tuple(back.shape[1:]), **options).T @ y.flatten(), back.flatten()


def one_kernel_a_row(build: Callable[..., Any], weight: Tensor) -> Pair:
    """Without padding every row holds the whole kernel once, so its sum is the kernel's."""
    matrix = build()(weight, (6, 7), stride=2, dilation=2)
    return matrix.sum(1), weight.sum((1, 2, 3)).repeat_interleave(matrix.shape[0] // weight.shape[0])
