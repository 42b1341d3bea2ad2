"""Classification losses: cross-entropy is the negative log-likelihood of a log-softmax, and is written as that.

The class of each sample picks one log-probability and one weight. An ignored sample weighs 0, so it adds nothing to
the sum and nothing to what the mean divides by.

Legend: N batch, C classes, *S any spatial axes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from refops.functional.derivative import widened
from refops.functional.loss.reduction import answered, chosen_reduction, common_dtype, reduced
from refops.functional.softmax import log_softmax

__all__ = ["cross_entropy", "nll_loss"]


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood: -weight[target] * input[target], reduced; the mean divides by the sum of weight[target].

    Native: `torch.nn.functional.nll_loss`; here the weight may require a gradient.

    Shape: (N, C, *S) and (N, *S), or (C,) and (), to (); with `reduction="none"` to the shape of target.

    Raises:
        IndexError: if a target is neither in [0, C) nor `ignore_index`.
        NotImplementedError: if the input is not floating.
        RuntimeError: if the target's dtype is not int64 or uint8, its spatial axes are not the input's, or the weight
            is not one number of the input's dtype for each class.
        ValueError: if the batch sizes differ, or there is no such reduction.

    Trap: a negative target must not count from the end. All ignored: the mean is 0 / 0 = nan.

    Example:
        >>> nll_loss(torch.tensor([[-1.0, -2.0], [-3.0, -4.0]]), torch.tensor([1, 0]))
        tensor(2.5000)
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    if not torch.is_floating_point(input):
        raise NotImplementedError(f"input must have a floating dtype, got {input.dtype}")
    _check_target(input, target)
    _check_weight(input.shape, weight, input.dtype)
    loss = _nll(widened(input), target, weight, ignore_index, reduction)
    return answered(loss, input.dtype)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum_c q_c weight_c log softmax(input)_c, reduced, with q the target distribution.

    For a class index q is 1 there; for class probabilities (a floating target of the input's size) q is the target.
    Smoothing by s moves q to (1 - s) q + s / C. The mean divides by the sum of weight[target], for class probabilities
    by the number of samples.

    Native: `torch.nn.functional.cross_entropy`; here the weight may require a gradient.

    Shape: (N, C, *S) and (N, *S) or (N, C, *S), or (C,) and () or (C,), to (); with `reduction="none"` (N, *S) or ().

    Raises:
        IndexError: if a target is neither in [0, C) nor `ignore_index`.
        NotImplementedError: if the input is not floating.
        RuntimeError: if dtype or size of the target or the weight do not fit, `label_smoothing` is above 1, or
            `ignore_index` names a class though the target holds probabilities.
        ValueError: if the batch sizes differ, or there is no such reduction.

    Trap: the smoothing share s / C goes to every class, the target's own too. An impossible class (logit -inf) costs
        nothing while s = 0, so the term is left out then: 0 * inf is nan.

    Source: Szegedy et al., arXiv 1512.00567, section 7 (label smoothing).

    Example:
        >>> cross_entropy(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([2]))
        tensor(0.4076)
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must lie in [0, 1], got {label_smoothing}")
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    log_probability = log_softmax(widened(input), dim=0 if input.dim() == 1 else 1)
    _check_target(input, target)
    _check_weight(input.shape, weight, input.dtype)
    loss = _nll(log_probability, target, weight, ignore_index, reduction, label_smoothing)
    return answered(loss, input.dtype)


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    """Cross-entropy against class probabilities."""
    if not torch.is_floating_point(target):
        raise RuntimeError(f"target of the size of input must hold floating probabilities, got {target.dtype}")
    if ignore_index >= 0:
        raise RuntimeError(f"ignore_index must be negative where target holds probabilities, got {ignore_index}")
    _check_weight(input.shape, weight)
    axis = 0 if input.dim() == 1 else 1
    log_probability = log_softmax(widened(input), dim=axis)
    dtype = common_dtype(input, target, weight)
    target = widened(target)
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[axis]
    terms = log_probability * target  # (N, C, *S)
    if weight is not None:
        terms = terms * _along_classes(weight, input.dim())
    return answered(reduced(-terms.sum(axis), reduction), dtype)  # (N, *S), reduced


def _nll(
    log_probability: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
) -> Tensor:
    if log_probability.dim() == 1:  # a batch of one, until the end
        losses = _nll(log_probability[None], target.reshape(1), weight, ignore_index, reduction, label_smoothing)
        return losses.reshape(())
    classes = log_probability.shape[1]
    kept = target != ignore_index
    index = torch.where(kept, target, 0).long()
    weights = _looked_up(log_probability.new_ones(classes) if weight is None else widened(weight), index) * kept
    losses = -log_probability.gather(1, index.unsqueeze(1)).squeeze(1) * weights  # (N, C, *S) -> (N, *S)
    if label_smoothing > 0:
        terms = log_probability
        if weight is not None:
            terms = terms * _along_classes(widened(weight), terms.dim())
        losses = (1 - label_smoothing) * losses - label_smoothing / classes * terms.sum(1)
    return reduced(torch.where(kept, losses, 0), reduction, weights)


def _looked_up(table: Tensor, index: Tensor) -> Tensor:
    """table[index], but a negative index is out of range."""
    try:
        return table.index_select(0, index.reshape(-1)).reshape(index.shape)
    except IndexError as error:
        raise IndexError(f"target must lie in [0, {len(table)}) or be ignore_index, got another number") from error


def _along_classes(weight: Tensor, dims: int) -> Tensor:
    """(C,) to (1, C, 1, ...), or (C,) for a single unbatched sample."""
    return weight if dims == 1 else weight.reshape(1, -1, *(1,) * (dims - 2))


def _check_target(input: Tensor, target: Tensor) -> None:
    size, other = tuple(input.shape), tuple(target.shape)
    if not size:
        raise ValueError("input must have an axis of classes, got a single number")
    if len(size) == 1 and other[:1] not in ((), (1,)):
        raise ValueError(f"target of a single unbatched input must be one index, got size {other}")
    if len(size) > 1 and other[:1] != size[:1]:
        raise ValueError(f"target must have the batch size of input {size}, got size {other}")
    if other[1:] != size[2:]:
        raise RuntimeError(f"target must have the size of input {size} without its axis of classes, got {other}")
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(f"target must hold indices of dtype int64 or uint8, got {target.dtype}")


def _check_weight(size: torch.Size, weight: Tensor | None, dtype: torch.dtype | None = None) -> None:
    classes = size[0] if len(size) == 1 else size[1]
    if weight is None:
        return
    if tuple(weight.shape) != (classes,):
        raise RuntimeError(f"weight must have one number for each of {classes} classes, got size {tuple(weight.shape)}")
    if dtype is not None and weight.dtype != dtype:
        raise RuntimeError(f"weight must have the dtype of input {dtype}, got {weight.dtype}")
