"""What goes wrong in adaptive pooling: where a bin ends, what sizes that do not divide do, where indices count."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refops.parity.hypotheses import Hypothesis, instead


def _sizes(m: Any, x: Tensor) -> tuple[int, int]:
    out = m.output_size
    first, second = (out, out) if isinstance(out, int) else out
    return (x.shape[-2] if first is None else first, x.shape[-1] if second is None else second)


def _rounded_down(m: Any, x: Tensor) -> Tensor:
    (h, w), (o, p) = x.shape[-2:], _sizes(m, x)
    if not x.numel() or not o * p:
        return F.adaptive_avg_pool2d(x, (o, p))
    rows = [(i * h // o, max((i + 1) * h // o, i * h // o + 1)) for i in range(o)]
    columns = [(j * w // p, max((j + 1) * w // p, j * w // p + 1)) for j in range(p)]
    planes = [torch.stack([x[..., a:b, c:d].mean((-2, -1)) for c, d in columns], -1) for a, b in rows]
    return torch.stack(planes, -2)


def _one_kernel(m: Any, x: Tensor) -> Tensor:
    (h, w), (o, p) = x.shape[-2:], _sizes(m, x)
    if o > h or p > w or not o * p:
        return F.adaptive_avg_pool2d(x, (o, p))
    stride = (h // o, w // p)
    return F.avg_pool2d(x, (h - (o - 1) * stride[0], w - (p - 1) * stride[1]), stride)


def _width_first(m: Any, x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, _sizes(m, x)[::-1])


def _none_is_one(m: Any, x: Tensor) -> Any:
    pool: Any = F.adaptive_avg_pool2d
    out = m.output_size
    return pool(x, out if isinstance(out, int) else [1 if o is None else o for o in out])


def _global(m: Any, x: Tensor) -> Tensor:
    right = F.adaptive_avg_pool2d(x, _sizes(m, x))
    return F.adaptive_avg_pool2d(x, 1).expand(right.shape) if right.numel() else right


def _shared(m: Any, x: Tensor) -> Any:
    if m.return_indices or not x.numel():
        return nn.AdaptiveMaxPool2d.forward(m, x)
    (h, w), (o, p) = x.shape[-2:], _sizes(m, x)
    plane = torch.stack([x[..., i * h // o : -(-(i + 1) * h // o), :].amax(-2) for i in range(o)], -2)
    return torch.stack([plane[..., j * w // p : -(-(j + 1) * w // p)].amax(-1) for j in range(p)], -1)


def _in_row(m: Any, x: Tensor) -> Any:
    output = nn.AdaptiveMaxPool2d.forward(m, x)
    return (output[0], output[1] % x.shape[-1]) if m.return_indices else output


def _blind(native: type[Any]) -> Any:
    return instead(native, lambda self, x: native.forward(self, torch.where(x.isnan(), -torch.inf, x)))


def _average(forward: Any) -> type[Any]:
    return instead(nn.AdaptiveAvgPool2d, forward)


HYPOTHESES = {
    "AdaptiveAvgPool2d": (
        Hypothesis("the end of a bin is rounded down", _average(_rounded_down)),
        Hypothesis("one kernel and stride for all bins", _average(_one_kernel)),
        Hypothesis("height and width of the output are exchanged", _average(_width_first)),
        Hypothesis("None stands for 1, not for the input's size", _average(_none_is_one)),
        Hypothesis("the mean of everything, whatever the size asked for", _average(_global)),
    ),
    "AdaptiveMaxPool1d": (Hypothesis("nan is ignored", _blind(nn.AdaptiveMaxPool1d)),),
    "AdaptiveMaxPool2d": (
        Hypothesis("the gradient is shared among equal elements", instead(nn.AdaptiveMaxPool2d, _shared)),
        Hypothesis("indices count within a row, not in the plane", instead(nn.AdaptiveMaxPool2d, _in_row)),
        Hypothesis("nan is ignored", _blind(nn.AdaptiveMaxPool2d)),
    ),
}
