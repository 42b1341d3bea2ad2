"""One trilinear form carries convolution, its gradients, and their gradients.

For input x, weight w and output y,

    T(x, w, y) = sum over n, o, c, p, k of  x[n, c, stride p + dilation k] * w[o, c, k] * y[n, o, p].

Convolution is its derivative by y. The derivatives by x and by w are the two gradients of convolution, whose own
gradients are such derivatives again: three maps, each one matrix product, closed under differentiation.

Legend: N batch, C input channels, O output channels, G groups, c = C / G, o = O / G, *S spatial axes, *P window
positions, *K kernel offsets; |P| and |K| are their products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from refops.functional.window import overlap_add, windows
from refops.hand_derived import HandDerived, call, keep

__all__ = ["Contraction", "Geometry"]

CACHE = 2**18  # numbers in the windows of the images taken at a time on a CPU


@dataclass(frozen=True)
class Geometry:
    """All but the numbers: S, K, P, and how the windows lie."""

    size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    positions: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Contraction(HandDerived):
    """Of x, w and y exactly one is None: the derivative of T by that one is returned."""

    @staticmethod
    def forward(x: Any, w: Any, y: Any, geometry: Geometry) -> Tensor:
        """(N, C, *S), (O, c, *K), (N, O, *P): two of them give the third."""
        if x is None:
            return _by_input(w, y, geometry)
        return _by_weight(x, y, geometry) if w is None else _by_output(x, w, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the two that were given."""
        *factors, ctx.geometry = inputs
        keep(ctx, *factors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient takes the empty place; then each of the others is left out in turn."""
        x, w, y = (gradient if factor is None else factor.conj() for factor in ctx.saved_tensors)
        by_x, by_w, by_y, _ = ctx.needs_input_grad
        return (
            call(Contraction, None, w, y, ctx.geometry) if by_x else None,
            call(Contraction, x, None, y, ctx.geometry) if by_w else None,
            call(Contraction, x, w, None, ctx.geometry) if by_y else None,
            None,
        )

    @staticmethod
    def tangent(ctx: Any, *tangents: Any) -> Tensor:
        """The product rule: each factor in turn gives way to its direction."""
        factors = ctx.saved_tensors
        terms = [
            call(Contraction, *factors[:i], t, *factors[i + 1 :], ctx.geometry)
            for i, t in enumerate(tangents[:3])
            if t is not None
        ]
        total: Tensor = reduce(torch.add, terms)
        return total


def _by_output(x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
    """Convolution: the kernel times every window."""
    kernel = _grouped(w.flatten(1), geometry)  # (G, o, c|K|)
    parts = [kernel @ _columns(images, geometry) for images in _chunks(x, x.shape[1], geometry)]  # (N, G, o, |P|)
    y: Tensor = torch.cat(parts).flatten(1, 2).unflatten(2, geometry.positions)
    return y  # (N, O, *P)


def _by_input(w: Tensor, y: Tensor, geometry: Geometry) -> Tensor:
    """Transposed convolution: every output adds the kernel, that many times, to its window."""
    kernel = _grouped(w.flatten(1), geometry).transpose(1, 2)  # (G, c|K|, o)
    channels = w.shape[1] * geometry.groups
    chunks = _chunks(y, channels, geometry)
    return torch.cat([_overlap(kernel @ _rows(outputs, geometry), channels, geometry) for outputs in chunks])


def _by_weight(x: Tensor, y: Tensor, geometry: Geometry) -> Tensor:
    """What every output saw in its window, summed over positions and images."""
    chunks = zip(_chunks(x, x.shape[1], geometry), _chunks(y, x.shape[1], geometry), strict=True)
    parts = ((_rows(out, geometry) @ _columns(images, geometry).transpose(2, 3)).sum(0) for images, out in chunks)
    total = reduce(torch.add, parts)  # (G, o, c|K|)
    w: Tensor = total.flatten(0, 1).unflatten(1, (x.shape[1] // geometry.groups, *geometry.kernel_size))
    return w  # (O, c, *K)


def _columns(x: Tensor, geometry: Geometry) -> Tensor:
    """Every window as a column: (N, C, *S) to (N, G, c|K|, |P|)."""
    n = len(geometry.size)
    view = windows(x, geometry.kernel_size, geometry.stride, geometry.dilation)  # (N, C, *P, *K)
    view = view.movedim(tuple(range(-n, 0)), tuple(range(2, 2 + n)))  # (N, C, *K, *P)
    return _grouped(view.flatten(2 + n).flatten(1, 1 + n), geometry)


def _overlap(columns: Tensor, channels: int, geometry: Geometry) -> Tensor:
    """The transpose of `_columns`: (N, G, c|K|, |P|) to (N, C, *S)."""
    n = len(geometry.size)
    view = columns.flatten(1, 2).unflatten(2, geometry.positions).unflatten(1, (channels, *geometry.kernel_size))
    view = view.movedim(tuple(range(2, 2 + n)), tuple(range(-n, 0)))  # (N, C, *P, *K)
    return overlap_add(view, geometry.size, geometry.stride, geometry.dilation)


def _rows(y: Tensor, geometry: Geometry) -> Tensor:
    """Every output channel as a row: (N, O, *P) to (N, G, o, |P|)."""
    return _grouped(y.flatten(2), geometry)


def _grouped(tensor: Tensor, geometry: Geometry) -> Tensor:
    """The channels, on the last axis but one, split into groups: (..., C, R) to (..., G, c, R)."""
    split: Tensor = tensor.unflatten(-2, (geometry.groups, tensor.shape[-2] // geometry.groups))
    return split


def _chunks(tensor: Tensor, channels: int, geometry: Geometry) -> Sequence[Tensor]:
    """So few images at a time that their windows stay in the cache; a compiler or an accelerator gets them all."""
    if tensor.device.type != "cpu" or torch.compiler.is_compiling():
        return (tensor,)
    numbers = channels * math.prod(geometry.kernel_size) * math.prod(geometry.positions)
    chunks: Sequence[Tensor] = tensor.split(max(1, CACHE // max(1, numbers)))
    return chunks
