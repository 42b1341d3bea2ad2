"""Softplus and Mish as modules: their settings, and one call down.

Legend: *S any shape.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import Module

from refops.functional import smooth_activation as F

__all__ = ["Mish", "Softplus"]


class Softplus(Module):
    """A smooth ReLU: log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    Native: `torch.nn.Softplus`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.

    Example:
        >>> import torch
        >>> Softplus()(torch.tensor([-1.0, 0.0, 100.0]))
        tensor([  0.3133,   0.6931, 100.0000])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Mish(Module):
    """Each number times the tanh of its softplus.

    Native: `torch.nn.Mish`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> Mish()(torch.tensor([-1.1924, 0.0, 2.0]))
        tensor([-0.3088,  0.0000,  1.9440])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return "inplace=True" if self.inplace else ""
