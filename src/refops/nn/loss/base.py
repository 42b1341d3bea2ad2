"""What every loss module keeps: how to reduce, and for some a weight per class."""

from __future__ import annotations

from torch import Tensor
from torch.nn import Module

from refops.functional.loss.reduction import chosen_reduction

__all__ = ["Loss", "WeightedLoss"]


class Loss(Module):
    """A loss that is reduced; `size_average` and `reduce` are the deprecated way to say how.

    A `reduction` that does not exist is refused when the loss is computed, as native does.
    """

    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        legacy = size_average is not None or reduce is not None
        self.reduction = chosen_reduction("mean", size_average, reduce) if legacy else reduction


class WeightedLoss(Loss):
    """A loss with a weight per class: a buffer, so it moves with the module and is saved with it."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
