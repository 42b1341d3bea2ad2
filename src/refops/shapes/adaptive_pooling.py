"""Output shapes of adaptive pooling: the sizes asked for; None keeps an axis, but not in one dimension."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "global_average_pool",
]

Size = int | Sequence[int | None]
Shape = tuple[int, ...]


def adaptive_avg_pool1d(input: Sequence[int], output_size: Size) -> Shape:
    """(N, C, L) or (C, L) -> the same with O for L.

    Raises:
        ValueError: for what `torch.nn.AdaptiveAvgPool1d` refuses.

    Example:
        >>> adaptive_avg_pool1d((1, 64, 8), 5)
        (1, 64, 5)
    """
    return _mean(1, input, output_size)


def adaptive_avg_pool2d(input: Sequence[int], output_size: Size) -> Shape:
    """(N, C, H, W) or (C, H, W) -> the same with O for each of H, W.

    Raises:
        ValueError: for what `torch.nn.AdaptiveAvgPool2d` refuses.

    Example:
        >>> adaptive_avg_pool2d((1, 64, 10, 9), (None, 7))
        (1, 64, 10, 7)
    """
    return _mean(2, input, output_size)


def adaptive_avg_pool3d(input: Sequence[int], output_size: Size) -> Shape:
    """(N, C, D, H, W) or (C, D, H, W) -> the same with O for each of D, H, W.

    Raises:
        ValueError: for what `torch.nn.AdaptiveAvgPool3d` refuses.

    Example:
        >>> adaptive_avg_pool3d((1, 64, 8, 9, 10), (5, 7, None))
        (1, 64, 5, 7, 10)
    """
    return _mean(3, input, output_size)


def adaptive_max_pool1d(
    input: Sequence[int], output_size: Size, return_indices: bool = False
) -> Shape | tuple[Shape, Shape]:
    """(N, C, L) or (C, L) -> the same with O for L; with `return_indices` twice.

    Raises:
        ValueError: for what `torch.nn.AdaptiveMaxPool1d` refuses.

    Example:
        >>> adaptive_max_pool1d((1, 64, 8), 5)
        (1, 64, 5)
    """
    output = _maximum(1, input, output_size)
    return (output, output) if return_indices else output


def adaptive_max_pool2d(
    input: Sequence[int], output_size: Size, return_indices: bool = False
) -> Shape | tuple[Shape, Shape]:
    """(N, C, H, W) or (C, H, W) -> the same with O for each of H, W; with `return_indices` twice.

    Raises:
        ValueError: for what `torch.nn.AdaptiveMaxPool2d` refuses.

    Example:
        >>> adaptive_max_pool2d((1, 64, 10, 9), (None, 7))
        (1, 64, 10, 7)
    """
    output = _maximum(2, input, output_size)
    return (output, output) if return_indices else output


def adaptive_max_pool3d(
    input: Sequence[int], output_size: Size, return_indices: bool = False
) -> Shape | tuple[Shape, Shape]:
    """(N, C, D, H, W) or (C, D, H, W) -> the same with O for each of D, H, W; with `return_indices` twice.

    Raises:
        ValueError: for what `torch.nn.AdaptiveMaxPool3d` refuses.

    Example:
        >>> adaptive_max_pool3d((1, 64, 8, 9, 10), (5, 7, None))
        (1, 64, 5, 7, 10)
    """
    output = _maximum(3, input, output_size)
    return (output, output) if return_indices else output


def global_average_pool(input: Sequence[int], keepdim: bool = False) -> Shape:
    """(N, C, *S) -> (N, C), or (N, C, 1, ...) with `keepdim`.

    Raises:
        ValueError: if there is no spatial axis or nothing on it.

    Example:
        >>> global_average_pool((2, 512, 7, 5))
        (2, 512)
    """
    if len(input) < 3 or 0 in input[2:]:
        raise ValueError(f"input must be (N, C, *S) with at least one position, got {tuple(input)}")
    return (*input[:2], *(1,) * (len(input) - 2 if keepdim else 0))


def _mean(n: int, input: Sequence[int], output_size: Size) -> Shape:
    """To size 1 it is a plain mean, which any rank and also nothing has; but in one dimension no other rank."""
    sizes = _sizes(n, input, output_size)
    if sizes == (1,) * n and len(input) >= n and (n > 1 or len(input) in (2, 3)):
        return (*input[:-n], *sizes)
    return _pooled(n, input, sizes, input[1:] if n == 3 else input[-n:])


def _maximum(n: int, input: Sequence[int], output_size: Size) -> Shape:
    return _pooled(n, input, _sizes(n, input, output_size), input[1:])


def _sizes(n: int, input: Sequence[int], output_size: Size) -> Shape:
    sizes = (output_size,) * n if isinstance(output_size, int) else tuple(output_size)
    if len(sizes) != n or (None in sizes and (n == 1 or len(input) <= n)):
        raise ValueError(f"output_size must be an int or have {n} entries, got {output_size}")
    if not isinstance(output_size, int) and n > 1 and len(input) <= n:
        raise ValueError(f"output_size must have fewer entries than input has axes, got {output_size}")
    spatial = tuple(input[axis] if o is None else o for axis, o in enumerate(sizes, start=-n))
    if min(spatial) < 0:
        raise ValueError(f"output_size must not be negative, got {spatial}")
    return spatial


def _pooled(n: int, input: Sequence[int], sizes: Shape, filled: Sequence[int]) -> Shape:
    if len(input) not in (n + 1, n + 2) or 0 in filled:
        raise ValueError(f"input must have {n + 1} or {n + 2} axes, none empty but the batch, got {tuple(input)}")
    return (*input[:-n], *sizes)
