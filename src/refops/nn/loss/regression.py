"""Regression losses as modules: a reduction, and one call down.

Legend: *S any shape, the same for input and target.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.loss.regression import l1_loss, mse_loss
from refops.nn.loss.base import Loss

__all__ = ["L1Loss", "MSELoss"]


class MSELoss(Loss):
    """Mean squared error.

    Native: `torch.nn.MSELoss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if the sizes do not broadcast; where they differ there is a warning.

    Example:
        >>> import torch
        >>> MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of `input` against `target`."""
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """Mean absolute error.

    Native: `torch.nn.L1Loss`.

    Shape: (*S) and (*S) to (), with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if the sizes do not broadcast; where they differ there is a warning.

    Example:
        >>> import torch
        >>> L1Loss()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of `input` against `target`."""
        return l1_loss(input, target, reduction=self.reduction)
