"""Output-shape formulas: one function per operator, from input shape and constructor arguments to output shape."""

from refops.shapes.activation import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from refops.shapes.attention import multi_head_attention_forward, multihead_attention, scaled_dot_product_attention
from refops.shapes.batch_normalization import (
    batch_norm,
    batch_norm1d,
    batch_norm2d,
    batch_norm3d,
    instance_norm,
    instance_norm1d,
    instance_norm2d,
    instance_norm3d,
)
from refops.shapes.convolution import conv1d, conv2d, conv3d
from refops.shapes.dropout import dropout, dropout1d, dropout2d, dropout3d
from refops.shapes.embedding import embedding
from refops.shapes.linear import identity, linear
from refops.shapes.loss import cross_entropy, l1_loss, mse_loss, nll_loss
from refops.shapes.normalization import group_norm, layer_norm, rms_norm
from refops.shapes.padding import pad
from refops.shapes.pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from refops.shapes.reshaping import flatten, unflatten

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "batch_norm1d",
    "batch_norm2d",
    "batch_norm3d",
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
    "identity",
    "instance_norm",
    "instance_norm1d",
    "instance_norm2d",
    "instance_norm3d",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mse_loss",
    "multi_head_attention_forward",
    "multihead_attention",
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
