"""What goes wrong in convolution: where the windows lie, what is padded, which channels meet, and in `pad`.

Legend: N batch, C channels, *S spatial axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead

Layer = Callable[[Any, Tensor], Tensor]
_CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def _n(m: Any) -> int:
    return len(m.kernel_size)


def _mode(m: Any) -> str:
    return "constant" if m.padding_mode == "zeros" else str(m.padding_mode)


def _padded(m: Any, x: Tensor, mode: str = "") -> Tensor:
    """What native convolves without padding."""
    return F.pad(x, m._reversed_padding_repeated_twice, mode or _mode(m))


def _plain(m: Any, x: Tensor, **changed: Any) -> Tensor:
    """Convolution of what is padded already, some options changed."""
    given = {"stride": m.stride, "dilation": m.dilation, "groups": m.groups, "bias": m.bias} | changed
    result: Tensor = _CONVOLVE[_n(m)](x, given.pop("weight", m.weight), **given)
    return result


def _space(m: Any) -> tuple[int, ...]:
    return tuple(range(-_n(m), 0))


def _across(m: Any, x: Tensor) -> Tensor:
    return _plain(m, _padded(m, x), weight=m.weight.mT.reshape(m.weight.shape))


def _undilated(m: Any, x: Tensor) -> Tensor:
    sizes = m._conv_forward(x, m.weight, None).shape[-_n(m) :]
    output = _plain(m, _padded(m, x), dilation=1)
    for axis, size in zip(_space(m), sizes, strict=True):
        output = output.narrow(axis, 0, size)
    return output


def _one_window_more(m: Any, x: Tensor) -> Tensor:
    padded = _padded(m, x)
    rest = [0] * _n(m)
    for i, axis in enumerate(_space(m)):
        rest[i] = -(padded.shape[axis] - m.dilation[i] * (m.kernel_size[i] - 1) - 1) % m.stride[i]
    return _plain(m, F.pad(padded, [width for r in reversed(rest) for width in (0, r)]))


def _same(m: Any, x: Tensor, widths: Callable[[int, int], tuple[int, int]]) -> Tensor:
    """Padding 'same' by these widths of kernel size and dilation; any other is native's."""
    if m.padding != "same":
        return m._conv_forward(x, m.weight, m.bias)  # type: ignore[no-any-return]
    pairs = [widths(k, d) for k, d in zip(m.kernel_size, m.dilation, strict=True)]
    return _plain(m, F.pad(x, [width for pair in reversed(pairs) for width in pair], _mode(m)))


def _halves(k: int, d: int) -> tuple[int, int]:
    return (d * (k - 1) // 2,) * 2 if k % 2 else (d * k // 2,) * 2


def _before(k: int, d: int) -> tuple[int, int]:
    total = d * (k - 1)
    return total - total // 2, total // 2


def _without_dilation(k: int, d: int) -> tuple[int, int]:
    return (k - 1) // 2, k - 1 - (k - 1) // 2


def _by(m: Any, x: Tensor, mode: str, pad: Callable[[Tensor, list[int]], Tensor]) -> Tensor:
    """Padding in one mode done otherwise."""
    if m.padding_mode != mode:
        return m._conv_forward(x, m.weight, m.bias)  # type: ignore[no-any-return]
    return _plain(m, pad(x, list(m._reversed_padding_repeated_twice)))


def _reflected_with_edge(x: Tensor, widths: list[int]) -> Tensor:
    for i in range(len(widths) // 2):
        axis, (before, after), size = -1 - i, widths[2 * i : 2 * i + 2], x.shape[-1 - i]
        at = torch.arange(-before, size + after)
        at = torch.where(at < 0, -1 - at, torch.where(at < size, at, 2 * size - 1 - at))
        x = x.index_select(axis, at.to(x.device))
    return x


def _wrapped_wrongly(x: Tensor, widths: list[int]) -> Tensor:
    for i in range(len(widths) // 2 - 1, -1, -1):
        axis, (before, after), size = -1 - i, widths[2 * i : 2 * i + 2], x.shape[-1 - i]
        x = torch.cat([x.narrow(axis, 0, before), x, x.narrow(axis, size - after, after)], axis)
    return x


def _edges_without_gradient(x: Tensor, widths: list[int]) -> Tensor:
    own = F.pad(x, widths)
    return own + (F.pad(x, widths, "replicate") - own).detach()


def _turned(m: Any, x: Tensor) -> Tensor:
    if m.padding_mode == "zeros":
        return m._conv_forward(x, m.weight, m.bias)  # type: ignore[no-any-return]
    widths = m._reversed_padding_repeated_twice
    pairs = [widths[i : i + 2] for i in range(0, len(widths), 2)][::-1]
    return _plain(m, F.pad(x, [width for pair in pairs for width in pair], m.padding_mode))


def _padded_twice(m: Any, x: Tensor) -> Tensor:
    if m.padding_mode == "zeros" or isinstance(m.padding, str):
        return m._conv_forward(x, m.weight, m.bias)  # type: ignore[no-any-return]
    return _plain(m, _padded(m, x), padding=m.padding)


def _depth_by_zeros(m: Any, x: Tensor) -> Tensor:
    widths = m._reversed_padding_repeated_twice
    if m.padding_mode == "zeros" or _n(m) < 3 or x.dim() == 4:
        return m._conv_forward(x, m.weight, m.bias)  # type: ignore[no-any-return]
    flat = F.pad(x.transpose(1, 2).flatten(0, 1), widths[:4], m.padding_mode)
    return _plain(m, F.pad(flat.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2), (0, 0, 0, 0, *widths[4:])))


def _dealt_out(m: Any, x: Tensor) -> Tensor:
    order = torch.arange(m.in_channels).view(-1, m.groups).t().flatten()
    axis = -_n(m) - 1
    return m._conv_forward(x.index_select(axis, order.to(x.device)), m.weight, m.bias)  # type: ignore[no-any-return]


def _outputs_interleaved(m: Any, x: Tensor) -> Any:
    axis = -_n(m) - 1
    output = m._conv_forward(x, m.weight, None).unflatten(axis, (m.groups, -1)).transpose(axis - 1, axis)
    output = output.flatten(axis - 1, axis)
    return output if m.bias is None else output + m.bias.view(-1, *(1,) * _n(m))


def _pointwise_bias(m: Any, x: Tensor) -> Tensor:
    bias = None if all(k == 1 for k in m.kernel_size) else m.bias
    return m._conv_forward(x, m.weight, bias)  # type: ignore[no-any-return]


_LAYERS: dict[str, Layer] = {
    "a true convolution: the kernel is flipped": lambda m, x: m._conv_forward(x, m.weight.flip(_space(m)), m.bias),
    "the kernel is read as (W, H)": _across,
    "stride and dilation are exchanged": lambda m, x: _plain(m, _padded(m, x), stride=m.dilation, dilation=m.stride),
    "dilation is ignored": lambda m, x: _plain(m, _padded(m, x), dilation=1),
    "dilation is ignored, the output cut to the right size": _undilated,
    "the first axis's stride is used for all": lambda m, x: _plain(m, _padded(m, x), stride=m.stride[0]),
    "the number of windows is rounded up": _one_window_more,
    "'same' puts K // 2 on either side": lambda m, x: _same(m, x, _halves),
    "'same' puts the odd one before the input": lambda m, x: _same(m, x, _before),
    "'same' forgets the dilation": lambda m, x: _same(m, x, _without_dilation),
    "the edge is repeated when reflecting": lambda m, x: _by(m, x, "reflect", _reflected_with_edge),
    "circular padding wraps the wrong end": lambda m, x: _by(m, x, "circular", _wrapped_wrongly),
    "replicate is done as reflect": lambda m, x: _by(m, x, "replicate", lambda x, w: F.pad(x, w, "reflect")),
    "no gradient from what replicate repeats": lambda m, x: _by(m, x, "replicate", _edges_without_gradient),
    "padding of height and width is exchanged where a mode is given": _turned,
    "padded by the mode and by zeros again": _padded_twice,
    "depth is padded by zeros, whatever the mode": _depth_by_zeros,
    "groups take every G-th input channel": _dealt_out,
    "the outputs of the groups are interleaved": _outputs_interleaved,
    "the bias is left out": lambda m, x: m._conv_forward(x, m.weight, None),
    "the bias is left out where the kernel is 1 x 1": _pointwise_bias,
    "the bias is added once for every group": lambda m, x: m._conv_forward(
        x, m.weight, None if m.bias is None else m.bias * m.groups
    ),
}


def _function(n: int, layer: Layer) -> Callable[..., Tensor]:
    """The same fault in the function: its arguments are looked at as a layer would."""
    native = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[n]

    def conv(input: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
             groups: int = 1) -> Tensor:  # fmt: skip
        stride, padding, dilation = (_many(n, v) for v in (stride, padding, dilation))
        sizes = weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:])
        make: Any = native
        m = make(*sizes, stride, padding, dilation, groups, bias is not None)
        del m.weight, m.bias
        m.weight, m.bias = weight, bias
        return layer(m, input)

    return conv


def _many(n: int, value: Any) -> Any:
    if isinstance(value, str):
        return value
    return (value,) * n if isinstance(value, int) else tuple(value) * (n // len(value))


def _starts_late(m: Any, x: Tensor) -> Tensor:
    right, dense = _plain(m, _padded(m, x)), _plain(m, _padded(m, x), stride=1)
    for axis, step in zip(_space(m), m.stride, strict=True):
        at = torch.arange(step - 1, dense.shape[axis], step)
        dense = dense.index_select(axis, at.to(x.device))
    short = [right.shape[a] - dense.shape[a] for a in reversed(_space(m))]
    return F.pad(dense, [width for s in short for width in (0, s)])


_LAYERS["strided outputs start at the second window"] = _starts_late

# -- pad ---------------------------------------------------------------------------------------------------------------


def _first_axis_first(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    pairs = [pad[i : i + 2] for i in range(0, len(pad), 2)][::-1]
    return F.pad(input, [width for pair in pairs for width in pair], mode, value)


def _ends_exchanged(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    return F.pad(input, [pad[i ^ 1] for i in range(len(pad))], mode, value)


def _negative_is_0(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    return F.pad(input, [max(width, 0) for width in pad], mode, value)


def _edge_repeated(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    last = mode == "reflect" and len(pad) == 2 and min(pad) >= 0
    return _reflected_with_edge(input, list(pad)) if last else F.pad(input, pad, mode, value)


def _wraps_without_gradient(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    if mode != "circular" or min(pad) < 0:
        return F.pad(input, pad, mode, value)
    own = F.pad(input, pad)
    return own + (F.pad(input, pad, mode) - own).detach()


_PAD = {
    "widths are read from the first axis on": _first_axis_first,
    "the widths before and after are exchanged": _ends_exchanged,
    "negative widths are taken for 0": _negative_is_0,
    "the edge is repeated when reflecting": _edge_repeated,
    "no gradient from what circular padding repeats": _wraps_without_gradient,
}

HYPOTHESES = {
    **{
        native.__name__: tuple(Hypothesis(name, instead(native, layer)) for name, layer in _LAYERS.items())
        for native in (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    },
    **{
        f"functional.conv{n}d": tuple(Hypothesis(name, _function(n, layer)) for name, layer in _LAYERS.items())
        for n in (1, 2, 3)
    },
    "functional.pad": tuple(Hypothesis(name, function) for name, function in _PAD.items()),
}
