"""Metric losses: what belongs together is to lie closer than what does not, by a margin or by odds.

A distance is the root of a sum of squared differences, with nothing added, and has the gradient 0 where it is 0.

Legend: N points, B pairs, D features, *S any shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from refops.functional.autocast import without_autocast
from refops.functional.derivative import floating, widened
from refops.functional.loss.focal import log_one_plus_exp, log_sum_exp
from refops.functional.loss.reduction import answered, chosen_reduction, common_dtype, reduced

__all__ = ["check_positive", "contrastive_loss", "nt_xent_loss", "root", "triplet_margin_loss"]


def root(squares: Tensor) -> Tensor:
    """The square root; its slope at 0 is 0 instead of infinite."""
    nothing = squares == 0
    return torch.where(nothing, 0, torch.where(nothing, 1, squares).sqrt())


def check_positive(name: str, value: float) -> None:
    """Refuse a margin or temperature that is not more than 0.

    Raises:
        ValueError: naming it.
    """
    if not value > 0:
        raise ValueError(f"{name} must be more than 0, got {value}")


def contrastive_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """(1 - Y) d^2 / 2 + Y max(0, margin - d)^2 / 2 with d = |input1 - input2|, reduced. Y = 0: similar, 1: dissimilar.

    Native: none.

    Args:
        input1: one of each pair.
        input2: the other.
        target: Y, 0 where the two belong together and 1 where they do not; of any dtype.
        margin: how far apart is far enough.
        reduction: none, mean or sum.

    Shape: (*S, D), (*S, D) and (*S) to (); with `reduction="none"` to (*S).

    Raises:
        NotImplementedError: if an input is not floating.
        ValueError: if the inputs differ in size, target has not one number for each pair, margin is not more than 0, or
            there is no such reduction.

    Trap: Y = 1 means dissimilar; the other way round it trains backwards. An eps in the difference, as in
        `torch.nn.functional.pairwise_distance`, pushes equal points apart along (1, ..., 1). Targets (N, 1) would
        broadcast against (N,).

    Source: Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping, CVPR 2006, equation 4.

    Example:
        >>> x, y = torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.3, 0.4], [0.3, 0.4]])
        >>> contrastive_loss(x, y, torch.tensor([0, 1]), margin=1.5, reduction="none")
        tensor([0.1250, 0.5000])
    """
    check_positive("margin", margin)
    reduction = chosen_reduction(reduction)
    for points in (input1, input2):
        floating(points, "contrastive_loss")
    if input1.shape != input2.shape or not input1.dim():
        raise ValueError(f"input2 must have the size of input1 {tuple(input1.shape)}, got {tuple(input2.shape)}")
    if target.shape != input1.shape[:-1]:
        raise ValueError(
            f"target must have one number for each pair of {tuple(input1.shape)}, got {tuple(target.shape)}"
        )
    dtype = common_dtype(input1, input2)
    d = widened(input1.to(dtype)) - widened(input2.to(dtype))  # (*S, D)
    squares = (d * d).sum(-1)  # (*S)
    y = target.to(squares.dtype)
    losses = (1 - y) * squares / 2 + y * (margin - root(squares)).clamp(min=0).square() / 2
    return answered(reduced(losses, reduction), dtype)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |a - p| - |a - n|), reduced, with |x| the p-norm of x + eps.

    With `swap` the negative's distance is the smaller of those from anchor and positive.

    Native: `torch.nn.functional.triplet_margin_loss`.

    Shape: three times (*S, D), or broadcast, to (); with `reduction="none"` to (*S).

    Raises:
        RuntimeError: if the numbers of axes differ, or the sizes do not broadcast.
        ValueError: if margin is not more than 0, or there is no such reduction.

    Trap: the norms are not squared. eps is added to every difference, so |a - p| is not quite |p - a|.

    Source: Balntas et al., Learning local feature descriptors with triplets, BMVC 2016 (swap).

    Example:
        >>> a, p, n = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]])
        >>> triplet_margin_loss(a, p, n)
        tensor(0.5000)
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    for name, other in (("positive", positive), ("negative", negative)):
        if other.dim() != anchor.dim():
            raise RuntimeError(f"{name} must have as many axes as anchor, {anchor.dim()}, got {other.dim()}")
    dtype = common_dtype(anchor, positive, negative)
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    a, b, c = (widened(points.to(dtype)) for points in (anchor, positive, negative))
    try:
        near, far = _norm(a - b + eps, p), _norm(a - c + eps, p)  # (*S, D) -> (*S)
        if swap:
            far = torch.minimum(far, _norm(b - c + eps, p))
        losses = (margin + near - far).clamp(min=0)
    except (IndexError, RuntimeError) as error:
        raise RuntimeError(f"anchor, positive and negative must have sizes that broadcast: {error}") from error
    return answered(reduced(losses, reduction), dtype)


def _norm(d: Tensor, p: float) -> Tensor:
    """(sum |d|^p)^(1/p) over the last axis, for every p, with the gradient 0 where it is 0."""
    if p == 0:
        return (d != 0).sum(-1).to(d.dtype)
    if math.isinf(p):
        return d.abs().amax(-1) if p > 0 else d.abs().amin(-1)
    if p == 1:
        return d.abs().sum(-1)
    if p == 2:
        return root((d * d).sum(-1))
    size = d.abs()
    nothing = (size == 0) & (p > 0)
    powers = torch.where(nothing, 0, torch.where(nothing, 1, size) ** p).sum(-1)
    nothing = powers == 0
    return torch.where(nothing, 0, torch.where(nothing, 1, powers) ** (1 / p))


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float = 0.5, reduction: str = "mean") -> Tensor:
    """-log of the softmax, over all other views, of cos(view, its partner) / temperature; for all 2 B views, reduced.

    Row i of `z1` and of `z2` are two views of one thing: partners; the other 2 B - 2 views are the negatives. Memory is
    O(B^2): one matrix of cosines.

    Native: none.

    Args:
        z1: one view of each thing.
        z2: the other.
        temperature: what the cosines are divided by; the lower, the more the nearest negatives count.
        reduction: none, mean or sum.

    Shape: (B, D) and (B, D) to (); with `reduction="none"` to (2 B,), first those of z1.

    Raises:
        NotImplementedError: if an input is not floating.
        ValueError: if the inputs have not one size of two axes, B is 0, temperature is not more than 0, or there is no
            such reduction.

    Trap: a view is not compared with itself. Broadcasting to cosines of shape (2 B, 2 B) from (2 B, 2 B, D) takes D
        times the memory. A zero vector has the cosine 0 with all, and the gradient 0. One pair alone costs nothing.

    Source: Chen et al., SimCLR, arXiv 2002.05709, equation 1.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> nt_xent_loss(z, z, temperature=1.0)
        tensor(0.5514)
    """
    check_positive("temperature", temperature)
    reduction = chosen_reduction(reduction)
    for views in (z1, z2):
        floating(views, "nt_xent_loss")
    if z1.dim() != 2 or z1.shape != z2.shape:
        raise ValueError(f"z1 and z2 must have one size (B, D), got {tuple(z1.shape)} and {tuple(z2.shape)}")
    if not len(z1):
        raise ValueError(f"z1 must hold at least one view, got size {tuple(z1.shape)}")
    dtype = common_dtype(z1, z2)
    a, b = (_direction(widened(z.to(dtype))) / math.sqrt(temperature) for z in (z1, z2))
    partner = (a * b).sum(1).repeat(2)  # (2 B,)
    losses = log_one_plus_exp(_negatives(torch.cat([a, b])) - partner)
    return answered(reduced(losses, reduction), dtype)


def _direction(z: Tensor) -> Tensor:
    """Each row over its length; zero stays zero."""
    squares = (z * z).sum(1, keepdim=True)
    nothing = squares == 0
    return z * torch.where(nothing, 0, torch.where(nothing, 1, squares).rsqrt())


def _negatives(z: Tensor) -> Tensor:
    """Log of the sum of exp of each view's products with all but itself and its partner, (2 B, D) to (2 B,)."""
    pairs = len(z) // 2
    with without_autocast(z):
        products = z @ z.t()
    with torch.no_grad():  # what is left out has the exponential 0, and so the gradient 0 by itself
        for place in (-pairs, 0, pairs):
            products.diagonal(place).fill_(-torch.inf)
    return log_sum_exp(products, dim=1)
