"""Numbers for a case: drawn in float64 from its seed, shaped by its regime, rounded to its dtype, laid out in memory.

Every tensor is drawn on the CPU by its own generator, so a script can draw one again in one line, and every dtype
and device sees the same numbers up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Case, Draw, dtype_of

# One expression each, over `z` (standard normal), `u` (uniform) and `info` (torch.finfo of the dtype).
REGIMES: dict[str, str] = {
    "ordinary": "z",
    "large": "60 * z",
    "tiny": "1e-3 * z",
    "offset": "z + 1000",  # mean much larger than spread
    "negative": "-3 * z.abs() - 0.25",
    "ties": "(2 * z).round() / 2",  # exact zeros, kinks and equal values
    "zeros": "0 * z",
    "saturation": "z.sign() * math.log(info.max) * (0.9 + 0.3 * u)",  # exp over- and underflows on either side
    "subnormal": "info.tiny * z / 2",
    "nonfinite": "torch.where(u < 0.1, torch.where(z > 0.7, math.nan, z.sign() * math.inf), z)",
}

_KINDS: dict[str, str] = {
    "param": "z",
    "buffer": "z",
    "positive": "0.5 + u",
    "simplex": "torch.softmax(z, 1 if z.dim() > 1 else 0)",
    "additive": "torch.where(u < 0.25, -math.inf, z)",
    "flag": "z > 0",
}

SAME_NUMBERS = ("transposed", "strided", "shifted", "channels_last")  # layouts that only place them otherwise
LAYOUTS = (*SAME_NUMBERS, "expanded", "overlapping")


def seed_global(seed: int) -> None:
    """`torch.manual_seed`, less the stack traces it formats for devices that are not there."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def seed_of(case: Case, position: int) -> int:
    """The seed of the tensor at this position of a case."""
    return 1000 * (case.seed + 1) + position


def expression(case: Case, draw: Draw, position: int) -> str:
    """The one-line expression whose value is this tensor in float64, for scripts and for `numbers` alike."""
    if draw.kind == "literal":
        return f"torch.tensor({source_of(_thawed(draw.data))})"
    shape = repr(tuple(draw.shape))
    make = f"g := torch.Generator().manual_seed({seed_of(case, position)})"
    if draw.kind == "index":
        return f"torch.randint({draw.low}, {draw.high}, {shape}, generator=({make}))"
    return f"[{make}, {_sampled(REGIMES[case.regime] if draw.kind == 'real' else _KINDS[draw.kind], shape)}][1]"


@lru_cache(maxsize=1000)
def _sampled(formula: str, shape: str) -> str:
    """The formula over `z` and `u` with samplers of this shape in their places."""
    names = {"z": "randn", "u": "rand"}
    for letter, sampler in names.items():
        formula = _replaced(formula, letter, f"torch.{sampler}({shape}, generator=g, dtype=torch.float64)")
    return formula


def _replaced(formula: str, letter: str, text: str) -> str:
    """`formula` with its variable `letter` bound to `text` at the first use."""
    import re

    uses = list(re.finditer(rf"(?<![\w.]){letter}(?!\w)", formula))
    if not uses:
        return formula
    first, bound = uses[0], f"({letter} := {text})"
    return formula[: first.start()] + (bound if len(uses) > 1 else text) + formula[first.end() :]


def source_of(numbers: Any) -> str:
    """Nested lists of numbers as Python reads them, inf and nan too."""
    return repr(numbers).replace("nan", "float('nan')").replace("inf", "float('inf')")


def _thawed(data: Any) -> Any:
    return [_thawed(x) for x in data] if isinstance(data, tuple) else data


def numbers(case: Case, draw: Draw, position: int) -> Tensor:
    """The tensor of this draw: floating ones in float64, but already rounded to the case's dtype."""
    return _numbers(expression(case, draw, position), case.dtype).clone()


@lru_cache(maxsize=4000)  # every check of a case asks for the same ones, several times
def _numbers(expression: str, dtype_name: str) -> Tensor:
    dtype = dtype_of(dtype_name)
    scope = {"torch": torch, "math": math, "info": torch.finfo(dtype)}
    value = eval(expression, scope)
    if not isinstance(value, Tensor):
        raise ValueError(f"draw must give a tensor, got {expression}")
    return value.to(dtype).to(torch.float64) if value.is_floating_point() else value


def lay(value: Tensor, layout: str) -> Tensor:
    """The same shape in another memory layout; `expanded` and `overlapping` repeat some of the numbers.

    Layouts that need more axes than the tensor has leave it as it is.
    """
    if layout == "transposed" and value.dim() >= 2:
        return value.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "strided" and value.dim() >= 1:
        return value.repeat_interleave(2, -1)[..., ::2]
    if layout == "shifted":
        return torch.cat([value.new_zeros(3), value.reshape(-1)])[3:].view(value.shape)
    if layout == "channels_last" and value.dim() in (4, 5):
        form = torch.channels_last if value.dim() == 4 else torch.channels_last_3d
        return value.contiguous(memory_format=form)
    if layout == "expanded" and value.dim() >= 1 and value.shape[0] > 0:
        return value[:1].expand(value.shape)
    if layout == "overlapping" and value.dim() >= 2 and value.numel() > 0:
        strides = [max(s - 1, 1) for s in value.contiguous().stride()[:-1]] + [1]
        return value.contiguous().as_strided(value.shape, strides)
    return value.contiguous()


def draws_with_position(case: Case) -> Iterator[tuple[Draw, int]]:
    """Every draw of the case with the position that seeds it: constructor's from 500, inputs' from 0."""
    if case.init is not None:
        yield from zip(case.init.draws(), range(500, 1000), strict=False)
    yield from zip(case.call.draws(), range(500), strict=False)
