"""Label smoothing as a module: a share, the rule it is shared by, and one call down.

Legend: N batch, K classes, *S any spatial axes.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.loss.smoothing import label_smoothing_cross_entropy
from refops.nn.loss.base import WeightedLoss

__all__ = ["LabelSmoothingCrossEntropy"]


class LabelSmoothingCrossEntropy(WeightedLoss):
    """Cross-entropy against labels that leave a share `eps` to "all" classes, as torch does, or to the "others" alone.

    Native: for rule "all" `torch.nn.CrossEntropyLoss(label_smoothing=eps)`.

    Shape: (N, K, *S) and (N, *S), or (K,) and (), to (); with `reduction="none"` to the shape of target.

    Raises:
        IndexError: if a target is neither in [0, K) nor `ignore_index`.
        ValueError: if eps is not in [0, 1], or there is no such rule; like all else checked when it is computed.

    Example:
        >>> import torch
        >>> LabelSmoothingCrossEntropy(0.1, rule="others")(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([2]))
        tensor(0.5576)
    """

    eps: float
    rule: str
    ignore_index: int

    def __init__(
        self,
        eps: float = 0.1,
        rule: str = "all",
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.eps, self.rule, self.ignore_index = eps, rule, ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits `input` against class indices `target`."""
        return label_smoothing_cross_entropy(
            input, target, self.eps, self.rule, self.weight, self.ignore_index, self.reduction
        )

    def extra_repr(self) -> str:
        """Share and rule."""
        return f"eps={self.eps}, rule={self.rule!r}"
