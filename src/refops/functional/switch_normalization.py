"""Switchable norm: instance, layer and batch norm at once, mixed by weights that are learned.

    y = (x - sum_k w_k mean_k) / sqrt(sum_k v_k var_k + eps) * weight + bias,    k = instance, layer, batch

Instance statistics are enough: those of a layer and of a batch are averages over C and over N. Their variance is the
mean of var_in + (mean_in - mean_k)^2, which adds what is never negative, where E[x^2] - E[x]^2 would cancel.

Legend: N batch, C channels, *S any spatial axes, S their product.
"""

from __future__ import annotations

from torch import Tensor

from refops.functional.batch_normalization import _check_statistics, _remember
from refops.functional.normalization import check_channels, check_dtypes, wide_dtype
from refops.functional.softmax import softmax

__all__ = ["switch_norm"]


def switch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    mean_weight: Tensor,
    var_weight: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise by a mixture of the statistics of instance, layer and batch norm.

    y = (x - w . means) / sqrt(v . variances + eps) * weight + bias, w = softmax(mean_weight), v = softmax(var_weight).
    The instance's are over *S, the layer's over C and *S, the batch's over N and *S; all variances are biased.

    Native: none.

    Args:
        input: the maps.
        running_mean: what the batch's mean was; takes its place when not training.
        running_var: likewise, the variance, unbiased as `batch_norm` keeps it.
        mean_weight: three logits, in the order instance, layer, batch.
        var_weight: likewise, for the variances.
        weight: per channel.
        bias: per channel.
        training: use the batch's own statistics, and move the running ones, where given, towards them in place.
        momentum: the weight of the *new* statistics, as everywhere in torch.
        eps: inside the root.

    Shape:
        (N, C, *S) to the same; statistics, weight and bias (C); mean_weight and var_weight (3).

    Raises:
        ValueError: if training with one value per channel, with one running statistic and not the other, or eps <= 0.
        RuntimeError: if not training and a running statistic is missing; if a size or dtype does not fit.

    Trap: instance and layer statistics are the input's own in evaluation too; only the batch's are remembered. Means
        and variances have logits of their own. The paper's code has momentum 0.9, as the weight of the *old* value.

    Source: Luo, Ren, Peng, Zhang & Li, arXiv 1806.10779, equations 3 to 5.

    Example:
        >>> import torch
        >>> only_instance = torch.tensor([200.0, 0.0, 0.0])
        >>> x = torch.tensor([[[1.0, 3.0], [10.0, 50.0]]])
        >>> switch_norm(x, None, None, only_instance, only_instance, training=True)
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    _check(input, training, momentum, eps, running_mean, running_var)
    check_channels(input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    logits = {"mean_weight": mean_weight, "var_weight": var_weight}
    for name, given in logits.items():
        if given.shape != (3,):
            raise RuntimeError(f"{name} must have shape (3,), one for each statistic, got {tuple(given.shape)}")
    check_dtypes(input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var, **logits)

    wide = input.to(wide_dtype(input)).flatten(2)  # (N, C, S)
    origin = wide.detach().mean()  # means count from here: their differences would be lost in large ones
    wide = wide - origin
    mean_in, var_in = _instance(wide)  # (N, C, 1)
    mean_ln, var_ln = _average(mean_in, var_in, 1)  # (N, 1, 1)
    if training:
        mean_bn, var_bn = _average(mean_in, var_in, 0)  # (1, C, 1)
        count = wide.shape[0] * wide.shape[2]
        _remember(running_mean, running_var, mean_bn.detach() + origin, var_bn.detach(), count, momentum)
    elif running_mean is not None and running_var is not None:
        mean_bn, var_bn = (r.detach().to(wide.dtype).reshape(1, -1, 1) for r in (running_mean, running_var))
        mean_bn = mean_bn - origin

    w, v = (softmax(given.to(wide.dtype), 0) for given in (mean_weight, var_weight))  # (3)
    variance = v[0] * var_in + v[1] * var_ln + v[2] * var_bn  # (N, C, 1)
    scale = (variance + eps).rsqrt()
    shift = w[1] * (mean_in - mean_ln) + w[2] * (mean_in - mean_bn)  # mean_in - w . means, since w sums to 1
    output = (wide - mean_in + shift) * (scale if weight is None else scale * weight.reshape(-1, 1))
    output = output if bias is None else output + bias.reshape(-1, 1)
    return output.reshape(input.shape).to(input.dtype)  # (N, C, *S)


def _instance(input: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over the last axis, in two passes."""
    mean = input.mean(-1, keepdim=True)
    deviation = input - mean
    return mean, (deviation * deviation).mean(-1, keepdim=True)


def _average(mean: Tensor, variance: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of equally large parts taken together: within the parts, and between them."""
    joint = mean.mean(axis, keepdim=True)
    between = mean - joint
    return joint, (variance + between * between).mean(axis, keepdim=True)


def _check(
    input: Tensor, training: bool, momentum: float, eps: float, running_mean: Tensor | None, running_var: Tensor | None
) -> None:
    if input.dim() < 3 or 0 in input.shape[1:]:
        raise RuntimeError(f"input must be (N, C, *S), none empty but the batch, got shape {tuple(input.shape)}")
    if training and input.shape[0] * input.shape[2:].numel() == 1:
        raise ValueError(f"input must have more than 1 value per channel when training, got shape {tuple(input.shape)}")
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be {'positive when training' if training else 'at least 0'}, got {eps}")
    _check_statistics(running_mean, running_var, not training, momentum)
