"""The maths: pure functions with the names, arguments and defaults of `torch.nn.functional`."""

from refops.functional.activation import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from refops.functional.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
    global_average_pool,
)
from refops.functional.attention import scaled_dot_product_attention
from refops.functional.batch_normalization import batch_norm, instance_norm
from refops.functional.convolution import conv1d, conv2d, conv3d
from refops.functional.convolution_matrix import convolution_matrix
from refops.functional.deformable_convolution import deform_conv2d, deformable_conv2d
from refops.functional.dropout import dropout, dropout1d, dropout2d, dropout3d
from refops.functional.embedding import embedding
from refops.functional.embedding_bag import embedding_bag
from refops.functional.linear import linear
from refops.functional.local_attention import local_attention
from refops.functional.loss import (
    contrastive_loss,
    cross_entropy,
    focal_loss,
    huber_loss,
    l1_loss,
    label_smoothing_cross_entropy,
    mse_loss,
    nll_loss,
    nt_xent_loss,
    quantile_loss,
    sigmoid_focal_loss,
    smooth_l1_loss,
    triplet_margin_loss,
    triplet_mining_loss,
)
from refops.functional.mixture_of_experts import load_balance, mixture_of_experts
from refops.functional.multi_head_attention import multi_head_attention_forward
from refops.functional.normalization import group_norm, layer_norm, rms_norm
from refops.functional.octave_convolution import octave_conv2d
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
from refops.functional.rectifier import elu, hardswish, hardtanh, prelu, relu6, rrelu
from refops.functional.relative_attention import relative_attention
from refops.functional.reshaping import flatten, unflatten
from refops.functional.sampling import greedy, sample, temperature_softmax, top_k_filter, top_p_filter
from refops.functional.smooth_activation import mish, softplus
from refops.functional.structured_dropout import drop_block2d, drop_connect, drop_connect_moments, spatial_dropout2d
from refops.functional.switch_normalization import switch_norm
from refops.functional.transposed_convolution import conv_transpose1d, conv_transpose2d, conv_transpose3d
from refops.functional.unpooling import max_unpool1d, max_unpool2d, max_unpool3d

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
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
    "instance_norm",
    "l1_loss",
    "label_smoothing_cross_entropy",
    "layer_norm",
    "leaky_relu",
    "linear",
    "load_balance",
    "local_attention",
    "log_softmax",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mixture_of_experts",
    "mse_loss",
    "multi_head_attention_forward",
    "nll_loss",
    "nt_xent_loss",
    "octave_conv2d",
    "pad",
    "prelu",
    "quantile_loss",
    "relative_attention",
    "relu",
    "relu6",
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
    "tanh",
    "temperature_softmax",
    "top_k_filter",
    "top_p_filter",
    "triplet_margin_loss",
    "triplet_mining_loss",
    "unflatten",
]
