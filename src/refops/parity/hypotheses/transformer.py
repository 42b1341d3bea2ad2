"""What goes wrong in transformer layers: norms, shortcuts, masks, and the activation; and in perceptrons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.nn.perceptron import MLP, ResidualMLP
from refops.parity.hypotheses import Hypothesis, instead

Masks = tuple[Any, Any, bool]  # of the sequence, of the padding, whether the first is causal


class _Layer(nn.TransformerEncoderLayer):
    """Native, its halves open to change."""

    def attend(self, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        return self._sa_block(x, mask, padding, is_causal=is_causal)

    def feed(self, x: Tensor) -> Tensor:
        return self._ff_block(x)

    def forward(
        self, src: Tensor, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        return self.joined(src, (src_mask, src_key_padding_mask, is_causal))

    def joined(self, src: Tensor, masks: Masks) -> Tensor:
        if self.norm_first:
            x = src + self.attend(self.norm1(src), *masks)
            return x + self.feed(self.norm2(x))
        x = self.norm1(src + self.attend(src, *masks))
        return self.norm2(x + self.feed(x))  # type: ignore[no-any-return]


def _spoiled(**steps: Callable[..., Any]) -> type[Any]:
    return type("TransformerEncoderLayer", (_Layer,), steps)


def _made(change: Callable[[Any], None]) -> Callable[..., Any]:
    """A layer changed once it is made."""

    def build(*args: Any, **kwargs: Any) -> Any:
        layer = _Layer(*args, **kwargs)
        change(layer)
        return layer

    return build


def _other_norm(layer: Any) -> None:
    layer.norm_first = not layer.norm_first


def _post_norm(layer: Any) -> None:
    layer.norm_first = False


def _axes_kept(layer: Any) -> None:
    layer.self_attn.batch_first = False


def _second_eps(layer: Any) -> None:
    layer.norm2.eps = 1e-5


def _from_the_start(m: Any, src: Tensor, masks: Masks) -> Any:
    if m.norm_first:
        return src + m.feed(m.norm2(src + m.attend(m.norm1(src), *masks)))
    return m.norm2(src + m.feed(m.norm1(src + m.attend(src, *masks))))


def _through_the_norm(m: Any, src: Tensor, masks: Masks) -> Any:
    if not m.norm_first:
        return _Layer.joined(m, src, masks)
    normed = m.norm1(src)
    x = normed + m.attend(normed, *masks)
    return x + m.feed(m.norm2(x))


def _one_norm(m: Any, src: Tensor, masks: Masks) -> Any:
    unused = 0 * (m.norm2.weight.sum() if m.norm2.weight is not None else 0)
    if m.norm_first:
        x = src + m.attend(m.norm1(src), *masks)
        return x + m.feed(m.norm1(x)) + unused
    x = m.norm1(src + m.attend(src, *masks))
    return m.norm1(x + m.feed(x)) + unused


def _inverted(m: Any, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Tensor:
    turned = padding is not None and padding.dtype == torch.bool
    return _Layer.attend(m, x, mask, ~padding if turned else padding, is_causal)


def _one_mask(m: Any, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Tensor:
    return _Layer.attend(m, x, mask if padding is None else None, padding, is_causal and padding is None)


def _bent(bend: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda m, x: m.dropout2(m.linear2(m.dropout(bend(m)(m.linear1(x)))))


def _tanh_form(m: Any) -> Any:
    return (lambda x: F.gelu(x, approximate="tanh")) if m.activation is F.gelu else m.activation


_LAYERS: dict[str, Any] = {
    "pre-norm and post-norm are exchanged": _made(_other_norm),
    "norm_first is ignored": _made(_post_norm),
    "the attention half is not added to its input": _spoiled(
        attend=lambda m, x, *masks: _Layer.attend(m, x, *masks) - x
    ),
    "the second half is added to the layer's input": _spoiled(joined=_from_the_start),
    "pre-norm adds the normalised input": _spoiled(joined=_through_the_norm),
    "both halves share the first normalisation": _spoiled(joined=_one_norm),
    "the padding mask is ignored": _spoiled(
        attend=lambda m, x, mask, padding, causal: _Layer.attend(m, x, mask, None, causal)
    ),
    "True in a padding mask means seen": _spoiled(attend=_inverted),
    "the sequence's mask is dropped where padding is given": _spoiled(attend=_one_mask),
    "batch_first is ignored": _made(_axes_kept),
    "the activation is always ReLU": _spoiled(feed=_bent(lambda m: F.relu)),
    "GELU by its tanh form": _spoiled(feed=_bent(_tanh_form)),
    "layer_norm_eps reaches the first normalisation only": _made(_second_eps),
}


class _Encoder(nn.Module):
    """Layers by numbers, as the spec asks for them, under native's names; `run` is wrong."""

    def __init__(
        self, d_model: int, nhead: int, num_layers: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        norm_first: bool = False, batch_first: bool = False, final_norm: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        given: dict[str, Any] = {"norm_first": norm_first, "batch_first": batch_first}
        self.layers = nn.ModuleList(
            [_Layer(d_model, nhead, dim_feedforward, dropout, **given) for _ in range(num_layers)]
        )
        self.norm = nn.LayerNorm(d_model) if final_norm else None

    def forward(self, src: Tensor, mask: Any = None, src_key_padding_mask: Any = None, is_causal: Any = None) -> Any:
        return self.run(src, mask, src_key_padding_mask, bool(is_causal))

    def run(self, x: Tensor, mask: Any, padding: Any, causal: bool) -> Any:
        raise NotImplementedError


def _encoder(run: Callable[[Any, Tensor, Any, Any, bool], Any]) -> type[Any]:
    return type("TransformerEncoder", (_Encoder,), {"run": run})


def _finished(m: Any, x: Tensor) -> Any:
    return x if m.norm is None else m.norm(x)


def _shared(m: Any, x: Tensor, mask: Any, padding: Any, causal: bool) -> Any:
    for _ in m.layers:
        x = m.layers[0](x, mask, padding, causal)
    return _finished(m, x)


def _padded_once(m: Any, x: Tensor, mask: Any, padding: Any, causal: bool) -> Any:
    for layer in m.layers:
        x, padding = layer(x, mask, padding, causal), None
    return _finished(m, x)


def _unfinished(m: Any, x: Tensor, mask: Any, padding: Any, causal: bool) -> Any:
    for layer in m.layers:
        x = layer(x, mask, padding, causal)
    return x


# -- perceptrons -------------------------------------------------------------------------------------------------------


def _straight(m: Any, input: Tensor) -> Any:
    for layer in m.layers:
        input = layer(input) if isinstance(layer, nn.Linear | nn.Dropout) or hasattr(layer, "weight") else input
    return input


_RESIDUAL: dict[str, Callable[[Any, Tensor], Any]] = {
    "the normalisation stands before the maps": lambda m, x: x + m.fc2(m.fc1(m.norm(x)).relu()),
    "there is no shortcut": lambda m, x: m.norm(m.fc2(m.fc1(x).relu())),
    "there is no ReLU": lambda m, x: m.norm(x + m.fc2(m.fc1(x))),
    "the normalisation stands before the sum": lambda m, x: x + m.norm(m.fc2(m.fc1(x).relu())),
}

HYPOTHESES = {
    "TransformerEncoderLayer": tuple(Hypothesis(name, made) for name, made in _LAYERS.items()),
    "TransformerEncoder": (
        Hypothesis("the same layer runs every time", _encoder(_shared)),
        Hypothesis("the padding mask reaches the first layer only", _encoder(_padded_once)),
        Hypothesis("the normalisation at the end is forgotten", _encoder(_unfinished)),
    ),
    "MLP": (
        Hypothesis("a ReLU after the last map", instead(MLP, lambda m, input: m.layers(input).relu())),
        Hypothesis("no ReLU between the maps", instead(MLP, _straight)),
    ),
    "ResidualMLP": tuple(Hypothesis(name, instead(ResidualMLP, forward)) for name, forward in _RESIDUAL.items()),
}
