"""Padding repeats one question per axis: which input position does each output position show?

`constant` shows a given number outside the input. The other modes show another position of the input, each by its own
rule, and then padding is nothing but an index per axis.

Legend: S size of one axis, b positions added before it, a after it; * any axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from refops.functional.memory_format import following

__all__ = ["pad"]

Widths = list[tuple[int, int]]  # before and after, for each axis in their order


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Lengthen the last axes of `input`; negative numbers shorten them.

    y[i] = x[rule(i - b)] for 0 <= i < S + b + a, where `pad` = (b, a of the last axis, b, a of the one before it, ...)

    - `constant`: `value` (0 if None) outside the input;
    - `reflect`: mirrored at the edge, which is not repeated: c b [a b c] b a;
    - `replicate`: the edge goes on: a a [a b c] c c;
    - `circular`: the other end comes in: b c [a b c] a b.

    Native: `torch.nn.functional.pad`.

    Shape:
        (*, S) -> (*, b + S + a), for each axis that `pad` names. `constant` pads any number of axes, the other modes
        exactly 1, 2 or 3 after one or two axes (C or N, C).

    Raises:
        RuntimeError: if `pad` has an odd length or names more axes than there are, `reflect` reaches S or `circular`
            beyond S, an axis is shortened below nothing, or a `value` other than 0 is given to another mode.
        NotImplementedError: if `mode` is unknown, or does not support this number of axes.

    Trap: `pad` starts with the last axis, (left, right, top, bottom), the other way round from the shape.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html

    Example:
        >>> pad(torch.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
        tensor([[3., 2., 1., 2., 3., 2.]])
    """
    _require_pairs(input, pad)
    widths = list(zip(pad[0::2], pad[1::2], strict=True))[::-1]  # in the order of the axes
    if mode == "constant":
        return _surrounded(input, widths, 0.0 if value is None else value)
    _require_supported(input, widths, mode, value)
    given = input
    if mode == "circular":
        input, widths = _cut(input, widths)
    for axis, (before, after) in enumerate(widths, start=-len(widths)):
        size = input.shape[axis]
        _require_reachable(size, before, after, mode)
        shown = torch.arange(-before, size + after, device=input.device)  # 0 ... S - 1 is the input itself
        input = input.index_select(axis, RULES[mode](shown, size))
    return input if mode == "circular" else following(input, given)


RULES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "reflect": lambda position, size: size - 1 - (size - 1 - position.abs()).abs(),
    "replicate": lambda position, size: position.clamp(0, size - 1),
    "circular": lambda position, size: position % size,
}


def _cut(input: Tensor, widths: Widths) -> tuple[Tensor, Widths]:
    """Carry out the negative widths: the input without what they take away, and the widths that are left."""
    sizes = input.shape[input.dim() - len(widths) :]
    if any(size + min(b, 0) + min(a, 0) < 0 for size, (b, a) in zip(sizes, widths, strict=True)):
        raise RuntimeError(f"pad must not take away more than there is, got {widths} for sizes {tuple(sizes)}")
    kept: list[Any] = [slice(max(-b, 0), size - max(-a, 0)) for size, (b, a) in zip(sizes, widths, strict=True)]
    return input[(..., *kept)], [(max(b, 0), max(a, 0)) for b, a in widths]


def _surrounded(input: Tensor, widths: Widths, value: float) -> Tensor:
    """`value` everywhere, then the input copied into the middle."""
    given = input
    input, widths = _cut(input, widths)
    if not any(map(any, widths)):
        return input.clone()
    lead = input.dim() - len(widths)
    sizes = input.shape[lead:]
    padded = [size + before + after for size, (before, after) in zip(sizes, widths, strict=True)]
    output = input.new_full((*input.shape[:lead], *padded), value)
    middle: list[Any] = [slice(before, before + size) for size, (before, _) in zip(sizes, widths, strict=True)]
    output[(..., *middle)] = input
    return following(output, given)


def _require_pairs(input: Tensor, pad: Sequence[int]) -> None:
    if isinstance(pad, int) or any(isinstance(width, float) for width in pad):
        raise TypeError(f"pad must be a sequence of ints, got {pad!r}")
    if len(pad) % 2:
        raise RuntimeError(f"pad must hold pairs, one per axis from the last, got {len(pad)} numbers: {tuple(pad)}")
    if len(pad) > 2 * input.dim():
        raise RuntimeError(f"pad must name at most the {input.dim()} axes of input, got {len(pad) // 2} pairs")


def _require_supported(input: Tensor, widths: Widths, mode: str, value: float | None) -> None:
    if value:
        raise RuntimeError(f"value must be None or 0 in mode {mode!r}, which repeats the input, got {value}")
    if mode not in RULES:
        raise NotImplementedError(f"mode must be 'constant', {', '.join(map(repr, RULES))}, got {mode!r}")
    n = len(widths)
    if n not in (1, 2, 3) or input.dim() - n not in (1, 2):
        raise NotImplementedError(
            f"pad must name 1, 2 or 3 axes after (C) or (N, C) in mode {mode!r}, got {n} of {input.dim()} axes"
        )
    if mode == "circular":
        return
    if 0 in input.shape[-n - 1 :]:
        raise RuntimeError(f"input must have no empty axis but the batch in mode {mode!r}, got {tuple(input.shape)}")
    if all(size + b + a < 1 for size, (b, a) in zip(input.shape[-n:], widths, strict=True)):
        raise RuntimeError(f"pad must leave something in mode {mode!r}, got {widths} for input {tuple(input.shape)}")


def _require_reachable(size: int, before: int, after: int, mode: str) -> None:
    reach = {"reflect": size - 1, "circular": size}
    if mode in reach and max(before, after) > reach[mode]:
        raise RuntimeError(f"pad must be at most {reach[mode]} for size {size} in mode {mode!r}, got {(before, after)}")
    if size + before + after < 0:
        raise RuntimeError(f"pad must not take away more than there is, got {(before, after)} for size {size}")
