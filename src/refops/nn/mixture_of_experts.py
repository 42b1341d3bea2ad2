"""A mixture of experts as a layer: a gate, and experts that are linear maps.

Legend: I input_dim, H hidden_dim, X num_experts, * any axes before the features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refops.functional.mixture_of_experts import mixture_of_experts
from refops.nn.linear import Linear

__all__ = ["MixtureOfExperts"]


class MixtureOfExperts(nn.Module):
    """Linear maps side by side, and a gate that says for every row how much each of them counts.

    y = sum_e g_e(x) (W_e x + b_e),  g = softmax(gate(x)), of all experts or of the `top_k` likeliest

    Native: none.

    Args:
        input_dim: I.
        hidden_dim: H.
        num_experts: X.
        top_k: how many experts a row is really run through; None for all of them (dense).
        device: where the parameters are.
        dtype: their dtype.

    Shape:
        (*, I) -> (*, H); with `need_balance` also the loss of balance, ().

    Raises:
        ValueError: if a size is not positive, `top_k` is not in 1 .. X, or the last axis of the input is not I.

    Trap: routing saves work only if each expert runs on its own rows: experts that all run on every row, most of them
        then multiplied by 0, are a dense mixture with a mask. Without the balance in the loss a few experts get
        everything.

    Source: Shazeer et al., arXiv 1701.06538; the balance: Fedus et al., arXiv 2101.03961, eq. 4.

    Example:
        >>> layer = MixtureOfExperts(16, 32, num_experts=4, top_k=2)
        >>> output, balance = layer(torch.rand(2, 5, 16), need_balance=True)
        >>> output.shape, balance.shape
        (torch.Size([2, 5, 32]), torch.Size([]))
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        num_experts: int = 4,
        top_k: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("input_dim", input_dim), ("hidden_dim", hidden_dim), ("num_experts", num_experts)):
            if size <= 0:
                raise ValueError(f"{name} must be positive, got {size}")
        if top_k is not None and not 1 <= top_k <= num_experts:
            raise ValueError(f"top_k must be from 1 to num_experts={num_experts}, got {top_k}")
        self.num_experts = num_experts
        self.top_k = top_k
        self.experts = nn.ModuleList(
            [Linear(input_dim, hidden_dim, device=device, dtype=dtype) for _ in range(num_experts)]
        )
        self.gate = Linear(input_dim, num_experts, device=device, dtype=dtype)

    def forward(self, input: Tensor, need_balance: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """(*, I) -> (*, H), and the loss of balance if it is asked for: add some hundredths of it to the loss."""
        gate, *experts = ((layer.weight, layer.bias) for layer in (self.gate, *self.experts))
        output, balance = mixture_of_experts(input, gate, experts, self.top_k)
        return (output, balance) if need_balance else output

    def extra_repr(self) -> str:
        """What `print` shows between the brackets."""
        return f"top_k={self.top_k}"
