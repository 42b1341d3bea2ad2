"""Activations as modules: their settings, and one call down.

Legend: *S any shape.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import Module

from refops.functional import activation as F

__all__ = ["GELU", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Module):
    """Negative numbers become 0: max(x, 0).

    Native: `torch.nn.ReLU`.

    Shape: (*S) to (*S).

    Raises:
        RuntimeError: if the input is boolean, or with `inplace` a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> ReLU()(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """Negative numbers are scaled down: max(x, 0) + negative_slope * min(x, 0).

    Native: `torch.nn.LeakyReLU`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> LeakyReLU(0.25)(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([-0.2500,  0.0000,  2.0000])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Sigmoid(Module):
    """Squash to (0, 1): 1 / (1 + e^-x).

    Native: `torch.nn.Sigmoid`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is complex.

    Example:
        >>> import torch
        >>> Sigmoid()(torch.tensor([-200.0, 0.0, 2.0]))
        tensor([0.0000, 0.5000, 0.8808])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.sigmoid(input)


class Tanh(Module):
    """Squash to (-1, 1): (e^x - e^-x) / (e^x + e^-x).

    Native: `torch.nn.Tanh`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is complex.

    Example:
        >>> import torch
        >>> Tanh()(torch.tensor([-100.0, 0.0, 1.0]))
        tensor([-1.0000,  0.0000,  0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.tanh(input)


class GELU(Module):
    """Each number times the share of a normal distribution below it; `approximate="tanh"` approximates that share.

    Native: `torch.nn.GELU`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: if `approximate` is neither "none" nor "tanh"; found out when called.

    Example:
        >>> import torch
        >>> GELU()(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([-0.1587,  0.0000,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """Each number times its own sigmoid: x / (1 + e^-x). Also known as swish.

    Native: `torch.nn.SiLU`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> SiLU()(torch.tensor([-1.2785, 0.0, 2.0]))
        tensor([-0.2785,  0.0000,  1.7616])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return "inplace=True" if self.inplace else ""


class Softmax(Module):
    """Positive numbers that sum to 1 along `dim`: e^x_i / sum_j e^x_j.

    Native: `torch.nn.Softmax`.

    Shape: (*S) to (*S).

    Raises:
        IndexError: if there is no such `dim`.
        NotImplementedError: if the input is not floating.

    Example:
        >>> import torch
        >>> Softmax(dim=1)(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[0.0900, 0.2447, 0.6652]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input` along `dim`."""
        return F.softmax(input, self.dim, _stacklevel=5)  # 5: a warning points at the caller of the module

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of softmax along `dim`.

    Native: `torch.nn.LogSoftmax`.

    Shape: (*S) to (*S).

    Raises:
        IndexError: if there is no such `dim`.
        NotImplementedError: if the input is not floating.

    Example:
        >>> import torch
        >>> LogSoftmax(dim=1)(torch.tensor([[0.0, 1000.0]]))
        tensor([[-1000.,     0.]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input` along `dim`."""
        return F.log_softmax(input, self.dim, _stacklevel=5)  # 5: a warning points at the caller of the module

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"dim={self.dim}"
