"""Multi-head attention: project, attend once per head in a slice of the features, join the heads, project again.

    head_h = attention(Q W_q,h, K W_k,h, V W_v,h)        output = concat(heads) W_o

The work is in `attention.attend`; what is written here is the bookkeeping of axes, and of the four things that may
hide or add keys: `attn_mask`, `key_padding_mask`, `bias_k`/`bias_v` and `add_zero_attn`.

Legend: N batch, L queries, S keys, E features of the model, H heads, D = E/H features of a head.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from refops.functional.attention import attend, mask_as_bias, scaled_dot_product_attention
from refops.functional.linear import linear

__all__ = ["multi_head_attention_forward"]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention in several heads side by side, each in its own slice of the projected features.

    Native: `torch.nn.functional.multi_head_attention_forward`

    Args:
        query: what is asked, (L, N, E).
        key: what each value answers to, (S, N, K).
        value: what is averaged, (S, N, V).
        embed_dim_to_check: E.
        num_heads: H.
        in_proj_weight: the three input projections stacked, (3E, E).
        in_proj_bias: their biases, (3E).
        bias_k: one more key for every sequence, (1, 1, E); comes with `bias_v`.
        bias_v: the value of that key.
        add_zero_attn: add one more key and value, both zero.
        dropout_p: probability of dropping a weight while `training`.
        out_proj_weight: the output projection, (E, E).
        out_proj_bias: its bias, (E).
        training: whether to drop.
        key_padding_mask: (N, S), boolean: True = *hidden*; or floating, added to the scores.
        need_weights: whether to return the weights too.
        attn_mask: (L, S) or (N*H, L, S), boolean or floating as `key_padding_mask`.
        use_separate_proj_weight: take the next three in place of `in_proj_weight`.
        q_proj_weight: (E, E).
        k_proj_weight: (E, K).
        v_proj_weight: (E, V).
        static_k: keys to use in place of the projected ones, (N*H, S, D).
        static_v: values likewise.
        average_attn_weights: return the mean over the heads, or the weights of each.
        is_causal: a promise that `attn_mask` is the causal mask, which may then be computed instead of read.

    Shape:
        (L, N, E), (S, N, K), (S, N, V) -> (L, N, E) and weights (N, L, S), or (N, H, L, S) when not averaged.
        Inputs without the axis N give outputs without it.

    Raises:
        AssertionError, RuntimeError: as native, if shapes, dtypes or arguments do not fit together.

    Trap: True means *hidden* here and *seen* in `scaled_dot_product_attention`. A query whose keys are all hidden gives
        nan with `need_weights=True` and zeros without. The weights returned are those after dropout.

    Source: Vaswani et al., arXiv 1706.03762, section 3.2.2.

    Example:
        >>> x, eye = torch.eye(2), torch.eye(2)
        >>> output, weights = multi_head_attention_forward(
        ...     x, x, x, 2, 1, torch.cat([0 * eye, eye, eye]), None, None, None, False, 0.0, eye, None)
        >>> weights
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """
    _check_inputs(query, key, value, embed_dim_to_check, num_heads, key_padding_mask, attn_mask)
    if is_causal and attn_mask is None:
        raise RuntimeError("attn_mask must be given with is_causal=True, which only says what it is, got None")
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)  # (L, 1, E)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)  # (1, S)
    if use_separate_proj_weight:
        matrices = _separate(query, key, value, q_proj_weight, k_proj_weight, v_proj_weight)
    else:
        matrices = _packed(query, key, value, in_proj_weight)

    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), matrices, biases, strict=True))  # (L, N, E)
    k, v = _append_bias(k, v, bias_k, bias_v, static_k, static_v)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3) for x in (q, k, v))  # (N, H, L, D)
    k, v = _given(static_k, k, "static_k"), _given(static_v, v, "static_v")
    if add_zero_attn:
        k, v = (torch.cat([x, x.new_zeros(*x.shape[:2], 1, x.shape[3])], dim=2) for x in (k, v))  # (N, H, S+1, D)

    p = dropout_p if training else 0.0
    causal = is_causal and key_padding_mask is None and not need_weights  # then the mask itself is never read
    added = (bias_k is not None) + bool(add_zero_attn)
    bias = None if causal else _masks_as_bias(attn_mask, key_padding_mask, q, k, added, query.dtype)
    attention = None
    if need_weights:
        output, attention = attend(q, k, v, bias, p)  # (N, H, L, D), (N, H, L, S)
        attention = attention.mean(dim=1) if average_attn_weights else attention
    else:
        output = scaled_dot_product_attention(q, k, v, bias, p, causal)
    output = linear(output.permute(2, 0, 1, 3).flatten(2), out_proj_weight, out_proj_bias)  # (L, N, E)
    if batched:
        return output, attention
    return output.squeeze(1), None if attention is None else attention.squeeze(0)


def _packed(query: Tensor, key: Tensor, value: Tensor, weight: Tensor | None) -> tuple[Tensor, ...]:
    """The three projections, cut from one matrix (3E, E)."""
    _require(key.shape == value.shape, "value", f"have key's shape {tuple(key.shape)}", tuple(value.shape))
    if weight is None:
        raise AssertionError("in_proj_weight must be given unless use_separate_proj_weight=True, got None")
    features = query.shape[-1]
    if weight.shape != (3 * features, features):
        raise RuntimeError(f"in_proj_weight must be {(3 * features, features)}, got {tuple(weight.shape)}")
    if key.shape[-1] != features:
        raise RuntimeError(f"key must have query's {features} features, got {key.shape[-1]}")
    return weight.chunk(3)


def _separate(query: Tensor, key: Tensor, value: Tensor, *matrices: Tensor | None) -> tuple[Tensor, ...]:
    """The three projections, each from its own number of features to E."""
    _require(key.shape[:2] == value.shape[:2], "value", f"have key's axes {tuple(key.shape[:2])}", tuple(value.shape))
    found = []
    for name, x, matrix in zip(("query", "key", "value"), (query, key, value), matrices, strict=True):
        own = f"{name[0]}_proj_weight"
        if matrix is None:
            raise AssertionError(f"{own} must be given with use_separate_proj_weight=True, got None")
        wanted = (query.shape[-1], x.shape[-1])
        _require(matrix.shape == wanted, own, f"be {wanted} to fit {name}", tuple(matrix.shape))
        found.append(matrix)
    return tuple(found)


def _append_bias(
    k: Tensor, v: Tensor, bias_k: Tensor | None, bias_v: Tensor | None, static_k: Tensor | None, static_v: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One more key and value, the same for every sequence: (S, N, E) to (S+1, N, E)."""
    if bias_k is None or bias_v is None:
        _require(bias_k is bias_v, "bias_k and bias_v", "be given together", "one of them")
        return k, v
    _require(static_k is None, "static_k", "be None where bias_k is given", "both")
    _require(static_v is None, "static_v", "be None where bias_v is given", "both")
    bias_k, bias_v = (b.to(k.dtype).expand(1, *x.shape[1:]) for b, x in ((bias_k, k), (bias_v, v)))  # autocast narrows
    return torch.cat([k, bias_k]), torch.cat([v, bias_v])


def _given(static: Tensor | None, projected: Tensor, name: str) -> Tensor:
    """Keys or values given ready-made, (N*H, S, D), in place of the projected ones, as (N, H, S, D)."""
    if static is None:
        return projected
    batch, heads, _, features = projected.shape
    _require(static.shape[0] == batch * heads, name, f"have N*H = {batch * heads} on its first axis", static.shape[0])
    _require(static.shape[2] == features, name, f"have {features} features, one head's", static.shape[2])
    return static.view(batch, heads, *static.shape[1:])


def _masks_as_bias(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, q: Tensor, k: Tensor, added: int, dtype: torch.dtype
) -> Tensor | None:
    """Both masks as one bias on the scores (N, H, L, S); the `added` last keys are hidden from nobody."""
    batch, heads, queries, keys = *q.shape[:3], k.shape[2] - added
    for name, mask in (("attn_mask", attn_mask), ("key_padding_mask", key_padding_mask)):
        if mask is not None and mask.dtype not in (torch.bool, dtype):
            raise RuntimeError(f"{name} must be bool or of query's dtype {dtype}, got {mask.dtype}")
    bias: Tensor | None = None
    if attn_mask is not None:
        wanted = (queries, keys) if attn_mask.dim() == 2 else (batch * heads, queries, keys)
        if attn_mask.shape != wanted:
            raise RuntimeError(f"attn_mask must have shape {wanted}, got {tuple(attn_mask.shape)}")
        bias = mask_as_bias(attn_mask, dtype)
        bias = bias if len(wanted) == 2 else bias.unflatten(0, (batch, heads))  # (N, H, L, S)
    if key_padding_mask is not None:
        wanted = (batch, keys)
        _require(key_padding_mask.shape == wanted, "key_padding_mask", f"be {wanted}", tuple(key_padding_mask.shape))
        padding = mask_as_bias(key_padding_mask, dtype)[:, None, None]  # (N, 1, 1, S)
        bias = padding if bias is None else bias + padding
    if bias is None or not added:
        return bias
    return torch.cat([bias, bias.new_zeros(*bias.shape[:-1], added)], dim=-1)


def _check_inputs(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_heads: int,
    padding: Tensor | None,
    mask: Tensor | None,
) -> None:
    """Raise native's exceptions for what can be said before anything is computed."""
    axes = query.dim()
    _require(axes in (2, 3), "query", "be (L, N, E), or (L, E) unbatched", tuple(query.shape))
    _require(key.dim() == axes, "key", f"have {axes} axes as query has", tuple(key.shape))
    _require(value.dim() == axes, "value", f"have {axes} axes as query has", tuple(value.shape))
    if padding is not None:
        _require(padding.dim() == axes - 1, "key_padding_mask", "be (N, S), or (S) unbatched", tuple(padding.shape))
        _require(_is_mask(padding), "key_padding_mask", "be boolean or floating", padding.dtype)
    if mask is not None:
        _require(mask.dim() in (2, 3), "attn_mask", "be (L, S) or (N*H, L, S)", tuple(mask.shape))
        _require(_is_mask(mask), "attn_mask", "be boolean or floating", mask.dtype)
        if axes == 2 and mask.dim() == 3:
            wanted = (num_heads, query.shape[0], key.shape[0])
            _require(mask.shape == wanted, "attn_mask", f"be {wanted} for unbatched input", tuple(mask.shape))
        if padding is not None and padding.dtype != mask.dtype:
            warnings.warn(
                "key_padding_mask and attn_mask should have the same dtype: others are deprecated", stacklevel=3
            )
    _require(query.shape[-1] == embed_dim, "query", f"have embed_dim={embed_dim} features", query.shape[-1])
    _require(embed_dim % num_heads == 0, "num_heads", f"divide embed_dim={embed_dim}", num_heads)
    if axes == 3 and key.shape[1] != query.shape[1]:
        raise RuntimeError(f"key must have query's batch size {query.shape[1]}, got {key.shape[1]}")


def _is_mask(mask: Tensor) -> bool:
    return mask.dtype == torch.bool or mask.is_floating_point()


def _require(holds: bool, name: str, rule: str, given: object) -> None:
    """Native answers most unfit arguments of this function with an AssertionError, so that is the type here."""
    if not holds:
        raise AssertionError(f"{name} must {rule}, got {given}")
