"""Output shapes of convolution: how many windows fit along each axis, in any number of dimensions.

P = floor((S + 2 padding - dilation (K - 1) - 1) / stride) + 1

Legend: N batch, S size of a spatial axis, K size of the kernel there, P number of windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.padding import pad

__all__ = ["conv1d", "conv2d", "conv3d"]

Size = int | Sequence[int]


def conv1d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    in_channels: int | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, L) -> (N, out_channels, P), or both without N. Raises as `conv2d`.

    Example:
        >>> conv1d((20, 16, 50), 33, 3, stride=2)
        (20, 33, 24)
    """
    return _conv(1, input, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode, in_channels)


def conv2d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    in_channels: int | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, H, W) -> (N, out_channels, *P), or both without N.

    Raises:
        ValueError: if rank or channels of `input` do not fit, no window fits into an axis, or an argument is one that
            native refuses.

    Example:
        >>> conv2d((1, 3, 224, 224), 64, 7, stride=2, padding=3)
        (1, 64, 112, 112)
    """
    return _conv(2, input, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode, in_channels)


def conv3d(
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    in_channels: int | None = None,
) -> tuple[int, ...]:
    """(N, in_channels, D, H, W) -> (N, out_channels, *P), or both without N. Raises as `conv2d`.

    Example:
        >>> conv3d((2, 4, 5, 6, 7), 8, (2, 3, 3), padding="same")
        (2, 8, 5, 6, 7)
    """
    return _conv(3, input, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode, in_channels)


def _conv(
    n: int,
    input: Sequence[int],
    out_channels: int,
    kernel_size: Size,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
    padding_mode: str,
    in_channels: int | None,
) -> tuple[int, ...]:
    kernel = _each(n, kernel_size, "kernel_size", least=1)
    steps, gaps = _each(n, stride, "stride", least=1), _each(n, dilation, "dilation", least=1)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, gaps, strict=True)]
    if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
        raise ValueError(f"padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular', got {padding_mode!r}")
    _require_channels(n, input, out_channels, groups, in_channels)
    widths = _widths(n, padding, spans, steps, negative=padding_mode != "zeros")
    mode = "constant" if padding_mode == "zeros" else padding_mode
    sizes = pad(input, [w for pair in reversed(widths) for w in pair], mode)[-n:]
    if 0 in input[-n:] or any(span > size for span, size in zip(spans, sizes, strict=True)):
        raise ValueError(f"kernel_size must fit into the padded input {sizes}, got windows of {tuple(spans)}")
    positions = [(size - span) // step + 1 for size, span, step in zip(sizes, spans, steps, strict=True)]
    return (*input[: -n - 1], out_channels, *positions)


def _each(n: int, value: Size, name: str, least: int | None = None) -> tuple[int, ...]:
    """One int for each of `n` axes."""
    values = (value,) * n if isinstance(value, int) else tuple(value) * (n if len(value) == 1 else 1)
    if len(values) != n:
        raise ValueError(f"{name} must be an int or have {n} entries, got {value}")
    if least is not None and min(values) < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return values


def _require_channels(n: int, input: Sequence[int], out_channels: int, groups: int, in_channels: int | None) -> None:
    if len(input) not in (n + 1, n + 2):
        raise ValueError(f"input must have {n + 1} axes (unbatched) or {n + 2}, got {tuple(input)}")
    if in_channels is not None and input[-n - 1] != in_channels:
        raise ValueError(f"input must have in_channels = {in_channels}, got {input[-n - 1]} in {tuple(input)}")
    if groups < 1:
        raise ValueError(f"groups must be positive, got {groups}")
    if out_channels < 1 or out_channels % groups:
        raise ValueError(f"out_channels must be positive and divisible by groups = {groups}, got {out_channels}")
    if input[-n - 1] % groups:
        raise ValueError(f"in_channels must be divisible by groups = {groups}, got {input[-n - 1]}")


def _widths(
    n: int, padding: Size | str, spans: Sequence[int], stride: Sequence[int], negative: bool
) -> list[tuple[int, int]]:
    """What is added before and after each axis."""
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ValueError(f"padding 'same' needs a stride of 1, got {tuple(stride)}")
        return [((span - 1) // 2, span - 1 - (span - 1) // 2) for span in spans]
    if isinstance(padding, str) and padding != "valid":
        raise ValueError(f"padding must be an int, a tuple of ints, 'same' or 'valid', got {padding!r}")
    values = (0,) * n if isinstance(padding, str) else _each(n, padding, "padding", None if negative else 0)
    return [(p, p) for p in values]
