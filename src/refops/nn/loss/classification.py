"""Classification losses as modules: weight, ignored class, reduction, and one call down.

Legend: N batch, C classes, *S any spatial axes.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.loss.classification import cross_entropy, nll_loss
from refops.nn.loss.base import WeightedLoss

__all__ = ["CrossEntropyLoss", "NLLLoss"]


class NLLLoss(WeightedLoss):
    """Negative log-likelihood of log-probabilities.

    Native: `torch.nn.NLLLoss`.

    Shape: (N, C, *S) and (N, *S), or (C,) and (), to (); with `reduction="none"` to the shape of target.

    Raises:
        IndexError: if a target is neither in [0, C) nor `ignore_index`.

    Example:
        >>> import torch
        >>> NLLLoss()(torch.tensor([[-1.0, -2.0], [-3.0, -4.0]]), torch.tensor([1, 0]))
        tensor(2.5000)
    """

    ignore_index: int

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of log-probabilities `input` against class indices `target`."""
        return nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(WeightedLoss):
    """Cross-entropy of logits.

    Native: `torch.nn.CrossEntropyLoss`.

    Shape: (N, C, *S) and (N, *S) or (N, C, *S), or (C,) and () or (C,), to (); with `reduction="none"` (N, *S) or ().

    Raises:
        IndexError: if a target is neither in [0, C) nor `ignore_index`.
        RuntimeError: if `label_smoothing` is above 1; like all else it is checked when the loss is computed.

    Trap: the input is logits. A softmax in front of this loss is applied twice.

    Example:
        >>> import torch
        >>> CrossEntropyLoss()(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([2]))
        tensor(0.4076)
    """

    ignore_index: int
    label_smoothing: float

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits `input` against class indices or class probabilities `target`."""
        return cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
