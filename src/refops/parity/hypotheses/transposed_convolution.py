"""What goes wrong in transposed convolution: the kernel turned, what is cut off and added at the ends, the overlaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

_CONVOLVE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
Layer = Callable[[Any, Tensor, Any], Tensor]  # module, input, output_size


def _n(m: Any) -> int:
    return len(m.kernel_size)


def _space(m: Any) -> tuple[int, ...]:
    return tuple(range(-_n(m), 0))


def _extra(m: Any, x: Tensor, size: Any) -> Any:
    return m._output_padding(x, size, m.stride, m.padding, m.kernel_size, _n(m), m.dilation)


def _call(m: Any, x: Tensor, size: Any = None, **changed: Any) -> Tensor:
    """Native's answer, some options changed."""
    given = {
        "weight": m.weight, "bias": m.bias, "stride": m.stride, "padding": m.padding, "groups": m.groups,
        "dilation": m.dilation,
    }  # fmt: skip
    given["output_padding"] = changed.pop("output_padding") if "output_padding" in changed else _extra(m, x, size)
    result: Tensor = _CONVOLVE[_n(m)](x, **{**given, **changed})
    return result


def _filled(m: Any, x: Tensor, size: Any, short: Tensor) -> Tensor:
    """Zeros at the ends up to native's size."""
    right = _call(m, x, size).shape
    return F.pad(short, [w for a in reversed(_space(m)) for w in (0, right[a] - short.shape[a])])


def _undilated(m: Any, x: Tensor, size: Any) -> Tensor:
    if all(d == 1 for d in m.dilation):
        return _call(m, x, size)
    output = _filled(m, x, size, _call(m, x, bias=None, dilation=1, output_padding=0))
    return output if m.bias is None else output + m.bias.view(-1, *(1,) * _n(m))


def _cut(m: Any, x: Tensor, size: Any, starts: list[int]) -> Tensor:
    whole, right = _call(m, x, padding=0, output_padding=0), _call(m, x, size).shape
    for axis, start in zip(_space(m), starts, strict=True):
        whole = whole.narrow(axis, start, right[axis])
    return whole


def _ends_only(m: Any, x: Tensor, size: Any) -> Tensor:
    try:
        return _cut(m, x, size, [0] * _n(m))
    except RuntimeError:  # output_padding reaches beyond what was computed
        return _call(m, x, size)


def _padded_before(m: Any, x: Tensor, size: Any) -> Tensor:
    extra = list(_extra(m, x, size))
    if not any(extra) or any(e > p for e, p in zip(extra, m.padding, strict=True)):
        return _call(m, x, size)
    return _cut(m, x, size, [p - e for p, e in zip(m.padding, extra, strict=True)])


def _dealt_out(m: Any, x: Tensor, size: Any) -> Tensor:
    order = torch.arange(m.in_channels).view(-1, m.groups).t().flatten()
    return _call(m, x.index_select(-_n(m) - 1, order), size)


def _interleaved(m: Any, x: Tensor, size: Any) -> Any:
    axis = -_n(m) - 1
    output = _call(m, x, size, bias=None).unflatten(axis, (m.groups, -1)).transpose(axis - 1, axis)
    output = output.flatten(axis - 1, axis)
    return output if m.bias is None else output + m.bias.view(-1, *(1,) * _n(m))


def _bias_per_window(m: Any, x: Tensor, size: Any) -> Any:
    if m.bias is None:
        return _call(m, x, size)
    ones = torch.ones_like(x.narrow(-_n(m) - 1, 0, 1))
    counts = _call(m, ones, size, weight=torch.ones_like(m.weight[:1, :1]), bias=None, groups=1)
    return _call(m, x, size, bias=None) + m.bias.view(-1, *(1,) * _n(m)) * counts


def _turned_gradient(m: Any, x: Tensor, size: Any) -> Tensor:
    turned = m.weight.flip(_space(m))
    return _call(m, x, size, weight=turned + (m.weight - turned).detach())


_LAYERS: dict[str, Layer] = {
    "the kernel is turned round": lambda m, x, size: _call(m, x, size, weight=m.weight.flip(_space(m))),
    "the kernel is read as (W, H)": lambda m, x, size: _call(
        m, x, size, weight=m.weight.mT.reshape(m.weight.shape) if _n(m) > 1 else m.weight
    ),
    "dilation is ignored": _undilated,
    "output_padding adds zeros at the end": lambda m, x, size: _filled(m, x, size, _call(m, x, output_padding=0)),
    "output_padding is added before the map": _padded_before,
    "padding is taken off the end only": _ends_only,
    "the first axis's stride is used for all": lambda m, x, size: _call(m, x, size, stride=m.stride[0]),
    "output_size is ignored": lambda m, x, size: _call(m, x),
    "output_size is reached by interpolation": lambda m, x, size: (
        _call(m, x)
        if size is None or x.dim() != _n(m) + 2
        else F.interpolate(_call(m, x), _call(m, x, size).shape[-_n(m) :])
    ),
    "groups take every G-th input channel": _dealt_out,
    "the outputs of the groups are interleaved": _interleaved,
    "the bias is left out": lambda m, x, size: _call(m, x, size, bias=None),
    "the bias is added to every window": _bias_per_window,
    "the gradient of the kernel is that of its turned self": _turned_gradient,
}


def _module(native: type[Any], layer: Layer) -> type[Any]:
    return instead(native, lambda self, input, output_size=None: layer(self, input, output_size))


def _many(n: int, value: Any) -> Any:
    return (value,) * n if isinstance(value, int) else tuple(value) * (n // len(value))


def _function(n: int, layer: Layer) -> Callable[..., Tensor]:
    """The same fault in the function: its arguments are looked at as a layer would."""
    native: Any = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[n]

    def conv_transpose(input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
                       output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:  # fmt: skip
        stride, padding, extra, dilation = (_many(n, v) for v in (stride, padding, output_padding, dilation))
        sizes = weight.shape[0], weight.shape[1] * groups, tuple(weight.shape[2:])
        m = native(*sizes, stride, padding, extra, groups, bias is not None, dilation)
        del m.weight, m.bias
        m.weight, m.bias = weight, bias
        return layer(m, input, None)

    return conv_transpose


def _reads_out_first(input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Tensor:  # fmt: skip
    weight = weight.transpose(0, 1).reshape(weight.shape) if groups == 1 else weight
    convolve = _CONVOLVE[weight.dim() - 2]
    result: Tensor = convolve(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return result


HYPOTHESES = {
    **{
        native.__name__: tuple(Hypothesis(name, _module(native, layer)) for name, layer in _LAYERS.items())
        for native in (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    },
    **{
        f"functional.conv_transpose{n}d": (
            *(Hypothesis(name, _function(n, layer)) for name, layer in _LAYERS.items()),
            Hypothesis("the weight is read as a convolution's, (out, in)", _reads_out_first),
        )
        for n in (1, 2, 3)
    },
}
