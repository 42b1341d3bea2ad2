"""Batch and instance norm: what is remembered, and when it is used instead of the input's own statistics.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from refops.functional.batch_normalization import batch_norm, instance_norm
from refops.nn.running_statistics import RunningStatistics

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _BatchNorm(RunningStatistics):
    def forward(self, input: Tensor) -> Tensor:
        """Standardise each channel: in training by the batch, in evaluation by running statistics if there are any."""
        self.check_rank(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the plain average of all batches so far
                momentum = 1.0 / float(self.num_batches_tracked)
        use = self.track_running_stats or not self.training
        mean, var = (self.running_mean, self.running_var) if use else (None, None)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        return batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class _InstanceNorm(RunningStatistics):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Standardise each channel of each sample, or by the running statistics if tracked and in evaluation."""
        self.check_rank(input)
        unbatched = input.dim() == self.ranks[0]
        batch = input.unsqueeze(0) if unbatched else input  # (N, C, *S)
        self._check_features(batch.shape[1])
        output = instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output.squeeze(0) if unbatched else output

    def _check_features(self, channels: int) -> None:
        if channels == self.num_features:
            return
        if self.affine:
            raise ValueError(f"input must have num_features={self.num_features} channels, got {channels}")
        warnings.warn(f"num_features={self.num_features} is not used, input has {channels} channels", stacklevel=3)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        stale = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
        if local_metadata.get("version") is None and not self.track_running_stats and stale:
            error_messages: list[str] = args[-1]
            error_messages.append(f"state_dict must not hold {stale}: {type(self).__name__} does not track statistics")
            for key in stale:
                state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class BatchNorm1d(_BatchNorm):
    """Standardise each channel over batch and length; see `refops.functional.batch_norm`.

    Native: `torch.nn.BatchNorm1d`.

    Shape: (N, C) or (N, C, L) to the same.

    Raises:
        ValueError: if the input has another rank, or in training one value per channel.

    Trap: `momentum` is the weight of the new batch; `momentum=None` averages all batches alike.

    Example:
        >>> norm = BatchNorm1d(1, affine=False)
        >>> norm(torch.tensor([[1.0], [3.0]])), norm.running_var
        (tensor([[-1.0000],
                [ 1.0000]]), tensor([1.1000]))
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Standardise each channel over batch, height and width; see `refops.functional.batch_norm`.

    Native: `torch.nn.BatchNorm2d`.

    Shape: (N, C, H, W) to the same.

    Raises:
        ValueError: if the input has another rank, or in training one value per channel.

    Example:
        >>> BatchNorm2d(5)(torch.rand(20, 5, 7, 9)).shape
        torch.Size([20, 5, 7, 9])
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Standardise each channel over batch, depth, height and width; see `refops.functional.batch_norm`.

    Native: `torch.nn.BatchNorm3d`.

    Shape: (N, C, D, H, W) to the same.

    Raises:
        ValueError: if the input has another rank, or in training one value per channel.

    Example:
        >>> BatchNorm3d(2)(torch.rand(3, 2, 4, 5, 6)).shape
        torch.Size([3, 2, 4, 5, 6])
    """

    ranks = (5,)


class InstanceNorm1d(_InstanceNorm):
    """Standardise each channel of each sample over its length; see `refops.functional.instance_norm`.

    Native: `torch.nn.InstanceNorm1d`.

    Shape: (N, C, L) or (C, L) to the same.

    Raises:
        ValueError: if the input has another rank, or one value per channel; with `affine` if C is not `num_features`.

    Trap: weights and statistics are off by default; a 2D input is one sample; `num_batches_tracked` stays 0.

    Example:
        >>> InstanceNorm1d(1)(torch.tensor([[1.0, 3.0]]))
        tensor([[-1.0000,  1.0000]])
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Standardise each channel of each sample over height and width; see `refops.functional.instance_norm`.

    Native: `torch.nn.InstanceNorm2d`.

    Shape: (N, C, H, W) or (C, H, W) to the same.

    Raises:
        ValueError: if the input has another rank, or one value per channel; with `affine` if C is not `num_features`.

    Example:
        >>> InstanceNorm2d(5)(torch.rand(20, 5, 7, 9)).shape
        torch.Size([20, 5, 7, 9])
    """

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Standardise each channel of each sample over depth, height and width; see `refops.functional.instance_norm`.

    Native: `torch.nn.InstanceNorm3d`.

    Shape: (N, C, D, H, W) or (C, D, H, W) to the same.

    Raises:
        ValueError: if the input has another rank, or one value per channel; with `affine` if C is not `num_features`.

    Example:
        >>> InstanceNorm3d(2)(torch.rand(2, 4, 5, 6)).shape
        torch.Size([2, 4, 5, 6])
    """

    ranks = (4, 5)
