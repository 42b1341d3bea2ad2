"""Right Transformer layers that compute in another way than the reference or native."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest

LAYER = "TransformerEncoderLayer"


@honest(LAYER, why="native itself, its shortcut for inference included")
class Native(nn.TransformerEncoderLayer):
    pass


@honest(LAYER, why="native wrapped, so all parameters have other names")
class Wrapped(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(*args, **kwargs)

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        return self.inner(src, src_mask, src_key_padding_mask, is_causal)


@honest(LAYER, why="the feed-forward half runs over chunks of its hidden features, largest index first")
class ChunkedFeed(nn.TransformerEncoderLayer):
    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = src + self._sa_block(self.norm1(src), *masks)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(src + self._sa_block(src, *masks))
        return self.norm2(x + self._ff_block(x))

    def _ff_block(self, x):
        if x.dtype in (torch.float16, torch.bfloat16) or torch.is_autocast_enabled(x.device.type):
            return super()._ff_block(x)
        hidden = self.dropout(self.activation(self.linear1(x)))
        size = max(1, hidden.shape[-1] // 3)
        total = 0.0
        for start in reversed(range(0, hidden.shape[-1], size)):
            part = slice(start, start + size)
            total = total + hidden[..., part] @ self.linear2.weight[:, part].mT
        total = total if self.linear2.bias is None else total + self.linear2.bias
        return self.dropout2(total)


@honest(LAYER, why="attention gives its weights too, which takes another path through the same formula")
class WithWeights(ChunkedFeed):
    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        if key_padding_mask is not None or attn_mask is not None:
            return super()._sa_block(x, attn_mask, key_padding_mask, is_causal)
        return self.dropout1(self.self_attn(x, x, x, need_weights=True, is_causal=is_causal)[0])

    def _ff_block(self, x):
        return nn.TransformerEncoderLayer._ff_block(self, x)


@honest(LAYER, why="GELU from erf, ReLU from clamp")
class OwnActivations(ChunkedFeed):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.activation = {F.relu: self.bent, F.gelu: self.smooth}.get(self.activation, self.activation)

    @staticmethod
    def bent(x):
        return torch.where(x > 0, x, torch.zeros_like(x))

    @staticmethod
    def smooth(x):
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        return (wide * 0.5 * torch.erfc(-wide / math.sqrt(2))).to(x.dtype)


@honest("TransformerEncoder", why="native itself, layer after layer in a plain loop")
class Stacked(nn.Module):
    def __init__(self, d_model, nhead, num_layers, dim_feedforward=2048, dropout=0.1, norm_first=False,
                 batch_first=False, final_norm=False, enable_nested_tensor=True, mask_check=True):  # fmt: skip
        super().__init__()
        if num_layers < 1:
            raise IndexError("num_layers must be at least 1")
        options = {"norm_first": norm_first, "batch_first": batch_first}
        layers = [nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout, **options)]
        layers += [nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout, **options)
                   for _ in range(1, num_layers)]  # fmt: skip
        self.layers, self.norm = nn.ModuleList(layers), nn.LayerNorm(d_model) if final_norm else None

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)
