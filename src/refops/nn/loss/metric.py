"""Metric losses as modules: a margin or a temperature, a reduction, and one call down.

Legend: N points, B pairs, D features, *S any shape.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.loss.metric import contrastive_loss, nt_xent_loss, triplet_margin_loss
from refops.functional.loss.mining import triplet_mining_loss
from refops.nn.loss.base import Loss

__all__ = ["ContrastiveLoss", "NTXentLoss", "TripletMarginLoss", "TripletMiningLoss"]


class ContrastiveLoss(Loss):
    """Pairs: similar ones (target 0) are drawn together, dissimilar ones (target 1) pushed apart to the margin.

    Native: none.

    Shape: (*S, D), (*S, D) and (*S) to (); with `reduction="none"` to (*S).

    Raises:
        ValueError: if the sizes do not fit or margin is not more than 0; checked when the loss is computed.

    Example:
        >>> import torch
        >>> ContrastiveLoss(margin=1.5)(torch.zeros(1, 2), torch.tensor([[0.3, 0.4]]), torch.tensor([1]))
        tensor(0.5000)
    """

    margin: float

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of the pairs `input1`, `input2`, of which `target` tells whether they are dissimilar."""
        return contrastive_loss(input1, input2, target, self.margin, self.reduction)

    def extra_repr(self) -> str:
        """The margin."""
        return f"margin={self.margin}"


class TripletMarginLoss(Loss):
    """Anchors are to lie closer to their positive than to their negative, by a margin.

    Native: `torch.nn.TripletMarginLoss`.

    Shape: three times (*S, D), or broadcast, to (); with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if the numbers of axes differ, or the sizes do not broadcast.
        ValueError: if margin is not more than 0.

    Example:
        >>> import torch
        >>> TripletMarginLoss()(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]]))
        tensor(0.5000)
    """

    margin: float
    p: float
    eps: float
    swap: bool

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"margin must be greater than 0, got {margin}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of the triplets."""
        return triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMiningLoss(Loss):
    """Triplets mined from a labelled batch: the "hard" of each anchor, the "semi-hard" of each positive, or "all".

    Native: none.

    Shape: (N, D) and (N,) to (); with `reduction="none"` to (N,), (N, N) or (N, N, N).

    Raises:
        ValueError: if the sizes do not fit, margin is not more than 0, or there is no such mining; checked when the
            loss is computed.

    Trap: "all" builds N x N x N numbers.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
        >>> TripletMiningLoss(mining="hard")(x, torch.tensor([0, 0, 1, 1]))
        tensor(2.6250)
    """

    margin: float
    mining: str
    squared: bool

    def __init__(
        self, margin: float = 1.0, mining: str = "hard", squared: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin, self.mining, self.squared = margin, mining, squared

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of the points `embeddings`, whose classes are `labels`."""
        return triplet_mining_loss(embeddings, labels, self.margin, self.mining, self.squared, self.reduction)

    def extra_repr(self) -> str:
        """Margin and mining."""
        return f"margin={self.margin}, mining={self.mining!r}, squared={self.squared}"


class NTXentLoss(Loss):
    """Each of 2 B views is to be recognised as its partner's among all others, by cosine over temperature (SimCLR).

    Native: none.

    Shape: (B, D) and (B, D) to (); with `reduction="none"` to (2 B,).

    Raises:
        ValueError: if the sizes differ, B is 0 or temperature is not more than 0; checked when the loss is computed.

    Example:
        >>> import torch
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> NTXentLoss(temperature=1.0)(z, z)
        tensor(0.5514)
    """

    temperature: float

    def __init__(self, temperature: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.temperature = temperature

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of two views of each thing."""
        return nt_xent_loss(z1, z2, self.temperature, self.reduction)

    def extra_repr(self) -> str:
        """The temperature."""
        return f"temperature={self.temperature}"
