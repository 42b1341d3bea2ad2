"""Rectifiers as modules: their settings or their learned slopes, and one call down.

Legend: N batch, C channels, *S any shape.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from refops.functional import rectifier as F

__all__ = ["ELU", "Hardswish", "Hardtanh", "PReLU", "RReLU", "ReLU6"]


class PReLU(Module):
    """Negative numbers are scaled by a learned slope, one for all or one for each channel.

    Native: `torch.nn.PReLU`.

    Shape: (*S) to (*S) with one slope; (N, C, *S) to (N, C, *S) with C; `weight` is (num_parameters).

    Raises:
        RuntimeError: if there is neither one slope nor one for each channel; found out when called.

    Example:
        >>> import torch
        >>> PReLU()(torch.tensor([-4.0, 4.0])).detach()
        tensor([-1.,  4.])
    """

    weight: Tensor

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if isinstance(num_parameters, float | str):
            raise TypeError(f"num_parameters must be an int, got {num_parameters!r}")
        if num_parameters < 0:
            raise RuntimeError(f"num_parameters must not be negative, got {num_parameters}")
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(torch.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start from `init` everywhere."""
        self.weight.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """Negative numbers are scaled by a slope: in training each by one drawn from U(lower, upper), else by their mean.

    Native: `torch.nn.RReLU`.

    Shape: (*S) to (*S).

    Raises:
        RuntimeError: if a bound is not finite or `lower` > `upper`; found out when called.

    Example:
        >>> import torch
        >>> RReLU().eval()(torch.tensor([-24.0, 2.0]))
        tensor([-5.5000,  2.0000])
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """Negative numbers level off at -alpha: alpha * (e^x - 1).

    Native: `torch.nn.ELU`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> ELU(2.0)(torch.tensor([-100.0, 0.0, 100.0]))
        tensor([ -2.,   0., 100.])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Hardtanh(Module):
    """Numbers outside [min_val, max_val] become the nearer of the two.

    Native: `torch.nn.Hardtanh`, with its deprecated names `min_value` and `max_value`.

    Shape: (*S) to (*S).

    Raises:
        AssertionError: if `max_val` is not greater than `min_val`.
        RuntimeError: if the input is boolean, or with `inplace` a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> Hardtanh(-2.0, 2.0)(torch.tensor([-3.0, 1.0, 3.0]))
        tensor([-2.,  1.,  2.])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = _renamed("min", min_value, min_val)
        self.max_val = _renamed("max", max_value, max_val)
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val must be greater than min_val, got {self.max_val} and {self.min_val}")

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


def _renamed(side: str, old: float | None, new: float) -> float:
    if old is None:
        return new
    warnings.warn(f"{side}_value is deprecated, please write {side}_val={old}", FutureWarning, stacklevel=3)
    return old


class ReLU6(Hardtanh):
    """Negative numbers become 0, those above 6 become 6.

    Native: `torch.nn.ReLU6`.

    Shape: (*S) to (*S).

    Raises:
        RuntimeError: if the input is boolean, or with `inplace` a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> ReLU6()(torch.tensor([-1.0, 3.0, 7.0]))
        tensor([0., 3., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        """The settings, as native prints them."""
        return "inplace=True" if self.inplace else ""


class Hardswish(Module):
    """Each number times a sigmoid made of straight pieces: x * relu6(x + 3) / 6.

    Native: `torch.nn.Hardswish`.

    Shape: (*S) to (*S).

    Raises:
        NotImplementedError: if the input is not floating.
        RuntimeError: with `inplace`, for a leaf that requires a gradient or an expanded view.

    Example:
        >>> import torch
        >>> Hardswish()(torch.tensor([-1.5, 0.0, 4.0]))
        tensor([-0.3750,  0.0000,  4.0000])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply to every number of `input`."""
        return F.hardswish(input, self.inplace)
