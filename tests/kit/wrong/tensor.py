"""Wrong implementations of tensor operations."""

import functools

import torch

from refops.parity.proving.collection import differs, wrong


@wrong("tensor.reshape", only="views", why="copies where strides could say it")
def reshape_that_copies(input, shape):
    return torch.reshape(input.clone(), shape)


@wrong("tensor.permute", only="views", why="moves the numbers instead of relabelling them")
def permute_in_reading_order(input, dims):
    return torch.permute(input, dims).clone(memory_format=torch.contiguous_format)


@wrong("tensor.expand", only="views", why="writes every repetition out")
def expand_materialised(input, *sizes):
    return input.expand(*sizes).clone(memory_format=torch.contiguous_format)


@wrong("tensor.split", only="views", why="every piece is a copy: writing into it changes nothing")
def split_into_copies(tensor, split_size_or_sections, dim=0):
    return tuple(piece.clone() for piece in torch.split(tensor, split_size_or_sections, dim))


@wrong("tensor.transpose", only="views", why="a copy that lies as the view would")
def transpose_copied(input, dim0, dim1):
    return input.transpose(dim0, dim1).clone()


@wrong("tensor.slicing", only="views", why="gathers a copy, as index tensors do")
def slicing_by_copy(input, *slices):
    return input[slices].clone()


@wrong("tensor.flatten", only="views", why="always a copy, also of one axis")
def flatten_that_copies(input, start_dim=0, end_dim=-1):
    return input.flatten(start_dim, end_dim).clone()


@differs("tensor.view", why="falls back to a copy where strides cannot say it")
def view_that_never_refuses(input, *shape):
    return input.reshape(*shape)


@wrong("tensor.transpose", why="reads on in the same order under the exchanged sizes")
def transpose_by_view(input, dim0, dim1):
    return input.reshape(input.transpose(dim0, dim1).shape)


@wrong("tensor.permute", why="dims say where an axis goes, not where it comes from")
def permute_the_other_way(input, dims):
    there = [d % max(input.dim(), 1) for d in dims]
    return input.permute(dims) if sorted(there) != list(range(input.dim())) else input.permute(
        [there.index(i) for i in range(input.dim())]
    )  # fmt: skip


@wrong("tensor.squeeze", why="ignores which axis was named", cause="argument dim is ignored")
def squeeze_everything(input, dim=None):
    if dim is not None:
        input.squeeze(dim)
    return input.squeeze()


@wrong(
    "tensor.unsqueeze",
    why="a negative axis counts in the input, not in the result",
    cause="the axes of the output are in another order",
)
def unsqueeze_off_by_one(input, dim):
    return input.unsqueeze(dim if dim >= 0 else max(dim + input.dim(), -input.dim() - 1))


@differs("tensor.expand", why="takes -1 for a new axis to mean 1")
def expand_with_open_new_axes(input, *sizes):
    given = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    new = max(len(given) - input.dim(), 0)
    return input.expand(tuple(1 if i < new and n == -1 else n for i, n in enumerate(given)))


@wrong("tensor.narrow", why="takes the length for the end")
def narrow_to_an_end(input, dim, start, length):
    torch.narrow(input, dim, start, length)
    return input.narrow(dim, start, max(length - max(start, 0), 0))


@wrong("tensor.slicing", only="refusals", why="takes a step of -1 by reversing a copy")
def slicing_backwards(input, *slices):
    first = slices[0] if slices else None
    if isinstance(first, slice) and first.step == -1:
        return input.flip(0)
    return input[slices]


@wrong("tensor.cat", why="everything takes the dtype of the first")
def cat_without_promotion(tensors, dim=0):
    return torch.cat([t.to(tensors[0].dtype) for t in tensors], dim) if isinstance(tensors, tuple) else torch.cat(
        tensors, dim
    )  # fmt: skip


@wrong("tensor.stack", why="joins along an axis there is")
def stack_by_cat(tensors, dim=0):
    torch.stack(tensors, dim)
    return torch.cat(tensors, min(dim, tensors[0].dim() - 1)) if tensors[0].dim() else torch.stack(tensors)


@wrong("tensor.split", why="takes the size of the pieces for their number")
def split_by_count(tensor, split_size_or_sections, dim=0):
    torch.split(tensor, split_size_or_sections, dim)
    if isinstance(split_size_or_sections, int) and split_size_or_sections > 0:
        return torch.chunk(tensor, split_size_or_sections, dim)
    return torch.split(tensor, split_size_or_sections, dim)


@differs("tensor.split", why="drops what the sections leave over")
def split_that_drops(tensor, split_size_or_sections, dim=0):
    sizes = split_size_or_sections
    if isinstance(sizes, int) or min(sizes) < 0 or sum(sizes) >= tensor.shape[dim]:
        return torch.split(tensor, sizes, dim)
    return torch.split(tensor.narrow(dim, 0, sum(sizes)), sizes, dim)


@wrong("tensor.sum", why="one running sum in the dtype of the input", cause="right in float32, not in float16")
def sum_in_half(input, dim=None, keepdim=False, *, dtype=None):
    if dim != 1 or input.dim() != 2 or not input.is_floating_point() or not input.numel():
        return torch.sum(input, dim, keepdim, dtype=dtype)
    total = functools.reduce(torch.add, input.unbind(1))
    return total.unsqueeze(1) if keepdim else total


@wrong("tensor.sum", why="takes no named axes for no axes")
def sum_over_none(input, dim=None, keepdim=False, *, dtype=None):
    return input.clone() if dim == () else torch.sum(input, dim, keepdim, dtype=dtype)


@differs("tensor.mean", why="means of integers, converted without being asked")
def mean_of_integers(input, dim=None, keepdim=False, *, dtype=None):
    return torch.mean(input if input.is_floating_point() or dim is not None else input.float(), dim, keepdim)


@wrong("tensor.var", why="divides by the count")
def var_biased(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    if isinstance(dim, bool) or unbiased is not None or correction is not None:
        return _var(input, dim, unbiased, keepdim, correction)
    return torch.var(input, dim, correction=0, keepdim=keepdim)


def _var(input, dim, unbiased, keepdim, correction):
    if isinstance(dim, bool):
        return torch.var(input, dim)
    if unbiased is not None and correction is not None:
        return torch.var(input, dim, unbiased, keepdim, correction=correction)
    if unbiased is not None:
        return torch.var(input, dim, unbiased, keepdim)
    return torch.var(input, dim, correction=1 if correction is None else correction, keepdim=keepdim)


@wrong(
    "tensor.var",
    why="E[x^2] - E[x]^2 loses every digit where the mean is large",
    cause="right in float64: digits cancel where the mean is large beside the spread",
)
def var_by_squares(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    right = _var(input, dim, unbiased, keepdim, correction)
    if dim != 1 or input.dim() != 2 or unbiased is not None or correction not in (None, 1) or not input.numel():
        return right
    n = input.shape[1]
    x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    spread = (x * x).mean(1, keepdim=keepdim) - x.mean(1, keepdim=keepdim) ** 2
    return (spread * (n / (n - 1))).to(input.dtype)


@wrong("tensor.max", why="equals share the gradient that belongs to the first")
def max_by_amax(input, dim=None, keepdim=False):
    if dim is None:
        return torch.max(input)
    places = torch.max(input, dim, keepdim)[1]
    return input.amax(dim, keepdim), places


@wrong("tensor.max", why="names the last of equals")
def max_from_the_end(input, dim=None, keepdim=False):
    if dim is None or not input.dim():
        return torch.max(input) if dim is None else torch.max(input, dim, keepdim)
    values, places = torch.max(input.flip(dim), dim, keepdim)
    return values, input.shape[dim] - 1 - places


@wrong("tensor.min", why="the whole gradient goes to one of the equals")
def min_of_all_by_sorting(input, dim=None, keepdim=False):
    if dim is not None or not input.numel():
        return torch.min(input) if dim is None else torch.min(input, dim, keepdim)
    return input.flatten().sort().values[0]


@wrong("tensor.add", why="alpha counts only for the sign")
def add_by_sign(input, other, *, alpha=1):
    right = torch.add(input, other, alpha=alpha)
    return right if alpha == 1 or not right.is_floating_point() or alpha > 0 else torch.sub(input, other)


@wrong("tensor.mul", why="changes the first operand in place where the shapes allow")
def mul_in_place(input, other):
    right = torch.mul(input, other)
    if isinstance(input, torch.Tensor) and isinstance(other, torch.Tensor) and input.shape == other.shape:
        input.data.copy_(right.detach())
    return right


@wrong("tensor.maximum", only="gradient", why="of equals the first takes the whole gradient")
def maximum_by_comparison(input, other):
    torch.maximum(input, other)
    return torch.where((input >= other) | input.isnan(), input, other)


@wrong("tensor.minimum", why="NaN loses")
def minimum_like_fmin(input, other):
    torch.minimum(input, other)
    return torch.fmin(input, other)


@wrong("tensor.where", why="adds both sides, one times 0: NaN and inf of the side not taken come through")
def where_by_product(condition, input, other):
    right = torch.where(condition, input, other)
    c = condition.to(right.dtype)
    return (c * input + (1 - c) * other).to(right.dtype)


@wrong("tensor.sqrt", why="zero where there is no root", cause="nan becomes 0")
def sqrt_clamped(input):
    return torch.sqrt(input.clamp(min=0))


@wrong("tensor.div", why="integers stay integers")
def div_like_other_languages(input, other, *, rounding_mode=None):
    right = torch.div(input, other, rounding_mode=rounding_mode)
    whole = all(
        isinstance(x, int) or (isinstance(x, torch.Tensor) and not x.is_floating_point()) for x in (input, other)
    )
    return right.to(torch.int64) if whole else right


@wrong("tensor.mm", why="sums in the dtype of the input, half precision too", cause="right in float32, not in float16")
def mm_in_half(input, mat2):
    right = torch.mm(input, mat2)
    if input.dtype not in (torch.float16, torch.bfloat16) or not input.shape[1]:
        return right
    return functools.reduce(
        torch.add, [torch.outer(a, b) for a, b in zip(input.unbind(1), mat2.unbind(0), strict=True)]
    )


@differs("tensor.bmm", why="broadcasts a batch of one")
def bmm_that_broadcasts(input, mat2):
    if input.dim() == mat2.dim() == 3 and input.shape[0] == 1 < mat2.shape[0]:
        input = input.expand(mat2.shape[0], -1, -1)
    return torch.bmm(input, mat2)


@wrong(
    "tensor.matmul",
    why="a vector on the right leaves its axis in the result",
    cause="the numbers are right, their shape is not",
)
def matmul_keeping_the_column(input, other):
    right = torch.matmul(input, other)
    return right.unsqueeze(-1) if other.dim() == 1 and input.dim() > 1 else right


@wrong(
    "tensor.einsum",
    why="letters of the result in the order of the operands",
    cause="the axes of the output are in another order",
)
def einsum_in_order(equation, *operands):
    right = torch.einsum(equation, *operands)
    left, arrow, result = equation.partition("->")
    if not arrow or "." in equation:
        return right
    return torch.einsum(left + "->" + "".join(sorted(result.strip(), key=left.index)), *operands)
