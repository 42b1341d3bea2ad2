"""Attention as people really get it wrong: masks, scales, axes, dtypes, gradients, errors, state."""

import functools
import logging
import math

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from refops.parity.proving.collection import differs, wrong

CORE = "functional.scaled_dot_product_attention"
LAYER = "MultiheadAttention"
HALF = (torch.float16, torch.bfloat16)
native = F.scaled_dot_product_attention


def causal(query, key, diagonal=0):
    return torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril(diagonal)


def seeing_softmax(scores):
    """Softmax with zeros in rows of -inf only."""
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)


def composed(
    query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, weigh=seeing_softmax, hidden=-math.inf,
    score=lambda q, k, c: (q * c) @ k.mT, wide=torch.float32,
):  # fmt: skip
    """Attention that is right unless one of its last four arguments makes it wrong."""
    with torch.no_grad():  # for native's errors
        native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    dtype = query.dtype
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    if dtype in HALF:
        query, key, value = query.to(wide), key.to(wide), value.to(wide)
    scores = score(query, key, 1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    attn_mask = causal(query, key) if is_causal else attn_mask
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, hidden)
    elif attn_mask is not None:
        scores = scores + attn_mask
    output = F.dropout(weigh(scores), dropout_p) @ value
    return output.to(dtype) if dtype in HALF else output


@wrong(CORE, why="True hides, as in nn.MultiheadAttention", cause="True hides, as in nn.MultiheadAttention")
def true_hides(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = ~attn_mask
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(
    CORE,
    why="the causal mask is aligned to the bottom right where L != S",
    cause="the causal mask is aligned to the bottom right",
)
def causal_from_the_end(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    if is_causal and attn_mask is None:
        attn_mask, is_causal = causal(query, key, key.shape[-2] - query.shape[-2]), False
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(
    CORE, why="a query does not see its own position in the causal mask", cause="a query does not see its own position"
)
def causal_without_itself(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    if is_causal and attn_mask is None:
        attn_mask, is_causal = causal(query, key, -1), False
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@functools.lru_cache
def causal_once(device):
    return torch.ones(7, 7, dtype=torch.bool, device=device).tril()


@differs(CORE, why="the causal mask is a constant for at most 7 positions")
def causal_of_seven(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    if is_causal and attn_mask is None:
        attn_mask, is_causal = causal_once(query.device)[: query.shape[-2], : key.shape[-2]], False
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(CORE, why="a query that may see nothing gives nan", cause="a query that may see nothing gives nan")
def nan_for_the_blind(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    return composed(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, lambda scores: scores.softmax(-1)
    )


@wrong(
    CORE,
    why="a query that may see nothing gives zeros, but nan in the gradient, through nan_to_num",
    cause="a query that may see nothing has a gradient of nan",
)
def nan_gradient_for_the_blind(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    return composed(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa,
        lambda scores: torch.where((scores == -math.inf).all(-1, keepdim=True), 0.0, scores.softmax(-1)),
    )  # fmt: skip


@wrong(
    CORE,
    why="hidden keys get -1e9 in place of -inf, so that a blind query sees everything",
    cause="a query that may see nothing sees everything: hidden keys get -1e9",
)
def minus_a_billion(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    return composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, hidden=-1e9)


@wrong(
    CORE,
    why="scaled after the product, which overflows in float16",
    cause="under- or overflows in float16: inf or nan where the answer is finite",
)
def scaled_late_in_half(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    def score(q, k, c):
        return q @ k.mT * c

    return composed(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, score=score, wide=query.dtype
    )


@wrong(CORE, why="scores are not scaled unless a scale is given", cause="scores are not scaled")
def unscaled(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    scale = 1.0 if scale is None else scale
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(
    CORE,
    why="the scale comes from the values' features, not the keys'",
    cause="scaled by the values' features, not the keys'",
)
def scaled_by_values(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    scale = 1 / math.sqrt(value.shape[-1]) if scale is None else scale
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(CORE, why="`scale` is taken as a divisor", cause="scale is taken as a divisor")
def scale_divides(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    scale = 1 / scale if scale else scale
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(CORE, why="softmax over the queries", cause="softmax over the queries")
def softmax_over_queries(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    return composed(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, lambda scores: scores.softmax(-2)
    )


@wrong(
    CORE,
    why="the exponentials are not shifted by the maximum and overflow",
    cause="inf or nan where the answer is finite",
)
def softmax_without_shift(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    def weigh(scores):
        e = scores.exp()
        return e / e.sum(-1, keepdim=True).clamp(min=1e-30)

    return composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, weigh)


@wrong(CORE, why="no gradient flows through the weights", cause="no gradient through the weights")
def weights_detached(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    return composed(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, lambda x: seeing_softmax(x).detach()
    )


class ForgetfulSoftmax(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(scores):
        return seeing_softmax(scores)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


@wrong(
    CORE,
    why="the hand-derived gradient of the softmax lacks the sum over the row",
    cause="the gradient of the softmax lacks the sum over the row",
)
def forgets_the_row_sum(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    return composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, ForgetfulSoftmax.apply)


class OnceSoftmax(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(scores):
        return seeing_softmax(scores)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(-1, keepdim=True))


@wrong(
    CORE,
    why="the hand-derived gradient cannot be differentiated again",
    only="double_backward",
    cause="second derivative 0",
)
def once_only(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    return composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, OnceSoftmax.apply)


class UnmappedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(scores):
        return seeing_softmax(scores)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(-1, keepdim=True))


@differs(
    CORE,
    why="the hand-derived gradient has no rule for vmap",
    only="vmap",
    cause="vmap over the inputs must work as native's does",
)
def without_vmap_rule(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    return composed(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, UnmappedSoftmax.apply)


log = logging.getLogger(__name__)


@wrong(
    CORE,
    why="shared heads are tiled (0 1 2 0 1 2) and not repeated (0 0 1 1 2 2)",
    cause="shared heads are tiled, not repeated",
)
def heads_tiled(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    if enable_gqa:
        key, value = (
            torch.cat([x] * (query.shape[-3] // x.shape[-3]), -3) if query.shape[-3] % x.shape[-3] == 0 else x
            for x in (key, value)
        )
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(CORE, why="the caller's boolean mask is inverted in place", cause="input 3 must be left as it is")
def mask_inverted_in_place(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    if attn_mask is not None and attn_mask.dtype == torch.bool and not is_causal:
        hidden = attn_mask.logical_not_()
        attn_mask = torch.zeros_like(hidden, dtype=query.dtype).masked_fill(hidden, -math.inf)
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@differs(
    CORE,
    why="half precision comes back as float32",
    only="dtype",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
def widened(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    native_result = native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    return native_result.float() if query.dtype in HALF else native_result


@differs(
    CORE,
    why="leading axes are merged with view, which needs contiguous inputs",
    only="layout",
)
def merged_by_view(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    query = query.view(-1).view(query.shape)
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@differs(
    CORE,
    why="a look at the values for nan, which neither a compiler nor vmap can follow",
    cause="vmap over the inputs must work as native's does",
)
def looks_for_nan(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    if bool(query.isnan().any()):
        raise ValueError("query must not be nan")
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@differs(CORE, why="four axes are taken for granted")
def four_axes(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    batch, heads, length, features = query.shape
    query = query.reshape(batch, heads, length, features)
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(
    CORE,
    why="attn_mask together with is_causal is accepted, and a mask of integers too",
    only="refusals",
    cause="must be refused for its attn_mask",
)
def accepts_two_masks(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    if attn_mask is not None and not attn_mask.is_floating_point():
        attn_mask = attn_mask.bool()
    if attn_mask is not None and is_causal and attn_mask.dtype == torch.bool:
        attn_mask, is_causal = attn_mask & causal(query, key), False
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@differs(CORE, why="keys and values are cut to the shorter of the two")
def cut_to_the_shorter(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    if min(key.dim(), value.dim()) >= 2:
        both = min(key.shape[-2], value.shape[-2])
        key, value = key[..., :both, :], value[..., :both, :]
    return native(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


@wrong(CORE, why="dropout_p is ignored", cause="dropout_p is ignored")
def never_drops(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    rate = 0.0 if 0 <= dropout_p <= 1 else dropout_p
    return native(query, key, value, attn_mask, rate, is_causal, scale=scale, enable_gqa=enable_gqa)


class Layer(nn.MultiheadAttention):
    """Native, with its arguments by name: the ones below change some on the way in or out."""

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
        is_causal=False,
    ):  # fmt: skip
        return self.attend(
            query=query, key=key, value=value, key_padding_mask=key_padding_mask, need_weights=need_weights,
            attn_mask=attn_mask, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip

    def attend(self, **call):
        return super().forward(**call)


@wrong(
    LAYER,
    why="True means seen, as in scaled_dot_product_attention",
    cause="True means seen, as in scaled_dot_product_attention",
)
class TrueIsSeen(Layer):
    def attend(self, **call):
        for name in ("attn_mask", "key_padding_mask"):
            if call[name] is not None and call[name].dtype == torch.bool:
                call[name] = ~call[name]
        return super().attend(**call)


@wrong(LAYER, why="the batch always comes first", cause="the batch always comes first")
class AlwaysBatchFirst(Layer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.batch_first = True


@wrong(
    LAYER,
    why="unbatched input is read as a batch of single tokens",
    cause="an unbatched input is read as a batch of single tokens",
)
class UnbatchedIsABatch(Layer):
    def attend(self, **call):
        if call["query"].dim() != 2:
            return super().attend(**call)
        call |= {name: call[name][None] for name in ("query", "key", "value")}
        output, weights = super().attend(**call)
        return output[0], weights


@wrong(
    LAYER,
    why="the weights of the heads are added and not averaged",
    cause="the weights of the heads are added, not averaged",
)
class WeightsSummed(Layer):
    def attend(self, **call):
        output, weights = super().attend(**call)
        return output, weights * self.num_heads if weights is not None and call["average_attn_weights"] else weights


@wrong(LAYER, why="average_attn_weights is ignored", cause="average_attn_weights is ignored")
class AlwaysAverages(Layer):
    def attend(self, **call):
        return super().attend(**{**call, "average_attn_weights": True})


@wrong(LAYER, why="weights come back also with need_weights=False", cause="need_weights is ignored")
class AlwaysWeights(Layer):
    def attend(self, **call):
        return super().attend(**{**call, "need_weights": True})


@wrong(LAYER, why="no gradient flows through the weights returned", cause="no gradient through the weights returned")
class WeightsDetached(Layer):
    def attend(self, **call):
        output, weights = super().attend(**call)
        return output, None if weights is None else weights.detach()


@wrong(LAYER, why="dropout goes on in evaluation", cause="law no dropout in evaluation")
class DropsInEvaluation(Layer):
    def attend(self, **call):
        was, self.training = self.training, True
        result = super().attend(**call)
        self.training = was
        return result


@wrong(LAYER, why="dropout never happens", only="laws", cause="law everything dropped")
class LayerNeverDrops(Layer):
    def __init__(self, embed_dim, num_heads, dropout=0.0, *args, **kwargs):
        super().__init__(embed_dim, num_heads, dropout if not 0 <= dropout <= 1 else 0.0, *args, **kwargs)


@wrong(
    LAYER,
    why="key_padding_mask is forgotten where attn_mask is given",
    cause="key_padding_mask is forgotten where attn_mask is given",
)
class OneMaskOnly(Layer):
    def attend(self, **call):
        mask, padding = call["attn_mask"], call["key_padding_mask"]
        if mask is not None and padding is not None and padding.shape[-1] == mask.shape[-1]:
            call["key_padding_mask"] = torch.zeros_like(padding)
        return super().attend(**call)


@wrong(
    LAYER,
    why="the first axis of a mask (N*H, L, S) is read as heads times batch",
    cause="a mask (N*H, L, S) is read as heads times batch",
)
class MaskByHeadFirst(Layer):
    def attend(self, **call):
        mask = call["attn_mask"]
        if mask is not None and mask.dim() == 3 and mask.shape[0] % self.num_heads == 0:
            call["attn_mask"] = mask.unflatten(0, (self.num_heads, -1)).transpose(0, 1).flatten(0, 1)
        return super().attend(**call)


@wrong(LAYER, why="add_zero_attn has no effect", cause="add_zero_attn has no effect")
class NoZeroKey(Layer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_zero_attn = False


@wrong(
    LAYER,
    why="the learned extra key stands first in the weights, not last",
    cause="the learned extra key stands first in the weights",
)
class ExtraKeyFirst(Layer):
    def attend(self, **call):
        output, weights = super().attend(**call)
        return output, weights.roll(1, -1) if weights is not None and self.bias_k is not None else weights


@wrong(
    LAYER, why="the bias of the output projection is left out", cause="the bias of the output projection is left out"
)
class NoOutputBias(Layer):
    def attend(self, **call):
        output, weights = super().attend(**call)
        return output if self.out_proj.bias is None else output - self.out_proj.bias, weights


@wrong(
    LAYER,
    why="queries whose keys are all hidden get zero weights where native gives nan",
    cause="queries that see nothing get zeros, not nan",
)
class BlindGetZeros(Layer):
    def attend(self, **call):
        output, weights = super().attend(**call)
        if weights is None:
            return output, None
        return output.nan_to_num(), weights.nan_to_num()


class Rewired(Layer):
    """Native's function on matrices that `rewire` may change."""

    def rewire(self, inputs, offsets, output):
        return inputs, offsets, output

    def attend(self, query, key, value, **call):
        if self.in_proj_weight is None:
            inputs = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        else:
            inputs = self.in_proj_weight.chunk(3)
        inputs, offsets, output = self.rewire(inputs, self.in_proj_bias, self.out_proj.weight)
        swap = self.batch_first and query.dim() == 3
        query, key, value = (x.transpose(0, 1) if swap and x.dim() == 3 else x for x in (query, key, value))
        result, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, None, offsets, self.bias_k, self.bias_v,
            self.add_zero_attn, self.dropout, output, self.out_proj.bias, self.training,
            use_separate_proj_weight=True, q_proj_weight=inputs[0], k_proj_weight=inputs[1], v_proj_weight=inputs[2],
            **call,
        )  # fmt: skip
        return result.transpose(0, 1) if swap else result, weights


@wrong(
    LAYER,
    why="scores are scaled by the features of the model, not of a head",
    cause="scores are scaled by the model's features, not a head's",
)
class ScaledByModel(Rewired):
    def rewire(self, inputs, offsets, output):
        c = 1 / math.sqrt(self.num_heads)
        if offsets is not None:
            offsets = torch.cat([offsets[: self.embed_dim] * c, offsets[self.embed_dim :]])
        return (inputs[0] * c, *inputs[1:]), offsets, output


@wrong(
    LAYER,
    why="features are cut into heads with the heads innermost",
    cause="features are cut into heads with the heads innermost",
)
class HeadsInnermost(Rewired):
    def rewire(self, inputs, offsets, output):
        order = torch.arange(self.embed_dim, device=output.device).view(self.head_dim, self.num_heads).T.reshape(-1)
        if offsets is not None:
            offsets = offsets.view(3, -1)[:, order].flatten()
        return tuple(x[order] for x in inputs), offsets, output[:, order]


@wrong(LAYER, why="heads are joined without undoing their order", cause="heads are joined without undoing their order")
class JoinedInDisorder(Rewired):
    def rewire(self, inputs, offsets, output):
        order = torch.arange(self.embed_dim, device=output.device).view(self.num_heads, self.head_dim).T.reshape(-1)
        return inputs, offsets, output[:, order]


@wrong(
    LAYER,
    why="the output matrix is also kept in a list, out of reach of functional_call",
    only="functional_call",
    cause="functional_call must use the parameters it is given",
)
class KeepsTheMatrix(Rewired):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.kept = [self.out_proj.weight]

    def rewire(self, inputs, offsets, output):
        return inputs, offsets, self.kept[0]


@wrong(LAYER, why="keys and values exchange their projections", cause="keys and values exchange their projections")
class KeysForValues(Rewired):
    def rewire(self, inputs, offsets, output):
        q, k, v = inputs
        return ((q, v, k) if k.shape == v.shape else (q, k, v)), offsets, output


@differs(
    LAYER,
    why="half precision comes back as float32",
    only="dtype",
    cause="output[0] must be torch.bfloat16 on cpu, got torch.float32",
)
class Widened(Layer):
    def attend(self, **call):
        output, weights = super().attend(**call)
        return output.float() if call["query"].dtype in HALF else output, weights


@wrong(LAYER, why="the caller's masks are merged in place", only="inputs", cause="input 4 must be left as it is")
class MasksMergedInPlace(Layer):
    def attend(self, **call):
        mask, padding = call["attn_mask"], call["key_padding_mask"]
        fits = mask is not None and padding is not None and mask.dtype == padding.dtype == torch.bool
        if fits and mask.dim() == 3 and padding.dim() == 2:
            mask |= padding.repeat_interleave(self.num_heads, 0)[:, None]
        return super().attend(**call)


@differs(
    LAYER,
    why="inputs are viewed as rows and back, which needs them contiguous",
    only="layout",
)
class RowsByView(Layer):
    def attend(self, **call):
        for name in ("query", "key", "value"):
            call[name] = call[name].view(-1).view(call[name].shape)
        return super().attend(**call)


@differs(LAYER, why="one key sequence is silently shared by the whole batch")
class SharedKeys(Layer):
    def attend(self, **call):
        query, key = call["query"], call["key"]
        axis = 0 if self.batch_first else 1
        if query.dim() == key.dim() == 3 and key.shape[axis] == 1 and call["value"].shape == key.shape:
            sizes = [-1, -1, -1]
            sizes[axis] = query.shape[axis]
            call |= {name: call[name].expand(*sizes) for name in ("key", "value")}
        return super().attend(**call)


@wrong(
    LAYER,
    why="is_causal without a mask is ignored instead of refused",
    only="refusals",
    cause="must be refused for its attn_mask",
)
class CausalIgnored(Layer):
    def attend(self, **call):
        return super().attend(**{**call, "is_causal": call["is_causal"] and call["attn_mask"] is not None})


@wrong(
    LAYER,
    why="features that no head divides are rounded up instead of refused",
    only="refusals",
    cause="must be refused for its num_heads",
)
class RoundsUp(Layer):
    def __init__(self, embed_dim, num_heads, *args, **kwargs):
        fitting = num_heads if num_heads <= 0 or embed_dim % num_heads == 0 else 1
        super().__init__(embed_dim, fitting, *args, **kwargs)


@differs(LAYER, why="a lambda kept in the layer cannot be pickled", only="copy", cause="Can't pickle local object")
class KeepsALambda(Layer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.identity = lambda x: x


@wrong(LAYER, why="the learned extra key and value are no parameters: they are neither saved nor trained")
class ExtraKeyUnsaved(Layer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.bias_k is not None:
            extra = self.bias_k.detach(), self.bias_v.detach()
            del self.bias_k, self.bias_v
            self.bias_k, self.bias_v = extra


@wrong(LAYER, why="the key projection gets no gradient", cause="no gradient of key")
class KeysDetached(Layer):
    def attend(self, **call):
        return super().attend(**{**call, "key": call["key"].detach().clone()})


@wrong(LAYER, why="shorter sequences are filled up with zeros to the longest yet, and nobody hides those")
class RemembersTheLongest(Layer):
    def attend(self, **call):
        key = call["key"]
        if key.dim() == 3 and not self.batch_first:
            self.longest = max(getattr(self, "longest", 0), len(key))
        if hasattr(self, "longest") and key.dim() == 3 and call["attn_mask"] is call["key_padding_mask"] is None:
            fill = (0, 0, 0, 0, 0, self.longest - len(key))
            call |= {name: F.pad(call[name], fill) for name in ("key", "value")}
        return super().attend(**call)


@wrong(
    LAYER,
    why="the three input projections are drawn one by one",
    only="init",
    drop_in=True,
    cause="in_proj_weight must start from native's values",
)
class DrawnOneByOne(Layer):
    def _reset_parameters(self):
        super()._reset_parameters()
        if self.in_proj_weight is not None:
            for part in self.in_proj_weight.data.chunk(3):
                nn.init.xavier_uniform_(part)


@wrong(LAYER, why="prints the number of heads, which native does not", only="repr", drop_in=True, cause="repr must be")
class PrintsMore(Layer):
    def extra_repr(self):
        return f"num_heads={self.num_heads}"


@wrong(
    LAYER,
    why="heads that do not divide the features raise ValueError",
    only="exceptions",
    drop_in=True,
    cause="must raise AssertionError as native does, got ValueError",
)
class OtherException(Layer):
    def __init__(self, embed_dim, num_heads, *args, **kwargs):
        if num_heads > 0 and embed_dim % num_heads != 0:
            raise ValueError("num_heads must divide embed_dim")
        super().__init__(embed_dim, num_heads, *args, **kwargs)
