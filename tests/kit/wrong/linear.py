"""Wrong implementations of Linear, Identity, Flatten and Unflatten."""

import math
import random

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.linear import Linear as Reference
from refops.parity.proving.collection import differs, wrong


class DropIn(Reference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "Linear"


@differs(
    "Linear",
    only="vmap",
    why="the bias is added in place, so it cannot be mapped over alone",
    cause="vmap over bias must work as native's does",
)
class InPlaceBias(nn.Linear):
    def forward(self, input):
        if self.bias is None or input.dtype in (torch.float16, torch.bfloat16):
            return super().forward(input)
        output = input @ self.weight.t()
        output += self.bias
        return output


@differs("Linear", drop_in=True, why="its own start: normal weights of variance 2/I and a zero bias")
class MyLinear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * math.sqrt(2.0 / in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, x):
        output = torch.matmul(x, self.weight.t())
        return output if self.bias is None else output + self.bias


@wrong("Linear", drop_in=True, only="init", why="bias starts at zero", cause="bias must start from native's values")
class ZeroBias(DropIn):
    def reset_parameters(self):
        super().reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)


@wrong("Linear", drop_in=True, only="repr", why="the bias does not show when printed", cause="repr must be")
class PrintsNoBias(DropIn):
    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}"


@wrong(
    "Linear",
    drop_in=True,
    only="exceptions",
    why="a wrong input is an AssertionError",
    cause="must raise RuntimeError as native does, got AssertionError",
)
class Asserts(DropIn):
    def forward(self, input):
        try:
            return super().forward(input)
        except RuntimeError as error:
            raise AssertionError(str(error)) from error


@wrong("Linear", why="weight read as (I, O)", cause="the weight is read as (I, O)")
class WeightReadAcross(nn.Linear):
    def forward(self, input):
        output = input @ self.weight.reshape(self.in_features, self.out_features)
        return output if self.bias is None else output + self.bias


@wrong("Linear", why="wide sums are accumulated in half precision")
class HalfAccumulator(nn.Linear):
    def forward(self, input):
        total = 0
        for x, w in zip(input.split(8, -1), self.weight.split(8, -1), strict=True):
            total = total + x @ w.t()
        return total if self.bias is None else total + self.bias


@wrong("Linear", why="float64 is computed in float32", cause="computes in float32")
class SinglePrecision(nn.Linear):
    def forward(self, input):
        bias = None if self.bias is None else self.bias.float()
        return F.linear(input.float(), self.weight.float(), bias).to(input.dtype)


@differs("Linear", why="half precision comes out as float32")
class PromotesHalf(nn.Linear):
    def forward(self, input):
        wide = torch.promote_types(input.dtype, torch.float32)
        bias = None if self.bias is None else self.bias.to(wide)
        return F.linear(input.to(wide), self.weight.to(wide), bias)


@wrong("Linear", why="the bias is detached and never learns", cause="no gradient of bias")
class DetachedBias(nn.Linear):
    def forward(self, input):
        return F.linear(input, self.weight, None if self.bias is None else self.bias.detach())


@wrong("Linear", why="the weight's gradient is doubled", cause="the gradient of weight is 2 times too large")
class DoubledGradient(nn.Linear):
    def forward(self, input):
        return F.linear(input, self.weight + (self.weight - self.weight.detach()), self.bias)


@wrong(
    "Linear",
    why="the bias is added twice where there are leading axes",
    cause="the bias is added twice where there are leading axes",
)
class BiasTwice(nn.Linear):
    def forward(self, input):
        output = super().forward(input)
        return output + self.bias if self.bias is not None and input.dim() > 2 else output


@wrong("Linear", why="bias=False is ignored")
class AlwaysBias(nn.Linear):
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__(in_features, out_features, True, device, dtype)
        nn.init.ones_(self.bias)


@differs(
    "Linear",
    only="layout",
    why="view assumes a contiguous input",
)
class ViewsInput(nn.Linear):
    def forward(self, input):
        if input.dim() == 0 or input.shape[-1] != self.in_features:
            raise RuntimeError("input must have in_features on its last axis")
        rows = input.view(-1).view(math.prod(input.shape[:-1]), self.in_features)
        return F.linear(rows, self.weight, self.bias).view(*input.shape[:-1], self.out_features)


@differs("Linear", why="only a matrix is accepted, no unbatched vector and no leading axes")
class MatrixOnly(nn.Linear):
    def forward(self, input):
        if input.dim() != 2:
            raise RuntimeError(f"input must be a matrix, got {tuple(input.shape)}")
        return super().forward(input)


@wrong(
    "Linear", why="an unbatched vector comes back with a batch axis", cause="the numbers are right, their shape is not"
)
class KeepsBatchAxis(nn.Linear):
    def forward(self, input):
        return super().forward(input[None] if input.dim() == 1 else input)


@differs("Linear", why="an input of one feature is repeated to as many as needed")
class BroadcastsInput(nn.Linear):
    def forward(self, input):
        if input.dim() and input.shape[-1] == 1:
            input = input.expand(*input.shape[:-1], self.in_features)
        return super().forward(input)


@wrong("Linear", why="the input is scrubbed after use")
class ScrubsInput(nn.Linear):
    def forward(self, input):
        output = super().forward(input.clone())
        input.data.zero_()
        return output


@wrong(
    "Linear",
    why="the features are summed in another order on every call",
)
class ShuffledSum(nn.Linear):
    def forward(self, input):
        if input.dim() == 0 or input.shape[-1] != self.in_features:
            return super().forward(input)
        order = random.sample(range(self.in_features), self.in_features)
        return F.linear(input[..., order], self.weight[:, order], self.bias)


@wrong(
    "Linear",
    drop_in=True,
    only="keys",
    why="a call counter lands in the state_dict, so native's does not load",
    cause="state_dict must hold",
)
class CountsCalls(DropIn):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))


@wrong("Linear", why="the bias is no parameter, so it is neither saved nor trained")
class UnregisteredBias(nn.Module):
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_features, in_features, device=device, dtype=dtype))
        self.offset = [torch.zeros(out_features)] if bias else []

    def forward(self, input):
        output = input @ self.weight.t()
        return output + self.offset[0].to(output) if self.offset else output


@differs("Linear", only="copy", why="holds a lambda, so it cannot be pickled", cause="Can't pickle local object")
class HoldsLambda(nn.Linear):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.finish = lambda y: y

    def forward(self, input):
        return self.finish(super().forward(input))


@wrong(
    "Linear",
    only="copy",
    why="a deep copy shares its parameters",
    cause="must copy the state, it is shared with the original",
)
class SharedCopy(nn.Linear):
    def __deepcopy__(self, memo):
        twin = type(self)(self.in_features, self.out_features, self.bias is not None)
        twin.weight, twin.bias = self.weight, self.bias
        return twin.train(self.training)


@wrong(
    "Linear", only="compile", why="the branch for compilers forgets the bias", cause="compiled, output is over budget"
)
class CompiledWithoutBias(nn.Linear):
    def forward(self, input):
        return F.linear(input, self.weight) if torch.compiler.is_compiling() else super().forward(input)


@differs(
    "Linear",
    only="autocast",
    why="switches autocast off around its product",
    cause="under autocast output[0] must be torch.bfloat16, got torch.float32",
)
class RefusesAutocast(nn.Linear):
    def forward(self, input):
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input)


@wrong(
    "Linear",
    why="holds the weight a second time and uses that one",
    cause="functional_call must use the parameters it is given",
)
class HeldWeight(nn.Linear):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.held = [self.weight]

    def forward(self, input):
        return F.linear(input, self.held[0], self.bias)


@wrong("Linear", only="modes", why="the bias is left out in evaluation", cause="the bias is left out in evaluation")
class NoBiasInEvaluation(nn.Linear):
    def forward(self, input):
        return F.linear(input, self.weight, self.bias if self.training else None)


class OnceOnly(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(rows, weight):
        return rows @ weight.t()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        rows, weight = (t.detach() for t in ctx.saved_tensors)
        grad = grad.to(weight.dtype)
        return grad @ weight, grad.t() @ rows


@wrong(
    "Linear", only="double_backward", why="the gradient forgets what it was computed from", cause="second derivative 0"
)
class DifferentiableOnce(nn.Linear):
    def forward(self, input):
        if input.dim() != 2 or input.shape[-1] != self.in_features or input.dtype in (torch.float16, torch.bfloat16):
            return super().forward(input)
        output = OnceOnly.apply(input, self.weight)
        return output if self.bias is None else (output + self.bias).to(output.dtype)


@wrong("Linear", only="laws", why="rows after the 64th stay zero: a block size is built in")
class OneBlock(nn.Linear):
    def forward(self, input):
        output = super().forward(input)
        if input.dim() < 2:
            return output
        rows = output.reshape(math.prod(output.shape[:-1]), self.out_features)
        return torch.cat([rows[:64], rows[64:] * 0]).reshape(output.shape)


@differs("functional.linear", why="the bias may have any shape that broadcasts")
def linear_of_any_bias(input, weight, bias=None):
    if bias is not None and bias.dim() == 1 and bias.numel() > weight.shape[0]:
        bias = bias[: weight.shape[0]]
    return F.linear(input, weight, bias)


@differs("functional.linear", why="a weight of one axis is not understood")
def linear_of_matrices(input, weight, bias=None):
    if weight.dim() != 2:
        raise RuntimeError(f"weight must be a matrix, got {tuple(weight.shape)}")
    return F.linear(input, weight, bias)


@wrong("functional.linear", why="the gradient of the input is cut", cause="no gradient of input")
def linear_without_input_gradient(input, weight, bias=None):
    return F.linear(input.detach(), weight, bias)


@wrong("Identity", why="adds a little something")
class AlmostIdentity(nn.Identity):
    def forward(self, input):
        return input + 1e-3


@wrong("Identity", why="not a number becomes a number")
class CleansInput(nn.Identity):
    def forward(self, input):
        return input.nan_to_num()


@differs("Identity", why="takes no arguments")
class StrictIdentity(nn.Module):
    def forward(self, input):
        return input


@wrong("Flatten", why="the first of the merged axes runs fastest")
class ColumnMajor(nn.Flatten):
    def forward(self, input):
        first, last = self.start_dim, self.end_dim
        if input.dim() < 2 or not 0 <= first % input.dim() < last % input.dim():
            return super().forward(input)
        return input.transpose(first, last).reshape(super().forward(input).shape)


@wrong("Flatten", why="end_dim is left out of the range", cause="end_dim is left out of the range")
class EndExcluded(nn.Flatten):
    def forward(self, input):
        end = self.end_dim % max(input.dim(), 1)
        return input.flatten(self.start_dim, max(end - 1, self.start_dim % max(input.dim(), 1)))


@differs("Flatten", only="layout", why="view assumes a contiguous input")
class ViewFlatten(nn.Flatten):
    def forward(self, input):
        return input.view(super().forward(input).shape)


@wrong("Flatten", why="keeps axis 0 whatever start_dim says", cause="axis 0 is kept whatever start_dim says")
class KeepsBatch(nn.Flatten):
    def forward(self, input):
        return input.reshape(len(input), -1)


@wrong("Flatten", why="an axis of size one disappears", cause="an axis of size one disappears")
class Squeezes(nn.Flatten):
    def forward(self, input):
        return super().forward(input).squeeze(0)


@wrong("Flatten", why="the graph ends here")
class DetachedFlatten(nn.Flatten):
    def forward(self, input):
        return super().forward(input.detach()) + 0 * super().forward(input)


@wrong("Unflatten", why="the parts are read in the wrong order")
class PartsReversed(nn.Unflatten):
    def forward(self, input):
        if -1 in self.unflattened_size or len(self.unflattened_size) < 2:
            return super().forward(input)
        dim = self.dim % input.dim()
        parts = input.unflatten(dim, tuple(self.unflattened_size)[::-1])
        axes = range(dim, dim + len(self.unflattened_size))
        return parts.permute(*range(dim), *reversed(axes), *range(axes[-1] + 1, parts.dim()))


@differs("Unflatten", why="-1 is not understood")
class NoOpenPart(nn.Unflatten):
    def forward(self, input):
        if -1 in self.unflattened_size:
            raise RuntimeError("unflattened_size must be positive")
        return super().forward(input)


@differs("Unflatten", why="what is too much for the parts is cut off")
class CutsOff(nn.Unflatten):
    def forward(self, input):
        sizes = self.unflattened_size
        if sizes and min(sizes) >= 0 and -input.dim() <= self.dim < input.dim():
            input = input.narrow(self.dim, 0, min(math.prod(sizes), input.shape[self.dim]))
        return super().forward(input)


@differs("functional.flatten", why="starts at axis 1, as the layer does")
def flatten_but_the_first(input, start_dim=1, end_dim=-1):
    return torch.flatten(input, start_dim, end_dim)


@differs("functional.unflatten", why="a negative axis counts from the front")
def unflatten_from_the_front(input, dim, sizes):
    return torch.unflatten(input, max(dim, 0), sizes)
