"""Honest variants of tensor operations."""

import torch

from refops.parity.proving.collection import honest


@honest("tensor.reshape", why="view where it can, of a contiguous copy where not")
def reshape_by_view(input, shape):
    if not isinstance(shape, tuple | list):
        raise TypeError(f"shape must be a sequence, got {shape!r}")
    try:
        return input.view(shape)
    except RuntimeError:
        return input.contiguous().view(shape)


@honest("tensor.permute", why="one exchange of axes after another")
def permute_by_exchanges(input, dims):
    input.permute(dims)
    order = [d % max(input.dim(), 1) for d in dims]
    now = list(range(input.dim()))
    for i, axis in enumerate(order):
        j = now.index(axis)
        input = input.transpose(i, j)
        now[i], now[j] = now[j], now[i]
    return input


@honest("tensor.expand", why="broadcast_to")
def expand_by_broadcasting(input, *sizes):
    given = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    return torch.broadcast_to(input, given)


@honest("tensor.cat", why="slices of one new tensor filled in turn")
def cat_by_filling(tensors, dim=0):
    whole = torch.cat([t.detach() for t in tensors] if isinstance(tensors, tuple | list) else tensors, dim)
    result, start = torch.zeros_like(whole), 0
    for t in tensors:
        if tuple(t.shape) != (0,):
            result = torch.slice_scatter(result, t.to(whole.dtype), dim, start, start + t.shape[dim])
            start += t.shape[dim]
    return result


@honest("tensor.split", why="one narrow per piece")
def split_by_narrowing(tensor, split_size_or_sections, dim=0):
    sizes = [piece.shape[dim] for piece in torch.split(tensor, split_size_or_sections, dim)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(tensor.narrow(dim, start, n) for start, n in zip(starts, sizes, strict=True))


@honest("tensor.sum", why="two halves added in float32")
def sum_of_halves(input, dim=None, keepdim=False, *, dtype=None):
    if (
        type(dim) is not int
        or dim != 1
        or input.dim() != 2
        or not input.is_floating_point()
        or input.dtype == torch.float64
    ):
        return torch.sum(input, dim, keepdim, dtype=dtype)
    half = input.shape[1] // 2
    x = input.float()
    return (x[:, half:].sum(1, keepdim) + x[:, :half].sum(1, keepdim)).to(input.dtype)


@honest("tensor.var", why="the mean of squares of distances, rescaled")
def var_rescaled(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    if (
        type(dim) is not int
        or dim != 1
        or input.dim() != 2
        or unbiased is not None
        or correction is not None
        or not input.is_floating_point()
    ):
        if isinstance(dim, bool):
            return torch.var(input, dim)
        if unbiased is not None:
            extra = {} if correction is None else {"correction": correction}
            return torch.var(input, dim, unbiased, keepdim, **extra)
        return torch.var(input, dim, correction=1 if correction is None else correction, keepdim=keepdim)
    x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    off = x - x.mean(1, keepdim=True)
    n = x.shape[1]
    return ((off * off).mean(1, keepdim=keepdim) * n / max(n - 1, 0) if n > 1 else torch.var(x, 1, keepdim=keepdim)).to(
        input.dtype
    )


@honest("tensor.max", why="the index first, then the number there")
def max_by_index(input, dim=None, keepdim=False):
    if dim is None or not input.dim():
        return torch.max(input) if dim is None else torch.max(input, dim, keepdim)
    places = torch.max(input.detach(), dim, keepdim=True)[1]
    values = torch.take_along_dim(input, places, dim)
    return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))


@honest("tensor.matmul", why="einsum over the last axes")
def matmul_by_einsum(input, other):
    if input.dim() < 2 or other.dim() < 2 or input.shape[-1] != other.shape[-2] or input.dtype != other.dtype:
        return torch.matmul(input, other)
    return torch.einsum("...ij,...jk->...ik", input, other)


@honest("tensor.mm", why="the inner axis in two chunks, added in float32")
def mm_in_chunks(input, mat2):
    if not input.is_floating_point() or torch.is_autocast_enabled("cpu") or input.dtype != mat2.dtype:
        return torch.mm(input, mat2)
    torch.mm(input[:1], mat2[:, :1])
    half = input.shape[1] // 2
    x, y = (input, mat2) if input.dtype == torch.float64 else (input.float(), mat2.float())
    return (torch.mm(x[:, half:], y[half:]) + torch.mm(x[:, :half], y[:half])).to(input.dtype)
