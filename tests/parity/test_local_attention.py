"""The family of local attention against an oracle of its own, and its memory: no tensor of length by length."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from refops.functional.local_attention import local_attention
from refops.parity import conforms

test_local_attention = conforms(family="local_attention")


class Largest(TorchDispatchMode):
    """The most numbers any operation gives."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor):
            self.numbers = max(self.numbers, output.numel())
        return output


@pytest.mark.parametrize(("mode", "share"), [("block", 1), ("sliding", 3)])
@pytest.mark.parametrize("length", [1024, 1031])
def test_memory_grows_with_length_times_window(mode, share, length):
    query, key, value = (torch.randn(length, 4, requires_grad=True) for _ in range(3))
    with Largest() as largest:
        local_attention(query, key, value, 32, mode).sum().backward()
    assert largest.numbers <= share * (length + 32) * 32
