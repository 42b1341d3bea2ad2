"""Accuracy: whether a subject that keeps within every budget is nevertheless less accurate than native on the whole.

Errors are counted in ulp of the truth, over the elements of an output that are not much smaller than its largest: in
those nothing cancels. A correctly rounded result has a mean square error of 1/12, each further rounding adds as much. A
subject is less accurate if its mean square lies beyond the middle between native's and one more rounding than that, by
three standard errors over all elements seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1 / 12  # the variance of what is uniform over one ulp
CLEARLY = 3.0  # standard errors
NEAR = 8  # times smaller than the largest element, and no more, are those that are looked at
FEWEST = 100  # elements


@dataclass(frozen=True)
class Weighed:
    """One output of one case: how many elements, and the sums of squares of the errors of both sides, in ulp."""

    count: int
    own: float
    native: float
    fourth: float  # sum of the own errors' fourth powers

    @property
    def yardstick(self) -> float:
        """Native's mean square error, the best possible at the least."""
        return max(self.native / self.count, ROUNDING)


def weigh(own: Tensor, native: Tensor, truth: Tensor) -> Weighed | None:
    """What an output tells, from the errors of both sides in ulp; None where there is nothing to weigh."""
    size = truth.abs()
    finite = torch.isfinite(own) & torch.isfinite(native) & torch.isfinite(truth)
    if not finite.any():
        return None
    counts = finite & (truth != 0) & (NEAR * size >= size[finite].max())
    ours, theirs = own[counts] ** 2, native[counts] ** 2
    if not ours.numel() or not (ours.any() or theirs.any()):
        return None
    return Weighed(ours.numel(), float(ours.sum()), float(theirs.sum()), float((ours**2).sum()))


def factor_above_native(seen: Sequence[Weighed]) -> float:
    """How many times native's a subject's root mean square error is, if it is clearly above; else 0.

    Cases in which native itself is off by more than an ulp are no yardstick, as long as there are others.
    """
    sound = [w for w in seen if w.yardstick <= 1] or list(seen)
    count = sum(w.count for w in sound)
    if count < FEWEST:
        return 0.0
    own = sum(w.own for w in sound) / count
    yardstick = sum(w.count * w.yardstick for w in sound) / count
    spread = math.sqrt(max(sum(w.fourth for w in sound) / count - own**2, 0.0) / count)
    return math.sqrt(own / yardstick) if own - 1.5 * yardstick > CLEARLY * spread else 0.0
