"""The family of relative attention against an oracle of its own, and its memory: no tensor of (L, L, d)."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from refops.functional.relative_attention import relative_attention
from refops.parity import conforms

test_relative_attention = conforms(family="relative_attention")


class Largest(TorchDispatchMode):
    """The most numbers any operation gives."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor):
            self.numbers = max(self.numbers, output.numel())
        return output


def test_no_vector_for_every_pair():
    query, key, value = (torch.randn(128, 64, requires_grad=True) for _ in range(3))
    with Largest() as largest:
        relative_attention(query, key, value, torch.randn(511, 64)).sum().backward()
    assert largest.numbers <= 2 * 128 * 128
