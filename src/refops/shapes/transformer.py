"""Output shapes of the Transformer encoder: what goes in comes out, if it and its masks fit."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.attention import multihead_attention

__all__ = ["transformer_encoder", "transformer_encoder_layer"]

Shape = Sequence[int]


def transformer_encoder_layer(
    src: Shape,
    d_model: int,
    nhead: int,
    dim_feedforward: int = 2048,
    batch_first: bool = False,
    src_mask: Shape | None = None,
    src_key_padding_mask: Shape | None = None,
    is_causal: bool = False,
) -> tuple[int, ...]:
    """(L, N, d_model) -> the same, or (N, L, d_model) with `batch_first`, or (L, d_model) unbatched.

    Raises:
        ValueError: if `nhead` does not divide `d_model`, a size is negative, `src` or a mask does not fit, or
            `is_causal` comes without `src_mask`.

    Example:
        >>> transformer_encoder_layer((10, 32, 512), 512, 8)
        (10, 32, 512)
    """
    if dim_feedforward < 0:
        raise ValueError(f"dim_feedforward must not be negative, got {dim_feedforward}")
    multihead_attention(
        src,
        embed_dim=d_model,
        num_heads=nhead,
        batch_first=batch_first,
        key_padding_mask=src_key_padding_mask,
        need_weights=False,
        attn_mask=src_mask,
        is_causal=is_causal,
    )
    return tuple(src)


def transformer_encoder(
    src: Shape,
    d_model: int,
    nhead: int,
    num_layers: int,
    dim_feedforward: int = 2048,
    batch_first: bool = False,
    mask: Shape | None = None,
    src_key_padding_mask: Shape | None = None,
    is_causal: bool | None = None,
) -> tuple[int, ...]:
    """(L, N, d_model) -> the same, through `num_layers` layers of this kind.

    Raises:
        ValueError: if there are no layers, or one of them would refuse `src`.

    Example:
        >>> transformer_encoder((32, 100, 512), 512, 8, num_layers=6, batch_first=True)
        (32, 100, 512)
    """
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, got {num_layers}")
    causal = bool(is_causal)
    return transformer_encoder_layer(
        src, d_model, nhead, dim_feedforward, batch_first, mask, src_key_padding_mask, causal
    )
