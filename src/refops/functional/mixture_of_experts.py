"""A mixture of experts: a gate gives every row a share in each expert, the output is their mean by those shares.

    dense    y = sum over all experts e of p_e(x) f_e(x)                p = softmax(gate(x))
    top-k    y = sum over the k likeliest of g_e(x) f_e(x)              g = p among those k, made to sum to 1

Dense, every expert sees every row. Routed, the rows are sorted by expert, each expert is run once on its own rows, and
the answers are added back to where the rows came from: k/X of the work.

Legend: R rows, I input features, H output features, X experts, k top_k.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from refops.functional.derivative import widened
from refops.functional.linear import linear
from refops.functional.softmax import softmax

__all__ = ["load_balance", "mixture_of_experts"]

Expert = tuple[Tensor, Tensor]  # weight (H, I), bias (H)


def mixture_of_experts(
    input: Tensor, gate: Expert, experts: Sequence[Expert], top_k: int | None = None
) -> tuple[Tensor, Tensor]:
    """Each row's mean of experts, and how evenly the rows were spread over them.

    y = sum_e g_e(x) (W_e x + b_e),  g = softmax of the gate's logits, of all or of the `top_k` largest

    Native: none.

    Args:
        input: rows, (*, I).
        gate: weight (X, I) and bias (X) of the logits.
        experts: weight (H, I) and bias (H) of each expert.
        top_k: how many experts a row is sent to; None sends it to all.

    Shape:
        (*, I) -> (*, H) and ().

    Raises:
        ValueError: if `top_k` is not in 1 .. X, there are no experts, or the last axis is not I.

    Trap: shares of the k chosen that are not renormalised shrink the output. With `top_k=1` they are all 1, and the
        gate learns from the balance alone. Experts that get no row must still be left in peace, not divided by zero.

    Source: Shazeer et al., arXiv 1701.06538, eq. 1-5 without noise; the balance: `load_balance`.

    Example:
        >>> x, zeros = torch.ones(1, 1), torch.zeros(2, 1)
        >>> double, triple = ((torch.full((1, 1), n), torch.zeros(1)) for n in (2.0, 3.0))
        >>> mixture_of_experts(x, (zeros, torch.zeros(2)), [double, triple])
        (tensor([[2.5000]]), tensor(1.))
    """
    count = len(experts)
    if not count or not 1 <= (count if top_k is None else top_k) <= count:
        raise ValueError(f"top_k must be from 1 to the number of experts, {count}, got {top_k}")
    if not input.dim() or input.shape[-1] != gate[0].shape[-1]:
        raise ValueError(f"input must have {gate[0].shape[-1]} features on its last axis, got {tuple(input.shape)}")
    rows = widened(input[None].flatten(0, -2))  # (R, I)
    wide = [(widened(weight), widened(bias)) for weight, bias in experts]
    logits = widened(linear(rows, widened(gate[0]), widened(gate[1])))  # (R, X)
    if top_k is None:
        output, used = _by_all(rows, softmax(logits, dim=-1), wide), torch.ones_like(logits)
    else:
        best, chosen = logits.topk(top_k, dim=-1)  # (R, k)
        output = _by_chosen(rows, softmax(best, dim=-1), chosen, wide)
        used = torch.zeros_like(logits).scatter(-1, chosen, 1.0)
    balance = load_balance(softmax(logits, dim=-1), used)
    return output.view(*input.shape[:-1], output.shape[-1]).to(input.dtype), balance.to(input.dtype)


def load_balance(probabilities: Tensor, used: Tensor) -> Tensor:
    """How unevenly rows are spread over experts: 1 where all get alike, up to X where one gets everything.

    L = X * sum_e f_e P_e,  f_e the share of the rows' choices that fell on e, P_e the mean probability of e

    Only P has a gradient: minimised, it moves probability away from crowded experts. Without rows it is 0.

    Args:
        probabilities: softmax of all logits, (R, X).
        used: 1 where the row was sent to the expert, else 0, (R, X).

    Shape:
        (R, X), (R, X) -> ().

    Source: Fedus et al., arXiv 2101.03961, eq. 4-6, alpha left to the caller; for more than one choice a row f is the
        share of all choices, so that it still sums to 1.

    Example:
        >>> load_balance(torch.tensor([[0.9, 0.1], [0.9, 0.1]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        tensor(1.8000)
    """
    rows, count = probabilities.shape
    share = used.sum(0) / used.sum().clamp(min=1.0)  # (X)
    return count * (share * (probabilities.sum(0) / max(rows, 1))).sum()


def _by_all(rows: Tensor, shares: Tensor, experts: Sequence[Expert]) -> Tensor:
    """Every expert on every row: (R, I) -> (R, H)."""
    parts = [shares[:, e, None] * linear(rows, *expert) for e, expert in enumerate(experts)]
    output = parts[0]
    for part in parts[1:]:
        output = output + part
    return output


def _by_chosen(rows: Tensor, shares: Tensor, chosen: Tensor, experts: Sequence[Expert]) -> Tensor:
    """Each expert on the rows that chose it: (R, I) -> (R, H)."""
    order = chosen.flatten().argsort(stable=True)  # (R*k), choices sorted by expert
    source = order // chosen.shape[1]  # the row each choice belongs to
    counts = [int((chosen == e).sum()) for e in range(len(experts))]
    pieces = rows.index_select(0, source).split(counts)
    answers = torch.cat([linear(piece, *expert) for piece, expert in zip(pieces, experts, strict=True)])  # (R*k, H)
    weighted = shares.flatten().index_select(0, order)[:, None] * answers
    return weighted.new_zeros(rows.shape[0], weighted.shape[1]).index_add(0, source, weighted)
