"""Wrong implementations of losses."""

import torch
from torch import nn
from torch.autograd import Function
from torch.nn import functional as F

from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def mean_of(losses, reduction, total=None):
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / (losses.numel() if total is None else total)


class Indexed(nn.CrossEntropyLoss):
    """A right cross-entropy of class indices by hand; subclasses spoil a step. Probabilities are native's."""

    def forward(self, input, target):
        if input.shape == target.shape or input.dim() < 2 or not target.numel() or self.odd(input, target):
            return super().forward(input, target)
        logp = self.log_probability(wide(input))
        weight = logp.new_ones(input.shape[1]) if self.weight is None else wide(self.weight)
        kept = target != self.ignore_index
        safe = target * kept
        losses = -logp.gather(1, safe.unsqueeze(1)).squeeze(1) * weight[safe]
        losses = self.smoothed(losses, logp, weight.view(1, -1, *(1,) * (input.dim() - 2)), safe)
        return self.reduced(torch.where(kept, losses, 0), weight[safe] * kept, kept).to(input.dtype)

    def odd(self, input, target):
        """What native refuses is left to native."""
        if target.dtype != torch.int64 or target.shape != (*input.shape[:1], *input.shape[2:]):
            return True
        if self.reduction not in ("none", "mean", "sum") or not input.is_floating_point() or self.label_smoothing > 1:
            return True
        if self.weight is not None and self.weight.shape != input.shape[1:2]:
            return True
        kept = target[target != self.ignore_index]
        return bool(((kept < 0) | (kept >= input.shape[1])).any())

    def log_probability(self, x):
        return F.log_softmax(x, 1)

    def smoothed(self, losses, logp, weight, safe):
        s = self.label_smoothing
        return losses if s == 0 else (1 - s) * losses - s / logp.shape[1] * (logp * weight).sum(1)

    def reduced(self, losses, weights, kept):
        return mean_of(losses, self.reduction, weights.sum())


@wrong("CrossEntropyLoss", why="the input is taken for probabilities: softmax twice")
class SoftmaxTwice(Indexed):
    def log_probability(self, x):
        return F.log_softmax(F.softmax(x, 1), 1)


@wrong(
    "CrossEntropyLoss",
    why="the logarithm of a probability that underflowed",
    cause="under- or overflows: inf or nan where the answer is finite",
)
class LogOfSoftmax(Indexed):
    def log_probability(self, x):
        return F.softmax(x, 1).log()


@wrong("CrossEntropyLoss", why="an eps inside the logarithm")
class EpsInLog(Indexed):
    def log_probability(self, x):
        return (F.softmax(x, 1) + 1e-7).log()


@wrong("CrossEntropyLoss", why="classes are sought on the last axis", cause="classes are sought on the last axis")
class ClassesLast(Indexed):
    def log_probability(self, x):
        return F.log_softmax(x, -1)


@wrong(
    "CrossEntropyLoss",
    why="smoothing is shared by the other classes only, s / (K - 1)",
)
class OthersOnly(Indexed):
    def smoothed(self, losses, logp, weight, safe):
        s, others = self.label_smoothing, max(logp.shape[1] - 1, 1)
        rest = (logp * weight).sum(1) - (logp * weight).gather(1, safe.unsqueeze(1)).squeeze(1)
        return losses if s == 0 else (1 - s) * losses - s / others * rest


@wrong("CrossEntropyLoss", why="the smoothing term is not weighted")
class SmoothingUnweighted(Indexed):
    def smoothed(self, losses, logp, weight, safe):
        s = self.label_smoothing
        return losses if s == 0 else (1 - s) * losses - s * logp.mean(1)


@wrong("CrossEntropyLoss", why="the smoothing term is added even at 0: 0 * inf is nan where a class is impossible")
class SmoothingAlways(Indexed):
    def smoothed(self, losses, logp, weight, safe):
        s = self.label_smoothing
        return (1 - s) * losses - s * (logp * weight).mean(1)


@wrong("CrossEntropyLoss", why="the mean counts ignored samples", cause="the mean counts what is ignored")
class IgnoredCounted(Indexed):
    def reduced(self, losses, weights, kept):
        return mean_of(losses, self.reduction, weights.sum() + (~kept).sum())


@wrong(
    "CrossEntropyLoss",
    why="the weighted mean divides by the number of samples",
)
class WeightedByCount(Indexed):
    def reduced(self, losses, weights, kept):
        return mean_of(losses, self.reduction, kept.sum())


@wrong("CrossEntropyLoss", why="all ignored gives 0 instead of nan")
class NothingIsZero(Indexed):
    def reduced(self, losses, weights, kept):
        return mean_of(losses, self.reduction, weights.sum()).nan_to_num(0.0)


@wrong(
    "CrossEntropyLoss", why="the weights are normalised to the mean 1", cause="the weights are normalised to the mean 1"
)
class WeightsNormalised(nn.CrossEntropyLoss):
    def forward(self, input, target):
        weight = self.weight if self.weight is None or self.weight.dim() != 1 else self.weight / self.weight.mean()
        return F.cross_entropy(
            input, target, weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        )


@wrong(
    "CrossEntropyLoss",
    why="smoothing is not applied to class probabilities",
    cause="class probabilities are not smoothed",
)
class ProbabilitiesUnsmoothed(nn.CrossEntropyLoss):
    def forward(self, input, target):
        smoothing = 0.0 if input.shape == target.shape else self.label_smoothing
        return F.cross_entropy(input, target, self.weight, None, self.ignore_index, None, self.reduction, smoothing)


@wrong(
    "CrossEntropyLoss",
    why="class probabilities are averaged over classes too",
    cause="class probabilities are averaged over classes too",
)
class AveragedOverClasses(nn.CrossEntropyLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        soft = input.shape == target.shape and self.reduction == "mean" and input.dim() > 1
        return loss / input.shape[1] if soft else loss


@wrong("CrossEntropyLoss", why="a target of class probabilities is detached", cause="no gradient of target")
class TargetDetached(nn.CrossEntropyLoss):
    def forward(self, input, target):
        return super().forward(input, target.detach())


@wrong(
    "CrossEntropyLoss",
    only="refusals",
    why="a target of one column is squeezed",
    cause="must be refused for its target",
)
class ColumnSqueezed(nn.CrossEntropyLoss):
    def forward(self, input, target):
        column = input.dim() == 2 and target.dim() == 2 and target.shape[1] == 1 and not target.is_floating_point()
        return super().forward(input, target.squeeze(1) if column and input.shape[1] > 1 else target)


@wrong(
    "CrossEntropyLoss",
    only="refusals",
    why="a negative target counts from the end",
    cause="must be refused for its target",
)
class NegativeFromTheEnd(nn.CrossEntropyLoss):
    def forward(self, input, target):
        if input.dim() > 1 and target.dtype == torch.int64 and input.shape != target.shape:
            target = torch.where((target == -1) & (self.ignore_index != -1), input.shape[1] - 1, target)
        return super().forward(input, target)


@wrong(
    "CrossEntropyLoss",
    only="refusals",
    why="smoothing above 1 is cut to 1",
    cause="must be refused for its label_smoothing",
)
class SmoothingCut(nn.CrossEntropyLoss):
    def __init__(
        self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
    ):
        super().__init__(weight, size_average, ignore_index, reduce, reduction, min(label_smoothing, 1.0))


@differs(
    "CrossEntropyLoss",
    why="half precision gives a float32 loss",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class WideAnswer(nn.CrossEntropyLoss):
    def forward(self, input, target):
        target = wide(target) if target.is_floating_point() else target
        weight = None if self.weight is None else wide(self.weight)
        return F.cross_entropy(
            wide(input), target, weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        )


@wrong("CrossEntropyLoss", why="leaves the target shifted behind", cause="input 1 must be left as it is")
class ShiftsTarget(nn.CrossEntropyLoss):
    def forward(self, input, target):
        loss = super().forward(input, target.clone())
        if not target.is_floating_point():
            target.add_(1)
        return loss


@wrong("CrossEntropyLoss", only="modes", why="in eval mode always the mean")
class MeanInEval(nn.CrossEntropyLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        return loss if self.training else loss.mean()


@differs(
    "CrossEntropyLoss",
    only="vmap",
    why="looks at the numbers to warn of nan",
    cause="vmap over the inputs must work as native's does",
)
class LooksAtNumbers(nn.CrossEntropyLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        return loss if not bool(loss.isnan().any()) else loss * 1


@differs(
    "CrossEntropyLoss", only="copy", why="keeps a lambda, which cannot be pickled", cause="Can't pickle local object"
)
class HoldsLambda(nn.CrossEntropyLoss):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.after = lambda loss: loss

    def forward(self, input, target):
        return self.after(super().forward(input, target))


@wrong(
    "CrossEntropyLoss",
    only="exceptions",
    drop_in=True,
    why="a class out of range is a ValueError, not an IndexError",
    cause="must raise IndexError as native does, got ValueError",
)
class OtherError(nn.CrossEntropyLoss):
    def _get_name(self):
        return "CrossEntropyLoss"

    def forward(self, input, target):
        try:
            return super().forward(input, target)
        except IndexError as error:
            raise ValueError(str(error)) from error


@wrong(
    "CrossEntropyLoss",
    drop_in=True,
    why="the weight is no buffer: it is missing from state_dict",
    cause="weight must be kept as a buffer",
)
class WeightAttribute(nn.CrossEntropyLoss):
    def __init__(self, weight=None, *args, **kwargs):
        super().__init__(None, *args, **kwargs)
        self.weights = [weight]

    def forward(self, input, target):
        weight = None if self.weights[0] is None else self.weights[0].to(input)
        return F.cross_entropy(
            input, target, weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        )


@wrong("functional.cross_entropy", why="size_average is not understood")
def cross_entropy_modern(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    return F.cross_entropy(input, target, weight, None, ignore_index, None, reduction, label_smoothing)


@wrong("NLLLoss", why="the sign is missing", cause="the output has the wrong sign")
class LikelihoodItself(nn.NLLLoss):
    def forward(self, input, target):
        return -super().forward(input, target)


@wrong(
    "NLLLoss",
    why="takes the logarithm of log-probabilities: expects probabilities",
    cause="takes the logarithm of what already is one",
)
class ExpectsProbabilities(nn.NLLLoss):
    def forward(self, input, target):
        return super().forward(input.abs().log() if input.is_floating_point() else input, target)


@wrong(
    "NLLLoss",
    why="the mean divides by the batch only, not by the positions in space",
    cause="the mean divides by the batch only",
)
class MeanOverBatch(nn.NLLLoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        return loss * target[:1].numel() if self.reduction == "mean" and target.dim() > 1 else loss


@wrong("NLLLoss", why="an ignored class is not ignored", cause="an ignored class is not ignored")
class IgnoresNothing(nn.NLLLoss):
    def forward(self, input, target):
        ignored = self.ignore_index if self.ignore_index < 0 else -100
        return F.nll_loss(input, target, self.weight, None, ignored, None, self.reduction)


@wrong("functional.nll_loss", why="the weight is not used", cause="argument weight is ignored")
def nll_loss_unweighted(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
):
    result = F.nll_loss(input, target, weight, size_average, ignore_index, reduce, reduction)
    return result if weight is None else F.nll_loss(input, target, None, size_average, ignore_index, reduce, reduction)


@wrong("MSELoss", why="half the squared error", cause="the output is 2 times too small")
class Halved(nn.MSELoss):
    def forward(self, input, target):
        return super().forward(input, target) / 2


@wrong("MSELoss", why="the root of the mean", cause="the root of the mean")
class RootMean(nn.MSELoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        return loss.sqrt() if self.reduction == "mean" else loss


@wrong(
    "MSELoss",
    why="x^2 - 2 x t + t^2 cancels where the mean is much larger than the spread",
    cause="right in float64: digits cancel where the mean is large beside the spread",
)
class Expanded(nn.MSELoss):
    def forward(self, input, target):
        super().forward(input, target)
        x, t = torch.broadcast_tensors(wide(input), wide(target))
        losses = x * x - 2 * x * t + t * t
        return mean_of(losses, self.reduction).to(torch.promote_types(input.dtype, target.dtype))


@wrong(
    "MSELoss",
    why="summed over features, averaged over the batch",
    cause="summed over features, averaged over the batch",
)
class MeanOverRows(nn.MSELoss):
    def forward(self, input, target):
        loss = super().forward(input, target)
        return loss * input[:1].numel() if self.reduction == "mean" and input.dim() > 1 and len(input) else loss


@wrong("MSELoss", why="no gradient for the target", cause="no gradient of target")
class TargetIsConstant(nn.MSELoss):
    def forward(self, input, target):
        return super().forward(input, target.detach())


class FrozenSlope(Function):
    """(x - t)^2 whose derivative is written on detached numbers."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, t):
        return (x - t) * (x - t)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        x, t = (v.detach() for v in ctx.saved_tensors)
        return 2 * g * (x - t), 2 * g * (t - x)


@wrong(
    "MSELoss", only="double_backward", why="the derivative is written on detached numbers", cause="second derivative 0"
)
class OnceDifferentiable(nn.MSELoss):
    def forward(self, input, target):
        if not input.is_floating_point() or not target.is_floating_point() or self.reduction == "average":
            return super().forward(input, target)
        dtype = torch.promote_types(input.dtype, target.dtype)
        x, t = (wide(v.to(dtype)) for v in torch.broadcast_tensors(input, target))
        with torch.autocast(input.device.type, enabled=False):
            loss = mean_of(FrozenSlope.apply(x, t), self.reduction)
        return loss if torch.is_autocast_enabled(input.device.type) else loss.to(dtype)


@wrong("MSELoss", only="refusals", why="an unknown reduction means the mean", cause="must be refused for its reduction")
class AnyReduction(nn.MSELoss):
    def forward(self, input, target):
        known = self.reduction in ("none", "mean", "sum")
        return F.mse_loss(input, target, reduction=self.reduction if known else "mean")


@wrong("MSELoss", only="repr", drop_in=True, why="prints its reduction", cause="repr must be")
class Talkative(nn.MSELoss):
    def _get_name(self):
        return "MSELoss"

    def extra_repr(self):
        return f"reduction={self.reduction!r}"


@wrong(
    "functional.mse_loss",
    why="the weighted mean divides by the number, not by the sum of the weights",
    cause="the weighted mean divides by the number, not by the sum of the weights",
)
def mse_loss_by_count(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    loss = F.mse_loss(input, target, size_average, reduce, reduction, weight)
    return loss if weight is None or reduction != "mean" else loss * (weight.sum() / weight.numel()).to(loss)


@differs("functional.mse_loss", why="a weight of another size broadcasts", cause="must be refused for its weight")
def mse_loss_broadcasting(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    if weight is not None and weight.shape != input.shape:
        weight = weight.expand_as(input) if weight.dim() == input.dim() else weight
    return F.mse_loss(input, target, size_average, reduce, reduction, weight)


@wrong(
    "L1Loss",
    only="gradient",
    why="slope 1 where input and target are equal",
    cause="slope 1 where input and target are equal",
)
class SteepAtTie(nn.L1Loss):
    def forward(self, input, target):
        if not input.is_floating_point() or not target.is_floating_point() or self.reduction == "average":
            return super().forward(input, target)
        dtype = torch.promote_types(input.dtype, target.dtype)
        d = wide(input) - wide(target)
        loss = mean_of(torch.where(d >= 0, d, -d), self.reduction)
        return loss if torch.is_autocast_enabled(input.device.type) else loss.to(dtype)


@wrong(
    "L1Loss",
    why="the root of d^2 has the gradient nan where input and target are equal",
    cause="the root of the square, whose gradient is nan at 0",
)
class RootOfSquare(nn.L1Loss):
    def forward(self, input, target):
        super().forward(input, target)
        dtype = torch.promote_types(input.dtype, target.dtype)
        return mean_of((wide(input) - wide(target)).square().sqrt(), self.reduction).to(dtype)


@wrong("L1Loss", why="smooth below 1", cause="smooth below 1")
class SmoothNearTie(nn.L1Loss):
    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, reduction=self.reduction)


@wrong("functional.l1_loss", why="the weight is not used", cause="argument weight is ignored")
def l1_loss_unweighted(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    loss = F.l1_loss(input, target, size_average, reduce, reduction, weight)
    return loss if weight is None else F.l1_loss(input, target, size_average, reduce, reduction)
