"""Focal losses as modules: gamma, alpha, a reduction, and one call down.

Legend: N batch, K classes, *S any (spatial) axes.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.loss.focal import focal_loss, sigmoid_focal_loss
from refops.nn.loss.base import Loss

__all__ = ["FocalLoss", "SigmoidFocalLoss"]


class FocalLoss(Loss):
    """Cross-entropy of logits in which easy samples count less, by (1 - p_t)^gamma.

    A tensor `alpha`, one number for each class, is a buffer; a number a in [0, 1] counts every class but 0, the
    background, a and the background 1 - a.

    Native: none.

    Shape: (N, K, *S) and (N, *S), or (K,) and (), to (); with `reduction="none"` to the shape of target.

    Raises:
        IndexError: if a target is neither in [0, K) nor `ignore_index`.
        ValueError: if gamma is negative, or alpha neither in [0, 1] nor one number for each class; like all else
            checked when it is computed.

    Example:
        >>> import torch
        >>> FocalLoss(reduction="sum")(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
        tensor(1.6519)
    """

    alpha: Tensor | None
    number: float | None
    gamma: float
    ignore_index: int

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.gamma, self.ignore_index = gamma, ignore_index
        self.register_buffer("alpha", alpha if isinstance(alpha, Tensor) else None)
        self.number = None if isinstance(alpha, Tensor) else alpha

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits `input` against class indices `target`."""
        alpha = self.number if self.alpha is None else self.alpha
        return focal_loss(input, target, self.gamma, alpha, self.ignore_index, self.reduction)

    def extra_repr(self) -> str:
        """Gamma, and alpha where it is a number."""
        return f"gamma={self.gamma}" + ("" if self.number is None else f", alpha={self.number}")


class SigmoidFocalLoss(Loss):
    """Binary cross-entropy of logits in which easy ones count less, by (1 - p_t)^gamma.

    Native: none in torch; `torchvision.ops.sigmoid_focal_loss`.

    Shape: (*S) and (*S) to (*S); with `reduction="mean"` or "sum" to ().

    Raises:
        ValueError: if the sizes differ, alpha is neither in [0, 1] nor -1 (all count alike), or gamma is negative; like
            all else checked when it is computed.

    Example:
        >>> import torch
        >>> SigmoidFocalLoss()(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]))
        tensor([0.0057, 0.5264])
    """

    alpha: float
    gamma: float

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none") -> None:
        super().__init__(reduction=reduction)
        self.alpha, self.gamma = alpha, gamma

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits `inputs` against `targets` of 0 and 1."""
        return sigmoid_focal_loss(inputs, targets, self.alpha, self.gamma, self.reduction)

    def extra_repr(self) -> str:
        """Alpha and gamma."""
        return f"alpha={self.alpha}, gamma={self.gamma}"
