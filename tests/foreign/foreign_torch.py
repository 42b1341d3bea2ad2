"""torch's own other versions of what has a spec: `torch._refs`, `torch._decomp`, and the optimizers' other paths."""

from __future__ import annotations

from foreign_subjects import Foreign, like

FUNCTIONAL = [
    "relu",
    "leaky_relu",
    "gelu",
    "dropout",
    "group_norm",
    "layer_norm",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "triplet_margin_loss",
    "prelu",
    "elu",
    "hardtanh",
    "relu6",
    "smooth_l1_loss",
    "huber_loss",
    "softplus",
    "mish",
    "softmax",
    "log_softmax",
]
TENSOR = [
    "cat",
    "stack",
    "chunk",
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "sqrt",
    "where",
    "sum",
    "mean",
    "var",
    "reshape",
    "view",
    "transpose",
    "permute",
    "squeeze",
    "unsqueeze",
    "expand",
    "flatten",
    "narrow",
]
DECOMPOSED = {"silu": "", "hardswish": "", "mse_loss": "by_number", "smooth_l1_loss": "by_number", "embedding": ""}


EVERY_REAL = {"dtypes": ("float32", "float64")}


def _optimizers() -> list[Foreign]:
    found = []
    for name in ("AdamW", "Adam", "SGD"):
        for setting in ("foreach", "fused", "capturable"):
            if setting == "capturable" and name == "SGD":
                continue
            others = [s for s in ("foreach", "fused") if s != setting]
            found += like(
                f"optim.{name}",
                (f"torch.optim:{name}", {"preset": {setting: True}, "without": (*others, "differentiable")}),
            )
    return found


TORCH_SUBJECTS = [
    *[Foreign(f"torch._refs.nn.functional:{name}", f"functional.{name}", EVERY_REAL) for name in FUNCTIONAL],
    *[Foreign(f"torch._refs:{name}", f"tensor.{name}") for name in TENSOR],
    *[
        Foreign(f"torch._decomp.decompositions:{name}", f"functional.{name}", make=make)
        for name, make in DECOMPOSED.items()
    ],
    Foreign("torch._decomp.decompositions:split", "tensor.split"),
    *_optimizers(),
]
