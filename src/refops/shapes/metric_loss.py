"""Output shapes of metric losses: one loss for each pair, triplet or view, or their mean or sum."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.loss import _broadcast, _reduced

__all__ = ["contrastive_loss", "nt_xent_loss", "triplet_margin_loss", "triplet_mining_loss"]


def contrastive_loss(
    input1: Sequence[int],
    input2: Sequence[int],
    target: Sequence[int],
    margin: float = 1.0,
    reduction: str = "mean",
) -> tuple[int, ...]:
    """(*S, D), (*S, D) and (*S) -> (); with `reduction="none"` (*S).

    Raises:
        ValueError: if the inputs differ or have no axis, target is not one number for each pair, or margin not above 0.

    Example:
        >>> contrastive_loss((32, 128), (32, 128), (32,), reduction="none")
        (32,)
    """
    _check_positive("margin", margin)
    if not tuple(input1) or tuple(input1) != tuple(input2):
        raise ValueError(f"input2 must have the shape of input1 {tuple(input1)}, got {tuple(input2)}")
    if tuple(target) != tuple(input1)[:-1]:
        raise ValueError(f"target must have shape {tuple(input1)[:-1]}, one for each pair, got {tuple(target)}")
    return _reduced(tuple(target), None, None, reduction)


def triplet_margin_loss(
    anchor: Sequence[int],
    positive: Sequence[int],
    negative: Sequence[int],
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> tuple[int, ...]:
    """Three times (*S, D), or broadcast, -> (); with `reduction="none"` (*S).

    Raises:
        ValueError: if the numbers of axes differ, the shapes do not broadcast, or margin is not above 0.

    Example:
        >>> triplet_margin_loss((32, 128), (32, 128), (1, 128), reduction="none")
        (32,)
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    a, b, c = (tuple(points) for points in (anchor, positive, negative))
    if not len(a) == len(b) == len(c):
        raise ValueError(f"positive and negative must have as many axes as anchor {a}, got {b} and {c}")
    pairs = [_broadcast(a, b), _broadcast(a, c)] + ([_broadcast(b, c)] if swap else [])
    if abs(p) == float("inf") and any(0 in pair[-1:] for pair in pairs):
        raise ValueError(f"anchor must have features for p={p}, got shape {a}")
    shape = pairs[0][:-1]
    for pair in pairs[1:]:
        shape = _broadcast(shape, pair[:-1])
    return _reduced(shape, size_average, reduce, reduction)


def triplet_mining_loss(
    embeddings: Sequence[int],
    labels: Sequence[int],
    margin: float = 1.0,
    mining: str = "hard",
    squared: bool = False,
    reduction: str = "mean",
) -> tuple[int, ...]:
    """(N, D) and (N) -> (); with `reduction="none"` (N) for hard, (N, N) for semi-hard, (N, N, N) for all.

    Raises:
        ValueError: if embeddings has not two axes, labels is not (N), margin is not above 0, or there is no such
            mining.

    Example:
        >>> triplet_mining_loss((32, 128), (32,), mining="semi-hard", reduction="none")
        (32, 32)
    """
    _check_positive("margin", margin)
    axes = {"hard": 1, "semi-hard": 2, "all": 3}
    if mining not in axes:
        raise ValueError(f"mining must be one of {', '.join(axes)}, got {mining!r}")
    if len(embeddings) != 2:
        raise ValueError(f"embeddings must have two axes, points and features, got {tuple(embeddings)}")
    if tuple(labels) != tuple(embeddings[:1]):
        raise ValueError(f"labels must have shape {tuple(embeddings[:1])}, one for each point, got {tuple(labels)}")
    return _reduced(tuple(labels) * axes[mining], None, None, reduction)


def nt_xent_loss(
    z1: Sequence[int], z2: Sequence[int], temperature: float = 0.5, reduction: str = "mean"
) -> tuple[int, ...]:
    """(B, D) and (B, D) -> (); with `reduction="none"` (2 B).

    Raises:
        ValueError: if the shapes differ or have not two axes, B is 0, or temperature is not above 0.

    Example:
        >>> nt_xent_loss((256, 128), (256, 128), reduction="none")
        (512,)
    """
    _check_positive("temperature", temperature)
    if len(z1) != 2 or tuple(z1) != tuple(z2):
        raise ValueError(f"z1 and z2 must have one shape (B, D), got {tuple(z1)} and {tuple(z2)}")
    if not z1[0]:
        raise ValueError(f"z1 must hold at least one view, got {tuple(z1)}")
    return _reduced((2 * z1[0],), None, None, reduction)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be more than 0, got {value}")
