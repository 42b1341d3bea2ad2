"""Robust regression losses as modules: where the curve straightens, a reduction, and one call down.

Legend: *S any shape, the same for input and target.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.loss.robust import huber_loss, quantile_loss, smooth_l1_loss
from refops.nn.loss.base import Loss

__all__ = ["HuberLoss", "QuantileLoss", "SmoothL1Loss"]


class SmoothL1Loss(Loss):
    """Squared below `beta`, absolute above; its slope far away is 1.

    Native: `torch.nn.SmoothL1Loss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if beta is negative or the sizes do not broadcast; like all else checked when it is computed.

    Example:
        >>> import torch
        >>> SmoothL1Loss()(torch.tensor([0.5, 3.0]), torch.zeros(2))
        tensor(1.3125)
    """

    beta: float

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of `input` against `target`."""
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """Squared below `delta`, absolute above; its slope far away is delta.

    Native: `torch.nn.HuberLoss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if delta is not above 0 or the sizes do not broadcast; checked when the loss is computed.
        TypeError: if delta is no number.

    Example:
        >>> import torch
        >>> HuberLoss(delta=2.0)(torch.tensor([0.5, 3.0]), torch.zeros(2))
        tensor(2.0625)
    """

    delta: float

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, float | int):
            raise TypeError(f"delta must be a float or int, got {delta!r}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of `input` against `target`."""
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class QuantileLoss(Loss):
    """Pinball loss: a prediction too low costs `quantile`, one too high 1 - quantile.

    Native: none.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if the sizes do not broadcast; where they differ there is a warning.
        ValueError: if quantile is not between 0 and 1.

    Example:
        >>> import torch
        >>> QuantileLoss(0.75)(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 3.0]))
        tensor(1.)
    """

    quantile: float

    def __init__(self, quantile: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        if not 0 < quantile < 1:
            raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
        self.quantile = quantile

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of `input` against `target`."""
        return quantile_loss(input, target, self.quantile, self.reduction)

    def extra_repr(self) -> str:
        """The quantile."""
        return f"quantile={self.quantile}"
