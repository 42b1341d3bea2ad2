"""Honest variants of Embedding."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest


class Described(nn.Embedding):
    """Native's constructor, options and refusals; subclasses look the rows up when no option is set."""

    def forward(self, input):
        special = self.max_norm is not None or self.scale_grad_by_freq or self.sparse or self.padding_idx is not None
        if special or input.dtype not in (torch.int64, torch.int32) or input.numel() == 0:
            return super().forward(input)
        F.embedding(input, self.weight.detach())  # refuses what is out of range
        return self.lookup(input)


@honest("Embedding", why="gather along the rows")
class Gathered(Described):
    def lookup(self, input):
        flat = input.reshape(-1, 1).expand(-1, self.embedding_dim)
        return self.weight.gather(0, flat).reshape(*input.shape, self.embedding_dim)


@honest("Embedding", why="plain indexing")
class Indexed(Described):
    def lookup(self, input):
        return self.weight[input.reshape(-1)].reshape(*input.shape, self.embedding_dim)


@honest("Embedding", why="a product with one-hot rows, in float32 for half precision")
class OneHot(Described):
    def lookup(self, input):
        wide = torch.promote_types(self.weight.dtype, torch.float32)
        return (F.one_hot(input, self.num_embeddings).to(wide) @ self.weight.to(wide)).to(self.weight.dtype)


@honest("Embedding", why="columns of the transposed table")
class Columns(Described):
    def lookup(self, input):
        return self.weight.t().index_select(1, input.reshape(-1)).t().reshape(*input.shape, self.embedding_dim)


@honest("Embedding", why="the indices in chunks")
class Chunked(Described):
    def lookup(self, input):
        chunks = [F.embedding(part, self.weight) for part in input.reshape(-1).split(7)]
        return torch.cat(chunks).reshape(*input.shape, self.embedding_dim)


@honest("Embedding", why="native inside another module, under another name")
class Wrapped(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.table = nn.Embedding(*args, **kwargs)

    def forward(self, tokens):
        return self.table(tokens)


@honest("Embedding", why="padding is left out by detaching its rows")
class DetachesPadding(nn.Embedding):
    def forward(self, input):
        options = (self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        if self.padding_idx is None or self.sparse:
            return super().forward(input)
        rows = F.embedding(input, self.weight, None, *options)
        return torch.where((input == self.padding_idx)[..., None], rows.detach(), rows)


@honest("functional.embedding", why="native under another name")
def lookup(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    return F.embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)


@honest("functional.embedding", why="native's own shortening, then indexing")
def shorten_then_look_up(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    if max_norm is not None:
        torch.embedding_renorm_(weight.detach(), input.contiguous(), max_norm, norm_type)
    return F.embedding(input, weight, padding_idx, None, 2.0, scale_grad_by_freq, sparse)


@honest("functional.embedding", why="the table copied before it is read")
def copied_table(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    if max_norm is not None or sparse:
        return F.embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    return F.embedding(input, weight.clone(), padding_idx, None, 2.0, scale_grad_by_freq)
