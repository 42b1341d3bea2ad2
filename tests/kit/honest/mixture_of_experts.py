"""Right mixtures of experts and perceptrons that compute in another way than the references or their oracles."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from refops.parity.proving.collection import honest

MOE = "MixtureOfExperts"


def wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


@honest(MOE, why="every expert on every row, the shares of those not chosen being 0")
class Masked(nn.Module):
    def __init__(self, input_dim, hidden_dim, num_experts=4, top_k=None):
        super().__init__()
        if min(input_dim, hidden_dim, num_experts) <= 0 or (top_k is not None and not 1 <= top_k <= num_experts):
            raise ValueError("sizes and top_k must fit")
        self.experts = nn.ModuleList([nn.Linear(input_dim, hidden_dim) for _ in range(num_experts)])
        self.gate = nn.Linear(input_dim, num_experts)
        self.k = top_k or num_experts

    def mix(self, x, shares):
        answers = torch.stack([F.linear(x, wide(e.weight), wide(e.bias)) for e in self.experts], -2)
        return torch.einsum("...e,...eh->...h", shares, answers)

    def forward(self, input, need_balance=False):
        if input.dim() < 1:
            raise ValueError("input must have features")
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        logits = F.linear(x, wide(self.gate.weight), wide(self.gate.bias)).to(x.dtype)
        best, chosen = logits.topk(self.k, -1)
        shares = torch.zeros_like(logits).scatter(-1, chosen, best.softmax(-1))
        output = self.mix(x, shares).to(input.dtype)
        if not need_balance:
            return output
        used = torch.zeros_like(logits).scatter(-1, chosen, 1.0).reshape(-1, logits.shape[-1])
        rows = logits.reshape(-1, logits.shape[-1]).softmax(-1)
        share = used.sum(0) / used.sum().clamp(min=1)
        balance = (share * rows.sum(0) / max(rows.shape[0], 1)).sum() * rows.shape[-1]
        return output, balance.to(input.dtype)


@honest(MOE, why="shares first: the experts' matrices are mixed for each row, then used once")
class MixedMatrices(Masked):
    def mix(self, x, shares):
        weights = torch.stack([wide(e.weight) for e in self.experts])
        biases = torch.stack([wide(e.bias) for e in self.experts])
        shares = shares.to(x.dtype)
        mixed = torch.einsum("...e,ehi->...hi", shares, weights)
        return (mixed * x[..., None, :]).sum(-1) + shares @ biases


@honest(MOE, why="experts one after the other, the last first, added up")
class OneAfterTheOther(Masked):
    def mix(self, x, shares):
        total = 0.0
        for e in reversed(range(len(self.experts))):
            expert = self.experts[e]
            total = total + shares[..., e, None] * F.linear(x, wide(expert.weight), wide(expert.bias))
        return total


@honest("MLP", why="a loop over parameters, with functions in place of layers")
class Looped(nn.Module):
    def __init__(self, input_dim, hidden_dims, output_dim, dropout=0.5):
        super().__init__()
        sizes = [input_dim, *hidden_dims, output_dim]
        if min(sizes) <= 0 or (hidden_dims and not 0 <= dropout <= 1):
            raise ValueError("sizes must be positive, dropout a probability")
        self.weights = nn.ParameterList([torch.randn(o, i) for i, o in pairwise(sizes)])
        self.biases = nn.ParameterList([torch.randn(o) for o in sizes[1:]])
        self.p = dropout

    def forward(self, input):
        x = F.linear(input, self.weights[0], self.biases[0])
        for k in range(1, len(self.weights)):
            x = F.linear(F.dropout(x.clamp(min=0), self.p, self.training), self.weights[k], self.biases[k])
        return x


@honest("ResidualMLP", why="native layers, the sum written the other way round")
class TheOtherWayRound(nn.Module):
    def __init__(self, dim, hidden_dim):
        super().__init__()
        if min(dim, hidden_dim) <= 0:
            raise ValueError("sizes must be positive")
        self.fc1, self.fc2, self.norm = nn.Linear(dim, hidden_dim), nn.Linear(hidden_dim, dim), nn.LayerNorm(dim)

    def forward(self, input):
        return self.norm(torch.add(self.fc2(F.relu(self.fc1(input))), input))
