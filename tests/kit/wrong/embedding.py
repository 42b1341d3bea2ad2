"""Wrong implementations of Embedding."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.nn.embedding import Embedding as Reference
from refops.parity.proving.collection import differs, wrong


class DropIn(Reference):
    """A drop-in in every respect; subclasses spoil one."""

    def _get_name(self):
        return "Embedding"


@wrong("Embedding", only="refusals", why="a negative index counts from the end", cause="must be refused for its input")
class PlainIndexing(nn.Embedding):
    def forward(self, input):
        return super().forward(torch.where(input < 0, input + self.num_embeddings, input))


@wrong("Embedding", only="refusals", why="an index too large takes the last row", cause="must be refused for its input")
class ClampsIndex(nn.Embedding):
    def forward(self, input):
        if input.is_floating_point() or input.dtype == torch.bool:
            raise RuntimeError("input must hold integers")
        return super().forward(torch.where(input >= self.num_embeddings, self.num_embeddings - 1, input))


@wrong("Embedding", only="refusals", why="a floating index is rounded down", cause="must be refused for its input")
class AcceptsFloats(nn.Embedding):
    def forward(self, input):
        return super().forward(input.long() if input.is_floating_point() else input)


@wrong("Embedding", why="the padding row learns like any other", cause="the padding row learns like any other")
class LearnsPadding(nn.Embedding):
    def forward(self, input):
        return F.embedding(
            input, self.weight, None, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )


@wrong(
    "Embedding",
    why="padding always gives zeros, whatever stands in its row",
    cause="padding gives zeros whatever stands in its row",
)
class ZeroPadding(nn.Embedding):
    def forward(self, input):
        output = super().forward(input)
        if self.padding_idx is None:
            return output
        return output * (input != self.padding_idx)[..., None].to(output.dtype)


@wrong(
    "Embedding",
    why="the padding row is emptied again on every call",
    cause="padding gives zeros whatever stands in its row",
)
class EmptiesPadding(nn.Embedding):
    def forward(self, input):
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0
        return super().forward(input)


@wrong("Embedding", why="a negative padding_idx is never met by an index", cause="a negative padding_idx is never met")
class NegativePaddingLost(nn.Embedding):
    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, *args, **kwargs):
        super().__init__(num_embeddings, embedding_dim, padding_idx, *args, **kwargs)
        if padding_idx is not None and padding_idx < 0:
            self.padding_idx = None


@wrong("Embedding", why="padding_idx = 0 counts as not given", cause="padding_idx = 0 counts as not given")
class ZeroIsFalse(nn.Embedding):
    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, *args, **kwargs):
        super().__init__(num_embeddings, embedding_dim, padding_idx or None, *args, **kwargs)


@wrong("Embedding", why="max_norm is ignored", cause="max_norm is ignored")
class NoMaxNorm(nn.Embedding):
    def forward(self, input):
        return F.embedding(input, self.weight, self.padding_idx, None, 2.0, self.scale_grad_by_freq, self.sparse)


@wrong("Embedding", why="max_norm is always the Euclidean norm", cause="max_norm is always the Euclidean norm")
class EuclideanOnly(nn.Embedding):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm_type = 2.0


@wrong("Embedding", why="short rows are stretched to max_norm", cause="short rows are stretched to max_norm")
class Stretches(nn.Embedding):
    def forward(self, input):
        if self.max_norm is not None:
            rows = self.weight.data[input]
            length = rows.norm(self.norm_type, -1, keepdim=True)
            self.weight.data[input] = rows * (self.max_norm / (length + 1e-7))
        return F.embedding(input, self.weight, self.padding_idx, None, 2.0, self.scale_grad_by_freq, self.sparse)


@wrong(
    "Embedding", why="max_norm bounds every number of a row, not the row", cause="max_norm bounds every number of a row"
)
class ClampsRows(nn.Embedding):
    def forward(self, input):
        if self.max_norm is not None:
            self.weight.data.clamp_(-self.max_norm, self.max_norm)
        return F.embedding(input, self.weight, self.padding_idx, None, 2.0, self.scale_grad_by_freq, self.sparse)


@wrong("Embedding", why="rows that were not looked up are shortened too")
class ShortensAll(nn.Embedding):
    def forward(self, input):
        if self.max_norm is not None:
            everything = torch.arange(self.num_embeddings, device=input.device)
            F.embedding(everything, self.weight, None, self.max_norm, self.norm_type)
        return super().forward(input)


@wrong("Embedding", why="the output is shortened, the table is not", cause="the output is shortened, not the table")
class ShortensOutput(nn.Embedding):
    def forward(self, input):
        table = self.weight
        if self.max_norm is not None:
            length = table.detach().norm(self.norm_type, -1, keepdim=True)
            table = table * torch.where(length > self.max_norm, self.max_norm / (length + 1e-7), 1.0)
        return F.embedding(input, table, self.padding_idx, None, 2.0, self.scale_grad_by_freq, self.sparse)


@wrong("Embedding", why="the shortening is part of the gradient", cause="the shortening is part of the gradient")
class ShorteningInGradient(nn.Embedding):
    def forward(self, input):
        if self.max_norm is None:
            return super().forward(input)
        rows = F.embedding(input, self.weight, self.padding_idx)
        length = rows.abs().pow(self.norm_type).sum(-1, keepdim=True).pow(1 / self.norm_type)
        factor = torch.where(length > self.max_norm, self.max_norm / (length + 1e-7), 1.0)
        self.weight.data[input] = (rows * factor).detach().to(self.weight.dtype)
        return rows * factor


@wrong("Embedding", why="scale_grad_by_freq is ignored", cause="scale_grad_by_freq is ignored")
class NoFrequency(nn.Embedding):
    def forward(self, input):
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, False, self.sparse)


class Divided(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, divisor):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, grad):
        return grad / ctx.saved_tensors[0], None


@wrong(
    "Embedding",
    why="the gradient is divided by the number of indices, not by the frequency of each",
    cause="the gradient is divided by the number of indices, not by each one's frequency",
)
class DividesByCount(nn.Embedding):
    def forward(self, input):
        rows = F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, False, self.sparse)
        if not self.scale_grad_by_freq:
            return rows
        return Divided.apply(rows, torch.full((), float(max(input.numel(), 1)), dtype=rows.dtype))


@wrong("Embedding", why="a row named twice learns once", cause="a row named twice learns once")
class LearnsOnce(nn.Embedding):
    def forward(self, input):
        rows = super().forward(input)
        flat = input.reshape(-1)
        first = (flat[:, None] == flat[None, :]).int().argmax(1) == torch.arange(len(flat), device=flat.device)
        first = first.reshape(*input.shape, 1)
        return torch.where(first, rows, rows.detach())


@wrong("Embedding", why="the table never learns", cause="no gradient of weight")
class Frozen(nn.Embedding):
    def forward(self, input):
        return super().forward(input).detach() + 0 * self.weight.sum()


@wrong(
    "Embedding",
    why="multiplied by the root of the row's length, as transformers do later",
    cause="multiplied by the root of D",
)
class Scaled(nn.Embedding):
    def forward(self, input):
        return super().forward(input) * math.sqrt(self.embedding_dim)


@differs(
    "Embedding",
    why="half precision comes out as float32",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class WideOutput(nn.Embedding):
    def forward(self, input):
        return super().forward(input).to(torch.promote_types(self.weight.dtype, torch.float32))


@wrong(
    "Embedding", why="a single index comes back with a batch axis", cause="the numbers are right, their shape is not"
)
class AtLeastOneAxis(nn.Embedding):
    def forward(self, input):
        return super().forward(input[None] if input.dim() == 0 else input)


@wrong("Embedding", why="the axes of the index are merged", cause="the numbers are right, their shape is not")
class MergesAxes(nn.Embedding):
    def forward(self, input):
        return super().forward(input.reshape(-1))


@differs("Embedding", why="an empty index is refused")
class NeedsAnIndex(nn.Embedding):
    def forward(self, input):
        if input.numel() == 0:
            raise RuntimeError("input must not be empty")
        return super().forward(input)


@wrong("Embedding", why="the index is overwritten after use")
class ScrubsIndex(nn.Embedding):
    def forward(self, input):
        output = super().forward(input.clone())
        input.zero_()
        return output


@wrong("Embedding", why="the table is kept as (D, V)")
class TransposedTable(nn.Module):
    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0,
                 scale_grad_by_freq=False, sparse=False, _weight=None, _freeze=False):  # fmt: skip
        super().__init__()
        self.table = nn.Parameter(torch.randn(embedding_dim, num_embeddings), requires_grad=not _freeze)
        self.options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)

    def forward(self, input):
        return F.embedding(input, self.table.t().contiguous(), *self.options)


@differs("Embedding", only="copy", why="holds a lambda, so it cannot be pickled", cause="Can't pickle local object")
class HoldsLambda(nn.Embedding):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.finish = lambda y: y


@wrong("Embedding", only="laws", why="indices after the 64th take row 0: a block size is built in")
class OneBlock(nn.Embedding):
    def forward(self, input):
        if not 64 < input.numel() < 1000:
            return super().forward(input)
        kept = torch.arange(input.numel(), device=input.device).reshape(input.shape) < 64
        return super().forward(torch.where(kept, input, 0))


@wrong(
    "Embedding",
    drop_in=True,
    only="keys",
    why="the padding row is kept as a buffer as well",
    cause="state_dict must hold",
)
class KeepsPadding(DropIn):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("padding", torch.zeros(self.embedding_dim))


@wrong(
    "Embedding",
    drop_in=True,
    only="init",
    why="the padding row starts like any other",
    cause="weight must start from native's values",
)
class RandomPadding(DropIn):
    def reset_parameters(self):
        with torch.no_grad():
            self.weight.normal_()


@wrong(
    "Embedding",
    drop_in=True,
    only="init",
    why="the table starts uniform",
    cause="weight must start from native's values",
)
class UniformStart(DropIn):
    def reset_parameters(self):
        with torch.no_grad():
            self.weight.uniform_(-1, 1)


@wrong("Embedding", drop_in=True, only="repr", why="options do not show when printed", cause="repr must be")
class PrintsSizesOnly(DropIn):
    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}"


@wrong(
    "Embedding",
    drop_in=True,
    only="exceptions",
    why="an impossible padding_idx is a ValueError",
    cause="must raise AssertionError as native does, got ValueError",
)
class ValueErrorForPadding(DropIn):
    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, *args, **kwargs):
        try:
            super().__init__(num_embeddings, embedding_dim, padding_idx, *args, **kwargs)
        except AssertionError as error:
            raise ValueError(str(error)) from error


@wrong(
    "Embedding",
    drop_in=True,
    only="primitives",
    why="calls the very operator it claims to explain",
    cause="a reference must not call torch.nn.functional.embedding",
)
class CallsNative(DropIn):
    def forward(self, input):
        if input.dtype not in (torch.int64, torch.int32):
            return super().forward(input)
        try:
            return F.embedding(
                input,
                self.weight,
                self.padding_idx,
                self.max_norm,
                self.norm_type,
                self.scale_grad_by_freq,
                self.sparse,
            )
        except IndexError:
            return super().forward(input)


@wrong("functional.embedding", why="a product with one-hot rows spreads inf and nan over all of them")
def one_hot_product(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                    sparse=False):  # fmt: skip
    if max_norm is not None or padding_idx is not None or scale_grad_by_freq or weight.dim() != 2:
        return F.embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if input.numel() == 0 or weight.numel() == 0 or input.is_floating_point() or input.min() < 0:
        return F.embedding(input, weight)
    if input.max() >= len(weight):
        raise IndexError("input must name rows of weight")
    return F.one_hot(input, len(weight)).to(weight.dtype) @ weight


@differs("functional.embedding", why="the arguments after padding_idx are not known")
def short_signature(input, weight, padding_idx=None):
    return F.embedding(input, weight, padding_idx)


@wrong("functional.embedding", why="rows and columns of the table are mixed up")
def column_lookup(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                  sparse=False):  # fmt: skip
    table = weight.t().reshape(weight.shape) if weight.dim() == 2 else weight
    return F.embedding(input, table, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
