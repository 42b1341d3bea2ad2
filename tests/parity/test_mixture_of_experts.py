"""The mixture of experts against an oracle of its own; that routing saves work; that the balance can be learned."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from refops.functional.mixture_of_experts import load_balance
from refops.nn.mixture_of_experts import MixtureOfExperts
from refops.parity import conforms

test_mixture_of_experts = conforms(family="mixture_of_experts")


class RowsThroughExperts(TorchDispatchMode):
    """How many rows each matrix product with an expert's weight has."""

    def __init__(self, hidden_dim):
        super().__init__()
        self.hidden_dim, self.rows = hidden_dim, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.addmm.default and args[2].shape[1] == self.hidden_dim:
            self.rows.append(args[1].shape[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("top_k", [None, 1, 2, 5])
def test_experts_run_on_their_own_rows(top_k):
    with RowsThroughExperts(9) as seen, torch.no_grad():
        MixtureOfExperts(6, 9, num_experts=5, top_k=top_k)(torch.randn(3, 20, 6))
    assert len(seen.rows) == 5
    assert sum(seen.rows) == 60 * (top_k or 5)


def test_experts_without_rows():
    layer = MixtureOfExperts(6, 9, num_experts=3, top_k=1)
    with torch.no_grad():
        layer.gate.bias.copy_(torch.tensor([1e4, 0.0, 0.0]))
    output, balance = layer(torch.randn(7, 6), need_balance=True)
    output.sum().backward()
    torch.testing.assert_close(balance, torch.tensor(3.0))
    assert layer.experts[0].weight.grad.abs().sum() > 0
    assert all(layer.experts[e].weight.grad.abs().sum() == 0 for e in (1, 2))


def test_balance_spreads_the_rows():
    torch.manual_seed(0)
    layer, x = MixtureOfExperts(6, 9, num_experts=3, top_k=1), torch.randn(200, 6)
    with torch.no_grad():
        layer.gate.bias.copy_(torch.tensor([3.0, 0.0, 0.0]))
    before = layer(x, need_balance=True)[1]
    optimizer = torch.optim.SGD(layer.gate.parameters(), lr=0.3)
    for _ in range(100):
        optimizer.zero_grad()
        layer(x, need_balance=True)[1].backward()
        optimizer.step()
    assert before > 2
    assert layer(x, need_balance=True)[1] < 1.1


def test_balance_of_even_shares_is_one():
    torch.testing.assert_close(load_balance(torch.full((8, 4), 0.25), torch.eye(4).repeat(2, 1)), torch.tensor(1.0))
