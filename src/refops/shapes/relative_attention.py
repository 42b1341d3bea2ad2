"""Output shapes of relative attention: as attention's, but no longer than the table of distances reaches."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.attention import scaled_dot_product_attention
from refops.shapes.local_attention import self_attention

__all__ = ["relative_attention", "relative_position_attention"]

Shape = Sequence[int]


def relative_attention(
    query: Shape, key: Shape, value: Shape, relative_key: Shape, attn_mask: Shape | None = None
) -> tuple[int, ...]:
    """(*B, L, E), (*B, S, E), (*B, S, Ev), (2M-1, E) -> (*B, L, Ev).

    Raises:
        ValueError: if shapes do not fit together, or L or S is greater than M.

    Example:
        >>> relative_attention((2, 8, 10, 64), (2, 8, 12, 64), (2, 8, 12, 48), (1023, 64))
        (2, 8, 10, 48)
    """
    output = scaled_dot_product_attention(query, key, value, attn_mask)
    if len(relative_key) < 2 or relative_key[-2] % 2 == 0 or relative_key[-1] != query[-1]:
        raise ValueError(f"relative_key must be (2 * max_len - 1, {query[-1]}), got {tuple(relative_key)}")
    longest = (relative_key[-2] + 1) // 2
    if max(query[-2], key[-2]) > longest:
        raise ValueError(f"query and key must be no longer than max_len={longest}, got {query[-2]} and {key[-2]}")
    scaled_dot_product_attention(query, key, value, (*relative_key[:-2], query[-2], key[-2]))
    return output


def relative_position_attention(
    x: Shape, d_model: int, num_heads: int, max_len: int = 512, key_padding_mask: Shape | None = None
) -> tuple[int, ...]:
    """(*B, L, d_model) -> the same.

    Raises:
        ValueError: if a size is not positive, `num_heads` does not divide `d_model`, or the input does not fit or is
            longer than `max_len`.

    Example:
        >>> relative_position_attention((2, 10, 512), 512, 8, max_len=512)
        (2, 10, 512)
    """
    if max_len <= 0:
        raise ValueError(f"max_len must be positive, got {max_len}")
    output = self_attention(x, d_model, num_heads, key_padding_mask)
    if x[-2] > max_len:
        raise ValueError(f"x must be no longer than max_len={max_len}, got length {x[-2]}")
    return output
