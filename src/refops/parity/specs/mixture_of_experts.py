"""A mixture of experts, judged row by row: each row asks its own experts, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from refops.nn.mixture_of_experts import MixtureOfExperts
from refops.parity.case import Case, built, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes.mixture_of_experts import mixture_of_experts

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


class _RowByRow(nn.Module):
    """For each row: the odds of all experts, the likeliest by Python's sort, and their answers as sums of products."""

    def __init__(self, input_dim: int, hidden_dim: int, num_experts: int = 4, top_k: int | None = None) -> None:
        super().__init__()
        experts = [nn.Linear(input_dim, hidden_dim) for _ in range(num_experts)]
        self.experts: list[nn.Linear] = nn.ModuleList(experts)  # type: ignore[assignment]
        self.gate = nn.Linear(input_dim, num_experts)
        self.k = num_experts if top_k is None else top_k

    def forward(self, input: Tensor, need_balance: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        rows, count = input.reshape(-1, input.shape[-1]), len(self.experts)
        answers, probabilities, asked = [], [], [0] * count
        for x in rows:
            logits = (self.gate.weight * x).sum(-1) + self.gate.bias
            odds = (logits - logits.detach().max()).exp()
            likeliest = [e for _, e in sorted((-z, e) for e, z in enumerate(logits.tolist()))][: self.k]
            total = sum((odds[e] for e in likeliest), start=odds.new_zeros(()))
            answer = odds.new_zeros(())
            for e in likeliest:
                asked[e] += 1
                answer = answer + odds[e] / total * ((self.experts[e].weight * x).sum(-1) + self.experts[e].bias)
            answers.append(answer)
            probabilities.append(odds / odds.sum())
        hidden = self.experts[0].bias.numel()
        output = torch.stack(answers) if answers else rows.new_zeros(0, hidden) + self.experts[0].bias * 0
        if not need_balance:
            return output.reshape(*input.shape[:-1], hidden)
        balance = output.sum() * 0
        for e in range(count if answers else 0):
            mean = sum((p[e] for p in probabilities), start=rows.new_zeros(())) / len(answers)
            balance = balance + count * asked[e] / sum(asked) * mean
        return output.reshape(*input.shape[:-1], hidden), balance


def moe_cases() -> SearchStrategy[Case]:
    """Dense and routed, any axes before the features, none included."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes = st.integers(1, 5)
        features, experts = draw(sizes), draw(sizes)
        top_k = draw(st.sampled_from([None, *range(1, experts + 1)]))
        lead = draw(st.lists(st.integers(0, 3), max_size=3))
        call = {"need_balance": True} if draw(st.booleans()) else {}
        return built(features, draw(sizes), experts, top_k).on(real(*lead, features), **call)

    return cases()


def batch_split(build: Build, x: Tensor) -> Pair:
    """Rows do not meet, however they are routed together."""
    f = build(6, 4, 5, 2)
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


def dense_batch_split(build: Build, x: Tensor) -> Pair:
    """Rows do not meet."""
    f = build(6, 4, 5)
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


def order_of_rows(build: Build, x: Tensor) -> Pair:
    """Rows come back to where they were."""
    f = build(6, 4, 5, 2)
    return f(x.flip(0)), f(x).flip(0)


def all_chosen(build: Build, x: Tensor) -> Pair:
    """Sent to every expert, a row gives the dense mixture."""
    return build(6, 4, 3, 3)(x), build(6, 4, 3)(x)


def one_expert(build: Build, x: Tensor) -> Pair:
    """A single expert is a linear map, whatever the gate says: the middle goes to the middle."""
    f = build(6, 4, 1, 1)
    return f((x + x.flip(0)) / 2), (f(x) + f(x).flip(0)) / 2


def leading_axes(build: Build, x: Tensor) -> Pair:
    """Axes before the features are rows."""
    f = build(6, 4, 5, 2)
    return f(x.reshape(7, 2, 5, 6)), f(x).reshape(7, 2, 5, 4)


def dense_balance(build: Build, x: Tensor) -> Pair:
    """Where every expert gets every row, the balance is 1."""
    balance = build(6, 4, 5)(x, need_balance=True)[1]
    return balance, torch.ones_like(balance)


def single_row_balance(build: Build, x: Tensor) -> Pair:
    """For one row all by itself, the balance of two experts is twice the likelier one's probability: at least 1."""
    balance = build(6, 4, 2, 1)(x[:1], need_balance=True)[1]
    return balance.clamp(min=1.0), balance


SPECS = (
    Spec(
        "MixtureOfExperts",
        "mixture_of_experts",
        MixtureOfExperts,
        None,
        (
            built(7, 11, 3).on(real(5, 7)),
            built(7, 9, 4, 2).on(real(6, 7), True),
            built(5, 4).on(real(5)),
            built(5, 4, 3, top_k=1).on(real(5)),
            built(6, 8, 3, 1).on(real(2, 5, 6), need_balance=True),
            built(6, 8, 8, 2).on(real(3, 6), need_balance=True),
            built(input_dim=6, hidden_dim=4, num_experts=3, top_k=3).on(real(5, 6)),
            built(6, 4, 1, 1).on(real(5, 6), need_balance=True),
            built(1, 1, 2).on(real(3, 1), need_balance=True),
            built(6, 4, 3).on(real(0, 6), need_balance=True),
            built(6, 4, 3, 2).on(real(2, 0, 6), need_balance=True),
            built(6, 4, 3, 2).on(real(5, 6)).but(mode="eval"),
            built(17, 13, 5, 2).on(real(33, 17)),
            built(2049, 3, 2).on(real(3, 2049)),
        ),
        oracle=_RowByRow,
        products=2,
        shape=mixture_of_experts,
        strategy=moe_cases,
        laws=(
            Law("batch split, routed", batch_split, (real(70, 6),)),
            Law("batch split, dense", dense_batch_split, (real(70, 6),)),
            Law("order of rows", order_of_rows, (real(19, 6),)),
            Law("all experts chosen", all_chosen, (real(19, 6),)),
            Law("a single expert", one_expert, (real(19, 6),)),
            Law("leading axes are rows", leading_axes, (real(70, 6),)),
            Law("dense is balanced", dense_balance, (real(19, 6),)),
            Law("a single row", single_row_balance, (real(19, 6),)),
        ),
        refusals=(
            Refusal(built(0, 4).on(real(5, 0)), "input_dim"),
            Refusal(built(6, -1).on(real(5, 6)), "hidden_dim"),
            Refusal(built(6, 4, 0).on(real(5, 6)), "num_experts"),
            Refusal(built(6, 4, 3, 0).on(real(5, 6)), "top_k"),
            Refusal(built(6, 4, 3, 4).on(real(5, 6)), "top_k"),
            Refusal(built(6, 4, 3).on(real(5, 7)), "input"),
            Refusal(built(6, 4, 3, 2).on(real(5, 7)), "input"),
        ),
        no_check=(
            ("meta", "how many rows an expert gets is read from the gate's choice"),
            ("limits", "a gate over thousands of ordinary inputs saturates: its gradient is rounding alone"),
        ),
    ),
)
