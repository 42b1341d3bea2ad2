"""Unpooling: the maxima go back to where they stood, everything else is zero. One scatter, in any number of dimensions.

Legend: N batch, C channels, *O windows, *S spatial sizes of what was pooled (L, H x W, D x H x W).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from refops.functional.memory_format import following

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Size = int | Sequence[int]


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put every maximum back to its place: out[..., indices[o]] = input[..., o], and 0 elsewhere.

    The size, L = (O - 1) * stride - 2 * padding + kernel_size, is the smallest that would have given O windows;
    `output_size` says which one it was.

    Native: `torch.nn.functional.max_unpool1d`.

    Args:
        input: the maxima.
        indices: their places in the flattened *S, as `max_pool1d` gives them.
        kernel_size: what was pooled with; it only says how large the output is.
        stride: likewise.
        padding: likewise.
        output_size: *S, or all of (N, C, *S), of which only *S is looked at; less than one stride from the usual.

    Shape:
        (N, C, O) or (C, O) -> the same with L for O; `indices` as the input.

    Raises:
        ValueError: on an `output_size` of another length or too far away, or if the size came out negative.
        RuntimeError: on another rank, empty axes but the batch, indices of another shape or dtype or beyond the output,
            a stride below 1, a `kernel_size` of too few entries.
        IndexError: on a stride or padding of fewer entries than `kernel_size`.
        NotImplementedError: on dtypes that are not floating.

    Trap: where windows overlapped an index can stand there twice. One value stays (natively unspecified which, on one
        CPU thread the last), it is not the sum, and yet all of them get the gradient of that place.

    Source: torch.nn.MaxUnpool1d, documentation; Zeiler & Fergus, arXiv 1311.2901, section 2.1.

    Example:
        >>> max_unpool1d(torch.tensor([[5.0, 4.0]]), torch.tensor([[1, 3]]), 2)
        tensor([[0., 5., 0., 4.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put every maximum back to its place in H x W.

    Native: `torch.nn.functional.max_unpool2d`.

    Shape:
        (N, C, *O) or (C, *O) -> the same with H, W for *O; `indices` as the input.

    Raises:
        As `max_unpool1d`.

    Trap: the indices are flat in H x W. Without `output_size` an odd width is taken for the even one below, and the
        maxima land in other rows.

    Source: torch.nn.MaxUnpool2d, documentation.

    Example:
        >>> max_unpool2d(torch.tensor([[[9.0]]]), torch.tensor([[[2]]]), 2)
        tensor([[[0., 0.],
                 [9., 0.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put every maximum back to its place in D x H x W.

    Native: `torch.nn.functional.max_unpool3d`.

    Shape:
        (N, C, *O) or (C, *O) -> the same with D, H, W for *O; `indices` as the input.

    Raises:
        As `max_unpool1d`.

    Example:
        >>> max_unpool3d(torch.tensor([[[[9.0]]]]), torch.tensor([[[[3]]]]), (1, 2, 2))
        tensor([[[[0., 0.],
                  [0., 9.]]]])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _unpool(
    n: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Sequence[int] | None,
) -> Tensor:
    sizes = _sizes(n, input, kernel_size, kernel_size if stride is None else stride, padding, output_size)
    if input.dim() not in (n + 1, n + 2) or 0 in input.shape[1:]:
        raise RuntimeError(
            f"input must have {n + 1} or {n + 2} axes, none empty but the first, got shape {tuple(input.shape)}"
        )
    if indices.dtype != torch.int64:
        raise RuntimeError(f"indices must be int64, got {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(f"indices must have the shape of input, {tuple(input.shape)}, got {tuple(indices.shape)}")
    if not input.is_floating_point():
        raise NotImplementedError(f"input must be floating, got {input.dtype}")
    plane = input.new_zeros(*input.shape[:-n], torch.Size(sizes).numel())  # (N, C, |S|)
    try:
        plane = plane.scatter(-1, indices.flatten(-n), input.flatten(-n))
    except RuntimeError as error:
        raise RuntimeError(f"indices must lie in an output of {sizes}, got {indices}") from error
    output = plane.reshape(*input.shape[:-n], *sizes)
    return following(output, input) if n == 2 else output  # native's knows of channels last in two dimensions only


def _sizes(
    n: int, input: Tensor, kernel_size: Size, stride: Size, padding: Size, output_size: Sequence[int] | None
) -> tuple[int, ...]:
    """*S: what the windows tell, or `output_size` if it is less than one stride from that."""
    kernels, strides, paddings = (
        (value,) * n if isinstance(value, int) else tuple(value) for value in (kernel_size, stride, padding)
    )
    for name, given in (("stride", strides), ("padding", paddings)):
        if len(given) < len(kernels):
            raise IndexError(f"{name} must have an entry for each of kernel_size {kernels}, got {given}")
        if len(given) > n:
            raise RuntimeError(f"{name} must be an int or have {n} entries, one per spatial axis, got {given}")
    if len(kernels) != n:
        raise RuntimeError(f"kernel_size must be an int or have {n} entries, one per spatial axis, got {kernels}")
    if min(strides) < 1:
        raise RuntimeError(f"stride must be greater than zero, got {strides}")
    windows = zip(input.shape[-n:], kernels, strides, paddings, strict=False)
    usual = tuple((o - 1) * s + k - 2 * p for o, k, s, p in windows)
    sizes = usual if output_size is None else tuple(output_size)
    sizes = sizes[2:] if len(sizes) == n + 2 else sizes
    if output_size is not None and len(sizes) != n:
        raise ValueError(f"output_size must have {n} or {n + 2} entries, got {sizes}")
    if not all(u - s < size < u + s for size, u, s in zip(sizes, usual, strides, strict=False)):
        raise ValueError(f"output_size must be less than one stride {strides} from {usual}, got {sizes}")
    if min(sizes, default=0) < 0:
        raise ValueError(f"output_size must not be negative, got {sizes} from kernel_size, stride and padding")
    return sizes
