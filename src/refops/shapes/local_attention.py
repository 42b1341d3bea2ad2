"""Output shapes of local attention: the queries' length, whatever the window."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.attention import scaled_dot_product_attention

__all__ = ["local_attention", "local_attention_layer"]

Shape = Sequence[int]


def local_attention(
    query: Shape,
    key: Shape | None = None,
    value: Shape | None = None,
    window_size: int = 256,
    mode: str = "block",
    key_padding_mask: Shape | None = None,
) -> tuple[int, ...]:
    """(*B, L, E), (*B, L, E), (*B, L, Ev) -> (*B, L, Ev); without `key` and `value`, of `query` to itself.

    Raises:
        ValueError: if shapes do not fit together, the lengths differ, or `window_size` or `mode` is impossible.

    Example:
        >>> local_attention((2, 8, 100, 64), window_size=256)
        (2, 8, 100, 64)
    """
    _check_window(window_size, mode)
    key = query if key is None else key
    value = key if value is None else value
    output = scaled_dot_product_attention(query, key, value)
    if not query[-2] == key[-2] == value[-2]:
        raise ValueError(f"key and value must have query's length {query[-2]}, got {tuple(key)} and {tuple(value)}")
    if key_padding_mask is not None:
        if not key_padding_mask or key_padding_mask[-1] != key[-2]:
            raise ValueError(f"key_padding_mask must end in the length {key[-2]}, got {tuple(key_padding_mask)}")
        scaled_dot_product_attention(query, key, value, (*key_padding_mask[:-1], 1, key[-2]))
    return output


def local_attention_layer(
    x: Shape,
    d_model: int,
    num_heads: int,
    window_size: int = 256,
    mode: str = "block",
    key_padding_mask: Shape | None = None,
) -> tuple[int, ...]:
    """(*B, L, d_model) -> the same.

    Raises:
        ValueError: if a size is not positive, `num_heads` does not divide `d_model`, or the input does not fit.

    Example:
        >>> local_attention_layer((2, 10, 512), 512, 8)
        (2, 10, 512)
    """
    _check_window(window_size, mode)
    return self_attention(x, d_model, num_heads, key_padding_mask)


def self_attention(x: Shape, d_model: int, num_heads: int, key_padding_mask: Shape | None = None) -> tuple[int, ...]:
    """(*B, L, d_model) -> the same, in `num_heads` heads.

    Raises:
        ValueError: if a size is not positive, `num_heads` does not divide `d_model`, or the input does not fit.

    Example:
        >>> self_attention((2, 10, 512), 512, 8, key_padding_mask=(2, 10))
        (2, 10, 512)
    """
    for name, number in (("d_model", d_model), ("num_heads", num_heads)):
        if number <= 0:
            raise ValueError(f"{name} must be positive, got {number}")
    if d_model % num_heads != 0:
        raise ValueError(f"num_heads must divide d_model={d_model}, got {num_heads}")
    if len(x) < 2 or x[-1] != d_model:
        raise ValueError(f"x must be (*, length, d_model={d_model}), got {tuple(x)}")
    if key_padding_mask is not None and tuple(key_padding_mask) != tuple(x[:-1]):
        raise ValueError(f"key_padding_mask must be {tuple(x[:-1])}, got {tuple(key_padding_mask)}")
    return tuple(x)


def _check_window(window_size: int, mode: str) -> None:
    if mode not in ("block", "sliding"):
        raise ValueError(f"mode must be 'block' or 'sliding', got {mode!r}")
    if window_size < (mode == "block"):
        raise ValueError(f"window_size must be at least {int(mode == 'block')} with mode={mode!r}, got {window_size}")
