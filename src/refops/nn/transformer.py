"""The Transformer encoder: attention mixes the positions, a small network mixes the features, again and again.

Both halves of a layer are *residual*: what they compute is added to what they were given. Where the normalisation
stands is the one choice: after the sum (post-norm, the paper's) or before the half (pre-norm, `norm_first`).

    post-norm   x = LN1(x + attend(x))     y = LN2(x + feed(x))
    pre-norm    x = x + attend(LN1(x))     y = x + feed(LN2(x))

Legend: N batch, L length, E features of the model (d_model), F features between (dim_feedforward), H heads (nhead).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from refops.functional.activation import gelu, relu
from refops.nn.attention import MultiheadAttention
from refops.nn.dropout import Dropout
from refops.nn.linear import Linear
from refops.nn.normalization import LayerNorm

__all__ = ["TransformerEncoder", "TransformerEncoderLayer"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "gelu": gelu}


class TransformerEncoderLayer(nn.Module):
    """Self-attention, then a network of two linear maps at each position; both residual, both normalised.

    post-norm: x = LN1(x + attend(x)), y = LN2(x + feed(x));  pre-norm: x = x + attend(LN1(x)), y = x + feed(LN2(x));
    feed(x) = W_2 dropout(activation(W_1 x + b_1)) + b_2, and each half ends in a dropout of its own.

    Native: `torch.nn.TransformerEncoderLayer`.

    Args:
        d_model: E.
        nhead: H.
        dim_feedforward: F.
        dropout: probability of dropping, at four places: attention weights, after the activation, after either half.
        activation: "relu", "gelu" or any function of one tensor.
        layer_norm_eps: eps of both normalisations.
        batch_first: whether N leads.
        norm_first: pre-norm in place of post-norm.
        bias: whether the linear maps and the normalisations have one.
        device: where the parameters are.
        dtype: their dtype.

    Shape:
        (L, N, E) -> (L, N, E), or (N, L, E) with `batch_first`; unbatched (L, E). `src_mask` is (L, L) or (N*H, L, L),
        `src_key_padding_mask` (N, L); in both True *hides* a key, and floats are added to the scores.

    Raises:
        RuntimeError: if `activation` is another string, a mask has the wrong shape, or `is_causal` comes without
            `src_mask`.
        AssertionError: if `nhead` does not divide `d_model`, or the input has other axes or features.

    Trap: pre-norm leaves the sum itself unnormalised: a stack of such layers needs one `norm` at its end. Padding is
        hidden from the others but is itself computed: leave it out of any mean over positions.

    Source: Vaswani et al., arXiv 1706.03762, section 3.1; pre-norm: Xiong et al., arXiv 2002.04745, figure 1.

    Example:
        >>> layer = TransformerEncoderLayer(d_model=8, nhead=2, batch_first=True)
        >>> layer(torch.ones(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    __constants__ = ("norm_first",)

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        # The order of these lines is the order of the state_dict, and of the random numbers drawn.
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias=bias, batch_first=batch_first, device=device, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        if isinstance(activation, str):
            if activation not in ACTIVATIONS:
                raise RuntimeError(f"activation must be 'relu', 'gelu' or a function, got {activation!r}")
            activation = ACTIVATIONS[activation]
        self.activation = activation

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """(L, N, E) -> (L, N, E); `is_causal` promises that `src_mask` is the causal mask, which may then go unread."""
        x = src
        if self.norm_first:
            x = x + self._attend(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, src_mask, src_key_padding_mask, is_causal))
        output: Tensor = self.norm2(x + self._feed(x))
        return output

    def _attend(self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool) -> Tensor:
        """Every position takes from all others."""
        mixed, _ = self.self_attn(
            x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask, is_causal=is_causal
        )
        output: Tensor = self.dropout1(mixed)
        return output

    def _feed(self, x: Tensor) -> Tensor:
        """Every position on its own: E -> F -> E."""
        output: Tensor = self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))
        return output


class TransformerEncoder(nn.Module):
    """A stack of `num_layers` copies of one layer, and a normalisation at the end if one is given.

    y = norm(layer_n(... layer_1(x)))

    Native: `torch.nn.TransformerEncoder`.

    Args:
        encoder_layer: the layer to copy; any module called like `TransformerEncoderLayer` will do.
        num_layers: how many copies.
        norm: applied to the last layer's output.
        enable_nested_tensor: accepted as native's; there are no nested tensors here, so nothing changes.
        mask_check: likewise.

    Shape:
        as `TransformerEncoderLayer`.

    Raises:
        IndexError: if there are no layers, when called.

    Trap: the layers are *copies*, so they all start from the same numbers, and `encoder_layer` itself is not among
        them. In evaluation without gradients native's shortcut for nested tensors sets padded positions to 0, and
        everywhere else, as here always, they hold what the layers computed: a mean over all positions changes with
        the mode unless it leaves padding out.

    Source: Vaswani et al., arXiv 1706.03762, section 3.1.

    Example:
        >>> layer = TransformerEncoderLayer(d_model=8, nhead=2)
        >>> TransformerEncoder(layer, num_layers=6)(torch.ones(5, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    __constants__ = ("norm",)

    def __init__(
        self,
        encoder_layer: nn.Module,
        num_layers: int,
        norm: nn.Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """(L, N, E) -> (L, N, E); `mask` and `src_key_padding_mask` go to every layer."""
        if not len(self.layers):
            raise IndexError(f"num_layers must be at least 1 to be called, got {self.num_layers}")
        x = src
        for layer in self.layers:
            # None asks native to find out whether the mask is causal, which is a matter of speed alone.
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return x if self.norm is None else self.norm(x)
