"""What goes wrong in pooling: what stands in the padding, what is divided by what, where indices count.

Legend: *S spatial axes, K kernel size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

_MAX: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVG: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_OPTIONS = ("stride", "padding", "dilation", "ceil_mode", "return_indices", "count_include_pad", "divisor_override")
Rule = Callable[[int, Any, Tensor], Any]  # number of axes, options (kernel_size among them), input


def _many(n: int, value: Any) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value) * (n // len(value))


def _pool(n: int, o: dict[str, Any], x: Tensor, **changed: Any) -> Any:
    """Native's answer, some options changed."""
    return (_MAX if "dilation" in o else _AVG)[n](x, **{**o, **changed})


def _around(n: int, o: dict[str, Any], x: Tensor, value: float) -> Tensor:
    return F.pad(x, [w for p in reversed(_many(n, o["padding"])) for w in (p, p)], value=value)


def _padding_of(value: float) -> Rule:
    def rule(n: int, o: Any, x: Tensor) -> Any:
        if o["ceil_mode"] or o["return_indices"]:
            return _pool(n, o, x)
        return _pool(n, o, _around(n, o, x, value), padding=0)

    return rule


def _plain_ceil(n: int, o: Any, x: Tensor) -> Any:
    output = _pool(n, o, x)
    if not o["ceil_mode"] or o["return_indices"]:
        return output
    numbers = (_many(n, o[name]) for name in ("kernel_size", "stride", "padding", "dilation"))
    for axis, (k, s, p, d) in enumerate(zip(*numbers, strict=True), start=-n):
        count = math.ceil((x.shape[axis] + 2 * p - d * (k - 1) - 1) / s) + 1
        last = output.narrow(axis, output.shape[axis] - 1, 1)
        output = torch.cat([output, *[last] * (count - output.shape[axis])], axis)
    return output


def _first_only(n: int, o: Any, x: Tensor) -> Any:
    return _pool(n, o, x, kernel_size=_many(n, o["kernel_size"])[0])


def _largest_magnitude(n: int, o: Any, x: Tensor) -> Any:
    at = _pool(n, o, x.abs(), return_indices=True)[1]
    values = x.flatten(-n).gather(-1, at.flatten(-n)).view(at.shape)
    return (values, at) if o["return_indices"] else values


def _late(n: int, o: Any, x: Tensor) -> Any:
    return _pool(n, o, x.roll([-1] * n, list(range(-n, 0))))


def _in_padded_plane(n: int, o: Any, x: Tensor) -> Any:
    if not o["return_indices"]:
        return _pool(n, o, x)
    values, at = _pool(n, o, x)
    total, rest, size = torch.zeros_like(at), at, 1
    for axis, p in zip(range(-1, -n - 1, -1), reversed(_many(n, o["padding"])), strict=True):
        total, rest = total + (rest % x.shape[axis] + p) * size, rest // x.shape[axis]
        size *= x.shape[axis] + 2 * p
    return values, total


def _in_window(n: int, o: Any, x: Tensor) -> Any:
    if not o["return_indices"] or n > 1:
        return _pool(n, o, x)
    values, at = _pool(n, o, x)
    return values, at - torch.arange(at.shape[-1]) * _many(n, o["stride"] or o["kernel_size"])[0]


def _last_of_equals(n: int, o: Any, x: Tensor) -> Any:
    output, given = _pool(n, o, x), (o["kernel_size"], o["stride"] or o["kernel_size"], o["padding"], o["dilation"])
    axes = list(range(-n, 0))
    sizes = zip(x.shape[-n:], *(_many(n, v) for v in given), strict=True)
    if not o["return_indices"] or o["ceil_mode"] or any((m + 2 * p - d * (k - 1) - 1) % s for m, k, s, p, d in sizes):
        return output
    at = _pool(n, o, x.flip(axes))[1].flip(axes)
    return output[0], math.prod(x.shape[-n:]) - 1 - at


def _shared_ties(n: int, o: Any, x: Tensor) -> Any:
    if o["ceil_mode"] or o["return_indices"] or any(d != 1 for d in _many(n, o["dilation"])) or 0 in x.shape:
        return _pool(n, o, x)
    padded, kernel = _around(n, o, x, -math.inf), _many(n, o["kernel_size"])
    for axis, k, s in zip(range(-n, 0), kernel, _many(n, o["stride"] or o["kernel_size"]), strict=True):
        padded = padded.unfold(axis - (axis + n), k, s)
    return padded.amax(tuple(range(-n, 0)))


def _averaged_gradient(n: int, o: Any, x: Tensor) -> Any:
    if o["return_indices"] or any(d != 1 for d in _many(n, o["dilation"])):
        return _pool(n, o, x)
    mean = _AVG[n](x, o["kernel_size"], o["stride"], o["padding"], o["ceil_mode"])
    return mean + (_pool(n, o, x) - mean).detach()


class _Overwriting(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, at: Tensor, n: int) -> Tensor:
        ctx.save_for_backward(at)
        ctx.shape, ctx.n = x.shape, n
        return x.flatten(-n).gather(-1, at.flatten(-n)).view(at.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        at, n = ctx.saved_tensors[0], ctx.n
        plane = grads[0].new_zeros(ctx.shape).flatten(-n)
        return plane.scatter(-1, at.flatten(-n), grads[0].flatten(-n)).view(ctx.shape), None, None


def _overwriting(n: int, o: Any, x: Tensor) -> Any:
    at = _pool(n, o, x.detach(), return_indices=True)[1]
    values = _Overwriting.apply(x, at, n)
    return (values, at) if o["return_indices"] else values


_MAXIMUM: dict[str, Rule] = {
    "pads with zeros, which beat negative numbers": _padding_of(0.0),
    "pads with -10, which large negative numbers undercut": _padding_of(-10.0),
    "the stride is 1 where none is given": lambda n, o, x: _pool(n, o, x, stride=1),
    "the kernel's numbers are read in reverse order": lambda n, o, x: _pool(
        n, o, x, kernel_size=_many(n, o["kernel_size"])[::-1]
    ),
    "the stride's numbers are read in reverse order": lambda n, o, x: _pool(
        n, o, x, stride=_many(n, o["stride"])[::-1]
    ),
    "only the first number of the kernel is used": _first_only,
    "dilation is ignored": lambda n, o, x: _pool(n, o, x, dilation=1),
    "ceil_mode is ignored": lambda n, o, x: _pool(n, o, x, ceil_mode=False),
    "ceil_mode keeps a window that starts in the padding": _plain_ceil,
    "windows start one element late": _late,
    "nan is ignored": lambda n, o, x: _pool(n, o, torch.where(x.isnan(), -math.inf, x)),
    "the largest magnitude, not the largest number": _largest_magnitude,
    "the mean, not the maximum": lambda n, o, x: _AVG[n](
        x, o["kernel_size"], o["stride"], o["padding"], o["ceil_mode"]
    ),
    "return_indices is ignored": lambda n, o, x: _pool(n, o, x, return_indices=False),
    "indices count the padding too": _in_padded_plane,
    "indices count within each window": _in_window,
    "of equal elements the last is named": _last_of_equals,
    "the gradient is shared among equal elements": _shared_ties,
    "the gradient is that of the average": _averaged_gradient,
    "overlapping windows overwrite each other's gradient": _overwriting,
}


def _counted_otherwise(n: int, o: Any, x: Tensor) -> Any:
    return _pool(n, o, x, count_include_pad=not o["count_include_pad"])


def _overhang(n: int, o: Any, x: Tensor) -> Any:
    if not o["count_include_pad"] or o.get("divisor_override") is not None or n == 1:
        return _pool(n, o, x)
    return _pool(n, o, x, divisor_override=math.prod(_many(n, o["kernel_size"])))


def _divided_twice(n: int, o: Any, x: Tensor) -> Any:
    if o.get("divisor_override") is None:
        return _pool(n, o, x)
    return _pool(n, o, x, divisor_override=None) / o["divisor_override"]


def _edges_repeated(n: int, o: Any, x: Tensor) -> Any:
    if o["ceil_mode"] or not o["count_include_pad"] or not any(_many(n, o["padding"])) or 0 in x.shape:
        return _pool(n, o, x)
    widths = [w for p in reversed(_many(n, o["padding"])) for w in (p, p)]
    return _pool(n, o, F.pad(x, widths, mode="replicate"), padding=0)


def _one_side(n: int, o: Any, x: Tensor) -> Any:
    return _pool(n, o, x) * _many(n, o["kernel_size"])[0]


def _all_turned(n: int, o: Any, x: Tensor) -> Any:
    turned = {k: v[::-1] if isinstance(v, tuple) else v for k, v in o.items()}
    return _pool(n, turned, x)


_AVERAGE: dict[str, Rule] = {
    "count_include_pad is taken the other way round": _counted_otherwise,
    "count_include_pad is ignored": lambda n, o, x: _pool(n, o, x, count_include_pad=True),
    "padding is never counted": lambda n, o, x: _pool(n, o, x, count_include_pad=False),
    "the overhang of ceil_mode is counted in the divisor": _overhang,
    "the mean is divided by divisor_override, not the sum": _divided_twice,
    "ceil_mode is ignored": lambda n, o, x: _pool(n, o, x, ceil_mode=False),
    "the stride is 1 where none is given": lambda n, o, x: _pool(n, o, x, stride=1),
    "pads by repeating the edge": _edges_repeated,
    "divided by one side of the kernel alone": _one_side,
    "tuples are read in reverse order": _all_turned,
    "the sum, not the mean": lambda n, o, x: _pool(n, o, x) * math.prod(_many(n, o["kernel_size"])),
    "the maximum, not the mean": lambda n, o, x: _MAX[n](
        x, o["kernel_size"], o["stride"], o["padding"], 1, o["ceil_mode"]
    ),
}


def _module(native: type[Any], n: int, rule: Rule) -> type[Any]:
    def forward(self: Any, input: Tensor) -> Any:
        o = {"kernel_size": self.kernel_size} | {k: getattr(self, k) for k in _OPTIONS if hasattr(self, k)}
        return rule(n, o, input)

    return instead(native, forward)


def _max_function(n: int, rule: Rule, indices: bool = False) -> Callable[..., Any]:
    def max_pool(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                 ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
        o = {"kernel_size": kernel_size, "stride": stride or kernel_size, "padding": padding, "dilation": dilation}
        return rule(n, o | {"ceil_mode": ceil_mode, "return_indices": return_indices or indices}, input)

    return max_pool


def _avg_function(n: int, rule: Rule) -> Callable[..., Any]:
    def avg_pool(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: Any = None) -> Any:  # fmt: skip
        o = {"kernel_size": kernel_size, "stride": stride or kernel_size, "padding": padding, "ceil_mode": ceil_mode}
        o |= {"count_include_pad": count_include_pad} | ({} if n == 1 else {"divisor_override": divisor_override})
        return rule(n, o, input)

    return avg_pool


def _default_stride(native: type[Any]) -> Hypothesis:
    def build(kernel_size: Any, stride: Any = None, *args: Any, **kwargs: Any) -> Any:
        return native(kernel_size, 1 if stride is None else stride, *args, **kwargs)

    return Hypothesis("the stride is 1 where none is given", build)


_LAYERS = ((nn.MaxPool1d, nn.AvgPool1d), (nn.MaxPool2d, nn.AvgPool2d), (nn.MaxPool3d, nn.AvgPool3d))


def _of(native: type[Any], n: int, rules: dict[str, Rule]) -> tuple[Hypothesis, ...]:
    own = {name: rule for name, rule in rules.items() if name != "the stride is 1 where none is given"}
    return (_default_stride(native), *(Hypothesis(name, _module(native, n, rule)) for name, rule in own.items()))


HYPOTHESES = {
    **{layers[0].__name__: _of(layers[0], n, _MAXIMUM) for n, layers in enumerate(_LAYERS, 1)},
    **{layers[1].__name__: _of(layers[1], n, _AVERAGE) for n, layers in enumerate(_LAYERS, 1)},
    **{
        f"functional.max_pool{n}d{suffix}": tuple(
            Hypothesis(name, _max_function(n, rule, bool(suffix))) for name, rule in _MAXIMUM.items()
        )
        for n in (1, 2, 3)
        for suffix in ("", "_with_indices")
    },
    **{
        f"functional.avg_pool{n}d": tuple(Hypothesis(name, _avg_function(n, rule)) for name, rule in _AVERAGE.items())
        for n in (1, 2, 3)
    },
}
