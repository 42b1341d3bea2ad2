"""Layers as a textbook has them: few arguments, names of their own, the formula written down. Each is right.

They were written before the specs were looked at. Where one has no care for half precision, it claims float32 alone.
"""

import math

import torch
from torch import nn

from refops.parity.proving.collection import honest

SINGLE = ("float32",)


def one_axis(case):
    return not isinstance(case.init.args[0], int)


@honest(
    "LayerNorm",
    why="mean and biased variance of the last axis; parameters are w and b",
    arguments={"normalized_shape": "dim"},
    state={"weight": "w", "bias": "b"},
    unsupported=one_axis,
    dtypes=SINGLE,
)
class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(dim))
        self.b = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(var + self.eps) * self.w + self.b


@honest("LayerNorm", why="gamma and beta, matched without being declared", unsupported=one_axis, dtypes=SINGLE)
class LayerNormGammaBeta(nn.Module):
    def __init__(self, features, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x):
        centred = x - x.mean(dim=-1, keepdim=True)
        std = torch.sqrt(centred.square().mean(dim=-1, keepdim=True) + self.eps)
        return self.gamma * (centred / std) + self.beta


@honest("RMSNorm", why="scale only, always with an eps", defaults={"eps": 1e-6}, unsupported=one_axis, dtypes=SINGLE)
class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.scale


@honest("GroupNorm", why="reshaped to groups, normalised, reshaped back", dtypes=SINGLE)
class GroupNorm(nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        self.num_groups, self.eps = num_groups, eps
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x):
        n, c = x.shape[:2]
        grouped = x.reshape(n, self.num_groups, -1)
        mean = grouped.mean(-1, keepdim=True)
        var = grouped.var(-1, unbiased=False, keepdim=True)
        y = ((grouped - mean) / torch.sqrt(var + self.eps)).reshape(x.shape)
        shape = [1, c] + [1] * (x.dim() - 2)
        return y * self.weight.view(shape) + self.bias.view(shape)


@honest("BatchNorm2d", why="statistics by hand, unbiased variance kept", dtypes=SINGLE)
class BatchNorm2d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x):
        if self.training:
            mean = x.mean((0, 2, 3))
            var = ((x - mean.view(1, -1, 1, 1)) ** 2).mean((0, 2, 3))
            n = x.numel() / x.shape[1]
            with torch.no_grad():
                self.running_mean += self.momentum * (mean - self.running_mean)
                self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean.view(1, -1, 1, 1)) / torch.sqrt(var.view(1, -1, 1, 1) + self.eps)
        return y * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


@honest("BatchNorm1d", why="of rows only", unsupported=lambda case: len(case.call.args[0].shape) != 2, dtypes=SINGLE)
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x):
        if not self.training:
            x_hat = (x - self.running_mean) / torch.sqrt(self.running_var + self.eps)
            return self.weight * x_hat + self.bias
        mu, var = x.mean(0), x.var(0, unbiased=False)
        with torch.no_grad():
            unbiased = var * len(x) / (len(x) - 1)
            self.running_mean.mul_(1 - self.momentum).add_(mu, alpha=self.momentum)
            self.running_var.mul_(1 - self.momentum).add_(unbiased, alpha=self.momentum)
        return self.weight * (x - mu) / torch.sqrt(var + self.eps) + self.bias


@honest("InstanceNorm2d", why="of each image's channel, without parameters", dtypes=SINGLE)
class InstanceNorm2d(nn.Module):
    def __init__(self, num_features, eps=1e-5):
        super().__init__()
        self.num_features, self.eps = num_features, eps

    def forward(self, x):
        mean = x.mean((-2, -1), keepdim=True)
        var = x.var((-2, -1), unbiased=False, keepdim=True)
        return (x - mean) / torch.sqrt(var + self.eps)


@honest("Softmax", why="shifted by the largest")
class Softmax(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        e = torch.exp(x - x.max(self.dim, keepdim=True).values)
        return e / e.sum(self.dim, keepdim=True)


@honest("functional.softmax", why="shifted by the largest, a detached one", without=("dtype", "_stacklevel"))
def softmax(x, dim):
    e = (x - x.detach().amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


@honest("functional.log_softmax", why="the shift, then the log of the sum", without=("dtype", "_stacklevel"))
def log_softmax(x, dim):
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


@honest("LogSoftmax", why="by logsumexp, which half precision rounds as a whole", dtypes=SINGLE)
class LogSoftmax(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return x - torch.logsumexp(x, self.dim, keepdim=True)


@honest("GELU", why="the formula with erf, and no arguments", without=("approximate",), dtypes=SINGLE)
class GELU(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


@honest("functional.gelu", why="both formulas", dtypes=SINGLE)
def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


@honest("ReLU", why="where; of finite numbers", unsupported=lambda case: case.regime == "nonfinite")
class ReLU(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, x, torch.zeros_like(x))


@honest("functional.relu", why="what is not positive is filled with 0")
def relu(x):
    return x.masked_fill(x <= 0, 0)


@honest("functional.leaky_relu", why="two halves", without=("inplace",))
def leaky_relu(x, slope=0.01):
    return torch.where(x > 0, x, slope * x)


@honest("Sigmoid", why="one over one plus the exponential", dtypes=SINGLE)
class Sigmoid(nn.Module):
    def forward(self, x):
        positive = x >= 0
        z = torch.exp(torch.where(positive, -x, x))
        return torch.where(positive, 1 / (1 + z), z / (1 + z))


@honest("functional.silu", why="x times its sigmoid", without=("inplace",), dtypes=SINGLE)
def silu(x):
    return x * torch.sigmoid(x)


@honest("functional.mish", why="x times tanh of softplus", without=("inplace",), dtypes=SINGLE)
def mish(x):
    return x * torch.tanh(nn.functional.softplus(x))


@honest("functional.softplus", why="the logarithm of a sum of exponentials", without=("beta", "threshold"))
def softplus(x):
    return torch.logaddexp(x, torch.zeros_like(x))


@honest("functional.elu", why="expm1 on the left", without=("inplace",), dtypes=SINGLE)
def elu(x, alpha=1.0):
    return torch.where(x > 0, x, alpha * torch.expm1(torch.where(x > 0, torch.zeros_like(x), x)))


@honest("functional.hardtanh", why="three pieces", without=("inplace",))
def hardtanh(x, low=-1.0, high=1.0):
    inside = (x > low) & (x < high)
    return torch.where(inside, x, torch.where(x <= low, torch.full_like(x, low), torch.full_like(x, high)))


@honest("Linear", why="x W^T + b", without=("device", "dtype"))
class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.W = nn.Parameter(torch.randn(out_features, in_features) / math.sqrt(in_features))
        self.b = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, x):
        y = x @ self.W.t()
        return y if self.b is None else y + self.b


@honest(
    "Linear",
    why="the weight stands transposed",
    arguments={"in_features": "n_in", "out_features": "n_out"},
    without=("bias", "device", "dtype"),
    state={"weight": ("kernel", lambda w: w.mT, lambda w: w.mT), "bias": "offset"},
)
class Dense(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(n_in, n_out).uniform_(-0.1, 0.1))
        self.offset = nn.Parameter(torch.zeros(n_out))

    def forward(self, inputs):
        return torch.matmul(inputs, self.kernel) + self.offset


@honest("Embedding", why="rows by indexing", unsupported=lambda case: len(case.init.kwargs) > 0)
class Embedding(nn.Module):
    def __init__(self, num_embeddings, embedding_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_embeddings, embedding_dim))

    def forward(self, tokens):
        return self.weight[tokens]


@honest("Dropout", why="a mask of uniform draws, the rest scaled", without=("inplace",))
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return x * 0
        keep = torch.rand(x.shape, device=x.device) >= self.p
        return x * keep / (1 - self.p)


@honest("functional.dropout", why="a Bernoulli mask", without=("inplace",))
def dropout(x, p=0.5, training=True):
    if not training:
        return x
    if p >= 1:
        return torch.zeros_like(x)
    return x * torch.bernoulli(torch.full_like(x, 1 - p)) / (1 - p)


@honest("Dropout2d", why="a mask per channel", without=("inplace",))
class Dropout2d(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        mask = (torch.rand(x.shape[:-2], device=x.device) > self.p).to(x.dtype)
        return x * mask[..., None, None] / (1 - self.p)
