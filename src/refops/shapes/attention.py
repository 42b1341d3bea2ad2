"""Output shapes of the attention family: the queries' length, the values' features.

Legend: N batch, L queries, S keys, E features of the model, H heads, *B any leading axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

__all__ = ["multi_head_attention_forward", "multihead_attention", "scaled_dot_product_attention"]

Shape = Sequence[int]
Shapes = tuple[int, ...] | tuple[tuple[int, ...], ...]


def scaled_dot_product_attention(
    query: Shape,
    key: Shape | None = None,
    value: Shape | None = None,
    attn_mask: Shape | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    enable_gqa: bool = False,
) -> tuple[int, ...]:
    """(*B, L, E), (*B, S, E), (*B, S, Ev) -> (*B, L, Ev); without `key` and `value`, of `query` to itself.

    Raises:
        ValueError: if shapes do not fit together, `dropout_p` is outside [0, 1], or both masks are asked for.

    Example:
        >>> scaled_dot_product_attention((32, 8, 10, 64), (32, 8, 12, 64), (32, 8, 12, 48))
        (32, 8, 10, 48)
    """
    key = query if key is None else key
    value = key if value is None else value
    for name, shape in (("query", query), ("key", key), ("value", value)):
        if len(shape) < 2 + enable_gqa:
            raise ValueError(f"{name} must have at least {2 + enable_gqa} axes, got {tuple(shape)}")
    if enable_gqa:
        key, value = _repeated(key, query[-3], "key"), _repeated(value, query[-3], "value")
    if key[-1] != query[-1]:
        raise ValueError(f"key must have query's {query[-1]} features, got {tuple(key)}")
    if value[-2] != key[-2]:
        raise ValueError(f"value must have one row for each of the {key[-2]} keys, got {tuple(value)}")
    if not 0.0 <= dropout_p <= 1.0:
        raise ValueError(f"dropout_p must be a probability between 0 and 1, got {dropout_p}")
    batch = _broadcast(query[:-2], key[:-2], "key")
    scores = (*batch, query[-2], key[-2])
    if attn_mask is not None and is_causal:
        raise ValueError("attn_mask must be None where is_causal=True, got both")
    if attn_mask is not None and _broadcast(attn_mask, scores, "attn_mask") != scores:
        raise ValueError(f"attn_mask must broadcast to the scores {scores}, got {tuple(attn_mask)}")
    return (*_broadcast(batch, value[:-2], "value"), query[-2], value[-1])


def multihead_attention(
    query: Shape,
    key: Shape | None = None,
    value: Shape | None = None,
    embed_dim: int = 0,
    num_heads: int = 1,
    add_bias_kv: bool = False,
    add_zero_attn: bool = False,
    kdim: int | None = None,
    vdim: int | None = None,
    batch_first: bool = False,
    key_padding_mask: Shape | None = None,
    need_weights: bool = True,
    attn_mask: Shape | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Shapes:
    """(L, N, E), (S, N, kdim), (S, N, vdim) -> (L, N, E), (N, L, S); N leads with `batch_first`; unbatched has no N.

    The weights are (N, H, L, S) with `average_attn_weights=False` and absent with `need_weights=False`. Keys that
    `add_bias_kv` and `add_zero_attn` add count in S. Without `key` and `value`, of `query` to itself.

    Raises:
        ValueError: if sizes are not positive, `num_heads` does not divide `embed_dim`, or shapes do not fit together.

    Example:
        >>> multihead_attention((32, 10, 512), embed_dim=512, num_heads=8, batch_first=True)
        ((32, 10, 512), (32, 10, 10))
    """
    key = query if key is None else key
    value = key if value is None else value
    if embed_dim <= 0 or num_heads <= 0:
        raise ValueError(f"embed_dim and num_heads must be greater than 0, got {embed_dim} and {num_heads}")
    for name, shape, size in (("key", key, kdim), ("value", value, vdim)):
        if shape and shape[-1] != (embed_dim if size is None else size):
            raise ValueError(f"{name} must have {embed_dim if size is None else size} features, got {tuple(shape)}")
    swap = batch_first and len(query) == 3
    if swap:
        query, key, value = _swapped(query), _swapped(key), _swapped(value)
    masks = (attn_mask, key_padding_mask, need_weights, is_causal)
    output, weights = _attention(query, key, value, embed_dim, num_heads, add_bias_kv + add_zero_attn, masks)
    output = _swapped(output) if swap else output
    return (output, _averaged(weights, average_attn_weights)) if need_weights else output


def multi_head_attention_forward(
    query: Shape,
    key: Shape,
    value: Shape,
    embed_dim_to_check: int,
    num_heads: int,
    bias_k: Shape | None = None,
    add_zero_attn: bool = False,
    out_proj_weight: Shape | None = None,
    key_padding_mask: Shape | None = None,
    need_weights: bool = True,
    attn_mask: Shape | None = None,
    use_separate_proj_weight: bool = False,
    static_k: Shape | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> Shapes:
    """(L, N, E), (S, N, K), (S, N, V) -> (L, N, E), (N, L, S), see `multihead_attention`.

    Raises:
        ValueError: if `num_heads` does not divide `embed_dim_to_check`, or shapes do not fit together.

    Example:
        >>> multi_head_attention_forward((10, 32, 512), (7, 32, 512), (7, 32, 512), 512, 8, need_weights=False)
        (10, 32, 512)
    """
    separate = use_separate_proj_weight
    if (key[:2] if separate else tuple(key)) != (value[:2] if separate else tuple(value)):
        raise ValueError(f"value must have key's axes {tuple(key)}, got {tuple(value)}")
    if not separate and key[-1] != embed_dim_to_check:
        raise ValueError(f"key must have {embed_dim_to_check} features, got {tuple(key)}")
    masks = (attn_mask, key_padding_mask, need_weights, is_causal)
    if static_k is not None:
        rows = num_heads * (query[1] if len(query) == 3 else 1)
        if tuple(static_k[:1]) != (rows,) or static_k[-1] * num_heads != embed_dim_to_check:
            raise ValueError(f"static_k must be ({rows}, S, {embed_dim_to_check}/{num_heads}), got {tuple(static_k)}")
        key = (static_k[1], *key[1:])
        value = (static_k[1], *value[1:])
    added = (bias_k is not None) + bool(add_zero_attn)
    output, weights = _attention(query, key, value, embed_dim_to_check, num_heads, added, masks)
    if out_proj_weight is not None:
        output = (*output[:-1], out_proj_weight[0])
    return (output, _averaged(weights, average_attn_weights)) if need_weights else output


def _attention(
    query: Shape,
    key: Shape,
    value: Shape,
    embed_dim: int,
    num_heads: int,
    added: int,
    masks: tuple[Shape | None, Shape | None, bool, bool],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Output (L, N, E) and weights of each head (N, H, L, S + added), without N for unbatched input."""
    if len(query) not in (2, 3):
        raise ValueError(f"query must have 3 axes, or 2 unbatched, got {tuple(query)}")
    for name, shape in (("key", key), ("value", value)):
        if len(shape) != len(query) or shape[1:-1] != query[1:-1]:
            raise ValueError(f"{name} must have query's axes {tuple(query)} but for the first, got {tuple(shape)}")
    if value[0] != key[0]:
        raise ValueError(f"value must have one row for each of the {key[0]} keys, got {tuple(value)}")
    if query[-1] != embed_dim:
        raise ValueError(f"query must have embed_dim={embed_dim} features, got {tuple(query)}")
    if embed_dim % num_heads != 0:
        raise ValueError(f"num_heads must divide embed_dim={embed_dim}, got {num_heads}")
    batch, queries, keys = tuple(query[1:-1]), query[0], key[0]
    _check_masks(batch, num_heads, (queries, keys), *masks)
    return tuple(query), (*batch, num_heads, queries, keys + added)


def _check_masks(
    batch: tuple[int, ...],
    heads: int,
    scores: tuple[int, int],
    attn_mask: Shape | None,
    key_padding_mask: Shape | None,
    need_weights: bool,
    is_causal: bool,
) -> None:
    if key_padding_mask is not None and tuple(key_padding_mask) != (*batch, scores[1]):
        raise ValueError(f"key_padding_mask must be {(*batch, scores[1])}, got {tuple(key_padding_mask)}")
    if attn_mask is None:
        if is_causal:
            raise ValueError("attn_mask must be given with is_causal=True, got None")
        return
    unread = is_causal and key_padding_mask is None and not need_weights and (bool(batch) or len(attn_mask) == 2)
    fitting = (scores, (heads * (batch[0] if batch else 1), *scores))
    if len(attn_mask) not in (2, 3) or not (tuple(attn_mask) in fitting or unread):
        raise ValueError(f"attn_mask must be {fitting[0]} or {fitting[1]}, got {tuple(attn_mask)}")


def _averaged(weights: tuple[int, ...], average: bool) -> tuple[int, ...]:
    """(N, H, L, S) to (N, L, S)."""
    return (*weights[:-3], *weights[-2:]) if average else weights


def _swapped(shape: Shape) -> tuple[int, ...]:
    """The first two axes exchanged, where there are three."""
    return (shape[1], shape[0], shape[2]) if len(shape) == 3 else tuple(shape)


def _repeated(shape: Shape, heads: int, name: str) -> tuple[int, ...]:
    """Keys or values with one head for each of the query's."""
    if shape[-3] > 0 and heads % shape[-3] != 0:
        raise ValueError(f"{name} must have a number of heads that divides the query's {heads}, got {tuple(shape)}")
    return (*shape[:-3], heads if shape[-3] > 0 else 0, *shape[-2:])


def _broadcast(a: Shape, b: Shape, name: str) -> tuple[int, ...]:
    """The shape two shapes broadcast to."""
    pairs = list(zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        raise ValueError(f"{name} must broadcast with the other arguments, got {tuple(a)} and {tuple(b)}")
    return tuple(n if m == 1 else m for m, n in reversed(pairs))
