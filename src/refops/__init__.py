"""Readable PyTorch operators, and the conformance kit that proves them and yours.

`from refops import nn, optim` is a drop-in for torch's. `refops.parity` is the kit; `refops.models` and
`refops.training` are complete systems built from the operators. These three are imported only when used.
"""

from refops import functional, nn, optim, shapes, tensor
from refops.nn import BatchNorm2d as MyBatchNorm2d
from refops.nn import Conv2d as MyConv2d
from refops.nn import Dropout as MyDropout
from refops.nn import Embedding as MyEmbedding
from refops.nn import GroupNorm as MyGroupNorm
from refops.nn import LayerNorm as MyLayerNorm
from refops.nn import Linear as MyLinear
from refops.nn import MultiheadAttention as MyMultiheadAttention
from refops.optim import Adam as MyAdam
from refops.optim import AdamW as MyAdamW

MHA = MyMultiheadAttention

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
