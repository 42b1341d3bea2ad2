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
from refops.nn.adaptive_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    GlobalAveragePool,
)
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
from refops.nn.deformable_convolution import DeformableConv2d, DeformConv2d
from refops.nn.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from refops.nn.embedding import Embedding
from refops.nn.embedding_bag import EmbeddingBag
from refops.nn.linear import Identity, Linear
from refops.nn.local_attention import LocalAttention
from refops.nn.loss import (
    ContrastiveLoss,
    CrossEntropyLoss,
    FocalLoss,
    HuberLoss,
    L1Loss,
    LabelSmoothingCrossEntropy,
    MSELoss,
    NLLLoss,
    NTXentLoss,
    QuantileLoss,
    SigmoidFocalLoss,
    SmoothL1Loss,
    TripletMarginLoss,
    TripletMiningLoss,
)
from refops.nn.mixture_of_experts import MixtureOfExperts
from refops.nn.normalization import GroupNorm, LayerNorm, RMSNorm
from refops.nn.octave_convolution import OctaveConv2d
from refops.nn.perceptron import MLP, ResidualMLP
from refops.nn.pooling import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d
from refops.nn.rectifier import ELU, Hardswish, Hardtanh, PReLU, ReLU6, RReLU
from refops.nn.relative_attention import RelativePositionAttention
from refops.nn.reshaping import Flatten, Unflatten
from refops.nn.separable_convolution import DepthwiseSeparableConv2d
from refops.nn.smooth_activation import Mish, Softplus
from refops.nn.structured_dropout import DropBlock2d, DropConnect, SpatialDropout2d
from refops.nn.switch_normalization import SwitchNorm1d, SwitchNorm2d, SwitchNorm3d
from refops.nn.transformer import TransformerEncoder, TransformerEncoderLayer
from refops.nn.transposed_convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from refops.nn.unpooling import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d

__all__ = [
    "ELU",
    "GELU",
    "MLP",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "ContrastiveLoss",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "DeformConv2d",
    "DeformableConv2d",
    "DepthwiseSeparableConv2d",
    "DropBlock2d",
    "DropConnect",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "FocalLoss",
    "GlobalAveragePool",
    "GroupNorm",
    "Hardswish",
    "Hardtanh",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "L1Loss",
    "LabelSmoothingCrossEntropy",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalAttention",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "Mish",
    "MixtureOfExperts",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "NTXentLoss",
    "OctaveConv2d",
    "PReLU",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "QuantileLoss",
    "RMSNorm",
    "RReLU",
    "ReLU",
    "ReLU6",
    "RelativePositionAttention",
    "ResidualMLP",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SigmoidFocalLoss",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "SpatialDropout2d",
    "SwitchNorm1d",
    "SwitchNorm2d",
    "SwitchNorm3d",
    "Tanh",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "TripletMiningLoss",
    "Unflatten",
    "UninitializedParameter",
    "functional",
    "init",
    "utils",
]
