"""Multi-head attention as a layer: it keeps the projections, `functional.multi_head_attention_forward` does the rest.

Legend: N batch, L queries, S keys, E embed_dim, H num_heads, K kdim, V vdim.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from refops.functional.multi_head_attention import multi_head_attention_forward
from refops.nn.initial import xavier_normal_, xavier_uniform_
from refops.nn.linear import Linear

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """The output projection: a `Linear` under native's name for it, which tells quantisation to leave it alone."""


class MultiheadAttention(nn.Module):
    """Attention in `num_heads` heads, each in its own slice of `embed_dim` projected features.

    head_h = attention(Q W_q,h, K W_k,h, V W_v,h),  output = concat(heads) W_o

    The input projections are one matrix `in_proj_weight` (3E, E), or three, `q_proj_weight` (E, E), `k_proj_weight`
    (E, K) and `v_proj_weight` (E, V), where `kdim` or `vdim` differs from `embed_dim`; their biases are always
    `in_proj_bias` (3E).

    Native: `torch.nn.MultiheadAttention`

    Shape:
        (L, N, E), (S, N, K), (S, N, V) -> (L, N, E) and weights (N, L, S), or (N, H, L, S) with
        `average_attn_weights=False`, or `None` with `need_weights=False`. With `batch_first` N leads; unbatched inputs
        (L, E) and so on are told by their two axes.

    Raises:
        ValueError: if `embed_dim` or `num_heads` is not positive.
        AssertionError: if `num_heads` does not divide `embed_dim`, or shapes of the inputs do not fit.
        RuntimeError: if a mask has the wrong shape, or `is_causal` comes without `attn_mask`.

    Trap: in boolean masks True means *hidden*, the opposite of `scaled_dot_product_attention`. `batch_first` is False.
        A query whose keys are all hidden gives nan with `need_weights=True`, and zeros (before the output projection)
        without; native's inference shortcut gives nan in both.

    Source: Vaswani et al., arXiv 1706.03762, section 3.2.2.

    Example:
        >>> layer = MultiheadAttention(8, num_heads=2, batch_first=True)
        >>> output, weights = layer(torch.ones(3, 5, 8), torch.ones(3, 6, 8), torch.ones(3, 6, 8))
        >>> output.shape, weights.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 5, 6]))
    """

    __constants__ = ("batch_first",)
    in_proj_weight: nn.Parameter | None
    in_proj_bias: nn.Parameter | None
    q_proj_weight: nn.Parameter | None
    k_proj_weight: nn.Parameter | None
    v_proj_weight: nn.Parameter | None
    bias_k: nn.Parameter | None
    bias_v: nn.Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        for name, number in (("embed_dim", embed_dim), ("num_heads", num_heads)):
            if number <= 0:
                raise ValueError(f"{name} must be greater than 0, got {number}")
        if embed_dim % num_heads != 0:
            raise AssertionError(f"num_heads must divide embed_dim={embed_dim}, got {num_heads}")
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = kdim if kdim is not None else embed_dim
        self.vdim = vdim if vdim is not None else embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.add_zero_attn = add_zero_attn

        def parameter(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

        separate = not self._qkv_same_embed_dim  # the order of these lines is the order of the state_dict
        self.register_parameter("q_proj_weight", parameter(embed_dim, embed_dim) if separate else None)
        self.register_parameter("k_proj_weight", parameter(embed_dim, self.kdim) if separate else None)
        self.register_parameter("v_proj_weight", parameter(embed_dim, self.vdim) if separate else None)
        self.register_parameter("in_proj_weight", None if separate else parameter(3 * embed_dim, embed_dim))
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.register_parameter("bias_k", parameter(1, 1, embed_dim) if add_bias_kv else None)
        self.register_parameter("bias_v", parameter(1, 1, embed_dim) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Glorot's start for the matrices and extra keys, zero for the biases; `out_proj.weight` stays as drawn."""
        for matrix in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if matrix is not None:
                xavier_uniform_(matrix)
        for offset in (self.in_proj_bias, self.out_proj.bias):
            if offset is not None:
                nn.init.zeros_(offset)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                xavier_normal_(extra)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Layers pickled by torch 1.1 did not yet say whether their projections are packed."""
        super().__setstate__({"_qkv_same_embed_dim": True, **state})

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Output and weights (or `None`); for the masks see `functional.multi_head_attention_forward`."""
        leads = self.batch_first and query.dim() == 3
        if leads:
            query, key, value = (x.transpose(0, 1) if x.dim() == 3 else x for x in (query, key, value))  # (L, N, E)
        output, weights = multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads,
            self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn,
            self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim, q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight, v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return output.transpose(0, 1) if leads else output, weights

    def merge_masks(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor
    ) -> tuple[Tensor | None, int | None]:
        """Both masks as one, with native's number for its kind: 1 padding only, 2 with `attn_mask`, `None` without any.

        Kept for callers of native's method; `query` is (N, L, E) and attends to itself.
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length, _ = query.shape
        merged = attn_mask.view(batch if attn_mask.dim() == 3 else 1, -1, length, length)
        if attn_mask.dim() == 2:
            merged = merged.expand(batch, self.num_heads, -1, -1)  # (N, H, L, L)
        if key_padding_mask is not None:
            merged = merged + key_padding_mask.view(batch, 1, 1, length)
        return merged, 2
