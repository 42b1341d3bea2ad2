"""What goes wrong in attention: masks, scales, axes, shared heads, and in the layer which matrix meets what.

Legend: L queries, S keys, E features, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis

Weigh = Callable[[Tensor], Tensor]  # scores (..., L, S) to weights


def _causal(query: Tensor, key: Tensor, diagonal: int = 0) -> Tensor:
    return torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril(diagonal)


def _softmax(scores: Tensor) -> Tensor:
    """Zeros where nothing may be seen."""
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)


def _composed(weigh: Weigh = _softmax, hidden: float = -math.inf) -> Callable[..., Tensor]:
    """Attention in steps, right but for what is given."""

    def attention(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0,
        is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        if enable_gqa:
            key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
        scores = (query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)) @ key.mT
        mask = _causal(query, key) if is_causal else attn_mask
        if mask is not None:
            scores = scores.masked_fill(~mask, hidden) if mask.dtype == torch.bool else scores + mask
        return F.dropout(weigh(scores), dropout_p) @ value

    return attention


def _changed(change: Callable[[dict[str, Any]], None]) -> Callable[..., Tensor]:
    """Native, its arguments changed on the way in."""

    def attention(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0,
        is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        call = {
            "query": query, "key": key, "value": value, "attn_mask": attn_mask, "dropout_p": dropout_p,
            "is_causal": is_causal, "scale": scale, "enable_gqa": enable_gqa,
        }  # fmt: skip
        change(call)
        return F.scaled_dot_product_attention(**call)

    return attention


def _true_hides(c: dict[str, Any]) -> None:
    if c["attn_mask"] is not None and c["attn_mask"].dtype == torch.bool:
        c["attn_mask"] = ~c["attn_mask"]


def _mask_at(diagonal: Callable[[int, int], int]) -> Callable[[dict[str, Any]], None]:
    def change(c: dict[str, Any]) -> None:
        if c["is_causal"] and c["attn_mask"] is None:
            at = diagonal(c["query"].shape[-2], c["key"].shape[-2])
            c.update(attn_mask=_causal(c["query"], c["key"], at), is_causal=False)

    return change


def _scaled_by(scale: Callable[[dict[str, Any]], float]) -> Callable[[dict[str, Any]], None]:
    def change(c: dict[str, Any]) -> None:
        c["scale"] = scale(c) if c["scale"] is None else c["scale"]

    return change


def _scale_divides(c: dict[str, Any]) -> None:
    c["scale"] = 1 / c["scale"] if c["scale"] else c["scale"]


def _tiled(c: dict[str, Any]) -> None:
    if c["enable_gqa"]:
        for name in ("key", "value"):
            c[name] = torch.cat([c[name]] * (c["query"].shape[-3] // c[name].shape[-3]), -3)


class _WithoutRowSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        weights = _softmax(scores)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * ctx.saved_tensors[0]


_CORE: dict[str, Callable[..., Tensor]] = {
    "True hides, as in nn.MultiheadAttention": _changed(_true_hides),
    "the causal mask is aligned to the bottom right": _changed(_mask_at(lambda queries, keys: keys - queries)),
    "a query does not see its own position": _changed(_mask_at(lambda queries, keys: -1)),
    "a query sees one position ahead": _changed(_mask_at(lambda queries, keys: 1)),
    "a query that may see nothing gives nan": _composed(lambda scores: scores.softmax(-1)),
    "a query that may see nothing sees everything: hidden keys get -1e9": _composed(hidden=-1e9),
    "a query that may see nothing has a gradient of nan": _composed(
        lambda scores: torch.where((scores == -math.inf).all(-1, keepdim=True), 0.0, scores.softmax(-1))
    ),
    "scores are not scaled": _changed(_scaled_by(lambda c: 1.0)),
    "scaled by E, not by its root": _changed(_scaled_by(lambda c: 1 / c["query"].shape[-1])),
    "scaled by the values' features, not the keys'": _changed(
        _scaled_by(lambda c: 1 / math.sqrt(c["value"].shape[-1]))
    ),
    "scale is taken as a divisor": _changed(_scale_divides),
    "softmax over the queries": _composed(lambda scores: scores.softmax(-2)),
    "no gradient through the weights": _composed(lambda scores: _softmax(scores).detach()),
    "the gradient of the softmax lacks the sum over the row": _composed(_WithoutRowSum.apply),
    "shared heads are tiled, not repeated": _changed(_tiled),
    "dropout_p is ignored": _changed(lambda c: c.update(dropout_p=0.0)),
}

# -- the layer ---------------------------------------------------------------------------------------------------------

Call = dict[str, Any]


class _Layer(nn.MultiheadAttention):
    """Native, with its arguments by name."""

    def forward(
        self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
        attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> Any:  # fmt: skip
        return self.attend(
            query=query, key=key, value=value, key_padding_mask=key_padding_mask, need_weights=need_weights,
            attn_mask=attn_mask, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip

    def attend(self, **call: Any) -> Any:
        return super().forward(**call)


def _attending(attend: Callable[[Any, Call], Any]) -> type[Any]:
    return type("MultiheadAttention", (_Layer,), {"attend": lambda self, **call: attend(self, call)})


def _native(m: Any, call: Call) -> Any:
    return nn.MultiheadAttention.forward(m, **call)


def _with(**changed: Any) -> type[Any]:
    return _attending(lambda m, call: _native(m, {**call, **changed}))


def _after(change: Callable[[Any, Call, Any, Any], Any]) -> type[Any]:
    return _attending(lambda m, call: change(m, call, *_native(m, call)))


def _seen(m: Any, call: Call) -> Any:
    for name in ("attn_mask", "key_padding_mask"):
        if call[name] is not None and call[name].dtype == torch.bool:
            call[name] = ~call[name]
    return _native(m, call)


def _first(m: Any, call: Call) -> Any:
    batch_first, m.batch_first = m.batch_first, True
    try:
        return _native(m, call)
    finally:
        m.batch_first = batch_first


def _unbatched(m: Any, call: Call) -> Any:
    if call["query"].dim() != 2:
        return _native(m, call)
    output, weights = _native(m, call | {name: call[name][None] for name in ("query", "key", "value")})
    return output[0], weights


def _one_mask(m: Any, call: Call) -> Any:
    both = call["attn_mask"] is not None and call["key_padding_mask"] is not None
    return _native(m, {**call, "key_padding_mask": None} if both else call)


def _by_head(m: Any, call: Call) -> Any:
    mask = call["attn_mask"]
    if mask is not None and mask.dim() == 3:
        call["attn_mask"] = mask.unflatten(0, (m.num_heads, -1)).transpose(0, 1).flatten(0, 1)
    return _native(m, call)


def _in_training(m: Any, call: Call) -> Any:
    was, m.training = m.training, True
    try:
        return _native(m, call)
    finally:
        m.training = was


Matrices = tuple[tuple[Tensor, ...], Any, Tensor]  # of queries, keys and values; their biases; of the output


def _rewired(rewire: Callable[[Any, tuple[Tensor, ...], Any, Tensor], Matrices]) -> type[Any]:
    """Native's function on other matrices."""

    def attend(m: Any, call: Call) -> Any:
        whole = m.in_proj_weight is not None
        inputs = m.in_proj_weight.chunk(3) if whole else (m.q_proj_weight, m.k_proj_weight, m.v_proj_weight)
        inputs, offsets, output = rewire(m, inputs, m.in_proj_bias, m.out_proj.weight)
        swap = m.batch_first and call["query"].dim() == 3
        given = [call.pop(name) for name in ("query", "key", "value")]
        given = [x.transpose(0, 1) if swap else x for x in given]
        forward: Any = F.multi_head_attention_forward
        result, weights = forward(
            *given, m.embed_dim, m.num_heads, None, offsets, m.bias_k, m.bias_v, m.add_zero_attn, m.dropout, output,
            m.out_proj.bias, m.training, use_separate_proj_weight=True, q_proj_weight=inputs[0],
            k_proj_weight=inputs[1], v_proj_weight=inputs[2], **call,
        )  # fmt: skip
        return (result.transpose(0, 1) if swap else result), weights

    return _attending(attend)


def _by_model(m: Any, inputs: tuple[Tensor, ...], offsets: Any, output: Tensor) -> Matrices:
    c = 1 / math.sqrt(m.num_heads)
    if offsets is not None:
        offsets = torch.cat([offsets[: m.embed_dim] * c, offsets[m.embed_dim :]])
    return (inputs[0] * c, *inputs[1:]), offsets, output


def _unscaled(m: Any, inputs: tuple[Tensor, ...], offsets: Any, output: Tensor) -> Matrices:
    c = math.sqrt(m.head_dim)
    if offsets is not None:
        offsets = torch.cat([offsets[: m.embed_dim] * c, offsets[m.embed_dim :]])
    return (inputs[0] * c, *inputs[1:]), offsets, output


def _innermost(m: Any, inputs: tuple[Tensor, ...], offsets: Any, output: Tensor) -> Matrices:
    order = torch.arange(m.embed_dim).view(m.head_dim, m.num_heads).T.reshape(-1)
    offsets = None if offsets is None else offsets.view(3, -1)[:, order].flatten()
    return tuple(x[order] for x in inputs), offsets, output[:, order]


def _disordered(m: Any, inputs: tuple[Tensor, ...], offsets: Any, output: Tensor) -> Matrices:
    return inputs, offsets, output[:, torch.arange(m.embed_dim).view(m.num_heads, m.head_dim).T.reshape(-1)]


def _exchanged(m: Any, inputs: tuple[Tensor, ...], offsets: Any, output: Tensor) -> Matrices:
    q, k, v = inputs
    return ((q, v, k) if k.shape == v.shape else (q, k, v)), offsets, output


def _averaged(m: Any, call: Call, output: Any, weights: Any) -> Any:
    return output, weights * m.num_heads if weights is not None and call["average_attn_weights"] else weights


def _no_output_bias(m: Any, call: Call, output: Any, weights: Any) -> Any:
    return (output if m.out_proj.bias is None else output - m.out_proj.bias), weights


def _extra_first(m: Any, call: Call, output: Any, weights: Any) -> Any:
    return output, weights.roll(1, -1) if weights is not None and m.bias_k is not None else weights


def _blind_zeros(m: Any, call: Call, output: Any, weights: Any) -> Any:
    return (output, None) if weights is None else (output.nan_to_num(), weights.nan_to_num())


def _zero_key_left_out(*args: Any, **kwargs: Any) -> nn.MultiheadAttention:
    made = nn.MultiheadAttention(*args, **kwargs)
    made.add_zero_attn = False
    return made


_LAYER: dict[str, Any] = {
    "True means seen, as in scaled_dot_product_attention": _attending(_seen),
    "the batch always comes first": _attending(_first),
    "an unbatched input is read as a batch of single tokens": _attending(_unbatched),
    "the weights of the heads are added, not averaged": _after(_averaged),
    "average_attn_weights is ignored": _with(average_attn_weights=True),
    "need_weights is ignored": _with(need_weights=True),
    "no gradient through the weights returned": _after(
        lambda m, call, output, weights: (output, None if weights is None else weights.detach())
    ),
    "dropout goes on in evaluation": _attending(_in_training),
    "key_padding_mask is forgotten where attn_mask is given": _attending(_one_mask),
    "key_padding_mask is ignored": _with(key_padding_mask=None),
    "attn_mask is ignored": _with(attn_mask=None, is_causal=False),
    "a mask (N*H, L, S) is read as heads times batch": _attending(_by_head),
    "add_zero_attn has no effect": _zero_key_left_out,
    "the learned extra key stands first in the weights": _after(_extra_first),
    "the bias of the output projection is left out": _after(_no_output_bias),
    "queries that see nothing get zeros, not nan": _after(_blind_zeros),
    "scores are scaled by the model's features, not a head's": _rewired(_by_model),
    "scores are not scaled": _rewired(_unscaled),
    "features are cut into heads with the heads innermost": _rewired(_innermost),
    "heads are joined without undoing their order": _rewired(_disordered),
    "keys and values exchange their projections": _rewired(_exchanged),
}

HYPOTHESES = {
    "functional.scaled_dot_product_attention": tuple(Hypothesis(name, f) for name, f in _CORE.items()),
    "MultiheadAttention": tuple(Hypothesis(name, made) for name, made in _LAYER.items()),
}
