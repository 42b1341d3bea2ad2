"""Batch and instance norm: one module with a memory, six lines of which differ between the classes.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from refops.functional.batch_normalization import batch_norm, instance_norm
from refops.nn.normalization import register_affine, reset_affine

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _Remembering(nn.Module):
    """Weight and bias per channel, and running statistics per channel as buffers."""

    _version = 2  # since 2 num_batches_tracked is part of the state
    ranks: ClassVar[tuple[int, ...]]  # numbers of axes an input may have

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

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
        super().__init__()
        if num_features < 0 and (affine or track_running_stats):
            raise RuntimeError(f"num_features must not be negative, got {num_features}")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        register_affine(self, (num_features,), affine, affine and bias, device, dtype)
        tracked = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", torch.ones(num_features, device=device, dtype=dtype) if tracked else None)
        count = torch.tensor(0, dtype=torch.long, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                if buffer is not None:
                    buffer.fill_(value)

    def reset_parameters(self) -> None:
        """Forget the statistics; weight 1, bias 0."""
        self.reset_running_stats()
        reset_affine(self)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _check_rank(self, input: Tensor) -> None:
        if input.dim() not in self.ranks:
            ranks = " or ".join(f"{rank}D" for rank in self.ranks)
            raise ValueError(f"input must be {ranks}, got {input.dim()}D of shape {tuple(input.shape)}")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        version, key = local_metadata.get("version"), prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = torch.tensor(0) if count is None or count.is_meta else count
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _BatchNorm(_Remembering):
    def forward(self, input: Tensor) -> Tensor:
        """Standardise each channel: in training by the batch, in evaluation by running statistics if there are any."""
        self._check_rank(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the plain average of all batches so far
                momentum = 1.0 / float(self.num_batches_tracked)
        use = self.track_running_stats or not self.training
        mean, var = (self.running_mean, self.running_var) if use else (None, None)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        return batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class _InstanceNorm(_Remembering):
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
        self._check_rank(input)
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
