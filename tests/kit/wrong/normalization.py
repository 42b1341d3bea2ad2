"""Wrong implementations of layer, group and RMS norm."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.normalization import GroupNorm as GroupReference
from refops.nn.normalization import LayerNorm as LayerReference
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def refuse_mixed(module, input):
    """Parameters have the input's dtype, or float32 where that is half precision."""
    if any(p.dtype not in (input.dtype, wide(input).dtype) for p in module.parameters()):
        raise RuntimeError(f"parameters must have the dtype of the input, {input.dtype}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating point, got {input.dtype}")


def affine(output, module, dtype):
    output = output if module.weight is None else output * module.weight
    output = output if getattr(module, "bias", None) is None else output + module.bias
    return output.to(dtype)


class LastAxes(nn.LayerNorm):
    """A right LayerNorm by hand; subclasses spoil `norm`."""

    def forward(self, input):
        if tuple(input.shape[-len(self.normalized_shape) :]) != self.normalized_shape or not self.normalized_shape:
            raise RuntimeError(f"input must end in {self.normalized_shape}, got {tuple(input.shape)}")
        refuse_mixed(self, input)
        axes = tuple(range(-len(self.normalized_shape), 0))
        return affine(self.norm(wide(input), axes), self, input.dtype)

    def norm(self, x, axes):
        d = x - x.mean(axes, keepdim=True)
        return d / torch.sqrt((d * d).mean(axes, keepdim=True) + self.eps)


class RMS(nn.RMSNorm):
    """A right RMSNorm by hand; subclasses spoil `norm`."""

    def forward(self, x):
        if tuple(x.shape[-len(self.normalized_shape) :]) != self.normalized_shape or not self.normalized_shape:
            raise RuntimeError(f"x must end in {self.normalized_shape}, got {tuple(x.shape)}")
        eps = torch.finfo(wide(x).dtype).eps if self.eps is None else self.eps
        return affine(self.norm(wide(x), tuple(range(-len(self.normalized_shape), 0)), eps), self, x.dtype)

    def norm(self, x, axes, eps):
        return x * torch.rsqrt((x * x).mean(axes, keepdim=True) + eps)


class Groups(nn.GroupNorm):
    """A right GroupNorm by hand; subclasses spoil `split`, `norm` or `check`."""

    def check(self, input):
        if input.dim() < 2 or input.shape[1] % self.num_groups or self.num_groups < 1:
            raise RuntimeError(f"num_groups {self.num_groups} must divide the channels of {tuple(input.shape)}")
        if self.affine and input.shape[1] != self.num_channels:
            raise RuntimeError(f"input must have {self.num_channels} channels, got {tuple(input.shape)}")
        refuse_mixed(self, input)

    def check_values(self, input):
        if input.numel() == self.num_groups:
            raise ValueError(f"input must have more than 1 value per group, got {tuple(input.shape)}")

    def forward(self, input):
        self.check(input)
        self.check_values(input)
        x = wide(input).reshape(input.shape[0], self.num_groups, input.shape[1] // self.num_groups, *input.shape[2:])
        output = self.norm(x, tuple(range(2, x.dim()))).reshape(input.shape)
        channels = (-1, *(1,) * (input.dim() - 2))
        output = output if self.weight is None else output * self.weight.reshape(channels)
        return (output if self.bias is None else output + self.bias.reshape(channels)).to(input.dtype)

    def norm(self, x, axes):
        d = x - x.mean(axes, keepdim=True)
        return d / torch.sqrt((d * d).mean(axes, keepdim=True) + self.eps)


@wrong("LayerNorm", why="eps is added outside the root", cause="eps outside the root")
class EpsOutsideTheRoot(LastAxes):
    def norm(self, x, axes):
        d = x - x.mean(axes, keepdim=True)
        return d / (torch.sqrt((d * d).mean(axes, keepdim=True)) + self.eps)


@wrong("LayerNorm", why="unbiased variance, over n - 1", cause="unbiased variance")
class UnbiasedVariance(LastAxes):
    def norm(self, x, axes):
        return (x - x.mean(axes, keepdim=True)) / torch.sqrt(x.var(axes, keepdim=True) + self.eps)


@wrong(
    "LayerNorm",
    why="a tuple normalized_shape makes tuple parameters, but statistics of the last axis only",
    cause="statistics of the last axis only",
)
class LastAxisOnly(LastAxes):
    def norm(self, x, axes):
        return super().norm(x, (-1,))


@wrong("LayerNorm", why="normalises axis 1, as in sequence models of (N, C, L)", cause="statistics of axis 1")
class SecondAxis(LastAxes):
    def norm(self, x, axes):
        return super().norm(x, (1,)) if x.dim() > 2 else super().norm(x, axes)


@wrong(
    "LayerNorm",
    why="E[x^2] - E[x]^2 cancels where the mean is large",
    cause="right in float64: digits cancel where the mean is large beside the spread",
)
class MeanOfSquares(LastAxes):
    def norm(self, x, axes):
        mean = x.mean(axes, keepdim=True)
        variance = (x * x).mean(axes, keepdim=True) - mean * mean
        return (x - mean) * torch.rsqrt(variance.clamp(min=0) + self.eps)


@wrong("LayerNorm", why="mean and variance are taken in half precision", cause="right in float32, not in bfloat16")
class HalfStatistics(nn.LayerNorm):
    def forward(self, input):
        if input.dtype not in (torch.float16, torch.bfloat16):
            return super().forward(input)
        axes = tuple(range(-len(self.normalized_shape), 0))
        d = input - input.mean(axes, keepdim=True)
        return affine(d / torch.sqrt((d * d).mean(axes, keepdim=True) + self.eps), self, input.dtype)


@differs("LayerNorm", why="a wrong size broadcasts against the weight instead of being refused")
class Broadcasts(LastAxes):
    def forward(self, input):
        refuse_mixed(self, input)
        axes = tuple(range(-len(self.normalized_shape), 0))
        return affine(self.norm(wide(input), axes), self, input.dtype)


@wrong("LayerNorm", why="the mean is taken as a constant in backward", cause="the mean is a constant in backward")
class DetachedMean(LastAxes):
    def norm(self, x, axes):
        d = x - x.mean(axes, keepdim=True).detach()
        return d / torch.sqrt((d * d).mean(axes, keepdim=True) + self.eps)


@wrong(
    "LayerNorm", why="the variance is taken as a constant in backward", cause="the variance is a constant in backward"
)
class DetachedVariance(LastAxes):
    def norm(self, x, axes):
        d = x - x.mean(axes, keepdim=True)
        return d / torch.sqrt((d * d).mean(axes, keepdim=True).detach() + self.eps)


class OnceOnly(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, axes, eps):
        d = x - x.mean(axes, keepdim=True)
        rstd = torch.rsqrt((d * d).mean(axes, keepdim=True) + eps)
        return d * rstd, rstd

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.axes = inputs[1]
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx, g, _):
        y, rstd = (t.detach() for t in ctx.saved_tensors)
        mean = (g * y).mean(ctx.axes, keepdim=True)
        return rstd * (g - g.mean(ctx.axes, keepdim=True) - y * mean), None, None


@wrong(
    "LayerNorm",
    only="double_backward",
    why="backward takes the standardised values as constants",
    cause="second derivative 0",
)
class BackwardOnce(LastAxes):
    def norm(self, x, axes):
        return OnceOnly.apply(x, axes, self.eps)[0]


@differs(
    "LayerNorm",
    why="half precision with float32 weights comes out in float32",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class ComesOutWide(LastAxes):
    def forward(self, input):
        output = super().forward(input)
        return wide(output)


@wrong(
    "LayerNorm",
    only="layout",
    why="reads memory as though the rows lay one after the other, like many a kernel",
    cause="memory layout is ignored",
)
class AssumesContiguity(nn.LayerNorm):
    def forward(self, input):
        if input.dim() < 2 or input.is_contiguous() or torch._C._functorch.is_batchedtensor(input):
            return super().forward(input)
        strides = torch.empty(input.shape, device="meta").stride()
        least = 1 + sum((n - 1) * s for n, s in zip(input.shape, strides, strict=True))
        if input.numel() and input.untyped_storage().nbytes() // input.element_size() >= least + input.storage_offset():
            return super().forward(input.as_strided(input.shape, strides))
        return super().forward(input)


@wrong("LayerNorm", why="the input is centred in place")
class CentresItsInput(LastAxes):
    def forward(self, input):
        output = super().forward(input.clone())
        with torch.no_grad():
            input -= input.mean(-1, keepdim=True)
        return output


@wrong("LayerNorm", why="eps is fixed at 1e-5 whatever is asked for", cause="argument eps is ignored")
class FixedEps(nn.LayerNorm):
    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias)


@wrong("LayerNorm", only="laws", why="only the first 64 rows are normed, the largest batch ever tried")
class FirstSixtyFour(nn.LayerNorm):
    def forward(self, input):
        output = super().forward(input)
        if output.dim() < 2 or output.shape[0] <= 64:
            return output
        return torch.cat([output[:64], input[64:].to(output.dtype)])


@differs("LayerNorm", drop_in=True, why="bias=False still makes a bias", cause="state_dict must hold")
class AlwaysABias(nn.LayerNorm):
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__(normalized_shape, eps, elementwise_affine, True, device, dtype)


@wrong(
    "LayerNorm", why="the weight is kept as its distance from one", cause="the weight is taken as its distance from one"
)
class OnePlusWeight(LastAxes):
    def forward(self, input):
        output = super().forward(input)
        if self.weight is None:
            return output
        return output + (self.norm(wide(input), tuple(range(-len(self.normalized_shape), 0)))).to(input.dtype)


@wrong(
    "LayerNorm",
    why="weight and bias are remembered aside at construction",
    cause="functional_call must use the parameters it is given",
)
class RemembersItsWeights(nn.LayerNorm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.aside = [self.weight, self.bias]

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, *self.aside, self.eps)


@differs("LayerNorm", only="copy", why="a lambda as an attribute cannot be pickled", cause="Can't pickle local object")
class HoldsALambda(nn.LayerNorm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.finish = lambda output: output

    def forward(self, input):
        return self.finish(super().forward(input))


@differs(
    "LayerNorm",
    only="autocast",
    why="the weight as a matrix product, which autocast turns to half precision",
    cause="under autocast output[0] must be torch.float32, got torch.bfloat16",
)
class WeightByMatmul(nn.LayerNorm):
    def forward(self, input):
        if self.weight is None or self.weight.dim() > 1 or input.dtype not in (torch.float32, torch.float64):
            return super().forward(input)
        if tuple(input.shape[-1:]) != self.normalized_shape or self.weight.dtype != input.dtype:
            return super().forward(input)
        plain = F.layer_norm(input, self.normalized_shape, None, None, self.eps)
        if len(self.weight) > 64:  # the matrix would be large
            return super().forward(input)
        return F.linear(plain, torch.diag(self.weight), self.bias)


@wrong("LayerNorm", why="statistics of the first input of a shape are kept for the next")
class KeepsStatistics(LastAxes):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.kept = {}

    def norm(self, x, axes):
        key = (tuple(x.shape), x.dtype)
        if key not in self.kept:
            self.kept[key] = x.detach().mean(axes, keepdim=True)
        d = x - x.mean(axes, keepdim=True)
        return (d + 0 * self.kept[key]) / torch.sqrt(((x - self.kept[key]) ** 2).mean(axes, keepdim=True) + self.eps)


@differs("LayerNorm", drop_in=True, why="parameters are called gamma and beta", cause="state_dict must hold")
class GammaAndBeta(nn.Module):
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        native = nn.LayerNorm(normalized_shape, eps, elementwise_affine, bias, device, dtype)
        self.shape, self.eps, self.gamma, self.beta = native.normalized_shape, eps, native.weight, native.bias

    def forward(self, input):
        return F.layer_norm(input, self.shape, self.gamma, self.beta, self.eps)


class LayerDropIn(LayerReference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "LayerNorm"


@wrong(
    "LayerNorm",
    drop_in=True,
    only="init",
    why="weights start near one, not at one",
    cause="weight must start from native's values",
)
class RandomStart(LayerDropIn):
    def reset_parameters(self):
        super().reset_parameters()
        if self.weight is not None:
            nn.init.normal_(self.weight, 1.0, 0.02)


@wrong("LayerNorm", drop_in=True, only="repr", why="eps does not show when printed", cause="repr must be")
class PrintsNoEps(LayerDropIn):
    def extra_repr(self):
        return f"{self.normalized_shape}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"


@wrong(
    "LayerNorm",
    drop_in=True,
    only="exceptions",
    why="a wrong size is an AssertionError",
    cause="must raise RuntimeError as native does, got AssertionError",
)
class AssertsItsShape(LayerDropIn):
    def forward(self, input):
        try:
            return super().forward(input)
        except RuntimeError as error:
            raise AssertionError(str(error)) from error


@differs("RMSNorm", why="the default eps is 1e-6, as elsewhere")
class SmallerDefaultEps(RMS):
    def __init__(self, normalized_shape, eps=1e-6, elementwise_affine=True, device=None, dtype=None):
        super().__init__(normalized_shape, eps, elementwise_affine, device, dtype)


@wrong(
    "RMSNorm",
    why="the default eps is that of the input's dtype, also in half precision",
    cause="right in float32, not in bfloat16",
)
class EpsOfTheInput(nn.RMSNorm):
    def forward(self, x):
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        return F.rms_norm(x, self.normalized_shape, self.weight, eps)


@wrong(
    "RMSNorm",
    why="divides by the norm, without the square root of n",
    cause="divided by the norm, without the root of n",
)
class DividesByTheNorm(RMS):
    def norm(self, x, axes, eps):
        return x * torch.rsqrt((x * x).sum(axes, keepdim=True) + eps)


@wrong("RMSNorm", why="subtracts the mean first", cause="the mean is subtracted first")
class CentredRMS(RMS):
    def norm(self, x, axes, eps):
        return super().norm(x - x.mean(axes, keepdim=True), axes, eps)


@wrong("RMSNorm", why="eps is added outside the root", cause="eps outside the root")
class EpsBesideTheRMS(RMS):
    def norm(self, x, axes, eps):
        return x / ((x * x).mean(axes, keepdim=True).clamp(min=1e-30).sqrt() + eps)


@wrong(
    "RMSNorm",
    why="the root mean square is a constant in backward",
    cause="the root mean square is a constant in backward",
)
class DetachedRMS(RMS):
    def norm(self, x, axes, eps):
        return x * torch.rsqrt((x * x).mean(axes, keepdim=True) + eps).detach()


@wrong(
    "GroupNorm",
    why="channels are dealt out to the groups in turn",
    cause="channels are dealt out to the groups in turn",
)
class InterleavedGroups(Groups):
    def forward(self, input):
        self.check(input)
        order = torch.arange(input.shape[1]).reshape(-1, self.num_groups).t().reshape(-1)
        plain = F.group_norm(wide(input)[:, order], self.num_groups, eps=self.eps)[:, order.argsort()]
        channels = (-1, *(1,) * (input.dim() - 2))
        plain = plain if self.weight is None else plain * self.weight.reshape(channels)
        return (plain if self.bias is None else plain + self.bias.reshape(channels)).to(input.dtype)


@wrong("GroupNorm", why="groups are as large as asked, not as many", cause="groups are as large as asked, not as many")
class GroupsOfThatSize(Groups):
    def forward(self, input):
        self.check(input)
        groups = max(input.shape[1] // self.num_groups, 1)
        return F.group_norm(input, groups, self.weight, self.bias, self.eps)


@wrong("GroupNorm", why="statistics over the batch as well", cause="statistics over the batch as well")
class OverTheBatch(Groups):
    def norm(self, x, axes):
        return super().norm(x, (0, *axes))


@wrong(
    "GroupNorm",
    why="statistics over space only: instance norm",
    cause="statistics over space only, as in instance norm",
)
class OverSpaceOnly(Groups):
    def norm(self, x, axes):
        return super().norm(x, axes[1:] or axes)


@wrong(
    "GroupNorm",
    only="refusals",
    why="one channel broadcasts against the weights",
    cause="must be refused for its weight",
)
class BroadcastsChannels(Groups):
    def check(self, input):
        refuse_mixed(self, input)
        if not (self.affine and input.dim() > 1 and input.shape[1] == 1):
            super().check(input)


@wrong(
    "GroupNorm",
    only="refusals",
    why="one value per group gives zeros instead of an error",
    cause="must be refused for its input",
)
class AcceptsOneValue(Groups):
    def check_values(self, input):
        pass


@wrong(
    "GroupNorm",
    drop_in=True,
    only="exceptions",
    why="a number of groups that does not divide is an AssertionError",
    cause="must raise ValueError as native does, got AssertionError",
)
class AssertsItsGroups(GroupReference):
    def __init__(self, num_groups, num_channels, *args, **kwargs):
        assert num_channels % max(num_groups, 1) == 0, "num_groups must divide num_channels"
        super().__init__(num_groups, num_channels, *args, **kwargs)

    def _get_name(self):
        return "GroupNorm"


@wrong("functional.layer_norm", why="weight and bias change places", cause="the bias is added before the weight")
def bias_before_weight(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    if weight is None or bias is None:
        return F.layer_norm(input, normalized_shape, weight, bias, eps)
    return ((F.layer_norm(wide(input), normalized_shape, None, None, eps) + bias) * weight).to(input.dtype)


@wrong(
    "functional.group_norm",
    why="the weight is left out where there is no bias",
    cause="the weight is left out where there is no bias",
)
def weight_needs_bias(input, num_groups, weight=None, bias=None, eps=1e-5):
    return F.group_norm(input, num_groups, weight if bias is not None else None, bias, eps)


@wrong(
    "functional.rms_norm",
    why="the weight is kept as its distance from one",
    cause="the weight is taken as its distance from one",
)
def one_plus_weight(input, normalized_shape, weight=None, eps=None):
    return F.rms_norm(input, normalized_shape, None if weight is None else 1 + weight, eps)


@wrong("functional.rms_norm", why="statistics of the last axis only", cause="statistics of the last axis only")
def last_axis_only(input, normalized_shape, weight=None, eps=None):
    F.rms_norm(input, normalized_shape, weight, eps)
    plain = F.rms_norm(wide(input), normalized_shape[-1:], None, eps)
    return (plain if weight is None else plain * weight).to(input.dtype)
