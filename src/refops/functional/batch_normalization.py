"""Batch and instance norm: `standardise` over (N, *S) and over *S, with statistics that can be remembered.

Legend: N batch, C channels, *S any spatial axes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from refops.functional.memory_format import following
from refops.functional.normalization import check_channels, check_dtypes, scale_and_shift, standardise, wide_dtype

__all__ = ["batch_norm", "instance_norm"]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise each channel by the mean and variance of the whole batch, or by remembered ones.

    y = (x - mean) / sqrt(var + eps) * weight + bias, per channel. In training mean and var are the batch's, and running
    statistics, where given, move towards them in place: running = (1 - momentum) * running + momentum * batch's.
    Otherwise mean and var are the running ones.

    Native: `torch.nn.functional.batch_norm`.

    Shape: (N, C, *S) to the same; statistics, weight and bias (C).

    Raises:
        ValueError: if training with one value per channel, with one running statistic and not the other, or eps <= 0.
        RuntimeError: if not training and a running statistic is missing; if a size or dtype does not fit.

    Trap:
        The batch is divided by its *biased* variance (over n), while the buffer keeps the *unbiased* one (over n - 1).
        Momentum is the weight of the new value, not of the old.

    Source: Ioffe & Szegedy, arXiv 1502.03167, algorithm 1.

    Example:
        >>> running_mean, running_var = torch.zeros(1), torch.ones(1)
        >>> batch_norm(torch.tensor([[1.0], [3.0]]), running_mean, running_var, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
        >>> running_mean, running_var
        (tensor([0.2000]), tensor([1.1000]))
    """
    if training and input.shape[:1].numel() * input.shape[2:].numel() == 1:
        raise ValueError(f"input must have more than 1 value per channel when training, got shape {tuple(input.shape)}")
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be {'positive when training' if training else 'at least 0'}, got {eps}")
    _check_statistics(running_mean, running_var, not training, momentum)
    check_channels(input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    check_dtypes(input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    input = following(input, input)  # and so the output
    if not training and running_mean is not None and running_var is not None:
        return _by_remembered(input, running_mean, running_var, weight, bias, eps)
    scale, shift = (None if p is None else _per_channel(input, p) for p in (weight, bias))
    output, mean, variance = standardise(input, (0, *range(2, input.dim())), scale, shift, eps)
    _remember(running_mean, running_var, mean, variance, input.numel() // max(input.shape[1], 1), momentum)
    return output


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise each channel of each sample by itself.

    y = (x - mean) / sqrt(var + eps) * weight + bias, mean and var over *S only. Running statistics, where given,
    move in place towards the samples' average; with `use_input_stats=False` they take the place of the sample's own.

    Native: `torch.nn.functional.instance_norm`.

    Shape: (N, C, *S) to the same; statistics, weight and bias (C).

    Raises:
        ValueError: if `use_input_stats` and *S holds one value; if only one running statistic is given.
        RuntimeError: if not `use_input_stats` and a running statistic is missing; if a size or dtype does not fit.

    Trap: there is no average over the batch, so evaluation does the same as training unless statistics are tracked.

    Source: Ulyanov et al., arXiv 1607.08022.

    Example:
        >>> instance_norm(torch.tensor([[[1.0, 3.0], [10.0, 50.0]]]))
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    if use_input_stats and input.shape[2:].numel() == 1:
        raise ValueError(f"input must have more than 1 spatial element when training, got shape {tuple(input.shape)}")
    _check_statistics(running_mean, running_var, not use_input_stats, momentum)
    check_channels(input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    check_dtypes(input, weight=weight, bias=bias)
    input = input.contiguous()  # and so the output
    if not use_input_stats and running_mean is not None and running_var is not None:
        return _by_remembered(input, running_mean, running_var, weight, bias, eps)
    scale, shift = (None if p is None else _per_channel(input, p) for p in (weight, bias))
    output, mean, variance = standardise(input, tuple(range(2, input.dim())), scale, shift, eps)
    _remember(running_mean, running_var, mean, variance, input.shape[2:].numel(), momentum)
    return output


def _check_statistics(
    running_mean: Tensor | None, running_var: Tensor | None, needed: bool, momentum: float | None
) -> None:
    """Both running statistics or none; and both where they are needed."""
    if momentum is None:
        raise TypeError("momentum must be a number, got None")
    if needed and (running_mean is None or running_var is None):
        raise RuntimeError("running_mean and running_var must be given where the batch's own are not used, got None")
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must both be given or both be None, got one of them")


def _by_remembered(
    input: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Standardise by running statistics, which are constants to the gradient."""
    wide = wide_dtype(input)
    deviation = input.to(wide) - _per_channel(input, mean.detach().to(wide))
    variance = _per_channel(input, variance.detach().to(wide))
    weight, bias = (None if p is None else _per_channel(input, p) for p in (weight, bias))
    return scale_and_shift(deviation, variance, weight, bias, eps).to(input.dtype)


@torch.no_grad()
def _remember(
    running_mean: Tensor | None, running_var: Tensor | None, mean: Tensor, variance: Tensor, n: int, momentum: float
) -> None:
    """Move running statistics in place towards those of the batch, the variance unbiased: n / (n - 1)."""
    if running_mean is None or running_var is None or n == 0:
        return
    for running, new in ((running_mean, mean), (running_var, variance * (n / (n - 1)))):
        average = new.reshape(-1, running.shape[0]).mean(0)  # (1 or N, C, 1, ...) -> (C)
        running.copy_((1 - momentum) * running.to(average.dtype) + momentum * average)


def _per_channel(input: Tensor, parameter: Tensor) -> Tensor:
    """(C) -> (C, 1, ...), to broadcast against (N, C, *S)."""
    return parameter.reshape(-1, *(1,) * (input.dim() - 2))
