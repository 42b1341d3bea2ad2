"""Readable PyTorch operators, and the conformance kit that proves them and yours.

`from refops import nn, optim` is a drop-in for torch's. `refops.parity` is the kit; `refops.models` and
`refops.training` are complete systems built from the operators. Each is imported when it is first used: pytest loads
the kit's plugin in every run, and must not wait for torch where nothing asks for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refops import functional, nn, optim, shapes, tensor
    from refops.nn import BatchNorm2d as MyBatchNorm2d
    from refops.nn import Conv2d as MyConv2d
    from refops.nn import Dropout as MyDropout
    from refops.nn import Embedding as MyEmbedding
    from refops.nn import GroupNorm as MyGroupNorm
    from refops.nn import LayerNorm as MyLayerNorm
    from refops.nn import Linear as MyLinear
    from refops.nn import MultiheadAttention as MHA  # noqa: N814
    from refops.nn import MultiheadAttention as MyMultiheadAttention
    from refops.optim import Adam as MyAdam
    from refops.optim import AdamW as MyAdamW

__all__ = [
    "MHA",
    "MyAdam",
    "MyAdamW",
    "MyBatchNorm2d",
    "MyConv2d",
    "MyDropout",
    "MyEmbedding",
    "MyGroupNorm",
    "MyLayerNorm",
    "MyLinear",
    "MyMultiheadAttention",
    "functional",
    "nn",
    "optim",
    "shapes",
    "tensor",
]


def __getattr__(name: str) -> Any:
    """A subpackage, or a class under the name that sets it apart from torch's."""
    if name not in __all__:
        raise AttributeError(f"module 'refops' has no attribute {name!r}")
    if name.islower():
        return import_module(f"refops.{name}")
    place = "optim" if name.startswith("MyAdam") else "nn"
    return getattr(import_module(f"refops.{place}"), "MultiheadAttention" if name == "MHA" else name.removeprefix("My"))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
