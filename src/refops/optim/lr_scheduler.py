"""Learning-rate schedules: what `lr` is after t calls of `step()`, for each parameter group.

`CosineAnnealingLR` and `StepLR` are written out here, `ReduceLROnPlateau` in `plateau`; every other name of
`torch.optim.lr_scheduler` is torch's own, so the module stands in for it.

The first two are *chainable*: `get_lr` multiplies the rate that stands in the group now, instead of computing it from
the first rate, so that two schedules on one optimizer multiply. The closed form of each is `_get_closed_form_lr`, which
torch calls where a schedule is entered in the middle (`SequentialLR`).

Legend: t = last_epoch, eta the learning rate, eta_0 = base_lr the one at construction.
"""

from __future__ import annotations

import math
import warnings

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
)

from refops.optim.base import Scalar
from refops.optim.plateau import ReduceLROnPlateau, rates

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from `base_lr` down to `eta_min` in `T_max` steps, and up again in the next `T_max`.

    eta_t = eta_min + (eta_0 - eta_min) * (1 + cos(pi * t / T_max)) / 2

    Native: `torch.optim.lr_scheduler.CosineAnnealingLR`; states are exchangeable.

    Trap: there is no restart: going on after `T_max` makes the rate rise again. With one `step()` per epoch `T_max`
        counts epochs, with one per batch it must count batches. A resumed run gets the rate back from the optimizer's
        state *and* t from the scheduler's: both must be saved.

    Source: Loshchilov and Hutter, arXiv 1608.03983, equation 5, without the restarts.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        >>> scheduler = CosineAnnealingLR(optimizer, T_max=4)
        >>> for epoch in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     print(round(scheduler.get_last_lr()[0], 4))
        0.0854
        0.05
        0.0146
        0.0
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Scalar]:
        """The rate that stands in each group, scaled by how much the wave shrank since the last step."""
        _warn_outside_step(self)
        if self._is_initial:
            return rates(self.optimizer)
        now, before = self._twice_height(self.last_epoch), self._twice_height(self.last_epoch - 1)
        groups = self.optimizer.param_groups
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # up from the floor, where before = 0
            climb = (1 - math.cos(math.pi / self.T_max)) / 2
            return [g["lr"] + (base - self.eta_min) * climb for base, g in zip(self.base_lrs, groups, strict=True)]
        return [now / before * (g["lr"] - self.eta_min) + self.eta_min for g in groups]

    def _twice_height(self, t: int) -> float:
        """1 + cos(pi * t / T_max): 2 at the top of the wave, 0 at its foot."""
        return 1 + math.cos(math.pi * t / self.T_max)

    def _get_closed_form_lr(self) -> list[Scalar]:
        wave = self._twice_height(self.last_epoch)
        return [self.eta_min + (base - self.eta_min) * wave / 2 for base in self.base_lrs]


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` steps.

    eta_t = eta_0 * gamma^floor(t / step_size)

    Native: `torch.optim.lr_scheduler.StepLR`; states are exchangeable.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     rates += scheduler.get_last_lr()
        >>> rates
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Scalar]:
        """The rate that stands in each group, times `gamma` where a stretch of `step_size` steps ends."""
        _warn_outside_step(self)
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return rates(self.optimizer)
        return [group["lr"] * self.gamma for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Scalar]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


def _warn_outside_step(scheduler: LRScheduler) -> None:
    """`get_lr` computes the *next* rate: who asks for the present one wants `get_last_lr`."""
    if not scheduler._get_lr_called_within_step:
        warnings.warn("get_lr() is the next rate; the present one is get_last_lr()", UserWarning, stacklevel=3)
