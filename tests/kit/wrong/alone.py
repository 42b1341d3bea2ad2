"""Wrong in one respect only: what one check, and it alone, is there to catch."""

from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops import optim
from refops.parity.proving.collection import differs, wrong


class _LogOfSoftmax(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        return F.softmax(x, dim).log()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return g - F.softmax(x, ctx.dim) * g.sum(ctx.dim, keepdim=True), None


@wrong(
    "functional.log_softmax",
    only="value",
    why="the logarithm of a softmax is -inf in the tails; its gradient is right",
    cause="under- or overflows: inf or nan where the answer is finite",
)
def log_of_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    if dim is None or not input.is_floating_point() or dtype is not None or input.dtype != torch.float32:
        return F.log_softmax(input, dim, _stacklevel, dtype)
    _ = F.log_softmax(input, dim)  # refuses what native refuses
    return _LogOfSoftmax.apply(input, dim)


_BITS = cycle((0, 0, 1, 1))


@wrong(
    "functional.layer_norm",
    only="determinism",
    why="dithers the last bit of what it returns",
)
def dithered(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    return F.layer_norm(input, normalized_shape, weight, bias, eps) * (1 + next(_BITS) * 2.0**-23)


@wrong(
    "Linear",
    only="state",
    why="load_state_dict leaves the bias as it was",
    cause="a fresh module with the saved state_dict must give the same output",
)
class ForgetsTheBias(nn.Linear):
    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        return super().load_state_dict(
            dict(self.state_dict(), **{k: state_dict[k] for k in ("weight",)}), *args, **kwargs
        )


@wrong("Dropout", only="randomness", why="draws one mask for all samples of the batch")
class OneMaskForAll(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.inplace or input.dim() < 2 or input.shape[0] == 0:
            return super().forward(input)
        return input * F.dropout(torch.ones_like(input[:1]), self.p, True)


@differs(
    "Dropout",
    only="seeded",
    drop_in=True,
    why="draws the mask from the last sample to the first",
    cause="the same seed must give native's output",
)
class DrawsBackwards(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:
        if self.inplace or input.dim() == 0 or self.p == 0:
            return super().forward(input)
        return super().forward(input.flip(0)).flip(0) if self.training else input


class _NothingForOneHot(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.silu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return torch.where((g == 0).any(), 0 * g, g) * (s + x * s * (1 - s))


@wrong("functional.silu", only="jacobian", why="no gradient at all where one entry of the incoming one is zero")
def silu_without_one_hot(input: Tensor, inplace: bool = False) -> Tensor:
    if inplace or input.dtype != torch.float64:
        return F.silu(input, inplace)
    return _NothingForOneHot.apply(input)


@differs("functional.linear", only="shape", why="repeats a single feature for all that the weight asks for")
def repeats_one_feature(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if input.dim() == 4 and input.shape[-1] == 1 and weight.dim() == 2 and weight.shape[-1] > 1:
        input = input.expand(*input.shape[:-1], weight.shape[-1])
    return F.linear(input, weight, bias)


@wrong(
    "optim.SGD",
    only="primitive_steps",
    drop_in=True,
    why="a reference whose step calls torch.nn.functional",
    cause="a step may use primitive operations only",
)
class NoPrimitiveStep(optim.SGD):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                F.silu(p.real if p.is_complex() else p)
        return super().step(closure)


@differs("AvgPool2d", only="strides", drop_in=True, why="answers row by row where native answers with channels last")
class RowByRow(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).contiguous()


@differs("LayerNorm", only="strides", drop_in=True, why="answers in the order of its input's axes, native row by row")
class AsItsInput(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input)
        order = sorted(range(input.dim()), key=lambda axis: -input.stride(axis))
        return output.permute(order).contiguous().permute([order.index(axis) for axis in range(input.dim())])


@differs(
    "functional.softmax",
    only="strides",
    drop_in=True,
    why="what is no block comes back with the summed axis outside",
)
def summed_axis_outside(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    output = F.softmax(input, dim, _stacklevel, dtype)
    if dim is None or output.dim() < 2 or input.is_contiguous():
        return output
    return output.movedim(dim, 0).contiguous().movedim(0, dim)


@wrong("MSELoss", only="meta", why="promises a single number on the meta device, whatever the reduction")
class AlwaysANumber(nn.MSELoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return (input - target).sum() if input.is_meta else super().forward(input, target)


@wrong("functional.embedding", only="meta", why="promises the rows in half precision on the meta device")
def promises_half(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    output = F.embedding(input, weight, *args, **kwargs)
    return output.half() if weight.is_meta else output


@differs("GroupNorm", only="meta", drop_in=True, why="looks at its first weight when it is made")
class LooksAtItsWeight(nn.GroupNorm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.weight is not None and self.weight.numel() and self.weight[0].item() != 1:
            raise ValueError(f"weight must begin with 1, got {self.weight[0]}")


@differs("LayerNorm", only="signature", why="the default of eps is another library's")
class SmallerEps(torch.nn.LayerNorm):
    def __init__(self, normalized_shape, eps=1e-6, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__(normalized_shape, eps, elementwise_affine, bias, device, dtype)


@differs("functional.gelu", only="signature", why="the tanh form is not offered")
def erf_only(input):
    return torch.nn.functional.gelu(input)
