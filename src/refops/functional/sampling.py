"""Drawing a class from logits: soften or sharpen them by a temperature, cut off the unlikely ones, draw.

Legend: V vocabulary, the classes, * any axes before them, x logits, m their maximum, T temperature.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from refops.functional.derivative import widened
from refops.functional.softmax import softmax

__all__ = ["greedy", "sample", "temperature_softmax", "top_k_filter", "top_p_filter"]


def temperature_softmax(logits: Tensor, temperature: float = 1.0, dim: int = -1) -> Tensor:
    """Softmax of x / T: p_i = e^(x_i / T) / sum_j e^(x_j / T).

    The order of the classes stays. T > 1 flattens, T < 1 sharpens; the entropy grows with T. The limits are allowed:
    T = 0 shares everything equally among the largest, T = inf equally among all that are not -inf.

    Native: `torch.softmax(logits / temperature, dim)` for T between the limits.

    Shape: (*S) to (*S).

    Raises:
        ValueError: if `temperature` is negative or nan.
        TypeError: if it is no number, or the logits are not floating.
        IndexError: if there is no such `dim`.

    Trap: x / T overflows for small T, (x - m) / T does not. p / T, normalised, is p again: the temperature belongs on
        the logits. [1, 2, 4] at T = 2 gives [0.1402, 0.2312, 0.6285].

    Source: Hinton et al., arXiv 1503.02531, equation 1.

    Example:
        >>> temperature_softmax(torch.tensor([1.0, 2.0, 4.0]), 2.0)
        tensor([0.1402, 0.2312, 0.6285])
        >>> temperature_softmax(torch.tensor([1.0, 4.0, 4.0]), 0.0)
        tensor([0.0000, 0.5000, 0.5000])
    """
    temperature = _require_temperature(temperature)
    x = widened(_require_logits(logits))
    if x.numel() == 0:
        return logits.clone()
    axes = max(x.dim(), 1)
    if not -axes <= dim < axes:
        raise IndexError(f"dim must lie in [{-axes}, {axes - 1}] for {x.dim()} axes, got {dim}")
    shifted = x - x.detach().amax(dim, keepdim=True)
    if temperature < torch.finfo(x.dtype).tiny:
        largest = (shifted == 0) + x.masked_fill(x.isfinite().logical_not(), 0) * 0  # the second: a gradient of 0
        return (largest / largest.sum(dim, keepdim=True)).to(logits.dtype)
    scaled = (shifted / temperature).masked_fill(shifted == -torch.inf, -torch.inf)  # also where -inf / inf
    return softmax(scaled, dim).to(logits.dtype)


def _require_temperature(temperature: Any) -> float:
    if isinstance(temperature, bool) or not isinstance(temperature, int | float):
        raise TypeError(f"temperature must be a number, got {temperature!r}")
    if not temperature >= 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    return float(temperature)


def _require_logits(logits: Tensor) -> Tensor:
    if not isinstance(logits, Tensor) or not torch.is_floating_point(logits):
        raise TypeError(f"logits must be a floating tensor, got {getattr(logits, 'dtype', type(logits).__name__)}")
    return logits


def _require_classes(logits: Tensor) -> Tensor:
    """The logits, if they are floating and have a class to choose."""
    if _require_logits(logits).dim() == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits must have classes on a last axis, got shape {tuple(logits.shape)}")
    return logits


def greedy(logits: Tensor) -> Tensor:
    """The likeliest class: argmax over the last axis, the first where several are.

    Native: `torch.argmax(logits, -1)`.

    Shape: (*, V) to (*), int64.

    Raises:
        ValueError: if there are no classes.
        TypeError: if the logits are not floating.

    Example:
        >>> greedy(torch.tensor([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]]))
        tensor([1, 0])
    """
    return _require_classes(logits).argmax(-1)


def _ranked(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logits from the largest down and where they come from; of equal ones the first comes first."""
    return torch.sort(logits, dim=-1, descending=True, stable=True)


def _cut(logits: Tensor, order: Tensor, keep: Tensor) -> Tensor:
    """The logits with -inf where `keep`, given by rank, is false."""
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, keep)
    return logits.masked_fill(kept.logical_not(), -torch.inf)


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest logits, the others become -inf; k = 0, or as many as there are, keeps all.

    Native: none.

    Shape: (*, V) to (*, V).

    Raises:
        ValueError: if `k` is no int from 0 up, or there are no classes.
        TypeError: if the logits are not floating.

    Trap: `logits < kth largest` keeps more than k where several are equal; here the first of them are kept.

    Source: Fan et al., arXiv 1805.04833.

    Example:
        >>> top_k_filter(torch.tensor([1.0, 3.0, 3.0, 3.0]), 2)
        tensor([-inf, 3., 3., -inf])
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise ValueError(f"k must be an int from 0 up, got {k!r}")
    classes = _require_classes(logits).shape[-1]
    if k == 0 or k >= classes:
        return logits.clone()
    _, order = _ranked(logits.detach())
    rank = torch.arange(classes, device=logits.device)
    return _cut(logits, order, (rank < k).expand(order.shape))


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    """Keep the nucleus, the fewest likeliest classes whose probabilities reach `p`; the other logits become -inf.

    A class is kept if those likelier than it sum to less than p; so the likeliest always is.

    Native: none.

    Shape: (*, V) to (*, V).

    Raises:
        ValueError: if `p` is outside [0, 1], or there are no classes.
        TypeError: if the logits are not floating.

    Trap: the class with which the sum passes p belongs to the nucleus; `cumsum > p` leaves it out, and keeps nothing
        where the likeliest class alone has more than p. p = 1 keeps all, whatever the rounding of the sum.

    Source: Holtzman et al., arXiv 1904.09751.

    Example:
        >>> top_p_filter(torch.tensor([0.5, 0.3, 0.2]).log(), 0.6).exp()
        tensor([0.5000, 0.3000, 0.0000])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability, between 0 and 1, got {p}")
    _require_classes(logits)
    if p == 1:
        return logits.clone()
    ranked, order = _ranked(logits.detach())
    probability = softmax(widened(ranked), -1)
    before = probability.cumsum(-1) - probability  # of the likelier classes
    rank = torch.arange(logits.shape[-1], device=logits.device)
    return _cut(logits, order, (before < p) | (rank == 0))


def sample(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw a class for each row: temperature first, then the k largest, then of these the nucleus, then the draw.

    One uniform number u a row; the class drawn is the first whose cumulative probability exceeds u.

    Native: none; `torch.multinomial` draws, from probabilities.

    Args:
        logits: unnormalised logarithms of probabilities.
        temperature: 0 is `greedy`, inf draws uniformly from what is left.
        top_k: 0 leaves all.
        top_p: 1 leaves all.
        generator: where u comes from; torch's global one if there is none.

    Shape: (*, V) to (*), int64.

    Raises:
        ValueError: if `temperature` is negative, `top_k` no int from 0 up, `top_p` outside [0, 1], there are no
            classes, or the logits of a row are nan, +inf or all -inf.
        TypeError: if the logits are not floating.

    Trap: the nucleus hangs on the temperature, so the order of the steps matters. A uniform number of float32 comes in
        steps of 6e-8, so that rarer classes are drawn at another rate: it is drawn in float64 here.

    Source: Holtzman et al., arXiv 1904.09751; Devroye, Non-Uniform Random Variate Generation (1986), section III.2.

    Example:
        >>> sample(torch.tensor([[0.0, 9.0, 1.0], [5.0, 0.0, 1.0]]), temperature=0.0)
        tensor([1, 0])
        >>> draws = sample(torch.zeros(1000, 4), top_k=2, generator=torch.Generator().manual_seed(0))
        >>> draws.bincount(minlength=4).tolist()
        [500, 500, 0, 0]
    """
    temperature = _require_temperature(temperature)
    x = _require_classes(logits).detach().double()
    numbers = not x.is_meta and not torch.compiler.is_compiling()  # else there are none to look at
    if numbers and not bool(((x < torch.inf).all(-1) & (x > -torch.inf).any(-1)).all()):
        raise ValueError("logits must be numbers or -inf, and not all -inf in a row, got a row that is otherwise")
    soft = temperature_softmax(top_k_filter(x, top_k), temperature)
    kept = top_p_filter(soft.log(), top_p)
    if temperature == 0:
        return greedy(logits)
    reached = softmax(kept, -1).cumsum(-1)
    u = torch.rand(x.shape[:-1], generator=generator, dtype=x.dtype, device=x.device)
    return (reached <= u[..., None] * reached[..., -1:]).sum(-1)  # u < 1, so a class is always left
