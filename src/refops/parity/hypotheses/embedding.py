"""What goes wrong in embeddings: padding, the bound on norms, frequencies, and in bags what a mean divides by.

Legend: V rows of the table, D their length.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

Lookup = Callable[..., Tensor]


def _options(m: Any) -> tuple[Any, ...]:
    return m.padding_idx, m.max_norm, m.norm_type, m.scale_grad_by_freq, m.sparse


def _learns_padding(input: Tensor, weight: Tensor, padding_idx: Any = None, *options: Any) -> Tensor:
    return F.embedding(input, weight, None, *options)


def _zero_padding(input: Tensor, weight: Tensor, padding_idx: Any = None, *options: Any) -> Tensor:
    rows = F.embedding(input, weight, padding_idx, *options)
    return rows if padding_idx is None else rows * (input != padding_idx % len(weight))[..., None]


def _zero_is_false(input: Tensor, weight: Tensor, padding_idx: Any = None, *options: Any) -> Tensor:
    return F.embedding(input, weight, padding_idx or None, *options)


def _unbounded(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
               *options: Any) -> Tensor:  # fmt: skip
    return F.embedding(input, weight, padding_idx, None, norm_type, *options)


def _euclidean(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
               *options: Any) -> Tensor:  # fmt: skip
    return F.embedding(input, weight, padding_idx, max_norm, 2.0, *options)


def _stretched(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
               *options: Any) -> Tensor:  # fmt: skip
    if max_norm is not None:
        rows = weight.data[input]
        weight.data[input] = rows * (max_norm / (rows.norm(norm_type, -1, keepdim=True) + 1e-7))
    return F.embedding(input, weight, padding_idx, None, norm_type, *options)


def _clamped(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
             *options: Any) -> Tensor:  # fmt: skip
    if max_norm is not None:
        weight.data.clamp_(-max_norm, max_norm)
    return F.embedding(input, weight, padding_idx, None, norm_type, *options)


def _factor(rows: Tensor, max_norm: float, norm_type: float) -> Tensor:
    length = rows.abs().pow(norm_type).sum(-1, keepdim=True).pow(1 / norm_type)
    return torch.where(length > max_norm, max_norm / (length + 1e-7), 1.0)


def _shortened_in_gradient(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None,
                           norm_type: float = 2.0, *options: Any) -> Tensor:  # fmt: skip
    rows = F.embedding(input, weight, padding_idx, None, norm_type, *options)
    return rows if max_norm is None else rows * _factor(rows, max_norm, norm_type)


def _output_shortened(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None,
                      norm_type: float = 2.0, *options: Any) -> Tensor:  # fmt: skip
    table = weight if max_norm is None else weight * _factor(weight.detach(), max_norm, norm_type)
    return F.embedding(input, table, padding_idx, None, norm_type, *options)


def _by_count(input: Tensor, weight: Tensor, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
              scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:  # fmt: skip
    rows = F.embedding(input, weight, padding_idx, max_norm, norm_type)
    part = rows / max(input.numel(), 1)
    return part + (rows - part).detach() if scale_grad_by_freq else rows


def _learns_once(input: Tensor, weight: Tensor, *options: Any) -> Tensor:
    rows, flat = F.embedding(input, weight, *options), input.reshape(-1)
    first = (flat[:, None] == flat).int().argmax(1) == torch.arange(len(flat))
    return torch.where(first.view(*input.shape, 1), rows, rows.detach()) if len(flat) else rows


def _scaled(input: Tensor, weight: Tensor, *options: Any) -> Tensor:
    return F.embedding(input, weight, *options) * math.sqrt(weight.shape[1])


def _columns(input: Tensor, weight: Tensor, *options: Any) -> Tensor:
    return F.embedding(input, weight.t().reshape(weight.shape), *options)


_LOOKUPS: dict[str, Lookup] = {
    "the padding row learns like any other": _learns_padding,
    "padding gives zeros whatever stands in its row": _zero_padding,
    "padding_idx = 0 counts as not given": _zero_is_false,
    "max_norm is ignored": _unbounded,
    "max_norm is always the Euclidean norm": _euclidean,
    "short rows are stretched to max_norm": _stretched,
    "max_norm bounds every number of a row": _clamped,
    "the shortening is part of the gradient": _shortened_in_gradient,
    "the output is shortened, not the table": _output_shortened,
    "scale_grad_by_freq is ignored": lambda input, weight, *o: F.embedding(input, weight, o[0], o[1], o[2], False),
    "the gradient is divided by the number of indices, not by each one's frequency": _by_count,
    "a row named twice learns once": _learns_once,
    "multiplied by the root of D": _scaled,
    "rows and columns of the table are mixed up": _columns,
}


def _module(lookup: Lookup) -> type[Any]:
    return instead(nn.Embedding, lambda self, input: lookup(input, self.weight, *_options(self)))


def _negative_lost(*args: Any, **kwargs: Any) -> nn.Embedding:
    made = nn.Embedding(*args, **kwargs)
    given = kwargs.get("padding_idx", args[2] if len(args) > 2 else None)
    made.padding_idx = None if given is not None and given < 0 else made.padding_idx
    return made


# -- bags --------------------------------------------------------------------------------------------------------------


def _lengths(m: Any, input: Tensor, offsets: Tensor | None) -> Tensor:
    if offsets is None:
        return torch.full((input.shape[0],), input.shape[1])
    ends = offsets if m.include_last_offset else torch.cat([offsets, offsets.new_tensor([len(input)])])
    return ends.diff()


def _bag(change: Callable[..., Tensor]) -> type[Any]:
    def forward(self: Any, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        return change(self, input, offsets, per_sample_weights)

    return instead(nn.EmbeddingBag, forward)


def _bagged(m: Any, input: Tensor, offsets: Any, weights: Any, **changed: Any) -> Tensor:
    given = {
        "max_norm": m.max_norm, "norm_type": m.norm_type, "scale_grad_by_freq": m.scale_grad_by_freq, "mode": m.mode,
        "sparse": m.sparse, "include_last_offset": m.include_last_offset, "padding_idx": m.padding_idx,
    }  # fmt: skip
    result: Tensor = F.embedding_bag(input, m.weight, offsets, per_sample_weights=weights, **{**given, **changed})
    return result


def _by_length(m: Any, input: Tensor, offsets: Any, weights: Any) -> Tensor:
    if m.mode != "mean":
        return _bagged(m, input, offsets, weights)
    return _bagged(m, input, offsets, weights, mode="sum") / _lengths(m, input, offsets).clamp(min=1)[:, None]


def _empty_is_nan(m: Any, input: Tensor, offsets: Any, weights: Any) -> Tensor:
    output = _bagged(m, input, offsets, weights)
    empty = _lengths(m, input, offsets) == 0
    return torch.where(empty[:, None], torch.nan, output) if m.mode == "mean" else output


def _normalised(m: Any, input: Tensor, offsets: Any, weights: Any) -> Tensor:
    weights = None if weights is None else weights / weights.abs().sum().clamp(min=1e-3)
    return _bagged(m, input, offsets, weights)


def _never_negative(m: Any, input: Tensor, offsets: Any, weights: Any) -> Tensor:
    output = _bagged(m, input, offsets, weights)
    return output.clamp(min=0) if m.mode == "max" else output


def _sum_by_default(*args: Any, **kwargs: Any) -> nn.EmbeddingBag:
    return nn.EmbeddingBag(*args, **({} if len(args) > 5 else {"mode": "sum"}) | kwargs)


HYPOTHESES = {
    "Embedding": (
        *(Hypothesis(name, _module(lookup)) for name, lookup in _LOOKUPS.items()),
        Hypothesis("a negative padding_idx is never met", _negative_lost),
    ),
    "functional.embedding": tuple(Hypothesis(name, lookup) for name, lookup in _LOOKUPS.items()),
    "EmbeddingBag": (
        Hypothesis("the mean divides by the length of the bag, padding and all", _bag(_by_length)),
        Hypothesis("padding counts like any other row", _bag(lambda m, i, o, w: _bagged(m, i, o, w, padding_idx=None))),
        Hypothesis("empty bags are nan", _bag(_empty_is_nan)),
        Hypothesis(
            "the end of the last bag is a bag of its own",
            _bag(lambda m, i, o, w: _bagged(m, i, o, w, include_last_offset=False)),
        ),
        Hypothesis("per_sample_weights are normalised", _bag(_normalised)),
        Hypothesis("the maximum starts from zero", _bag(_never_negative)),
        Hypothesis("the sum where no mode is given", _sum_by_default),
    ),
}
