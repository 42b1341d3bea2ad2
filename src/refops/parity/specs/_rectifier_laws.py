"""Laws of rectifiers, and the statistics of a random slope."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, dtype_of

if TYPE_CHECKING:
    pass

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def drawn_rate(case: Case) -> float:
    """0 where nothing is left to chance: in evaluation, and between equal bounds."""
    names = ("lower", "upper", "inplace") if case.init else ("input", "lower", "upper", "training", "inplace")
    given_in = case.init or case.call
    given = dict(zip(names, given_in.args, strict=False)) | given_in.keywords
    training = case.mode == "train" if case.init else given.get("training", False)
    return 0.5 if training and given.get("lower", 1 / 8) != given.get("upper", 1 / 3) else 0.0


def slope_statistics(case: Case, call: Callable[[Tensor, int], Tensor]) -> Iterator[str]:
    """In training slopes are uniform between the bounds, one for each negative number, and the derivative."""
    dtype = dtype_of(case.dtype)
    given_in = case.init or case.call
    given = dict(zip(("lower", "upper"), given_in.args[0 if case.init else 1 :], strict=False)) | given_in.keywords
    low, high = float(given.get("lower", 1 / 8)), float(given.get("upper", 1 / 3))
    x = torch.full((64, 128), -1.0, dtype=dtype)
    x[:, ::4] = 2
    x.requires_grad_()
    y = call(x * 1, 3)
    slopes = (y / x).detach().double()
    if y.dtype != dtype:
        yield f"output must be {dtype}, got {y.dtype}"
    if not bool((slopes[:, ::4] == 1).all()):
        yield "positive numbers must stay as they are"
    drawn = torch.cat([slopes[:, i::4] for i in (1, 2, 3)], 1)
    if drawn_rate(case) == 0:
        if float((drawn - (low + high) / 2).abs().max()) > 4 * torch.finfo(dtype).eps * max(abs(low), abs(high)):
            yield f"the slope must be {(low + high) / 2}, got {float(drawn.min()):.4g} to {float(drawn.max()):.4g}"
        return
    room = torch.finfo(dtype).eps * max(abs(low), abs(high))
    if float(drawn.min()) < low - room or float(drawn.max()) > high + room:
        yield f"slopes must lie in [{low:.4g}, {high:.4g}], got {float(drawn.min()):.4g} to {float(drawn.max()):.4g}"
    count, width = drawn.numel(), high - low
    if abs(float(drawn.mean()) - (low + high) / 2) > 6 * width / math.sqrt(12 * count) + room:
        yield f"slopes must average {(low + high) / 2:.4g}, got {float(drawn.mean()):.4g}"
    if abs(float(drawn.var()) / (width * width / 12) - 1) > 6 * math.sqrt(0.8 / count) + room / width:
        yield f"slopes must have the variance {width * width / 12:.4g} of a uniform draw, got {drawn.var():.4g}"
    yield from _apart(drawn, width)
    (gradient,) = torch.autograd.grad(y.float().sum(), x)
    if float((gradient.double() - slopes).abs().max()) > 2 * room:
        yield "the derivative must be the slope that was drawn"
    if torch.equal(call(x.detach() * 1, 4), y.detach()):
        yield "another seed must draw other slopes"


def _apart(drawn: Tensor, width: float) -> Iterator[str]:
    """Neighbours have draws of their own."""
    centred = (drawn - drawn.mean()) / (width / math.sqrt(12))
    for axis in (0, 1):
        n = drawn.shape[axis] - 1
        together = float((centred.narrow(axis, 0, n) * centred.narrow(axis, 1, n)).mean())
        if abs(together) > 6 / math.sqrt(drawn.numel()):
            yield f"each number must have a slope of its own, neighbours correlate by {together:.3f}"


def level(build: Build, x: Tensor) -> Pair:
    """It is f(x) - f(-x) = x + alpha (1 - e^-|x|) sign(x), for alpha = 1."""
    f = build()
    return f(x) - f(-x), x - torch.expm1(-x.abs()) * x.sign()


def bounded(build: Build, x: Tensor) -> Pair:
    """What has been cut is not cut again: f(f(x)) = f(x)."""
    f = build()
    return f(f(4 * x)), f(4 * x)


def reflected(build: Build, x: Tensor) -> Pair:
    """It is f(x) + f(6 - x) = 6."""
    f = build()
    return f(x) + f(6 - x), torch.full_like(x, 6)


def odd(build: Build, x: Tensor) -> Pair:
    """It is f(-x) = -f(x)."""
    f = build()
    return f(-x), -f(x)


def difference_is_identity(build: Build, x: Tensor) -> Pair:
    """It is f(x) - f(-x) = x: the two gates sum to 1."""
    f = build()
    return f(2 * x) - f(-2 * x), 2 * x


def parabola(build: Build, x: Tensor) -> Pair:
    """Between -3 and 3 it is x^2 / 6 + x / 2, so its second difference is constant: not piecewise linear."""
    f, inside = build(), x.clamp(-2, 2)
    return f(inside + 0.5) + f(inside - 0.5) - 2 * f(inside), torch.full_like(x, 1 / 12)


def slopes_by_channel(build: Build, x: Tensor) -> Pair:
    """Channels have slopes of their own, along axis 1."""
    whole = build(5)
    slopes = next(whole.parameters()).detach().to(x.dtype)
    return whole(x), torch.where(x > 0, x, x * slopes.view(5, 1))


def slopes_by_channel_function(build: Build, x: Tensor, w: Tensor) -> Pair:
    """Each channel alone, with its slope, gives that channel."""
    f = build()
    return f(x, w), torch.stack([f(x[:, c], w[c]) for c in range(5)], 1)


def eval_mean(build: Build, x: Tensor) -> Pair:
    """In evaluation the slope is the mean of the bounds."""
    return build(0.25, 0.75)(x), torch.where(x > 0, x, x * 0.5)


def function_mean(build: Build, x: Tensor) -> Pair:
    """Without training the slope is the mean of the bounds; also in it, where they are equal."""
    f = build()
    return torch.cat([f(x, 0.25, 0.75), f(x, 0.5, 0.5, True)]), torch.where(x > 0, x, x * 0.5).repeat(2)
