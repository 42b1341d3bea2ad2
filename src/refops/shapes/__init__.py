"""Output-shape formulas: one function per operator, from input shape and constructor arguments to output shape."""

from refops.shapes.activation import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from refops.shapes.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    global_average_pool,
)
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
from refops.shapes.deformable_convolution import deform_conv2d, deformable_conv2d
from refops.shapes.dropout import dropout, dropout1d, dropout2d, dropout3d
from refops.shapes.embedding import embedding
from refops.shapes.embedding_bag import embedding_bag
from refops.shapes.focal_loss import focal_loss, label_smoothing_cross_entropy, sigmoid_focal_loss
from refops.shapes.linear import identity, linear
from refops.shapes.local_attention import local_attention, local_attention_layer
from refops.shapes.loss import cross_entropy, l1_loss, mse_loss, nll_loss
from refops.shapes.metric_loss import contrastive_loss, nt_xent_loss, triplet_margin_loss, triplet_mining_loss
from refops.shapes.mixture_of_experts import mixture_of_experts
from refops.shapes.normalization import group_norm, layer_norm, rms_norm
from refops.shapes.octave_convolution import octave_conv2d
from refops.shapes.padding import pad
from refops.shapes.perceptron import mlp, residual_mlp
from refops.shapes.pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from refops.shapes.rectifier import elu, hardswish, hardtanh, prelu, relu6, rrelu
from refops.shapes.relative_attention import relative_attention, relative_position_attention
from refops.shapes.reshaping import flatten, unflatten
from refops.shapes.robust_loss import huber_loss, quantile_loss, smooth_l1_loss
from refops.shapes.sampling import greedy, sample, temperature_softmax, top_k_filter, top_p_filter
from refops.shapes.smooth_activation import mish, softplus
from refops.shapes.structured_dropout import drop_block2d, drop_connect, drop_connect_moments, spatial_dropout2d
from refops.shapes.switch_normalization import switch_norm, switch_norm1d, switch_norm2d, switch_norm3d
from refops.shapes.transformer import transformer_encoder, transformer_encoder_layer
from refops.shapes.transposed_convolution import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    convolution_matrix,
    depthwise_separable_conv2d,
)
from refops.shapes.unpooling import max_unpool1d, max_unpool2d, max_unpool3d

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "batch_norm1d",
    "batch_norm2d",
    "batch_norm3d",
    "contrastive_loss",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution_matrix",
    "cross_entropy",
    "deform_conv2d",
    "deformable_conv2d",
    "depthwise_separable_conv2d",
    "drop_block2d",
    "drop_connect",
    "drop_connect_moments",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "embedding_bag",
    "flatten",
    "focal_loss",
    "gelu",
    "global_average_pool",
    "greedy",
    "group_norm",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "identity",
    "instance_norm",
    "instance_norm1d",
    "instance_norm2d",
    "instance_norm3d",
    "l1_loss",
    "label_smoothing_cross_entropy",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_attention",
    "local_attention_layer",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mixture_of_experts",
    "mlp",
    "mse_loss",
    "multi_head_attention_forward",
    "multihead_attention",
    "nll_loss",
    "nt_xent_loss",
    "octave_conv2d",
    "pad",
    "prelu",
    "quantile_loss",
    "relative_attention",
    "relative_position_attention",
    "relu",
    "relu6",
    "residual_mlp",
    "rms_norm",
    "rrelu",
    "sample",
    "scaled_dot_product_attention",
    "sigmoid",
    "sigmoid_focal_loss",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "spatial_dropout2d",
    "switch_norm",
    "switch_norm1d",
    "switch_norm2d",
    "switch_norm3d",
    "tanh",
    "temperature_softmax",
    "top_k_filter",
    "top_p_filter",
    "transformer_encoder",
    "transformer_encoder_layer",
    "triplet_margin_loss",
    "triplet_mining_loss",
    "unflatten",
]
