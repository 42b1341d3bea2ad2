"""Losses, optimizers, attention and convolution as a textbook has them. Each is right.

They were written before the specs were looked at. Where one has no care for half precision, it claims float32 alone.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer

from refops.parity.proving.collection import honest

SINGLE = ("float32",)
REDUCED = ("size_average", "reduce")


def labels_of_rows(case):
    draws = [*case.call.draws()]
    return len(draws[0].shape) != 2 or draws[1].kind not in ("index", "literal")


@honest(
    "functional.cross_entropy",
    why="minus the log of the right class's share, the mean of all rows",
    without=("weight", "ignore_index", "reduction", "label_smoothing", *REDUCED),
    unsupported=labels_of_rows,
    dtypes=SINGLE,
)
def cross_entropy(logits, labels):
    log_p = logits - logits.logsumexp(1, keepdim=True)
    return -log_p[torch.arange(len(labels)), labels].mean()


@honest(
    "CrossEntropyLoss",
    why="one-hot targets times log-probabilities",
    without=("weight", "ignore_index", "reduction", "label_smoothing", *REDUCED),
    unsupported=labels_of_rows,
    dtypes=SINGLE,
)
class CrossEntropy(nn.Module):
    def forward(self, logits, labels):
        one_hot = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return -(one_hot * torch.log_softmax(logits, 1)).sum(1).mean()


@honest(
    "NLLLoss",
    why="the entries gathered",
    without=("weight", "ignore_index", "reduction", *REDUCED),
    unsupported=labels_of_rows,
    dtypes=SINGLE,
)
class NegativeLogLikelihood(nn.Module):
    def forward(self, log_p, labels):
        return -log_p.gather(1, labels.unsqueeze(1)).mean()


def alike(case):
    shapes = [draw.shape for draw in case.call.draws()]
    return len(set(shapes)) != 1


@honest("functional.mse_loss", why="the mean of squares", without=("reduction", "weight", *REDUCED), unsupported=alike)
def mse(prediction, target):
    return ((prediction - target) ** 2).mean()


@honest("MSELoss", why="three reductions", without=REDUCED, unsupported=alike)
class MSE(nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction, target):
        squares = (prediction - target).square()
        return squares if self.reduction == "none" else getattr(squares, self.reduction)()


@honest("functional.l1_loss", why="the mean of sizes", without=("reduction", "weight", *REDUCED), unsupported=alike)
def mae(prediction, target):
    return (prediction - target).abs().mean()


@honest("functional.huber_loss", why="two pieces", without=("weight",), unsupported=alike, dtypes=SINGLE)
def huber(prediction, target, reduction="mean", delta=1.0):
    size = (prediction - target).abs()
    loss = torch.where(size < delta, 0.5 * size**2, delta * (size - 0.5 * delta))
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def root_of_nothing(case):
    """A power below 1 has no slope at 0, where an example is easy."""
    return 0 < case.call.keywords.get("gamma", 2) < 1


@honest(
    "functional.sigmoid_focal_loss",
    why="p_t and alpha_t as in the paper",
    unsupported=root_of_nothing,
    dtypes=SINGLE,
)
def focal(logits, targets, alpha=0.25, gamma=2.0, reduction="none"):
    p = torch.sigmoid(logits)
    ce = targets * F.softplus(-logits) + (1 - targets) * F.softplus(logits)
    wrongness = p * (1 - targets) + (1 - p) * targets  # 1 - p_t, without the difference
    loss = ce * wrongness**gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


@honest("NTXentLoss", why="cosine similarities, the diagonal left out", without=("reduction",), dtypes=SINGLE)
class NTXent(nn.Module):
    def __init__(self, temperature=0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, z1, z2):
        n = len(z1)
        z = F.normalize(torch.cat([z1, z2]), dim=1)
        similar = z @ z.t() / self.temperature
        similar = similar.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), float("-inf"))
        partner = torch.arange(2 * n, device=z.device).roll(n)
        return F.cross_entropy(similar, partner)


def plain_attention(case):
    return any(len(draw.shape) < 2 for draw in case.call.draws())


@honest(
    "functional.scaled_dot_product_attention",
    why="softmax of scores over the root of d, times v",
    without=("dropout_p", "is_causal", "enable_gqa", "attn_mask", "scale"),
    dtypes=SINGLE,
)
def attention(q, k, v):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return torch.softmax(scores, dim=-1) @ v


@honest(
    "MultiheadAttention",
    why="four matrices, heads split and joined by hand, batch first",
    without=("dropout", "bias", "add_bias_kv", "add_zero_attn", "kdim", "vdim", "device", "dtype", "key_padding_mask",
             "need_weights", "attn_mask", "average_attn_weights", "is_causal"),
    fixed={"batch_first": True},
    state={"in_proj_weight": "qkv.weight", "in_proj_bias": "qkv.bias", "out_proj.weight": "out.weight",
           "out_proj.bias": "out.bias"},
    dtypes=SINGLE,
)  # fmt: skip
class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads):
        super().__init__()
        self.heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, query, key, value):
        wq, wk, wv = self.qkv.weight.chunk(3)
        bq, bk, bv = self.qkv.bias.chunk(3)
        q, k, v = (self.split(F.linear(x, w, b)) for x, w, b in ((query, wq, bq), (key, wk, bk), (value, wv, bv)))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
        joined = (weights @ v).transpose(-3, -2).flatten(-2)
        return self.out(joined), weights.mean(-3)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)


def plain_images(case):
    return len(case.call.args[0].shape) != 4


@honest(
    "functional.conv2d",
    why="patches by unfold, times the flat kernel",
    without=("groups",),
    unsupported=lambda case: plain_images(case) or any(isinstance(v, str) for v in case.call.keywords.values()),
    dtypes=SINGLE,
)
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1):
    patches = F.unfold(x, weight.shape[2:], dilation, padding, stride)
    out = weight.flatten(1) @ patches
    if bias is not None:
        out = out + bias[:, None]
    sizes = []
    for i, length in enumerate(x.shape[2:]):
        s, p, d = (v if isinstance(v, int) else v[i] for v in (stride, padding, dilation))
        sizes.append((length + 2 * p - d * (weight.shape[2 + i] - 1) - 1) // s + 1)
    return out.unflatten(2, sizes)


@honest(
    "Conv2d",
    why="windows of the padded image, summed by einsum",
    without=("dilation", "groups", "padding_mode", "device", "dtype"),
    unsupported=lambda case: plain_images(case) or any(isinstance(v, str) for v in case.init.keywords.values()),
    dtypes=SINGLE,
)
class Conv2d(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        super().__init__()
        pair = [v if isinstance(v, (tuple, list)) else (v, v) for v in (kernel_size, stride, padding)]
        self.kernel, self.stride, self.padding = pair
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *self.kernel) * 0.1)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        (top, left), (kh, kw), (sh, sw) = self.padding, self.kernel, self.stride
        x = F.pad(x, (left, left, top, top))
        windows = x.unfold(2, kh, sh).unfold(3, kw, sw)
        y = torch.einsum("nchwij,ocij->nohw", windows, self.weight)
        return y if self.bias is None else y + self.bias[:, None, None]


@honest(
    "MaxPool2d",
    why="the largest of each window",
    without=("padding", "dilation", "return_indices", "ceil_mode"),
    unsupported=plain_images,
)
class MaxPool2d(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        stride = self.kernel if stride is None else stride
        self.stride = stride if isinstance(stride, (tuple, list)) else (stride, stride)

    def forward(self, x):
        windows = x.unfold(2, self.kernel[0], self.stride[0]).unfold(3, self.kernel[1], self.stride[1])
        return windows.flatten(-2).max(-1).values


@honest("GlobalAveragePool", why="the mean over the image", without=("keepdim",), unsupported=plain_images)
class GlobalAverage(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


PLAIN = ("foreach", "fused", "capturable", "differentiable", "maximize", "amsgrad")


@honest("optim.Adam", why="the paper's algorithm 1", without=(*PLAIN, "weight_decay", "decoupled_weight_decay"))
class PlainAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["t"] += 1
                m, v, t = state["m"], state["v"], state["t"]
                m.mul_(b1).add_(p.grad, alpha=1 - b1)
                v.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
                p.sub_(group["lr"] * m_hat / (v_hat.sqrt() + group["eps"]))
        return loss


@honest("optim.AdamW", why="the weights shrink first, then Adam", without=PLAIN)
class PlainAdamW(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = torch.enable_grad()(closure)() if closure is not None else None
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                s = self.state[p]
                s["step"] = s.get("step", 0) + 1
                s["m"] = b1 * s.get("m", torch.zeros_like(p)) + (1 - b1) * p.grad
                s["v"] = b2 * s.get("v", torch.zeros_like(p)) + (1 - b2) * p.grad**2
                p.mul_(1 - group["lr"] * group["weight_decay"])
                denominator = (s["v"] / (1 - b2 ** s["step"])).sqrt() + group["eps"]
                p.add_(s["m"] / (1 - b1 ** s["step"]) / denominator * -group["lr"])
        return loss


@honest("optim.SGD", why="a velocity", without=(*PLAIN[:2], "differentiable", "maximize", "dampening", "nesterov"))
class PlainSGD(Optimizer):
    def __init__(self, params, lr=1e-3, momentum=0.0, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = torch.enable_grad()(closure)() if closure is not None else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                g = p.grad + group["weight_decay"] * p if group["weight_decay"] else p.grad
                velocity = self.state[p].get("velocity")
                velocity = g.clone() if velocity is None else group["momentum"] * velocity + g
                self.state[p]["velocity"] = velocity
                p.sub_(group["lr"] * velocity)
        return loss
