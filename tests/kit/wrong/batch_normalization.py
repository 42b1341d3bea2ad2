"""Wrong implementations of batch and instance norm."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.batch_normalization import BatchNorm2d as BatchReference
from refops.parity.proving.collection import differs, wrong


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def per_channel(p, x):
    return p.reshape(-1, *(1,) * (x.dim() - 2))


class ByHand:
    """A right batch norm by hand over a native class; subclasses spoil one of its four steps."""

    def forward(self, input):
        self._check_input_dim(input)
        self.check(input)
        x, mean, var = wide(input), self.running_mean, self.running_var
        own = self.training or mean is None
        if own:
            mean, var = self.statistics(x)
        if self.training and self.track_running_stats and input.numel():
            with torch.no_grad():
                self.remember(mean, var, x.numel() // x.shape[1])
        output = self.norm(x, per_channel(mean.to(x.dtype), x), per_channel(var.to(x.dtype), x))
        output = output if self.weight is None else output * per_channel(self.weight, x)
        return (output if self.bias is None else output + per_channel(self.bias, x)).to(input.dtype)

    def check(self, input):
        for p in (self.running_mean, self.weight):
            if p is not None and p.shape != input.shape[1:2]:
                raise RuntimeError(f"input must have {len(p)} channels, got {tuple(input.shape)}")
        self.check_dtypes(input)
        self.check_values(input)

    def check_dtypes(self, input):
        if not input.is_floating_point():
            raise NotImplementedError(f"input must be floating point, got {input.dtype}")
        held = [p for p in (self.weight, self.bias, self.running_mean, self.running_var) if p is not None]
        if any(p.dtype not in (input.dtype, wide(input).dtype) for p in held):
            raise RuntimeError(f"parameters must have the dtype of the input, {input.dtype}")

    def check_values(self, input):
        if self.training and input.numel() == input.shape[1]:
            raise ValueError(f"input must have more than 1 value per channel, got {tuple(input.shape)}")
        if self.training and self.eps <= 0:
            raise ValueError(f"eps must be positive, got {self.eps}")

    def statistics(self, x):
        axes = (0, *range(2, x.dim()))
        if not x.numel():
            return x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
        mean = x.mean(axes)
        return mean, ((x - per_channel(mean, x)) ** 2).mean(axes)

    def factor(self):
        return 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum

    def remember(self, mean, var, n):
        self.num_batches_tracked.add_(1)
        m = self.factor()
        self.running_mean.copy_((1 - m) * self.running_mean + m * mean)
        self.running_var.copy_((1 - m) * self.running_var + m * var * n / (n - 1))

    def norm(self, x, mean, var):
        return (x - mean) / torch.sqrt(var + self.eps)


class Batch1d(ByHand, nn.BatchNorm1d):
    """A right BatchNorm1d by hand."""


class Batch2d(ByHand, nn.BatchNorm2d):
    """A right BatchNorm2d by hand."""


@wrong(
    "BatchNorm2d",
    only="buffers",
    why="running_var takes the biased variance",
    cause="running_var takes the biased variance",
)
class BiasedRunningVar(Batch2d):
    def remember(self, mean, var, n):
        super().remember(mean, var * (n - 1) / n, n)


@wrong("BatchNorm2d", why="the batch is divided by its unbiased variance", cause="unbiased variance")
class UnbiasedBatchVariance(Batch2d):
    def statistics(self, x):
        mean, var = super().statistics(x)
        n = x.numel() // x.shape[1]
        return mean, var * n / max(n - 1, 1)


@wrong("BatchNorm1d", only="buffers", why="momentum is the weight of the old value")
class SwappedMomentum(Batch1d):
    def factor(self):
        return 1 - super().factor() if self.momentum is not None else super().factor()


@wrong(
    "BatchNorm1d",
    only="buffers",
    why="momentum=None is taken as 0.1 instead of the average of all batches",
    cause="momentum=None is taken as 0.1",
)
class NoneIsTenth(Batch1d):
    def factor(self):
        return 0.1 if self.momentum is None else self.momentum


@wrong("BatchNorm1d", only="buffers", why="momentum is fixed at 0.1", cause="momentum is fixed at 0.1")
class FixedMomentum(Batch1d):
    def factor(self):
        return 0.1 if self.momentum is not None else super().factor()


@wrong("BatchNorm3d", only="buffers", why="batches are never counted", cause="num_batches_tracked must be 3, got 0")
class CountsNothing(nn.BatchNorm3d):
    def forward(self, input):
        output = super().forward(input)
        if self.num_batches_tracked is not None and self.momentum is not None:
            self.num_batches_tracked.zero_()
        return output


@wrong("BatchNorm2d", why="running statistics keep the graph of every batch", cause="must be detached from the graph")
class KeepsTheGraph(Batch2d):
    def remember(self, mean, var, n):
        self.num_batches_tracked.add_(1)
        with torch.enable_grad():
            m = self.factor()
            self.running_mean = (1 - m) * self.running_mean + m * mean
            self.running_var = (1 - m) * self.running_var + m * var * n / (n - 1)


@wrong(
    "BatchNorm2d",
    why="training is told from the grad mode, not from train() and eval()",
    cause="the output depends on whether gradients are enabled",
)
class TrainsWhenGradIsOn(nn.BatchNorm2d):
    def forward(self, input):
        was, self.training = self.training, torch.is_grad_enabled()
        try:
            return super().forward(input)
        finally:
            self.training = was


@wrong("BatchNorm2d", why="evaluation goes on using the batch", cause="evaluation goes on using the batch")
class IgnoresEval(nn.BatchNorm2d):
    def forward(self, input):
        mean, var = (self.running_mean, self.running_var) if self.training else (None, None)
        if self.training or self.running_mean is None:
            return super().forward(input)
        return F.batch_norm(input, mean, var, self.weight, self.bias, True, 0.0, self.eps)


@wrong("BatchNorm1d", why="running statistics move in evaluation too")
class MovesInEval(nn.BatchNorm1d):
    def forward(self, input):
        output = super().forward(input)
        if not self.training and self.running_mean is not None and input.numel():
            with torch.no_grad():
                axes = (0, *range(2, input.dim()))
                self.running_mean.lerp_(input.mean(axes).to(self.running_mean.dtype), 0.1)
        return output


@wrong(
    "BatchNorm2d",
    only="refusals",
    why="one value per channel gives the bias instead of an error",
    cause="must be refused for its input",
)
class AcceptsOneValue(Batch2d):
    def check_values(self, input):
        if input.numel() != input.shape[1]:
            super().check_values(input)

    def remember(self, mean, var, n):
        super().remember(mean, var, max(n, 2))


@differs("BatchNorm2d", why="one channel broadcasts against the statistics")
class BroadcastsChannels(Batch2d):
    def check(self, input):
        self.check_dtypes(input)
        if input.shape[1] != 1:
            super().check(input)


@wrong("BatchNorm2d", why="eps is added outside the root", cause="eps outside the root")
class EpsOutsideTheRoot(Batch2d):
    def norm(self, x, mean, var):
        return (x - mean) / (torch.sqrt(var) + self.eps)


@wrong(
    "BatchNorm1d",
    why="E[x^2] - E[x]^2 cancels where the mean is large",
    cause="right in float64: digits cancel where the mean is large beside the spread",
)
class MeanOfSquares(Batch1d):
    def statistics(self, x):
        if not x.numel():
            return super().statistics(x)
        axes = (0, *range(2, x.dim()))
        mean = x.mean(axes)
        return mean, ((x * x).mean(axes) - mean * mean).clamp(min=0)


@wrong(
    "BatchNorm1d", why="batch statistics are constants in backward", cause="mean and variance are constants in backward"
)
class DetachedStatistics(Batch1d):
    def statistics(self, x):
        return super().statistics(x.detach())


@wrong("BatchNorm1d", why="statistics over the batch only, one for each position")
class PerPosition(nn.BatchNorm1d):
    def forward(self, input):
        output = super().forward(input)
        if input.dim() < 3 or not self.training or len(input) < 2:
            return output
        x = wide(input)
        plain = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + self.eps)
        plain = plain if self.weight is None else plain * self.weight[:, None]
        return (plain if self.bias is None else plain + self.bias[:, None]).to(input.dtype)


@wrong(
    "BatchNorm2d",
    why="weight and bias of shape (C) broadcast along the width",
    cause="weight and bias broadcast along the width",
)
class AffineAlongWidth(nn.BatchNorm2d):
    def forward(self, input):
        self._check_input_dim(input)
        if self.weight is None or input.shape[1] != self.num_features:
            return super().forward(input)
        mean, var = (self.running_mean, self.running_var) if self.track_running_stats else (None, None)
        plain = F.batch_norm(input, mean, var, None, None, self.training or mean is None, 0.1, self.eps)
        weight = self.weight.repeat(input.shape[-1] // len(self.weight) + 1)[: input.shape[-1]]
        bias = 0 if self.bias is None else self.bias.repeat(input.shape[-1] // len(self.bias) + 1)[: input.shape[-1]]
        return plain * weight + bias


@wrong("BatchNorm2d", why="running statistics are plain attributes: not saved, not moved, not copied")
class StatisticsNotInState(nn.BatchNorm2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.running_mean is not None:
            mean, var = self.running_mean, self.running_var
            del self.running_mean, self.running_var
            self.running_mean, self.running_var = mean, var

    def forward(self, input):
        if self.running_mean is not None:
            self.running_mean = self.running_mean.to(self.dtype_of(input))
            self.running_var = self.running_var.to(self.dtype_of(input))
        return super().forward(input)

    def dtype_of(self, input):
        return input.dtype if self.weight is None else self.weight.dtype


@wrong(
    "BatchNorm1d",
    why="statistics are taken in half precision",
    cause="under- or overflows in float16: inf or nan where the answer is finite",
)
class HalfStatistics(nn.BatchNorm1d):
    def forward(self, input):
        if input.dtype not in (torch.float16, torch.bfloat16) or not self.training or input.numel() <= input.shape[1]:
            return super().forward(input)
        super().forward(input)
        axes = (0, *range(2, input.dim()))
        d = input - per_channel(input.mean(axes), input)
        plain = d / torch.sqrt(per_channel((d * d).mean(axes), input) + self.eps)
        plain = plain if self.weight is None else plain * per_channel(self.weight, input)
        return plain if self.bias is None else plain + per_channel(self.bias, input)


@wrong("BatchNorm2d", why="track_running_stats=False still tracks")
class AlwaysTracks(nn.BatchNorm2d):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, **kwargs):
        super().__init__(num_features, eps, momentum, affine, True, **kwargs)


class BatchDropIn(BatchReference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "BatchNorm2d"


@wrong(
    "BatchNorm2d",
    drop_in=True,
    only="init",
    why="weights start uniform in [0, 1], as long ago",
    cause="weight must start from native's values",
)
class UniformStart(BatchDropIn):
    def reset_parameters(self):
        super().reset_parameters()
        if self.weight is not None:
            nn.init.uniform_(self.weight)


@wrong("BatchNorm2d", drop_in=True, only="repr", why="momentum does not show when printed", cause="repr must be")
class PrintsNoMomentum(BatchDropIn):
    def extra_repr(self):
        return super().extra_repr().replace(f" momentum={self.momentum},", "")


@differs("InstanceNorm2d", why="weight and bias by default, as batch norm has")
class AffineByDefault(nn.InstanceNorm2d):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=False, **kwargs):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **kwargs)


@wrong(
    "InstanceNorm1d",
    why="an unbatched (C, L) is taken as a batch of vectors",
    cause="an unbatched input is taken as a batch of vectors",
)
class UnbatchedAsBatch(nn.InstanceNorm1d):
    def forward(self, input):
        if input.dim() != 2 or not (self.training or not self.track_running_stats):
            return super().forward(input)
        output = super().forward(input)
        x = wide(input)
        return output * 0 + ((x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + self.eps)).to(input.dtype)


@wrong(
    "InstanceNorm2d", why="statistics over the batch: batch norm", cause="statistics over the batch, as in batch norm"
)
class OverTheBatch(nn.InstanceNorm2d):
    def forward(self, input):
        output = super().forward(input)
        if input.dim() < 4 or (self.track_running_stats and not self.training) or not input.numel():
            return output
        return F.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)


@wrong(
    "InstanceNorm1d",
    only="buffers",
    why="num_batches_tracked counts, which native leaves at zero",
    cause="num_batches_tracked must be 0, got 3",
)
class CountsBatches(nn.InstanceNorm1d):
    def forward(self, input):
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return super().forward(input)


@wrong("InstanceNorm2d", only="buffers", why="running statistics take the first sample instead of the average")
class RemembersOneSample(nn.InstanceNorm2d):
    def forward(self, input):
        output = super().forward(input.detach())
        del output
        own = self.training or not self.track_running_stats
        if self.training and self.running_mean is not None and input.dim() == 4 and self.momentum is not None:
            with torch.no_grad():
                x = wide(input[0])
                self.running_mean.lerp_(x.mean((1, 2)).to(self.running_mean.dtype), 0.1)
        mean, var = (None, None) if own else (self.running_mean, self.running_var)
        batch = input if input.dim() == 4 else input[None]
        return F.instance_norm(batch, mean, var, self.weight, self.bias, own, 0.0, self.eps).reshape(input.shape)


@wrong(
    "InstanceNorm3d",
    why="evaluation uses running statistics only where asked, here always the sample's",
    cause="evaluation goes on using the sample",
)
class IgnoresRunning(nn.InstanceNorm3d):
    def forward(self, input):
        output = super().forward(input)
        if self.training or not self.track_running_stats or input.dim() != 5:
            return output
        return F.instance_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)


@differs("InstanceNorm2d", why="one channel broadcasts against the weights")
class BroadcastsInstances(nn.InstanceNorm2d):
    def forward(self, input):
        if self.affine and input.dim() == 4 and input.shape[1] == 1 != self.num_features:
            return super().forward(input.expand(-1, self.num_features, -1, -1))
        return super().forward(input)


@wrong(
    "InstanceNorm2d",
    only="refusals",
    why="a single position gives zeros instead of an error",
    cause="must be refused for its input",
)
class AcceptsOnePosition(nn.InstanceNorm2d):
    def forward(self, input):
        if input.dim() in (3, 4) and input.shape[-2:].numel() == 1 and input.shape[-3] == self.num_features:
            return input * 0
        return super().forward(input)


@wrong("functional.batch_norm", why="momentum is the weight of the old value")
def old_momentum(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    momentum = None if momentum is None else 1 - momentum
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@wrong(
    "functional.batch_norm",
    why="running statistics given in training are used at once",
    cause="training uses the running statistics",
)
def uses_running_in_training(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    output = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training or running_mean is None:
        return output
    return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)


@wrong("functional.instance_norm", why="running statistics never move", cause="input 1 must be changed in place")
def never_moves(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    statistics = [None if s is None else s.clone() for s in (running_mean, running_var)]
    return F.instance_norm(input, *statistics, weight, bias, use_input_stats, momentum, eps)
