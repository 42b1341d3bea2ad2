"""Modules, a drop-in for `torch.nn`: parameters and state here, the maths in `refops.functional`.

What holds modules rather than computing (Module, Sequential, Parameter, init ...) is torch's own.
"""

from torch.nn import (
    Buffer,
    Module,
    ModuleDict,
    ModuleList,
    Parameter,
    ParameterDict,
    ParameterList,
    Sequential,
    UninitializedParameter,
    init,
    utils,
)

from refops import functional
from refops.nn.activation import GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Tanh
from refops.nn.attention import MultiheadAttention
from refops.nn.batch_normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from refops.nn.convolution import Conv1d, Conv2d, Conv3d
from refops.nn.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from refops.nn.embedding import Embedding
from refops.nn.linear import Identity, Linear
from refops.nn.loss import CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from refops.nn.normalization import GroupNorm, LayerNorm, RMSNorm
from refops.nn.pooling import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d
from refops.nn.reshaping import Flatten, Unflatten

__all__ = [
    "GELU",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Unflatten",
    "UninitializedParameter",
    "functional",
    "init",
    "utils",
]
