"""Output shapes of unpooling: the smallest input of as many windows, or the size that is given."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Size = int | Sequence[int]
Shape = tuple[int, ...]


def max_unpool1d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
    indices: Sequence[int] | None = None,
) -> Shape:
    """(N, C, O) or (C, O) -> the same with L for O.

    (O - 1) * stride - 2 * padding + kernel_size each, or `output_size`.

    Raises:
        ValueError: for what `torch.nn.MaxUnpool1d` refuses, whatever the numbers in `indices`.

    Example:
        >>> max_unpool1d((20, 16, 25), 2)
        (20, 16, 50)
    """
    return _unpooled(1, input, kernel_size, stride, padding, output_size, indices)


def max_unpool2d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
    indices: Sequence[int] | None = None,
) -> Shape:
    """(N, C, *O) or (C, *O) -> the same with H, W for *O.

    (O - 1) * stride - 2 * padding + kernel_size each, or `output_size`.

    Raises:
        ValueError: for what `torch.nn.MaxUnpool2d` refuses, whatever the numbers in `indices`.

    Example:
        >>> max_unpool2d((1, 1, 2, 2), (2, 2), stride=(2, 2))
        (1, 1, 4, 4)
    """
    return _unpooled(2, input, kernel_size, stride, padding, output_size, indices)


def max_unpool3d(
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
    indices: Sequence[int] | None = None,
) -> Shape:
    """(N, C, *O) or (C, *O) -> the same with D, H, W for *O.

    (O - 1) * stride - 2 * padding + kernel_size each, or `output_size`.

    Raises:
        ValueError: for what `torch.nn.MaxUnpool3d` refuses, whatever the numbers in `indices`.

    Example:
        >>> max_unpool3d((20, 16, 25, 16, 7), 3, stride=2)
        (20, 16, 51, 33, 15)
    """
    return _unpooled(3, input, kernel_size, stride, padding, output_size, indices)


def _unpooled(
    n: int,
    input: Sequence[int],
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Sequence[int] | None,
    indices: Sequence[int] | None,
) -> Shape:
    if len(input) not in (n + 1, n + 2) or 0 in input[1:]:
        raise ValueError(f"input must have {n + 1} or {n + 2} axes, none empty but the first, got {tuple(input)}")
    if indices is not None and tuple(indices) != tuple(input):
        raise ValueError(f"indices must have the shape of input, {tuple(input)}, got {tuple(indices)}")
    kernels = _spread(n, kernel_size, "kernel_size")
    strides = _spread(n, kernel_size if stride is None else stride, "stride")
    if min(strides) < 1:
        raise ValueError(f"stride must be at least 1, got {strides}")
    windows = zip(input[-n:], kernels, strides, _spread(n, padding, "padding"), strict=True)
    usual = tuple((o - 1) * s + k - 2 * p for o, k, s, p in windows)
    sizes = usual if output_size is None else tuple(output_size)
    sizes = sizes[2:] if len(sizes) == n + 2 else sizes
    if len(sizes) != n or not all(abs(size - u) < s for size, u, s in zip(sizes, usual, strides, strict=True)):
        raise ValueError(f"output_size must have {n} entries less than a stride {strides} from {usual}, got {sizes}")
    if min(sizes) < 0:
        raise ValueError(f"output_size must not be negative, got {sizes}")
    return (*input[:-n], *sizes)


def _spread(n: int, value: Size, name: str) -> Shape:
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n:
        raise ValueError(f"{name} must be an int or have {n} entries, got {values}")
    return values
