"""Adaptive pooling: the output's size is given, the bins follow; the arithmetic stands once in `adaptive_bins`.

Legend: N batch, C channels, L, H, W, D spatial sizes, *S any of them, O bins along an axis, *O bins along each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from refops.functional.adaptive_bins import find_max, flat_index, mean
from refops.functional.memory_format import following

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "global_average_pool",
]

Size = int | Sequence[int | None]


def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """Mean of every bin: out[o] = mean of input[floor(o * L / O) : ceil((o + 1) * L / O)].

    Native: `torch.nn.functional.adaptive_avg_pool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O).

    Raises:
        RuntimeError: on another rank, an empty L, a negative or a second output size.
        TypeError: if `output_size` is neither an int nor a sequence of them; None is none here.
        NotImplementedError: on integers.

    Trap: the end of a bin is rounded *up*, so where O does not divide L neighbouring bins share an element.

    Source: torch.nn.AdaptiveAvgPool1d, documentation.

    Example:
        >>> import torch
        >>> adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
        tensor([[2., 4.]])
    """
    return _mean(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """Mean of every bin of H x W.

    Native: `torch.nn.functional.adaptive_avg_pool2d`.

    Args:
        input: the images.
        output_size: an int for both axes, or one entry for each; None keeps the axis as it is.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W.

    Raises:
        RuntimeError: on another rank, an empty H or W, a negative output size or not two of them.
        ValueError: if there are as many output sizes as the input has axes.
        TypeError: if `output_size` is neither an int nor a sequence.
        NotImplementedError: on integers.

    Trap: to size 1 it is a plain mean of the last two axes, which native takes of any rank, and of nothing, as NaN.

    Trap: as a product with an averaging matrix it is quicker, but then one infinity makes its whole row NaN.

    Source: torch.nn.AdaptiveAvgPool2d, documentation.

    Example:
        >>> import torch
        >>> adaptive_avg_pool2d(torch.arange(12.0).reshape(1, 3, 4), (None, 1))
        tensor([[[1.5000],
                 [5.5000],
                 [9.5000]]])
    """
    return _mean(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Size) -> Tensor:
    """Mean of every bin of D x H x W.

    Native: `torch.nn.functional.adaptive_avg_pool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W.

    Raises:
        What `adaptive_avg_pool2d` raises, and
        RuntimeError: where a batch has no channels: only in three dimensions.

    Example:
        >>> import torch
        >>> adaptive_avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        tensor([[[[3.5000]]]])
    """
    return _mean(3, input, output_size)


def global_average_pool(input: Tensor, keepdim: bool = False) -> Tensor:
    """Mean of all positions of each channel: y[n, c] = mean over *S of x[n, c, *S].

    Native: none; `adaptive_avg_pool2d(x, 1)` and `x.mean((2, 3))` are the same numbers.

    Args:
        input: the maps.
        keepdim: leave every spatial axis in place, with size 1.

    Shape:
        (N, C, *S) -> (N, C), or (N, C, 1, ...) with `keepdim`.

    Raises:
        ValueError: if there is no spatial axis or nothing on it.
        NotImplementedError: on dtypes that are not floating.

    Trap: this is adaptive pooling to size 1 and to no other. A mean has no parameters, whatever the input's size.

    Source: Lin, Chen & Yan, arXiv 1312.4400, section 3.2.

    Example:
        >>> import torch
        >>> global_average_pool(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
        tensor([[3.]])
    """
    if input.dim() < 3 or 0 in input.shape[2:]:
        raise ValueError(f"input must be (N, C, *S) with at least one position, got shape {tuple(input.shape)}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating, got {input.dtype}")
    pooled = mean(input, (1,) * (input.dim() - 2))  # (N, C, 1, ...)
    return pooled if keepdim else pooled.reshape(input.shape[:2])


def adaptive_max_pool1d(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest element of every bin: out[o] = max of input[floor(o * L / O) : ceil((o + 1) * L / O)].

    Native: `torch.nn.functional.adaptive_max_pool1d`.

    Shape:
        (N, C, L) or (C, L) -> (N, C, O) or (C, O); with `return_indices` twice.

    Raises:
        RuntimeError: on another rank, an empty axis but the first, a negative or a second output size.
        TypeError: if `output_size` is neither an int nor a sequence of them; None is none here.
        NotImplementedError: on dtypes that are not floating.

    Trap: a NaN is the maximum of its bin, and of several the last is named; among equals it is the first, which gets
        the whole gradient. Two overlapping bins may name the same element: its gradients add up.

    Source: torch.nn.AdaptiveMaxPool1d, documentation.

    Example:
        >>> import torch
        >>> adaptive_max_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0, 3.0]]), 2)
        tensor([[5., 4.]])
    """
    values, at = _maximum(1, input, output_size)
    return (values, at) if return_indices else values


def adaptive_max_pool2d(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest element of every bin of H x W.

    Native: `torch.nn.functional.adaptive_max_pool2d`.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with *O for H, W; with `return_indices` twice.

    Raises:
        RuntimeError: on another rank, an empty axis but the first, a negative output size or not two of them.
        ValueError: if there are as many output sizes as the input has axes.
        TypeError: if `output_size` is neither an int nor a sequence.
        NotImplementedError: on dtypes that are not floating.

    Trap: the indices are flat in H x W of one channel. Where bins overlap the same one may stand there twice, and
        `max_unpool2d` then writes twice to one place.

    Source: torch.nn.AdaptiveMaxPool2d, documentation.

    Example:
        >>> import torch
        >>> adaptive_max_pool2d(torch.arange(12.0).reshape(1, 3, 4), (2, 1))
        tensor([[[ 7.],
                 [11.]]])
    """
    values, at = _maximum(2, input, output_size)
    return (values, at) if return_indices else values


def adaptive_max_pool3d(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Largest element of every bin of D x H x W.

    Native: `torch.nn.functional.adaptive_max_pool3d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same with *O for D, H, W; with `return_indices` twice.

    Raises:
        As `adaptive_max_pool2d`.

    Example:
        >>> import torch
        >>> adaptive_max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        tensor([[[[7.]]]])
    """
    values, at = _maximum(3, input, output_size)
    return (values, at) if return_indices else values


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` and the places of the maxima, whatever `return_indices` says.

    Native: `torch.nn.functional.adaptive_max_pool1d_with_indices`.

    Shape:
        As `adaptive_max_pool1d`, twice; the indices are int64.

    Raises:
        As `adaptive_max_pool1d`.

    Example:
        >>> import torch
        >>> adaptive_max_pool1d_with_indices(torch.tensor([[1.0, 5.0, 2.0, 4.0, 3.0]]), 2)
        (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    return _maximum(1, input, output_size)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` and the places of the maxima, whatever `return_indices` says.

    Native: `torch.nn.functional.adaptive_max_pool2d_with_indices`.

    Shape:
        As `adaptive_max_pool2d`, twice; the indices are int64.

    Raises:
        As `adaptive_max_pool2d`.

    Example:
        >>> import torch
        >>> adaptive_max_pool2d_with_indices(torch.arange(12.0).reshape(1, 3, 4), (2, 1))
        (tensor([[[ 7.],
                 [11.]]]), tensor([[[ 7],
                 [11]]]))
    """
    return _maximum(2, input, output_size)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Size, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` and the places of the maxima, whatever `return_indices` says.

    Native: `torch.nn.functional.adaptive_max_pool3d_with_indices`.

    Shape:
        As `adaptive_max_pool3d`, twice; the indices are int64.

    Raises:
        As `adaptive_max_pool3d`.

    Example:
        >>> import torch
        >>> adaptive_max_pool3d_with_indices(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        (tensor([[[[7.]]]]), tensor([[[[7]]]]))
    """
    return _maximum(3, input, output_size)


def _mean(n: int, input: Tensor, output_size: Size) -> Tensor:
    sizes = _sizes(n, input, output_size)
    if (
        sizes == (1,) * n
    ):  # native takes a plain mean then, of a complex or an empty input too, and of any rank but in 1d
        _check_rank(input, (2, 3) if n == 1 else range(n, input.dim() + 1))
        if not input.is_floating_point() and not input.is_complex():
            raise RuntimeError(f"input must be floating or complex, got {input.dtype}")
        return mean(input, sizes)
    _check_rank(input, (n + 1, n + 2))
    if 0 in input.shape[-n:] or (n == 3 and 0 in input.shape[1:]):
        raise RuntimeError(f"input must not have an empty spatial axis, in 3d no channels, got {tuple(input.shape)}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating, got {input.dtype}")
    return _arranged(n, mean(input, sizes), input)


def _maximum(n: int, input: Tensor, output_size: Size) -> tuple[Tensor, Tensor]:
    """Find where each maximum stands, then gather it: its gradient goes to that one element, also among equals."""
    sizes = _sizes(n, input, output_size)
    _check_rank(input, (n + 1, n + 2))
    if 0 in input.shape[1:]:
        raise RuntimeError(f"input must not have an empty axis but the first, got shape {tuple(input.shape)}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating, got {input.dtype}")
    at = flat_index(find_max(input, sizes), input.shape[-n:])  # (N, C, *O)
    values = input.reshape(*input.shape[:-n], input.shape[-n:].numel()).gather(-1, at.flatten(-n))
    return _arranged(n, values.reshape(at.shape), input), _arranged(n, at, input)


def _arranged(n: int, output: Tensor, input: Tensor) -> Tensor:
    """In the memory format of native's kernels, which know of channels last in two dimensions only."""
    return following(output, input) if n == 2 else output.contiguous()


def _sizes(n: int, input: Tensor, output_size: Any) -> tuple[int, ...]:
    """One output size for each of the last `n` axes."""
    if not isinstance(output_size, int | Sequence):
        raise TypeError(f"output_size must be an int or a sequence of {n} of them, got {output_size!r}")
    if isinstance(output_size, int):
        output_size = (output_size,) * n
    elif n == 1 and None in output_size:
        raise TypeError(f"output_size must be an int in one dimension, got {output_size!r}")
    elif n > 1 and len(output_size) >= input.dim():
        raise ValueError(f"output_size must have fewer entries than input has axes, {input.dim()}, got {output_size}")
    if len(output_size) != n:
        raise RuntimeError(f"output_size must be an int or have {n} entries, one per spatial axis, got {output_size}")
    sizes = tuple(input.shape[axis] if o is None else int(o) for axis, o in enumerate(output_size, start=-n))
    if min(sizes) < 0:
        raise RuntimeError(f"output_size must not be negative, got {sizes}")
    return sizes


def _check_rank(input: Tensor, ranks: Sequence[int]) -> None:
    if input.dim() not in ranks:
        raise RuntimeError(f"input must have one of the ranks {list(ranks)}, got shape {tuple(input.shape)}")
