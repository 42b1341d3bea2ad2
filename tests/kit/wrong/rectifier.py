"""Wrong implementations of rectifiers."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.rectifier import PReLU as ReferencePReLU
from refops.nn.rectifier import RReLU as ReferenceRReLU
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class PlainELU(nn.ELU):
    """An ELU whose formula subclasses spoil; overwriting and whole numbers are native's."""

    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return self.formula(wide(input)).to(input.dtype)


class PlainHardswish(nn.Hardswish):
    """A Hardswish whose formula subclasses spoil."""

    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return self.formula(input)


class PlainReLU6(nn.ReLU6):
    """A ReLU6 whose formula subclasses spoil."""

    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        return self.formula(input)


@wrong(
    "ELU",
    why="the exponential of large x is inf, and 0 * inf makes its gradient nan",
    cause="inf or nan where the answer is finite",
)
class TextbookELU(PlainELU):
    def formula(self, x):
        return torch.where(x > 0, x, self.alpha * torch.expm1(x))


@wrong(
    "ELU", why="e^x - 1 has no digits left near 0", cause="right in float64: digits are lost where numbers are small"
)
class NoExpm1(PlainELU):
    def formula(self, x):
        return torch.where(x > 0, x, self.alpha * (torch.exp(x.clamp(max=0)) - 1))


@wrong("ELU", why="alpha stands in the exponent too, as in CELU")
class CELUFormula(PlainELU):
    def formula(self, x):
        if self.alpha == 0:
            return F.relu(x)
        return torch.where(x > 0, x, self.alpha * torch.expm1(x.clamp(max=0) / self.alpha))


@wrong("ELU", why="alpha is not used")
class AlphaForgotten(PlainELU):
    def formula(self, x):
        return F.elu(x)


@wrong("ELU", why="the scale of SELU")
class ScaledELU(PlainELU):
    def formula(self, x):
        return 1.0507009873554805 * F.elu(x, self.alpha)


@wrong(
    "ELU",
    only="gradient",
    why="slope 1 at 0, also where alpha is another",
    cause="slope 1 at 0, also where alpha is another",
)
class SteepAtZeroELU(PlainELU):
    def formula(self, x):
        low = x < 0
        return torch.where(low, self.alpha * torch.expm1(torch.where(low, x, 0)), x)


@wrong("ELU", why="half precision is not widened: e^x - 1 in bfloat16", cause="right in float32, not in bfloat16")
class HalfELU(PlainELU):
    def forward(self, input):
        if self.inplace or input.dtype not in (torch.float16, torch.bfloat16):
            return super().forward(input)
        return torch.where(input > 0, input, self.alpha * (torch.exp(input.clamp(max=0)) - 1))

    def formula(self, x):
        return F.elu(x, self.alpha)


@wrong("functional.elu", only="inputs", why="inplace=True leaves the input as it was")
def elu_never_in_place(input, alpha=1.0, inplace=False):
    if inplace and input.requires_grad and input.is_leaf:
        raise RuntimeError("input must not be a leaf that requires a gradient")
    return F.elu(input, alpha)


@wrong(
    "Hardswish",
    why="x * relu6(x + 3) overflows in float16 before it is divided by 6",
    cause="under- or overflows in float16: inf or nan where the answer is finite",
)
class DividedLast(PlainHardswish):
    def formula(self, x):
        return x * F.relu6(x + 3) / 6


@wrong("Hardswish", why="the gate of Keras' hard sigmoid, 0.2 x + 0.5")
class HardSigmoidOfKeras(PlainHardswish):
    def formula(self, x):
        return x * (0.2 * x + 0.5).clamp(0, 1)


@wrong("Hardswish", why="straight pieces all through")
class PiecewiseLinear(PlainHardswish):
    def formula(self, x):
        return torch.where(x < -3, torch.zeros_like(x), torch.where(x > 3, x, (x + 3) / 2))


@wrong("Hardswish", why="divided by 3, not 6", cause="the output is 2 times too large")
class DividedByThree(PlainHardswish):
    def formula(self, x):
        return x * (F.relu6(x + 3) / 3)


class HardswishSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.hardswish(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * F.relu6(x + 3) / 6


@wrong("Hardswish", why="the gradient takes the gate for a constant", cause="the gate is a constant in backward")
class GateHeldConstant(PlainHardswish):
    def formula(self, x):
        return HardswishSlope.apply(x)


@wrong("ReLU6", why="not cut at 6", cause="not cut at 6")
class NoCeiling(PlainReLU6):
    def formula(self, x):
        return F.relu(x)


@wrong("ReLU6", only="gradient", why="clamp has slope 1 at 0 and 6", cause="slope 1 at 0 and 6, as by clamp")
class ClampedSix(PlainReLU6):
    def formula(self, x):
        return x.clamp(0, 6)


@wrong("ReLU6", only="refusals", why="booleans are taken for numbers")
class BooleansCut(nn.ReLU6):
    def forward(self, input):
        return super().forward(input.float() if input.dtype == torch.bool else input)


@wrong("Hardtanh", why="the limits given are not used", cause="the limits given are not used")
class UnitLimits(nn.Hardtanh):
    def forward(self, input):
        return F.hardtanh(input, inplace=self.inplace)


@wrong("Hardtanh", why="tanh, the smooth one")
class Smooth(nn.Hardtanh):
    def forward(self, input):
        if self.inplace or not input.is_floating_point():
            return super().forward(input)
        middle, half = (self.max_val + self.min_val) / 2, (self.max_val - self.min_val) / 2
        return middle + half * torch.tanh((input - middle) / half)


@wrong("PReLU", why="slopes lie along the last axis", cause="slopes lie along the last axis")
class LastAxisSlopes(nn.PReLU):
    def forward(self, input):
        if input.dim() < 3 or self.num_parameters != input.shape[-1]:
            return super().forward(input)
        return torch.where(input > 0, input, self.weight * input)


@wrong("PReLU", why="only the first slope is used", cause="only the first slope is used")
class OneSlope(nn.PReLU):
    def forward(self, input):
        return super().forward(input) if self.num_parameters < 2 else (
            F.prelu(input, self.weight) * 0 + F.prelu(input, self.weight[:1]))  # fmt: skip


@wrong("PReLU", only="gradient", why="the slope at 0 is 1", cause="slope 1 at 0")
class SteepPReLU(nn.PReLU):
    def forward(self, input):
        fine = F.prelu(input, self.weight)
        return torch.where(input == 0, input.to(fine.dtype), fine)


@wrong("PReLU", why="the learned slope gets no gradient", cause="no gradient of weight")
class FrozenSlope(nn.PReLU):
    def forward(self, input):
        return F.prelu(input, self.weight.detach())


@wrong("PReLU", why="max(x, w x) is the same only for slopes up to 1")
class LargerOfBoth(nn.PReLU):
    def forward(self, input):
        if input.dim() < 2:
            return super().forward(input)
        scaled = -F.prelu(-input.abs(), self.weight) * -input.sign()
        return torch.where(input > scaled, input, scaled)


@wrong(
    "PReLU", drop_in=True, only="init", why="the slope starts from 0.2", cause="weight must start from native's values"
)
class OtherStart(ReferencePReLU):
    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__(num_parameters, 0.2 if init == 0.25 else init, device, dtype)

    def _get_name(self):
        return "PReLU"


@wrong("RReLU", why="one slope for the whole tensor")
class OneDraw(nn.RReLU):
    def forward(self, input):
        if not self.training or self.inplace or self.lower >= self.upper:
            return super().forward(input)
        return F.leaky_relu(input, float(torch.empty(()).uniform_(self.lower, self.upper)))


@wrong("RReLU", why="the slope of evaluation is the upper bound", cause="the slope of evaluation is the upper bound")
class UpperInEvaluation(nn.RReLU):
    def forward(self, input):
        return super().forward(input) if self.training else F.leaky_relu(input, self.upper, self.inplace)


@wrong("RReLU", why="draws in evaluation too", cause="behaves in evaluation as in training")
class AlwaysDraws(nn.RReLU):
    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, True, self.inplace)


@wrong("RReLU", why="never draws", cause="behaves in training as in evaluation")
class NeverDraws(nn.RReLU):
    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, False, self.inplace)


@wrong("RReLU", why="slopes are normal, not uniform", cause="slopes must lie in")
class NormalSlopes(nn.RReLU):
    def forward(self, input):
        if not self.training or self.inplace or self.lower >= self.upper:
            return super().forward(input)
        slope = torch.randn_like(input) * (self.upper - self.lower) / 12**0.5 + (self.upper + self.lower) / 2
        return torch.where(input > 0, input, slope * input)


class OtherSlopesBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lower, upper):
        ctx.save_for_backward(x)
        ctx.bounds = lower, upper
        return F.rrelu(x, lower, upper, True)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, g, g * torch.empty_like(x).uniform_(*ctx.bounds)), None, None


@wrong(
    "RReLU",
    only="randomness",
    why="the backward pass draws slopes of its own",
    cause="the derivative must be the slope that was drawn",
)
class RedrawnSlopes(nn.RReLU):
    def forward(self, input):
        if not self.training or self.inplace or self.lower >= self.upper:
            return super().forward(input)
        return OtherSlopesBackward.apply(input, self.lower, self.upper)


@differs(
    "RReLU",
    drop_in=True,
    only="seeded",
    why="draws other slopes than native from the same seed",
    cause="the same seed must give native's output",
)
class UniformEverywhere(ReferenceRReLU):
    def forward(self, input):
        if not self.training or self.inplace or self.lower >= self.upper or not input.is_floating_point():
            return super().forward(input)
        slopes = torch.empty(input.shape, dtype=torch.float32, device=input.device).uniform_(self.lower, self.upper)
        return torch.where(input > 0, input, (input * slopes).to(input.dtype)).contiguous()

    def _get_name(self):
        return "RReLU"


@differs("functional.rrelu", why="training is on by default, as in the module")
def rrelu_in_training(input, lower=1.0 / 8, upper=1.0 / 3, training=True, inplace=False):
    return F.rrelu(input, lower, upper, training, inplace)
