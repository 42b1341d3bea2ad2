"""Perceptrons: linear maps with a bend between them, in a row, or around a shortcut.

Legend: I input_dim, H hidden_dim, O output_dim, E dim, * any axes before them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refops.functional.activation import relu
from refops.nn.activation import ReLU
from refops.nn.dropout import Dropout
from refops.nn.linear import Linear
from refops.nn.normalization import LayerNorm

__all__ = ["MLP", "ResidualMLP"]


class MLP(nn.Module):
    """Linear, ReLU and dropout for every hidden layer, then one more Linear.

    h_0 = x,  h_k = dropout(relu(W_k h_(k-1) + b_k)),  y = W h_n + b

    Native: none; the layers stand in one `nn.Sequential`, `layers`, so the keys are `layers.0.weight` and so on by 3.

    Args:
        input_dim: I.
        hidden_dims: features of each hidden layer; none gives a single Linear.
        output_dim: O.
        dropout: probability of dropping a hidden feature.
        device: where the parameters are.
        dtype: their dtype.

    Shape:
        (*, I) -> (*, O).

    Raises:
        ValueError: if a size is not positive, or `dropout` is outside [0, 1].
        RuntimeError: if the last axis of the input is not I.

    Trap: neither a ReLU nor dropout after the last Linear: outputs are logits.

    Example:
        >>> MLP(784, [256, 128], 10)(torch.ones(32, 784)).shape
        torch.Size([32, 10])
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        output_dim: int,
        dropout: float = 0.5,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _require_positive(input_dim=input_dim, output_dim=output_dim)
        layers: list[nn.Module] = []
        features = input_dim
        for hidden in hidden_dims:
            _require_positive(hidden_dims=hidden)
            layers += [Linear(features, hidden, device=device, dtype=dtype), ReLU(), Dropout(dropout)]
            features = hidden
        layers.append(Linear(features, output_dim, device=device, dtype=dtype))
        self.layers = nn.Sequential(*layers)

    def forward(self, input: Tensor) -> Tensor:
        """(*, I) -> (*, O)."""
        output: Tensor = self.layers(input)
        return output


class ResidualMLP(nn.Module):
    """A network of two linear maps added to its own input, then normalised (post-norm).

    y = LayerNorm(x + W_2 relu(W_1 x + b_1) + b_2)

    Native: none.

    Args:
        dim: E, features going in and coming out.
        hidden_dim: H, features between.
        device: where the parameters are.
        dtype: their dtype.

    Shape:
        (*, E) -> (*, E).

    Raises:
        ValueError: if a size is not positive.
        RuntimeError: if the last axis of the input is not E.

    Trap: post-norm, so the shortcut itself passes through the normalisation: a stack of these is not the identity plus
        something, as one of pre-norm blocks is.

    Source: He et al., arXiv 1512.03385; the order of sum and normalisation as in Vaswani et al., arXiv 1706.03762.

    Example:
        >>> ResidualMLP(64, 256)(torch.rand(32, 64)).shape
        torch.Size([32, 64])
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _require_positive(dim=dim, hidden_dim=hidden_dim)
        self.fc1 = Linear(dim, hidden_dim, device=device, dtype=dtype)
        self.fc2 = Linear(hidden_dim, dim, device=device, dtype=dtype)
        self.norm = LayerNorm(dim, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        """(*, E) -> (*, E)."""
        output: Tensor = self.norm(input + self.fc2(relu(self.fc1(input))))
        return output


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size <= 0:
            raise ValueError(f"{name} must be positive, got {size}")
