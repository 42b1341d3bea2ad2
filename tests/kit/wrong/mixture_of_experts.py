"""Mixtures of experts as people really get them wrong: gates, routing, shapes, balance; and perceptrons."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import differs, wrong

MOE = "MixtureOfExperts"


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class Mixture(nn.Module):
    """Right, unless a subclass changes a step: every expert on every row, then a mask over experts."""

    def __init__(self, input_dim, hidden_dim, num_experts=4, top_k=None):
        super().__init__()
        if min(input_dim, hidden_dim, num_experts) <= 0 or (top_k is not None and not 1 <= top_k <= num_experts):
            raise ValueError("sizes and top_k must fit")
        self.experts = nn.ModuleList([nn.Linear(input_dim, hidden_dim) for _ in range(num_experts)])
        self.gate = nn.Linear(input_dim, num_experts)
        self.top_k = top_k

    def logits(self, x):
        return F.linear(x, wide(self.gate.weight), wide(self.gate.bias))

    def shares(self, logits):
        if self.top_k is None:
            return logits.softmax(-1)
        best, chosen = logits.topk(self.top_k, -1)
        return torch.zeros_like(logits).scatter(-1, chosen, best.softmax(-1))

    def answers(self, x):
        return torch.stack([F.linear(x, wide(e.weight), wide(e.bias)) for e in self.experts], -2)

    def balance(self, logits, shares):
        rows = logits.reshape(-1, logits.shape[-1])
        used = torch.zeros_like(rows).scatter(-1, rows.topk(self.top_k or rows.shape[-1], -1)[1], 1.0)
        share = used.sum(0) / used.sum().clamp(min=1)
        return logits.shape[-1] * (share * rows.softmax(-1).sum(0) / max(len(rows), 1)).sum()

    def forward(self, input, need_balance=False):
        if input.dim() < 1:
            raise ValueError("input must have features")
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        logits = self.logits(x)
        shares = self.shares(logits)
        output = (shares[..., None] * self.answers(x)).sum(-2).to(input.dtype)
        return (output, self.balance(logits, shares).to(input.dtype)) if need_balance else output


@wrong(
    MOE,
    why="the shares of the chosen experts are not renormalised",
    cause="the shares of the chosen are not renormalised",
)
class NotRenormalised(Mixture):
    def shares(self, logits):
        shares = logits.softmax(-1)
        if self.top_k is None:
            return shares
        chosen = logits.topk(self.top_k, -1)[1]
        return torch.zeros_like(shares).scatter(-1, chosen, 1.0) * shares


@wrong(MOE, why="top_k is accepted and every expert counts", cause="top_k is ignored: every expert counts")
class NeverRouted(Mixture):
    def shares(self, logits):
        return logits.softmax(-1)


@differs(MOE, why="only two axes are understood: einsum of 'be,beh->bh'")
class RowsOnly(Mixture):
    def forward(self, input, need_balance=False):
        if need_balance or input.dim() == 0:
            return super().forward(input, need_balance)
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        return torch.einsum("be,beh->bh", self.shares(self.logits(x)), self.answers(x)).to(input.dtype)


@wrong(
    MOE,
    why="softmax runs over the rows of the batch, not over the experts",
    cause="softmax over the rows, not over the experts",
)
class SoftmaxOverRows(Mixture):
    def shares(self, logits):
        return logits.softmax(0) if self.top_k is None and logits.dim() > 1 else super().shares(logits)


@wrong(MOE, why="gates are sigmoids that do not sum to 1", cause="gates are sigmoids")
class SigmoidGates(Mixture):
    def shares(self, logits):
        return logits.sigmoid() if self.top_k is None else super().shares(logits)


@wrong(MOE, why="the likeliest expert is always the only one", cause="the likeliest expert is the only one")
class AlwaysOne(Mixture):
    def shares(self, logits):
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits) if self.top_k else super().shares(logits)


@wrong(MOE, why="the least likely experts are chosen", cause="the least likely experts are chosen")
class LeastLikely(Mixture):
    def shares(self, logits):
        if self.top_k is None:
            return super().shares(logits)
        best, chosen = (-logits).topk(self.top_k, -1)
        return torch.zeros_like(logits).scatter(-1, chosen, (-best).softmax(-1))


@wrong(MOE, why="shares carry no gradient, so the gate never learns", cause="shares carry no gradient")
class GateDetached(Mixture):
    def shares(self, logits):
        return super().shares(logits).detach()


@wrong(MOE, why="each expert takes at most two rows and drops the others, whatever the batch")
class SmallCapacity(Mixture):
    def shares(self, logits):
        shares = super().shares(logits)
        if self.top_k is None or logits.dim() < 2:
            return shares
        flat = shares.reshape(-1, shares.shape[-1])
        return torch.where((flat > 0).cumsum(0) <= 2, flat, 0.0).view(shares.shape)


@wrong(MOE, why="the experts' biases are left out", cause="the experts' biases are left out")
class NoBias(Mixture):
    def answers(self, x):
        return torch.stack([F.linear(x, wide(e.weight)) + 0 * wide(e.bias) for e in self.experts], -2)


@wrong(MOE, why="an expert without rows makes the balance nan")
class BalanceOfNothing(Mixture):
    def balance(self, logits, shares):
        rows = logits.reshape(-1, logits.shape[-1])
        used = (shares > 0).to(rows).reshape(rows.shape).sum(0)
        return (used / used.sum() * rows.softmax(-1).sum(0) / rows.shape[0]).sum() * logits.shape[-1]


@wrong(
    MOE,
    why="the balance lacks the factor of the number of experts",
    cause="the balance lacks the factor of the number of experts",
)
class BalanceUnscaled(Mixture):
    def balance(self, logits, shares):
        return super().balance(logits, shares) / logits.shape[-1]


@wrong(MOE, why="the balance is made of counts alone and has no gradient", cause="the balance has no gradient")
class BalanceWithoutGradient(Mixture):
    def balance(self, logits, shares):
        return super().balance(logits, shares).detach()


@wrong(MOE, why="a top_k greater than the number of experts is cut down in silence", only="refusals")
class AnyTopK(Mixture):
    def __init__(self, input_dim, hidden_dim, num_experts=4, top_k=None):
        super().__init__(input_dim, hidden_dim, num_experts, None if top_k is None else min(max(top_k, 1), num_experts))


class Perceptron(nn.Module):
    """Linear, ReLU, dropout, as often as asked; then Linear."""

    last = nn.Identity

    def __init__(self, input_dim, hidden_dims, output_dim, dropout=0.5):
        super().__init__()
        if min(input_dim, output_dim, *hidden_dims, 1) <= 0:
            raise ValueError("sizes must be positive")
        sizes, layers = [input_dim, *hidden_dims], []
        for pair in pairwise(sizes):
            layers += self.block(*pair, dropout)
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], output_dim), self.last())

    def block(self, inputs, outputs, dropout):
        return nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)

    def forward(self, input):
        return self.layers(input)


@wrong("MLP", why="a ReLU after the last map", cause="a ReLU after the last map")
class LastRectified(Perceptron):
    last = nn.ReLU


@wrong("MLP", why="dropout after the last map too")
class LastDropped(Perceptron):
    def __init__(self, input_dim, hidden_dims, output_dim, dropout=0.5):
        super().__init__(input_dim, hidden_dims, output_dim, dropout)
        self.layers[-1] = nn.Dropout(dropout)


@wrong("MLP", why="no ReLU between the maps")
class Straight(Perceptron):
    def block(self, inputs, outputs, dropout):
        return nn.Linear(inputs, outputs), nn.Dropout(dropout)


@wrong("MLP", why="dropout in evaluation", cause="behaves in evaluation as in training")
class DropsAlways(Perceptron):
    def train(self, mode=True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.training = True
        return self


class Residual(nn.Module):
    def __init__(self, dim, hidden_dim):
        super().__init__()
        if min(dim, hidden_dim) <= 0:
            raise ValueError("sizes must be positive")
        self.fc1, self.fc2, self.norm = nn.Linear(dim, hidden_dim), nn.Linear(hidden_dim, dim), nn.LayerNorm(dim)

    def forward(self, input):
        return self.norm(input + self.fc2(self.fc1(input).relu()))


@wrong(
    "ResidualMLP",
    why="pre-norm: the normalisation stands before the maps",
    cause="the normalisation stands before the maps",
)
class PreNorm(Residual):
    def forward(self, input):
        return input + self.fc2(self.fc1(self.norm(input)).relu())


@wrong("ResidualMLP", why="no residual", cause="there is no shortcut")
class NoResidual(Residual):
    def forward(self, input):
        return self.norm(self.fc2(self.fc1(input).relu()))


@wrong("ResidualMLP", why="adds to the input in place")
class AddsInPlace(Residual):
    def forward(self, input):
        with torch.no_grad():
            input.add_(self.fc2(self.fc1(input).relu()))
        return self.norm(input)
