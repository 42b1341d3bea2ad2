"""Transformer layers as people really get them wrong: norms, residuals, masks, dropout, activation."""

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import wrong

LAYER = "TransformerEncoderLayer"


class Open(nn.TransformerEncoderLayer):
    """Native, its halves open to change and without its shortcut."""

    def attend(self, x, mask, padding, is_causal):
        return self._sa_block(x, mask, padding, is_causal=is_causal)

    def feed(self, x):
        return self._ff_block(x)

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = src + self.attend(self.norm1(src), *masks)
            return x + self.feed(self.norm2(x))
        x = self.norm1(src + self.attend(src, *masks))
        return self.norm2(x + self.feed(x))


@wrong(LAYER, why="pre-norm and post-norm are exchanged")
class NormsExchanged(Open):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm_first = not self.norm_first


@wrong(LAYER, why="norm_first is accepted and ignored")
class AlwaysPostNorm(Open):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm_first = False


@wrong(LAYER, why="the attention half is not added to its input")
class WithoutFirstResidual(Open):
    def attend(self, x, *masks):
        return super().attend(x, *masks) - x


@wrong(
    LAYER,
    why="the second half adds the layer's input in place of the first half's output",
)
class ResidualFromTheStart(Open):
    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            return src + self.feed(self.norm2(src + self.attend(self.norm1(src), *masks)))
        return self.norm2(src + self.feed(self.norm1(src + self.attend(src, *masks))))


@wrong(LAYER, why="pre-norm adds the normalised input, so the shortcut is not the identity")
class ShortcutThroughTheNorm(Open):
    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        if not self.norm_first:
            return super().forward(src, src_mask, src_key_padding_mask, is_causal)
        normed = self.norm1(src)
        x = normed + self.attend(normed, src_mask, src_key_padding_mask, is_causal)
        return x + self.feed(self.norm2(x))


@wrong(LAYER, why="both halves share the first normalisation")
class OneNorm(Open):
    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = src + self.attend(self.norm1(src), *masks)
            return x + self.feed(self.norm1(x)) + 0 * self.norm2.weight.sum()
        x = self.norm1(src + self.attend(src, *masks))
        return self.norm1(x + self.feed(x)) + 0 * self.norm2.weight.sum()


@wrong(LAYER, why="the padding mask is accepted and ignored", cause="the padding mask is ignored")
class PaddingIgnored(Open):
    def attend(self, x, mask, padding, is_causal):
        return super().attend(x, mask, None, is_causal)


@wrong(
    LAYER,
    why="True in a padding mask means seen, as in many other libraries",
    cause="True in a padding mask means seen",
)
class PaddingInverted(Open):
    def attend(self, x, mask, padding, is_causal):
        turned = padding is not None and padding.dtype == torch.bool
        return super().attend(x, mask, ~padding if turned else padding, is_causal)


@wrong(
    LAYER,
    why="the mask of the sequence is dropped where padding is given too",
    cause="the sequence's mask is dropped where padding is given",
)
class OneMaskOnly(Open):
    def attend(self, x, mask, padding, is_causal):
        return super().attend(x, mask if padding is None else None, padding, is_causal and padding is None)


@wrong(LAYER, why="the hint is_causal is taken for the mask itself: without src_mask it makes one", only="refusals")
class CausalWithoutMask(Open):
    def attend(self, x, mask, padding, is_causal):
        if is_causal and mask is None:
            length = x.shape[1 if self.self_attn.batch_first and x.dim() == 3 else 0]
            mask = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        return super().attend(x, mask, padding, is_causal)


@wrong(LAYER, why="batch_first is accepted and the axes are never exchanged", cause="batch_first is ignored")
class BatchFirstIgnored(Open):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.self_attn.batch_first = False


@wrong(LAYER, why="the activation is always ReLU", cause="the activation is always ReLU")
class AlwaysReLU(Open):
    def feed(self, x):
        return self.dropout2(self.linear2(self.dropout(F.relu(self.linear1(x)))))


@wrong(LAYER, why="GELU by its tanh formula", cause="GELU by its tanh form")
class TanhGELU(Open):
    def feed(self, x):
        bent = F.gelu(self.linear1(x), approximate="tanh") if self.activation is F.gelu else None
        return super().feed(x) if bent is None else self.dropout2(self.linear2(self.dropout(bent)))


@wrong(LAYER, why="dropout stays on in evaluation, written with F.dropout and its default")
class DropsInEvaluation(Open):
    def feed(self, x):
        return F.dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))), self.dropout2.p)


@wrong(LAYER, why="no dropout at the end of the halves")
class HalvesNotDropped(Open):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.dropout1 = self.dropout2 = nn.Identity()


@wrong(
    LAYER,
    why="layer_norm_eps reaches the first normalisation only",
    cause="layer_norm_eps reaches the first normalisation only",
)
class EpsOfOneNorm(Open):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm2.eps = 1e-5


@wrong(
    "TransformerEncoder",
    why="the same layer runs every time: a list of references where copies were meant",
    cause="the same layer runs every time",
)
class SharedLayers(nn.Module):
    def __init__(self, d_model, nhead, num_layers, dim_feedforward=2048, dropout=0.1, norm_first=False,
                 batch_first=False, final_norm=False, enable_nested_tensor=True, mask_check=True):  # fmt: skip
        super().__init__()
        options = {"norm_first": norm_first, "batch_first": batch_first}
        layers = [Open(d_model, nhead, dim_feedforward, dropout, **options) for _ in range(num_layers)]
        self.layers, self.norm = nn.ModuleList(layers), nn.LayerNorm(d_model) if final_norm else None

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        for _ in self.layers:
            x = self.layers[0](x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


@wrong(
    "TransformerEncoder",
    why="the padding mask reaches the first layer only",
    cause="the padding mask reaches the first layer only",
)
class PaddingOnce(SharedLayers):
    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
            src_key_padding_mask = None
        return x if self.norm is None else self.norm(x)


@wrong(
    "TransformerEncoder",
    why="the normalisation at the end is forgotten",
    cause="the normalisation at the end is forgotten",
)
class FinalNormForgotten(SharedLayers):
    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x


@wrong("TransformerEncoder", why="padded positions are set to 0, in every mode")
class PaddingZeroed(SharedLayers):
    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        if src_key_padding_mask is not None and src_key_padding_mask.dtype == torch.bool:
            hidden = src_key_padding_mask if self.layers[0].self_attn.batch_first else src_key_padding_mask.mT
            x = x.masked_fill(hidden[..., None], 0.0)
        return x if self.norm is None else self.norm(x)
