"""Layers after the manner of other libraries, written anew: their names, defaults and habits. Each is right."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.judging.draw import draws_with_position, numbers
from refops.parity.proving.collection import honest

SINGLE = ("float32",)


def one_axis(case):
    return not isinstance(case.init.args[0], int)


def images_only(case):
    return len(case.call.args[0].shape) != 4


def sees_nothing(case):
    """Whether an added mask leaves a query no key: a plain softmax is nan there."""
    masks = [numbers(case, draw, at) for draw, at in draws_with_position(case) if draw.kind == "additive"]
    return any((mask == -torch.inf).all(-1).any() for mask in masks)


@honest(
    "RMSNorm",
    why="transformers: computed in float32, cast back, then scaled",
    arguments={"normalized_shape": "hidden_size"},
    defaults={"eps": 1e-6},
    unsupported=one_axis,
)
class CastRMSNorm(nn.Module):
    def __init__(self, hidden_size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.variance_epsilon = eps

    def forward(self, hidden_states):
        dtype = hidden_states.dtype
        wide = hidden_states.to(torch.promote_types(dtype, torch.float32))
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * wide.to(dtype)


@honest(
    "RMSNorm",
    why="transformers: the weight is kept as its distance from 1",
    arguments={"normalized_shape": "dim"},
    defaults={"eps": 1e-6},
    state={"weight": ("weight", lambda w: w - 1, lambda w: w + 1)},
    unsupported=one_axis,
)
class OffsetRMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (normed * (1 + self.weight.to(wide.dtype))).type_as(x)


@honest(
    "RMSNorm",
    why="x-transformers: a unit vector times the root of its length, no eps to choose",
    fixed={"eps": 0.0},
    arguments={"normalized_shape": "dim"},
    without=("elementwise_affine", "device", "dtype"),
    state={"weight": "g"},
    unsupported=lambda case: one_axis(case) or case.regime == "zeros",
    dtypes=SINGLE,
)
class UnitRMSNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.scale = dim**0.5
        self.g = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.normalize(x, dim=-1) * self.scale * self.g


@honest(
    "LayerNorm",
    why="timm: another eps, the number of channels first",
    arguments={"normalized_shape": "num_channels", "elementwise_affine": "affine"},
    defaults={"eps": 1e-6},
    without=("bias",),
)
class ChannelsLayerNorm(nn.LayerNorm):
    def __init__(self, num_channels, eps=1e-6, affine=True, **kwargs):
        super().__init__(num_channels, eps=eps, elementwise_affine=affine, **kwargs)

    def forward(self, x):
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


@honest(
    "LayerNorm",
    why="x-transformers: a scale that learns and no bias",
    arguments={"normalized_shape": "dim"},
    fixed={"bias": False, "eps": 1e-5},
    without=("elementwise_affine",),
    state={"weight": "gamma"},
    unsupported=one_axis,
)
class BiaslessLayerNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.register_buffer("beta", torch.zeros(dim), persistent=False)

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.gamma.to(x.dtype), self.beta.to(x.dtype))


@honest("LayerNorm", why="open_clip, diffusers: whatever comes, float32 inside", without=("device", "dtype"))
class FloatLayerNorm(nn.LayerNorm):
    def forward(self, x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        weight = None if self.weight is None else self.weight.to(wide.dtype)
        bias = None if self.bias is None else self.bias.to(wide.dtype)
        return F.layer_norm(wide, self.normalized_shape, weight, bias, self.eps).to(x.dtype)


@honest("LayerNorm", why="apex: flattened to two axes, the inverse deviation kept", without=("bias",))
class FlatLayerNorm(nn.Module):
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True):
        super().__init__()
        self.shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(self.shape)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros(self.shape)) if elementwise_affine else None

    def forward(self, input):
        size = math.prod(self.shape)
        if input.shape[input.dim() - len(self.shape) :] != self.shape:
            raise RuntimeError(f"input must end in {self.shape}, got {tuple(input.shape)}")
        rows = input.reshape(-1, size) if size else input.reshape(math.prod(input.shape[: -len(self.shape)]), 0)
        wide = rows.to(torch.promote_types(input.dtype, torch.float32))
        centred = wide - wide.mean(1, keepdim=True)
        inverse = torch.rsqrt(centred.square().mean(1, keepdim=True) + self.eps)
        y = (centred * inverse).reshape(input.shape)
        if self.weight is not None:
            y = y * self.weight.to(y.dtype) + self.bias.to(y.dtype)
        return y.to(input.dtype)


@honest(
    "GroupNorm",
    why="timm: channels come first, groups have a default",
    arguments={"num_groups": "num_groups", "num_channels": "num_channels"},
)
class ChannelsFirstGroupNorm(nn.GroupNorm):
    def __init__(self, num_channels, num_groups=32, eps=1e-5, affine=True, **kwargs):
        super().__init__(num_groups, num_channels, eps=eps, affine=affine, **kwargs)


@honest("BatchNorm2d", why="timm: batch norm and an activation, here none", without=("device", "dtype"))
class NormAct(nn.BatchNorm2d):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, act=None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self.act = act or nn.Identity()

    def forward(self, x):
        return self.act(super().forward(x))


@honest(
    "BatchNorm1d",
    why="torch_geometric: a module inside, rows of features",
    arguments={"num_features": "in_channels"},
    without=("dtype", "bias"),
    unsupported=lambda case: len(case.call.args[0].shape) != 2,
)
class NodeBatchNorm(nn.Module):
    def __init__(self, in_channels, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None):
        super().__init__()
        self.module = nn.BatchNorm1d(in_channels, eps, momentum, affine, track_running_stats, device=device)

    def forward(self, x):
        return self.module(x)


@honest("GELU", why="transformers: the tanh form, with no arguments", fixed={"approximate": "tanh"}, dtypes=SINGLE)
class NewGELU(nn.Module):
    def forward(self, input):
        inner = math.sqrt(2.0 / math.pi) * (input + 0.044715 * torch.pow(input, 3.0))
        return 0.5 * input * (1.0 + torch.tanh(inner))


@honest("GELU", why="transformers: chosen at construction, exact", without=("approximate",))
class ChosenGELU(nn.Module):
    def __init__(self, use_python=False):
        super().__init__()
        self.act = self.python if use_python else F.gelu

    def python(self, input):
        return input * 0.5 * (1.0 + torch.erf(input / math.sqrt(2.0)))

    def forward(self, input):
        return self.act(input)


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad * (s * (1 + x * (1 - s)))


@honest("SiLU", why="timm: a function with a backward pass of its own", without=("inplace",), dtypes=SINGLE)
class MemorySwish(nn.Module):
    def forward(self, x):
        return SwishFunction.apply(x)


@honest("SiLU", why="timm: in place on request, by mul_")
class InplaceSwish(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return F.silu(x, inplace=self.inplace)


@honest("SiLU", why="diffusers: float32 inside", without=("inplace",))
class FloatSiLU(nn.Module):
    def forward(self, inputs):
        return F.silu(inputs.to(torch.promote_types(inputs.dtype, torch.float32))).to(inputs.dtype)


@honest("Mish", why="timm: in place or not", without=("inplace",), dtypes=SINGLE)
class PlainMish(nn.Module):
    def forward(self, x):
        return x.mul(F.softplus(x).tanh())


@honest("Hardswish", why="mobile nets: x times ReLU6(x + 3) / 6", without=("inplace",), dtypes=SINGLE)
class MobileSwish(nn.Module):
    def forward(self, x):
        return x * F.relu6(x + 3.0) / 6.0


@honest("functional.softmax", why="transformers: in float32, cast back", without=("dtype", "_stacklevel"))
def cast_softmax(input, dim):
    wide = torch.promote_types(input.dtype, torch.float32)
    return F.softmax(input, dim=dim, dtype=wide).to(input.dtype)


@honest(
    "Linear",
    why="transformers: Conv1D, the weight (inputs, outputs) and the outputs named first",
    arguments={"in_features": "nx", "out_features": "nf"},
    without=("bias", "device", "dtype"),
    state={"weight": ("weight", lambda w: w.mT, lambda w: w.mT)},
)
class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        rows = torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight)
        return rows.view(*x.shape[:-1], self.nf)


@honest(
    "Linear",
    why="fairseq: a factory function",
    without=("device", "dtype"),
)
def linear_factory(in_features, out_features, bias=True):
    made = nn.Linear(in_features, out_features, bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.constant_(made.bias, 0.0)
    return made


@honest(
    "Linear",
    why="einops: a mix of axes by einsum",
    without=("bias", "device", "dtype"),
    dtypes=SINGLE,
)
class Mix(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(out_features, in_features))
        self.bias = nn.Parameter(torch.rand(out_features))

    def forward(self, input):
        return torch.einsum("...i,oi->...o", input, self.weight) + self.bias


@honest(
    "Conv2d",
    why="timm: a layer that pads by itself before it convolves",
    without=("padding_mode",),
    unsupported=lambda case: any(isinstance(v, str) for v in case.init.keywords.values()),
)
class PaddedConv2d(nn.Conv2d):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias)
        self.before = padding if isinstance(padding, (tuple, list)) else (padding, padding)

    def forward(self, x):
        (top, left) = self.before
        return super().forward(F.pad(x, (left, left, top, top)))


@honest("Embedding", why="fairseq: a factory", without=("device", "dtype", "_freeze", "_weight"))
def embedding_factory(num_embeddings, embedding_dim, padding_idx=None, **options):
    made = nn.Embedding(num_embeddings, embedding_dim, padding_idx, **options)
    with torch.no_grad():
        made.weight.normal_(mean=0, std=embedding_dim**-0.5)
        if padding_idx is not None:
            made.weight[padding_idx].zero_()
    return made


@honest(
    "functional.scaled_dot_product_attention",
    why="transformers: eager attention, the softmax in float32",
    without=("dropout_p", "is_causal", "enable_gqa"),
    unsupported=lambda case: "True" in repr(case) or "flag" in repr(case) or sees_nothing(case),
)
def eager_attention(query, key, value, attn_mask=None, *, scale=None):
    scaling = query.size(-1) ** -0.5 if scale is None else scale
    weights = torch.matmul(query, key.transpose(-2, -1)) * scaling
    if attn_mask is not None:
        weights = weights + attn_mask
    wide = torch.promote_types(query.dtype, torch.float32)
    weights = F.softmax(weights, dim=-1, dtype=wide).to(query.dtype)
    return torch.matmul(weights, value)


@honest(
    "functional.scaled_dot_product_attention",
    why="lucidrains: einsum over named axes, masks filled with the smallest number",
    without=("dropout_p", "enable_gqa", "attn_mask"),
    unsupported=lambda case: any(len(d.shape) != 4 for d in case.call.draws()),
    dtypes=SINGLE,
)
def einsum_attention(query, key, value, is_causal=False, *, scale=None):
    sim = torch.einsum("bhid,bhjd->bhij", query, key) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        i, j = sim.shape[-2:]
        later = torch.ones(i, j, dtype=torch.bool, device=sim.device).triu(1)
        sim = sim.masked_fill(later, -torch.finfo(sim.dtype).max)
    return torch.einsum("bhij,bhjd->bhid", sim.softmax(dim=-1), value)


@honest(
    "functional.top_k_filter",
    why="lucidrains: the k largest scattered into a row of -inf; of equal ones any",
    unsupported=lambda case: case.regime in ("ties", "zeros"),
)
def keep_top_k(logits, k):
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"k must be in 1..{logits.shape[-1]}, got {k}")
    values, places = torch.topk(logits, k)
    return torch.full_like(logits, -float("inf")).scatter(-1, places, values)


@honest(
    "DropBlock2d",
    why="torchvision: draws of a uniform number, blocks by max pooling",
    fixed={"gamma": "paper"},
    without=("inplace",),
    unsupported=lambda case: images_only(case) or "1.0" in repr(case.init),
)
class PooledDropBlock(nn.Module):
    def __init__(self, p=0.1, block_size=7):
        super().__init__()
        self.p, self.block_size = p, block_size

    def forward(self, input):
        if not self.training or self.p == 0:
            return input
        n, c, h, w = input.shape
        size = min(self.block_size, h, w)
        gamma = self.p * h * w / (size**2 * (h - size + 1) * (w - size + 1))
        seeds = (torch.rand(n, c, h - size + 1, w - size + 1, device=input.device) < gamma).to(input.dtype)
        edge = size - 1  # a position is dropped if one of the seeds up to this far before it is set
        noise = 1 - F.max_pool2d(F.pad(seeds, (edge, edge, edge, edge)), size, 1)
        return input * noise * (noise.numel() / (1e-6 + noise.sum()))
