"""The maths: pure functions with the names, arguments and defaults of `torch.nn.functional`."""

from refops.functional.activation import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from refops.functional.attention import scaled_dot_product_attention
from refops.functional.batch_normalization import batch_norm, instance_norm
from refops.functional.convolution import conv1d, conv2d, conv3d
from refops.functional.dropout import dropout, dropout1d, dropout2d, dropout3d
from refops.functional.embedding import embedding
from refops.functional.linear import linear
from refops.functional.loss import cross_entropy, l1_loss, mse_loss, nll_loss
from refops.functional.multi_head_attention import multi_head_attention_forward
from refops.functional.normalization import group_norm, layer_norm, rms_norm
from refops.functional.padding import pad
from refops.functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
)
from refops.functional.reshaping import flatten, unflatten

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "flatten",
    "gelu",
    "group_norm",
    "instance_norm",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "mse_loss",
    "multi_head_attention_forward",
    "nll_loss",
    "pad",
    "relu",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "unflatten",
]
