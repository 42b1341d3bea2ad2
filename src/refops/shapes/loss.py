"""Output shapes of losses: one loss for each sample or number, or their mean or sum, which is a single number."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["cross_entropy", "l1_loss", "mse_loss", "nll_loss"]


def nll_loss(
    input: Sequence[int],
    target: Sequence[int],
    weight: Sequence[int] | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> tuple[int, ...]:
    """(N, C, *S) and (N, *S), or (C) and (), -> (); with `reduction="none"` (N, *S) or ().

    Raises:
        ValueError: if input has no axis, target not the size of input without its classes, or weight not one per class.

    Example:
        >>> nll_loss((32, 10), (32,), reduction="none")
        (32,)
    """
    input, target = tuple(input), tuple(target)
    if not input:
        raise ValueError("input must have an axis of classes, got ()")
    samples = () if len(input) == 1 else (input[0], *input[2:])
    if target != samples and not (len(input) == 1 and target == (1,)):
        raise ValueError(f"target must have shape {samples} for input {input}, got {target}")
    _check_weight(input, weight)
    return _reduced(samples, size_average, reduce, reduction)


def cross_entropy(
    input: Sequence[int],
    target: Sequence[int],
    weight: Sequence[int] | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[int, ...]:
    """As `nll_loss`; a target of the input's own shape holds class probabilities.

    Raises:
        ValueError: as `nll_loss`; if `label_smoothing` is above 1, or an index is to be ignored among probabilities.

    Example:
        >>> cross_entropy((32, 10), (32,))
        ()
    """
    if label_smoothing > 1:
        raise ValueError(f"label_smoothing must lie in [0, 1], got {label_smoothing}")
    input, target = tuple(input), tuple(target)
    if input != target or not input:
        return nll_loss(input, target, weight, size_average, ignore_index, reduce, reduction)
    if ignore_index >= 0:
        raise ValueError(f"ignore_index must be negative where target holds probabilities, got {ignore_index}")
    _check_weight(input, weight)
    return _reduced((*input[:1], *input[2:]) if len(input) > 1 else (), size_average, reduce, reduction)


def mse_loss(
    input: Sequence[int],
    target: Sequence[int],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """(*S) and (*S) -> (); with `reduction="none"` (*S), broadcast where they differ.

    Raises:
        ValueError: if the shapes do not broadcast, or weight has another shape than input.

    Example:
        >>> mse_loss((32, 1), (32, 1))
        ()
    """
    if weight is not None and tuple(weight) != tuple(input):
        raise ValueError(f"weight must have the shape of input {tuple(input)}, got {tuple(weight)}")
    return _reduced(_broadcast(tuple(input), tuple(target)), size_average, reduce, reduction)


def l1_loss(
    input: Sequence[int],
    target: Sequence[int],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """As `mse_loss`."""
    return mse_loss(input, target, size_average, reduce, reduction, weight)


def _check_weight(input: tuple[int, ...], weight: Sequence[int] | None) -> None:
    classes = input[:2][-1]
    if weight is not None and tuple(weight) != (classes,):
        raise ValueError(f"weight must have shape ({classes},), one per class, got {tuple(weight)}")


def _broadcast(input: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    axes = max(len(input), len(target))
    pairs = zip((1,) * (axes - len(input)) + input, (1,) * (axes - len(target)) + target, strict=True)
    sizes = []
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            raise ValueError(f"target must have a shape that broadcasts with input {input}, got {target}")
        sizes.append(b if a == 1 else a)
    return tuple(sizes)


def _reduced(
    losses: tuple[int, ...], size_average: bool | None, reduce: bool | None, reduction: str
) -> tuple[int, ...]:
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "mean"
    if reduction not in ("none", "mean", "sum", "elementwise_mean"):
        raise ValueError(f"reduction must be one of none, mean, sum, got {reduction!r}")
    return losses if reduction == "none" else ()
