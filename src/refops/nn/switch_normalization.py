"""Switchable norm: what batch norm learns and remembers, and three logits each for means and for variances.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refops.functional.switch_normalization import switch_norm
from refops.nn.running_statistics import RunningStatistics

__all__ = ["SwitchNorm1d", "SwitchNorm2d", "SwitchNorm3d"]


class _SwitchNorm(RunningStatistics):
    """Constructor and state of `BatchNorm`, with `mean_weight` and `var_weight`, (3) each, equal at first."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.mean_weight = nn.Parameter(torch.ones(3, device=device, dtype=dtype))
        self.var_weight = nn.Parameter(torch.ones(3, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Forget the statistics; weight 1, bias 0, all logits alike."""
        super().reset_parameters()
        for name in ("mean_weight", "var_weight"):
            if name in self._parameters:  # not yet, when the constructor calls
                nn.init.ones_(self.get_parameter(name))

    def forward(self, input: Tensor) -> Tensor:
        """Standardise by the mixture: in evaluation with running statistics for the batch's, if there are any."""
        self.check_rank(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the plain average of all batches so far
                momentum = 1.0 if self.num_batches_tracked.is_meta else 1.0 / float(self.num_batches_tracked)
        return switch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.mean_weight,
            self.var_weight,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )


class SwitchNorm1d(_SwitchNorm):
    """Mix instance, layer and batch norm of sequences; see `refops.functional.switch_norm`.

    Native: none.

    Shape: (N, C, L) to the same.

    Raises:
        ValueError: if the input has another rank, or in training one value per channel.

    Example:
        >>> SwitchNorm1d(5)(torch.rand(20, 5, 7)).shape
        torch.Size([20, 5, 7])
    """

    ranks = (3,)


class SwitchNorm2d(_SwitchNorm):
    """Mix instance, layer and batch norm of images; see `refops.functional.switch_norm`.

    Native: none.

    Shape: (N, C, H, W) to the same.

    Raises:
        ValueError: if the input has another rank, or in training one value per channel.

    Trap: independent of the batch only where the logits say so: they start alike, a third for the batch's statistics.

    Source: Luo et al., arXiv 1806.10779.

    Example:
        >>> norm = SwitchNorm2d(5)
        >>> norm(torch.rand(20, 5, 7, 9)).shape
        torch.Size([20, 5, 7, 9])
        >>> sorted(norm.state_dict())
        ['bias', 'mean_weight', 'num_batches_tracked', 'running_mean', 'running_var', 'var_weight', 'weight']
    """

    ranks = (4,)


class SwitchNorm3d(_SwitchNorm):
    """Mix instance, layer and batch norm of volumes; see `refops.functional.switch_norm`.

    Native: none.

    Shape: (N, C, D, H, W) to the same.

    Raises:
        ValueError: if the input has another rank, or in training one value per channel.

    Example:
        >>> SwitchNorm3d(2)(torch.rand(3, 2, 4, 5, 6)).shape
        torch.Size([3, 2, 4, 5, 6])
    """

    ranks = (5,)
