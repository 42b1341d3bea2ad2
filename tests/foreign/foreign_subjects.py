"""Classes and functions of other libraries, each with the spec it is like and what it claims.

A row is path, spec, domain. `make` names a function of `foreign_adapters`, where the subject's calling convention is
too far from native's for a renaming: it then wraps the subject in a few lines that compute nothing of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foreign_adapters import (
    INPLACE,
    WHOLE,
    certain_drop,
    channels_last_only,
    exact_ties,
    hard_labels_only,
    hard_targets_of_channels,
    hard_targets_only,
    heads_and_added_masks,
    last_axis_only,
    matrix_and_labels,
    mean_of_all_classes,
    no_class_weights,
    square_if_causal,
    whole_sum,
)


@dataclass(frozen=True)
class Foreign:
    """One subject.

    Args:
        path: `package.module:Name`.
        like: the spec.
        claims: its declared domain, the keywords of `refops.parity.check`.
        make: the adapter's name, where renaming is not enough.
        preset: keyword arguments bound with `functools.partial`.
        label: tells it from another row of the same path.
    """

    path: str
    like: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    make: str = ""
    preset: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """`timm.layers:LayerNorm`, and what is preset."""
        settings = self.label or ", ".join(f"{k}={v}" for k, v in self.preset.items())
        return self.path + (f" ({settings})" if settings else "")


def like(spec: str, *rows: Any, **claims: Any) -> list[Foreign]:
    """Rows of one spec: a path, or a path with claims of its own."""
    found = []
    for row in rows:
        path, more = row if isinstance(row, tuple) else (row, {})
        make, preset, label = (more.pop(k, d) for k, d in (("make", ""), ("preset", {}), ("label", "")))
        found.append(Foreign(path, spec, {**claims, **more}, make, preset, label))
    return found


PAPER = {"fixed": {"gamma": "paper"}, "unsupported": certain_drop}
TIES = {"unsupported": exact_ties}
RMS = {"arguments": {"normalized_shape": "hidden_size"}, "defaults": {"eps": 1e-6}, "unsupported": last_axis_only}
T = "transformers.models"

NORMS = [
    *like(
        "LayerNorm",
        (
            "timm.layers:LayerNorm",
            {
                "arguments": {"normalized_shape": "num_channels", "elementwise_affine": "affine"},
                "defaults": {"eps": 1e-6},
                "without": ("bias",),
            },
        ),
        (f"{T}.convnext.modeling_convnext:ConvNextLayerNorm", {"defaults": {"eps": 1e-6}}),
        "diffusers.models.normalization:FP32LayerNorm",
        (
            "x_transformers.x_transformers:LayerNorm",
            {
                "arguments": {"normalized_shape": "dim"},
                "fixed": {"eps": 1e-5, "bias": False},
                "without": ("elementwise_affine",),
                "state": {"weight": "gamma"},
                "unsupported": last_axis_only,
            },
        ),
        (
            "torch_geometric.nn:LayerNorm",
            {
                "arguments": {"normalized_shape": "in_channels", "elementwise_affine": "affine"},
                "without": ("bias", "dtype"),
                "fixed": {},
                "preset": {"mode": "node"},
                "unsupported": last_axis_only,
            },
        ),
    ),
    *like("functional.layer_norm", "timm.layers.fast_norm:fast_layer_norm"),
    *like(
        "RMSNorm",
        (
            "timm.layers:RmsNorm",
            {"arguments": {"normalized_shape": "channels", "elementwise_affine": "affine"}, "defaults": {"eps": 1e-6}},
        ),
        (f"{T}.llama.modeling_llama:LlamaRMSNorm", RMS),
        (f"{T}.t5.modeling_t5:T5LayerNorm", RMS),
        (f"{T}.mistral.modeling_mistral:MistralRMSNorm", RMS),
        (
            f"{T}.gemma.modeling_gemma:GemmaRMSNorm",
            {
                "arguments": {"normalized_shape": "dim"},
                "defaults": {"eps": 1e-6},
                "unsupported": last_axis_only,
                "state": {"weight": ("weight", lambda w: w - 1, lambda w: w + 1)},
            },
        ),
        (
            "diffusers.models.normalization:RMSNorm",
            {"arguments": {"normalized_shape": "dim"}, "unsupported": last_axis_only, "preset": {"bias": False}},
        ),
    ),
    *like("functional.rms_norm", "timm.layers.fast_norm:fast_rms_norm"),
    *like("GroupNorm", ("timm.layers:GroupNorm", {"defaults": {}})),
    *like("functional.group_norm", "timm.layers.fast_norm:fast_group_norm"),
    *like("BatchNorm2d", ("timm.layers:BatchNormAct2d", {"preset": {"apply_act": False}, "fixed": {}})),
    *like(
        "BatchNorm1d",
        (
            "torch_geometric.nn:BatchNorm",
            {
                "arguments": {"num_features": "in_channels"},
                "without": ("dtype", "bias"),
                "unsupported": matrix_and_labels,
            },
        ),
    ),
]

ACTIVATIONS = [
    *like(
        "GELU",
        ("transformers.activations:GELUActivation", {"without": ("approximate",)}),
        ("transformers.activations:GELUActivation", {"without": ("approximate",), "preset": {"use_gelu_python": True}}),
        ("transformers.activations:NewGELUActivation", {"fixed": {"approximate": "tanh"}, "make": "fixed_gelu"}),
        ("transformers.activations:FastGELUActivation", {"fixed": {"approximate": "tanh"}, "make": "fixed_gelu"}),
        ("transformers.activations:AccurateGELUActivation", {"fixed": {"approximate": "tanh"}, "make": "fixed_gelu"}),
        (f"{T}.bloom.modeling_bloom:BloomGelu", {"fixed": {"approximate": "tanh"}, "make": "fixed_gelu"}),
        ("timm.layers.activations:GELU", {"without": ("approximate",)}),
        ("timm.layers.activations:GELUTanh", {"fixed": {"approximate": "tanh"}, "make": "fixed_gelu"}),
    ),
    *like(
        "SiLU",
        "transformers.activations:SiLUActivation",
        "timm.layers.activations:Swish",
        ("timm.layers.activations_me:SwishMe", INPLACE),
        ("monai.networks.blocks:Swish", {"without": ("inplace",)}),
        "monai.networks.blocks:MemoryEfficientSwish",
        ("diffusers.models.activations:FP32SiLU", {"without": ("inplace",)}),
    ),
    *like("functional.silu", "timm.layers.activations:swish"),
    *like(
        "Mish",
        ("transformers.activations:MishActivation", {"without": ("inplace",)}),
        ("timm.layers.activations:Mish", INPLACE),
        ("timm.layers.activations_me:MishMe", INPLACE),
        "monai.networks.blocks:Mish",
    ),
    *like("functional.mish", ("timm.layers.activations:mish", INPLACE)),
    *like("Hardswish", "timm.layers.activations:HardSwish", ("timm.layers.activations_me:HardSwishMe", INPLACE)),
    *like("functional.hardswish", "timm.layers.activations:hard_swish"),
    *like("Sigmoid", "timm.layers.activations:Sigmoid"),
    *like("Tanh", "timm.layers.activations:Tanh"),
    *like("PReLU", "timm.layers.activations:PReLU"),
]

LAYERS = [
    *like(
        "Linear",
        "timm.layers:Linear",
        (
            "transformers.pytorch_utils:Conv1D",
            {
                "arguments": {"in_features": "nx", "out_features": "nf"},
                "without": ("bias", "device", "dtype"),
                "state": {"weight": ("weight", lambda w: w.mT, lambda w: w.mT)},
            },
        ),
        (
            "torch_geometric.nn.dense:Linear",
            {
                "arguments": {"in_features": "in_channels", "out_features": "out_channels"},
                "without": ("device", "dtype"),
            },
        ),
        ("einops.layers.torch:EinMix", {"make": "einmix_linear", "without": ("device", "dtype")}),
    ),
    *like("Flatten", ("monai.networks.layers:Flatten", {"without": ("start_dim", "end_dim")})),
    *like(
        "DropBlock2d",
        ("torchvision.ops:DropBlock2d", {**PAPER}),
        ("timm.layers:DropBlock2d", {"arguments": {"p": "drop_prob"}, **PAPER}),
        ("dropblock:DropBlock2D", {"arguments": {"p": "drop_prob"}, "without": ("inplace",), **PAPER}),
    ),
    *like("functional.drop_block2d", ("torchvision.ops:drop_block2d", {**PAPER})),
    *like(
        "functional.scaled_dot_product_attention",
        (
            "x_transformers.attend:Attend",
            {"make": "attend", "without": ("dropout_p", "enable_gqa"), "unsupported": square_if_causal},
        ),
        (
            f"{T}.llama.modeling_llama:eager_attention_forward",
            {
                "make": "eager_attention",
                "unsupported": heads_and_added_masks,
                "without": ("dropout_p", "is_causal", "enable_gqa"),
            },
        ),
    ),
    *like("functional.local_attention", ("local_attention:LocalAttention", {"make": "local_attention"})),
    *like(
        "functional.top_k_filter",
        ("transformers.generation.logits_process:TopKLogitsWarper", {"make": "warp_k", **TIES}),
        ("x_transformers.autoregressive_wrapper:top_k", {"make": "x_top_k"}),
    ),
    *like(
        "functional.top_p_filter",
        ("transformers.generation.logits_process:TopPLogitsWarper", {"make": "warp_p"}),
        ("x_transformers.autoregressive_wrapper:top_p", {"make": "x_top_p"}),
    ),
    *like(
        "functional.temperature_softmax",
        ("transformers.generation.logits_process:TemperatureLogitsWarper", {"make": "warp_temperature"}),
    ),
    *like("tensor.einsum", ("einops:einsum", {"make": "einops_einsum"})),
    *like("tensor.permute", ("einops:rearrange", {"make": "einops_permute"})),
    *like(
        "functional.softmax",
        ("torch_geometric.utils:softmax", {"make": "one_group_softmax", "without": ("dtype", "_stacklevel")}),
    ),
]

LOSSES = [
    *like(
        "functional.sigmoid_focal_loss",
        "torchvision.ops:sigmoid_focal_loss",
        ("fvcore.nn:sigmoid_focal_loss", {"defaults": {"alpha": -1}}),
        ("kornia.losses:binary_focal_loss_with_logits", {"make": "kornia_binary", "unsupported": hard_targets_only}),
        (
            "segmentation_models_pytorch.losses._functional:focal_loss_with_logits",
            {"make": "focal_of_none", "unsupported": hard_targets_only},
        ),
        (
            "transformers.loss.loss_for_object_detection:sigmoid_focal_loss",
            {"make": "detr_focal", "unsupported": whole_sum},
        ),
        ("pytorch_optimizer.loss:BCEFocalLoss", {"make": "probabilities_focal"}),
        ("monai.losses:FocalLoss", {"make": "monai_focal", "unsupported": hard_targets_of_channels}),
    ),
    *like(
        "functional.focal_loss",
        (
            "kornia.losses:focal_loss",
            {"make": "kornia_focal", "without": ("alpha",), "unsupported": mean_of_all_classes},
        ),
    ),
    *like("functional.smooth_l1_loss", ("fvcore.nn:smooth_l1_loss", {"defaults": {"reduction": "none"}, **WHOLE})),
    *like(
        "NTXentLoss",
        ("lightly.loss:NTXentLoss", {"without": ("reduction",)}),
        ("monai.losses:ContrastiveLoss", {"without": ("reduction",)}),
        ("pytorch_metric_learning.losses:NTXentLoss", {"make": "pml_ntxent", "without": ("reduction",)}),
    ),
    *like(
        "LabelSmoothingCrossEntropy",
        (
            "timm.loss:LabelSmoothingCrossEntropy",
            {
                "arguments": {"eps": "smoothing"},
                "without": ("rule", "weight", "ignore_index", "reduction"),
                "unsupported": no_class_weights,
            },
        ),
        (
            "segmentation_models_pytorch.losses:SoftCrossEntropyLoss",
            {"arguments": {"eps": "smooth_factor"}, "without": ("rule", "weight"), "unsupported": hard_labels_only},
        ),
    ),
    *like(
        "CrossEntropyLoss",
        (
            "timm.loss:SoftTargetCrossEntropy",
            {
                "without": ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
                "unsupported": channels_last_only,
            },
        ),
    ),
    *like(
        "TripletMiningLoss",
        (
            "pytorch_metric_learning.losses:TripletMarginLoss",
            {"make": "pml_triplet", "without": ("reduction",), "fixed": {"mining": "all"}},
        ),
    ),
]

OPTIMIZERS = [
    *like(
        "optim.LAMB",
        ("timm.optim:Lamb", {"preset": {"max_grad_norm": None, "always_adapt": True}}),
        ("pytorch_optimizer:Lamb", {"preset": {"max_grad_norm": 0.0, "weight_decouple": False}}),
        ("pytorch_optimizer:Lamb", {"preset": {"max_grad_norm": 0.0, "weight_decouple": False, "adam_debias": True}}),
        ("torch_optimizer:Lamb", {"preset": {"debias": True, "clamp_value": 1e9}}),
    ),
    *like("optim.Lookahead", "timm.optim:Lookahead", "pytorch_optimizer:Lookahead", "torch_optimizer:Lookahead"),
    *like(
        "optim.AdamW",
        ("timm.optim:AdamWLegacy", {"without": ("fused", "differentiable"), "preset": {"foreach": False}}),
        ("timm.optim:AdamWLegacy", {"without": ("fused", "differentiable"), "preset": {"foreach": True}}),
    ),
    *like(
        "optim.SGD",
        (
            "timm.optim.sgdp:SGDP",
            {"without": ("maximize", "foreach", "differentiable", "fused", "weight_decay"), "preset": {"delta": 0.0}},
        ),
        ("timm.optim:SGDW", {"without": ("fused", "weight_decay")}),
        ("torch_optimizer:SGDW", {"without": ("fused", "weight_decay", "maximize", "foreach", "differentiable")}),
        ("pytorch_optimizer:SGDW", {"without": ("fused", "weight_decay", "differentiable")}),
    ),
]

SUBJECTS = [*NORMS, *ACTIVATIONS, *LAYERS, *LOSSES, *OPTIMIZERS]
