"""Autocast as a tensor's device knows it: the meta device, which holds no numbers to be narrowed, knows none."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["autocasting", "without_autocast"]


def autocasting(tensor: Tensor) -> bool:
    """Whether autocast is on where this tensor lives.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     autocasting(torch.ones(1)), autocasting(torch.ones(1, device="meta"))
        (True, False)
    """
    return tensor.device.type != "meta" and torch.is_autocast_enabled(tensor.device.type)


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """Autocast switched off where this tensor lives: what is written inside is computed in the dtypes it has.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(torch.ones(1)):
        ...     (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
        torch.float32
    """
    return nullcontext() if tensor.device.type == "meta" else torch.autocast(tensor.device.type, enabled=False)
