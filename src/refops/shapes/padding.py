"""Output shape of padding: each named axis grows by what is put before and after it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["pad"]

REPEATING = ("reflect", "replicate", "circular")


def pad(
    input: Sequence[int], pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> tuple[int, ...]:
    """(*, S) -> (*, b + S + a), where `pad` = (b, a of the last axis, b, a of the one before it, ...).

    Raises:
        ValueError: if `pad` holds no pairs, names axes that are not there or that `mode` does not support, reaches
            farther than `mode` can, or takes away more than there is; if `mode` is unknown or takes no `value`.

    Example:
        >>> pad((1, 3, 32, 32), (1, 2, 0, -2))
        (1, 3, 30, 35)
    """
    if not isinstance(pad, Sequence) or not all(isinstance(width, int) for width in pad):
        raise ValueError(f"pad must be a sequence of ints, got {pad!r}")
    if len(pad) % 2 or len(pad) > 2 * len(input):
        raise ValueError(f"pad must hold a pair for each of at most {len(input)} axes, got {tuple(pad)}")
    if mode != "constant":
        _require_supported(input, len(pad) // 2, mode, value)
    sizes = list(input)
    for axis, (before, after) in enumerate(zip(pad[0::2], pad[1::2], strict=True), start=1):
        _require_reachable(sizes[-axis], before, after, mode)
        sizes[-axis] += before + after
    if mode in ("reflect", "replicate") and not any(sizes[len(input) - len(pad) // 2 :]):
        raise ValueError(f"pad must leave something in mode {mode!r}, got {tuple(pad)} for input {tuple(input)}")
    return tuple(sizes)


def _require_supported(input: Sequence[int], axes: int, mode: str, value: float | None) -> None:
    if mode not in REPEATING:
        raise ValueError(f"mode must be 'constant' or one of {REPEATING}, got {mode!r}")
    if value:
        raise ValueError(f"value must be None or 0 in mode {mode!r}, got {value}")
    if axes not in (1, 2, 3) or len(input) - axes not in (1, 2):
        raise ValueError(f"pad must name 1, 2 or 3 axes after (C) or (N, C) in mode {mode!r}, got {axes} of {input}")
    if mode != "circular" and 0 in input[-axes - 1 :]:
        raise ValueError(f"input must have no empty axis but the batch in mode {mode!r}, got {tuple(input)}")


def _require_reachable(size: int, before: int, after: int, mode: str) -> None:
    kept = size + min(before, 0) + min(after, 0)  # constant and circular cut before they add
    reach = {"reflect": size - 1, "circular": kept}
    if mode in reach and max(before, after) > max(reach[mode], 0):
        raise ValueError(f"pad must be at most {reach[mode]} for size {size} in mode {mode!r}, got {(before, after)}")
    if (size + before + after if mode in ("reflect", "replicate") else kept) < 0:
        raise ValueError(f"pad must not take away more than there is, got {(before, after)} for size {size}")
