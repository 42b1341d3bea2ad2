"""The Transformer encoder against native torch: every check, and native's dropout masks from one seed."""

import pytest
import torch

from refops.nn.transformer import TransformerEncoderLayer
from refops.parity import conforms

test_transformer = conforms(family="transformer")


@pytest.mark.parametrize("norm_first", [False, True])
def test_one_seed_drops_what_native_drops(norm_first):
    x, drawn = torch.randn(7, 3, 8), []
    for kind in (torch.nn.TransformerEncoderLayer, TransformerEncoderLayer):
        torch.manual_seed(0)
        layer = kind(8, 2, 16, 0.3, "gelu", norm_first=norm_first)
        drawn.append((layer(x), torch.rand(1)))
    (native, follows), (ours, follows_too) = drawn
    torch.testing.assert_close(ours, native)
    assert torch.equal(follows, follows_too)
