"""Label smoothing: the target is no longer certain of its class but leaves a share eps to the classes, by two rules.

Rule "all": eps is shared by all K classes, the target's too: it gets 1 - eps + eps / K, each other eps / K.
Rule "others": eps is shared by the K - 1 others: the target gets 1 - eps, each other eps / (K - 1).

Legend: N batch, K classes, *S any spatial axes, q target distribution.
"""

from __future__ import annotations

import torch
from torch import Tensor

from refops.functional.derivative import floating, widened
from refops.functional.loss.classification import _along_classes, _check_target, _check_weight, _looked_up
from refops.functional.loss.reduction import answered, chosen_reduction, reduced
from refops.functional.softmax import log_softmax

__all__ = ["label_smoothing_cross_entropy"]

RULES = ("all", "others")


def _smoothed(index: Tensor, logp: Tensor, eps: float, rule: str) -> Tensor:
    """The distributions q of class indices, (N, *S) to (N, K, *S); a class that is alone keeps all."""
    axis = min(1, index.dim())
    classes = logp.shape[axis]
    share = eps / classes if rule == "all" else eps / max(classes - 1, 1)
    own = 1.0 if classes == 1 else 1 - eps + share if rule == "all" else 1 - eps
    numbers = torch.arange(classes, device=logp.device).reshape(-1, *(1,) * (index.dim() - axis))
    return torch.where(index.unsqueeze(axis) == numbers, logp.new_full((), own), logp.new_full((), share))


def label_smoothing_cross_entropy(
    input: Tensor,
    target: Tensor,
    eps: float = 0.1,
    rule: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-sum_c q_c weight_c log softmax(input)_c, reduced, q the smoothed labels; the mean divides by weight[target].

    Native: rule "all" is `torch.nn.functional.cross_entropy(..., label_smoothing=eps)`; torch has no rule "others". It
        is rule "all" of a larger share, eps K / (K - 1).

    Shape: (N, K, *S) and (N, *S), or (K,) and (), to (); with `reduction="none"` to the shape of target.

    Raises:
        IndexError: if a target is neither in [0, K) nor `ignore_index`.
        NotImplementedError: if the input is not floating.
        RuntimeError: if the target's dtype is not int64 or uint8, its spatial axes are not the input's, or the weight
            is not one number of the input's dtype for each class.
        ValueError: if eps is not in [0, 1], the batch sizes differ, or there is no such rule or reduction.

    Trap: the two rules differ by a factor K / (K - 1) in eps, which is 2 for two classes. A class of share 0 is left
        out, since its logarithm may be -inf.

    Source: Szegedy et al., arXiv 1512.00567, section 7.

    Example:
        >>> x, t = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([2])
        >>> label_smoothing_cross_entropy(x, t), label_smoothing_cross_entropy(x, t, rule="others")
        (tensor(0.5076), tensor(0.5576))
    """
    if not 0 <= eps <= 1:
        raise ValueError(f"eps must lie in [0, 1], got {eps}")
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    reduction = chosen_reduction(reduction)
    floating(input, "label_smoothing_cross_entropy")
    _check_target(input, target)
    _check_weight(input.shape, weight, input.dtype)
    axis = 0 if input.dim() == 1 else 1
    logp = log_softmax(widened(input), axis)  # (N, K, *S)
    target = target.reshape(()) if axis == 0 else target
    kept = target != ignore_index
    index = torch.where(kept, target, 0).long()
    table = logp.new_ones(logp.shape[axis]) if weight is None else widened(weight)
    weights = _looked_up(table, index) * kept  # (N, *S)
    q = _smoothed(index, logp, eps, rule)  # (N, K, *S)
    terms = torch.where(q > 0, logp, 0) * q
    if weight is not None:
        terms = terms * _along_classes(widened(weight), terms.dim())
    losses = torch.where(kept, -terms.sum(axis), 0)  # (N, *S)
    return answered(reduced(losses, reduction, weights), input.dtype)
