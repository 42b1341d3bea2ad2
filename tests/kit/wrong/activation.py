"""Wrong implementations of activations."""

import math

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class PlainReLU(nn.ReLU):
    """A ReLU whose formula subclasses spoil; overwriting and whole numbers are native's."""

    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return self.formula(input)


class Real(nn.Module):
    """An activation of floating numbers, computed wide and rounded once; subclasses give `formula`."""

    def forward(self, input):
        if not input.is_floating_point():
            raise NotImplementedError(f"input must be floating, got {input.dtype}")
        return self.formula(wide(input)).to(input.dtype)


@wrong(
    "ReLU",
    only="gradient",
    why="maximum halves the gradient at a tie",
    cause="the gradient is halved at 0, as by maximum",
)
class MaximumWithZero(PlainReLU):
    def formula(self, x):
        return torch.maximum(x, torch.zeros_like(x))


@wrong("ReLU", only="gradient", why="clamp has slope 1 at 0", cause="slope 1 at 0, as by clamp")
class ClampAtZero(PlainReLU):
    def formula(self, x):
        return x.clamp(min=0)


@wrong("ReLU", why="-inf * 0 is nan", cause="inf * 0 is nan: x times a mask")
class TimesMask(PlainReLU):
    def formula(self, x):
        return x * (x > 0)


@wrong("ReLU", why="nan becomes 0", cause="nan becomes 0")
class NanSwallowed(PlainReLU):
    def formula(self, x):
        return torch.where(x > 0, x, 0)


@wrong("ReLU", why="saturates at 6", cause="saturates at 6, as ReLU6")
class CappedAtSix(PlainReLU):
    def formula(self, x):
        return F.relu6(x)


@wrong("ReLU", why="writes its answer over the input too")
class AlwaysOverwrites(PlainReLU):
    def formula(self, x):
        y = torch.relu(x)
        x.data.copy_(y.detach())
        return y


@wrong("ReLU", only="refusals", why="booleans are taken for numbers", cause="must be refused for its input")
class BooleansAccepted(nn.ReLU):
    def forward(self, input):
        return super().forward(input.float() if input.dtype == torch.bool else input)


@differs("ReLU", only="copy", why="keeps a lambda, which cannot be pickled", cause="Can't pickle local object")
class HoldsLambda(nn.ReLU):
    def __init__(self, inplace=False):
        super().__init__(inplace)
        self.act = lambda x: F.relu(x, self.inplace)

    def forward(self, input):
        return self.act(input)


@wrong("functional.relu", why="gives the absolute value")
def relu_as_abs(input, inplace=False):
    return F.relu(input, inplace) if inplace or not input.is_floating_point() else input.abs()


@wrong(
    "LeakyReLU", why="max(x, slope x) is the same only for slopes from 0 to 1", cause="the larger of x and slope * x"
)
class LargerOfTwo(nn.LeakyReLU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        return torch.where(x > self.negative_slope * x, x, self.negative_slope * x).to(input.dtype)


@wrong("LeakyReLU", only="gradient", why="slope 1 at 0", cause="slope 1 at 0")
class SteepAtZero(nn.LeakyReLU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return torch.where((input >= 0) | input.isnan(), input, input * self.negative_slope)


@differs("LeakyReLU", why="the default slope is 0.2")
class DefaultOfKeras(nn.LeakyReLU):
    def __init__(self, negative_slope=0.2, inplace=False):
        super().__init__(negative_slope, inplace)


@wrong("LeakyReLU", why="the slope given is not used", cause="argument negative_slope is ignored")
class SlopeForgotten(nn.LeakyReLU):
    def forward(self, input):
        return F.leaky_relu(input, inplace=self.inplace)


@wrong("LeakyReLU", why="in training the slope is random, as in RReLU")
class RandomSlope(nn.LeakyReLU):
    def forward(self, input):
        if self.inplace or not self.training:
            return super().forward(input)
        return F.rrelu(input, self.negative_slope / 2, self.negative_slope * 2, training=True)


@wrong("Sigmoid", why="e^-x overflows: the gradient is 0 * inf = nan")
class TextbookSigmoid(Real):
    def formula(self, x):
        return 1 / (1 + torch.exp(-x))


@wrong("Sigmoid", why="e^x / (1 + e^x) is inf / inf for large x")
class OtherTextbookSigmoid(Real):
    def formula(self, x):
        return torch.exp(x) / (1 + torch.exp(x))


@wrong("Sigmoid", why="a straight line between -3 and 3", cause="a straight line between -3 and 3, as Hardsigmoid")
class HardSigmoid(Real):
    def formula(self, x):
        return F.hardsigmoid(x)


@differs(
    "Sigmoid",
    only="dtype",
    why="half precision comes back as float32",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class WideSigmoid(nn.Sigmoid):
    def forward(self, input):
        return torch.sigmoid(wide(input))


class DetachedSlope(Function):
    """y (1 - y), but its own derivative is lost."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        y = ctx.saved_tensors[0].detach()
        return g * ((1 - y) * y)


@wrong(
    "Sigmoid", only="double_backward", why="the derivative is written on a detached answer", cause="second derivative 0"
)
class OnceDifferentiable(nn.Sigmoid):
    def forward(self, input):
        return DetachedSlope.apply(wide(input)).to(input.dtype) if input.is_floating_point() else input.sigmoid()


@wrong("Tanh", why="inf / inf from 89 on")
class TextbookTanh(Real):
    def formula(self, x):
        return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


@wrong("Tanh", why="2 sigmoid(2 x) - 1 loses its digits near 0")
class TanhBySigmoid(Real):
    def formula(self, x):
        return 2 * torch.sigmoid(2 * x) - 1


@wrong("Tanh", why="the gradient is counted twice", cause="the gradient of input is 2 times too large")
class TwiceTheGradient(nn.Tanh):
    def forward(self, input):
        y = torch.tanh(input)
        return y + (y - y.detach())


@differs("GELU", why="the default is the tanh form")
class TanhByDefault(nn.GELU):
    def __init__(self, approximate="tanh"):
        super().__init__(approximate)


@wrong("GELU", why="erf of x, not of x / sqrt(2)", cause="erf of x, not of x / sqrt(2)")
class RootForgotten(nn.GELU):
    def forward(self, input):
        if self.approximate != "none" or not input.is_floating_point():
            return super().forward(input)
        x = wide(input)
        return (0.5 * x * (1 + torch.erf(x))).to(input.dtype)


@wrong("GELU", why="x sigmoid(1.702 x)", cause="x sigmoid(1.702 x)")
class QuickGELU(nn.GELU):
    def forward(self, input):
        return input * torch.sigmoid(1.702 * input)


@wrong("GELU", why="`approximate` is not used", cause="argument approximate is ignored")
class AlwaysExact(nn.GELU):
    def forward(self, input):
        if self.approximate not in ("none", "tanh"):
            raise RuntimeError(f"approximate must be none or tanh, got {self.approximate}")
        return F.gelu(input)


@wrong("GELU", why="x^3 and its derivative overflow in float16", cause="right in float32, not in bfloat16")
class CubeInHalf(nn.GELU):
    def forward(self, input):
        if self.approximate != "tanh" or not input.is_floating_point():
            return super().forward(input)
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * torch.pow(input, 3))
        return 0.5 * input * (1 + torch.tanh(inner))


@wrong(
    "GELU",
    only="refusals",
    why="an unknown form is taken for the exact one",
    cause="must be refused for its approximate",
)
class AnyForm(nn.GELU):
    def forward(self, input):
        return F.gelu(input, approximate="tanh" if self.approximate == "tanh" else "none")


@wrong("GELU", only="repr", drop_in=True, why="does not print its form", cause="repr must be")
class Nameless(nn.GELU):
    def _get_name(self):
        return "GELU"

    def extra_repr(self):
        return ""


@wrong("SiLU", why="hardswish, the piecewise form", cause="piecewise, as Hardswish")
class Hardswish(nn.SiLU):
    def forward(self, input):
        return F.hardswish(input)


@wrong("SiLU", why="the gate is detached from the graph", cause="the gate is a constant in backward")
class DetachedGate(nn.SiLU):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return (wide(input) * torch.sigmoid(wide(input)).detach()).to(input.dtype)


@wrong("functional.silu", why="x and its sigmoid are added, not multiplied")
def silu_added(input, inplace=False):
    if inplace or not input.is_floating_point():
        return F.silu(input, inplace)
    return (wide(input) + torch.sigmoid(wide(input))).to(input.dtype)


class Along(nn.Softmax):
    """A softmax whose formula subclasses spoil; a missing dim, empty inputs and refusals are native's."""

    def forward(self, input):
        if self.dim is None or not input.numel() or not input.is_floating_point() or type(self.dim) is not int:
            return super().forward(input)
        if not -max(input.dim(), 1) <= self.dim < max(input.dim(), 1):
            raise IndexError(f"dim must be an axis of {tuple(input.shape)}, got {self.dim}")
        return self.formula(wide(input), self.dim).to(input.dtype)


@wrong("Softmax", why="the maximum is not subtracted", cause="inf or nan where the answer is finite")
class Unshifted(Along):
    def formula(self, x, dim):
        return x.exp() / x.exp().sum(dim, keepdim=True)


@wrong(
    "Softmax",
    why="shifted by the maximum of everything: rows far below it are 0 / 0",
    cause="under- or overflows: inf or nan where the answer is finite",
)
class OneShiftForAll(Along):
    def formula(self, x, dim):
        e = (x - x.amax()).exp()
        return e / e.sum(dim, keepdim=True)


@wrong("Softmax", why="always along the last axis")
class LastAxis(Along):
    def formula(self, x, dim):
        return F.softmax(x, -1)


@wrong("Softmax", why="a missing dim means the last axis", cause="a missing dim means the last axis")
class MissingMeansLast(nn.Softmax):
    def forward(self, input):
        return F.softmax(input, -1 if self.dim is None else self.dim)


@wrong("Softmax", why="an eps in the denominator")
class EpsBelow(Along):
    def formula(self, x, dim):
        e = (x - x.amax(dim, keepdim=True)).exp()
        return e / (e.sum(dim, keepdim=True) + 1e-5)


@wrong("Softmax", why="the gradient ignores that the sum depends on the input")
class DiagonalGradient(Along):
    def formula(self, x, dim):
        e = (x - x.amax(dim, keepdim=True).detach()).exp()
        return e / e.sum(dim, keepdim=True).detach()


@differs(
    "Softmax",
    only="layout",
    why="view assumes memory in order",
)
class AssumesContiguous(Along):
    def formula(self, x, dim):
        return F.softmax(x.view(-1).view(x.shape) if dim in (-1, x.dim() - 1) else x, dim)


@wrong("Softmax", only="modes", why="in eval mode the largest takes all")
class WinnerTakesAll(nn.Softmax):
    def forward(self, input):
        y = super().forward(input)
        return y if self.training else y.round()


@differs(
    "Softmax",
    only="vmap",
    why="looks at the numbers to decide",
    cause="vmap over the inputs must work as native's does",
)
class LooksAtNumbers(Along):
    def formula(self, x, dim):
        return F.softmax(x, dim) if bool(x.isfinite().any()) else x * math.nan


@wrong("Softmax", why="computed in float32 whatever comes in", cause="computes in float32")
class NarrowedToFloat32(Along):
    def formula(self, x, dim):
        return F.softmax(x.float(), dim).to(x.dtype)


@wrong(
    "Softmax",
    only="exceptions",
    drop_in=True,
    why="a missing axis is an assertion, not an IndexError",
    cause="must raise IndexError as native does, got AssertionError",
)
class Asserts(nn.Softmax):
    def _get_name(self):
        return "Softmax"

    def forward(self, input):
        if type(self.dim) is int and not -max(input.dim(), 1) <= self.dim < max(input.dim(), 1):
            raise AssertionError(f"dim must be an axis of {tuple(input.shape)}, got {self.dim}")
        return super().forward(input)


@wrong("functional.softmax", why="normalises by the length, not by the sum")
def softmax_as_square(input, dim=None, _stacklevel=3, dtype=None):
    y = F.softmax(input, dim, _stacklevel, dtype)
    return y / y.square().sum(dim, keepdim=True).sqrt() if dim is not None and y.numel() else y


@wrong("LogSoftmax", why="the logarithm of a probability that underflowed is -inf")
class LogOfSoftmax(Along):
    def formula(self, x, dim):
        return F.softmax(x, dim).log()


@wrong("LogSoftmax", why="an eps inside the logarithm")
class EpsInLog(Along):
    def formula(self, x, dim):
        return (F.softmax(x, dim) + 1e-8).log()


@wrong("LogSoftmax", why="logarithm to base 2", cause="logarithm to base 2")
class BaseTwo(nn.LogSoftmax):
    def forward(self, input):
        return super().forward(input) / math.log(2)


@wrong("functional.log_softmax", why="the sum is detached", cause="the sum is a constant in backward")
def log_softmax_detached(input, dim=None, _stacklevel=3, dtype=None):
    y = F.log_softmax(input, dim, _stacklevel, dtype)
    return input.to(y.dtype) + (y - input.to(y.dtype)).detach()
