"""Adapters for subjects whose calling convention is far from native's, and the limits that subjects claim.

An adapter computes nothing of its own: it builds the subject and hands the tensors on.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from refops.parity.case import Arguments, Case, Draw

INPLACE = {"without": ("inplace",)}
WHOLE: dict[str, Any] = {}


def _first(arguments: Arguments | None) -> Any:
    """The first argument."""
    given = [*arguments.args, *arguments.keywords.values()] if arguments is not None else []
    return given[0] if given else None


def _shapes(case: Case) -> list[tuple[int, ...]]:
    """Of the tensors of the call."""
    return [draw.shape for draw in case.call.draws()]


def last_axis_only(case: Case) -> bool:
    """Not made for it: more than one normalised axis."""
    shape = _first(case.init)
    return not (isinstance(shape, int) or (isinstance(shape, tuple | list) and len(shape) == 1))


def from_shapes_of_one(case: Case) -> bool:
    """Not made for it: a tensor of no axes."""
    return any(shape == () for shape in _shapes(case))


def matrix_and_labels(case: Case) -> bool:
    """Not made for it: anything but a matrix."""
    return len(_shapes(case)[0]) != 2


def _labels(case: Case) -> Draw | None:
    found = [*case.call.draws()]
    return found[1] if len(found) > 1 else None


def no_class_weights(case: Case) -> bool:
    """Not made for it: targets of probabilities, or classes that are not the last of two axes."""
    labels = _labels(case)
    return labels is None or labels.kind not in ("index", "literal") or len(_shapes(case)[0]) != 2


def hard_labels_only(case: Case) -> bool:
    """Not made for it: targets of probabilities, or a single example."""
    labels = _labels(case)
    return labels is None or labels.kind not in ("index", "literal") or len(_shapes(case)[0]) < 2


def channels_last_only(case: Case) -> bool:
    """Not made for it: labels, or classes that are not on the last axis."""
    labels = _labels(case)
    return labels is None or labels.kind in ("index", "literal") or len(_shapes(case)[0]) != 2


def exact_ties(case: Case) -> bool:
    """Not made for it: of logits equal to the last it keeps all."""
    return case.regime in ("ties", "zeros")


def certain_drop(case: Case) -> bool:
    """Not made for it: a rate of 1, for which the paper's formula does not drop all."""
    return "1.0" in repr(case.call if case.init is None else case.init)


def added_masks_only(case: Case) -> bool:
    """Not made for it: a mask of booleans, where it adds its mask."""
    masks = [draw for draw in case.call.draws() if draw.kind in ("flag", "literal")]
    return any(mask.kind == "flag" or "True" in repr(mask.data) or "False" in repr(mask.data) for mask in masks)


def heads_and_added_masks(case: Case) -> bool:
    """Not made for it: anything but (batch, heads, length, features), or a mask of booleans."""
    return any(len(shape) != 4 for shape in _shapes(case)[:3]) or added_masks_only(case)


def whole_sum(case: Case) -> bool:
    """Not made for it: anything but the sum of some losses."""
    return case.call.keywords.get("reduction") != "sum" or any(0 in shape for shape in _shapes(case))


def hard_targets_only(case: Case) -> bool:
    """Not made for it: targets between 0 and 1, for which its formula is another one."""
    targets = _labels(case)
    if targets is None or targets.kind == "index":
        return targets is None
    return targets.kind != "literal" or not set(torch.tensor(targets.data).flatten().tolist()) <= {0.0, 1.0}


def hard_targets_of_channels(case: Case) -> bool:
    """Not made for it: no axis of channels, targets between 0 and 1, or a sum over space, which it averages over."""
    axes = len(_shapes(case)[0])
    return axes < 2 or hard_targets_only(case) or (axes > 2 and "'sum'" in repr(case))


def mean_of_all_classes(case: Case) -> bool:
    """Not made for it: a mean, which there divides by the number of classes too; or no axis of classes."""
    return case.call.keywords.get("reduction", "mean") == "mean" or len(_shapes(case)[0]) < 2


def square_if_causal(case: Case) -> bool:
    """Not made for it: causal attention between lengths that differ, aligned at the end, not at the start."""
    query, key = _shapes(case)[:2]
    return ("True" in repr(case) and query[-2:-1] != key[-2:-1]) or len(query) != 4 or len(key) != 4


def fixed_gelu(subject: Any) -> Callable[..., Any]:
    """A class that takes no arguments: it is the tanh form."""

    class Fixed(nn.Module):
        def __init__(self, approximate: str = "tanh") -> None:
            super().__init__()
            if approximate != "tanh":
                raise ValueError(f"approximate must be 'tanh', got {approximate!r}")
            self.inner = subject()

        def forward(self, input: Tensor) -> Tensor:
            return self.inner(input)

    return Fixed


def einmix_linear(subject: Any) -> Callable[..., Any]:
    """A linear layer as a mix of two axes."""

    def make(in_features: int, out_features: int, bias: bool = True) -> Any:
        return subject("... i -> ... o", "o i", "o" if bias else None, i=in_features, o=out_features)

    return make


def attend(subject: Any) -> Callable[..., Any]:
    """Queries, keys and values of (batch, heads, length, features); the mask is of (length, length)."""

    def attention(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False,
        scale: float | None = None,
    ) -> Tensor:  # fmt: skip
        masks = {}
        if attn_mask is not None:
            masks = {"mask": attn_mask} if attn_mask.dtype is torch.bool else {"attn_bias": attn_mask}
        return subject(causal=is_causal, scale=scale)(query, key, value, **masks)[0]

    return attention


def eager_attention(subject: Any) -> Callable[..., Any]:
    """Without dropout and shared heads; what comes back has length before heads."""

    def attention(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *, scale: float | None = None
    ) -> Tensor:
        plain = SimpleNamespace(num_key_value_groups=1, training=False)
        scaling = query.shape[-1] ** -0.5 if scale is None else scale
        return subject(plain, query, key, value, attn_mask, scaling)[0].transpose(1, 2)

    return attention


def local_attention(subject: Any) -> Callable[..., Any]:
    """Blocks alone: no look back, no rotary positions."""

    def attention(
        query: Tensor, key: Tensor, value: Tensor, window_size: int = 256, *, scale: float | None = None
    ) -> Tensor:
        made = subject(
            window_size, look_backward=0, look_forward=0, use_rotary_pos_emb=False, autopad=True, scale=scale
        )
        return made(query, key, value)

    return attention


def warp_k(subject: Any) -> Callable[..., Any]:
    """A processor is made for one k, and called with the tokens so far, which it ignores."""
    return lambda logits, k: subject(k)(None, logits)


def warp_p(subject: Any) -> Callable[..., Any]:
    """A processor made for one p."""
    return lambda logits, p: subject(float(p))(None, logits)


def warp_temperature(subject: Any) -> Callable[..., Any]:
    """The processor divides; the softmax is torch's."""
    return lambda logits, temperature=1.0, dim=-1: subject(float(temperature))(None, logits).softmax(dim)


def x_top_k(subject: Any) -> Callable[..., Any]:
    """k by its own name."""
    return lambda logits, k: subject(logits, k=k)


def x_top_p(subject: Any) -> Callable[..., Any]:
    """p under the name of a threshold."""
    return lambda logits, p: subject(logits, thres=p)


def einops_einsum(subject: Any) -> Callable[..., Any]:
    """The equation stands last, and its axes apart."""

    def einsum(equation: str, *operands: Tensor) -> Tensor:
        left, arrow, right = equation.replace(" ", "").partition("->")
        apart = [" ".join(term).replace(". . .", "...") for term in left.split(",")]
        if not arrow:
            raise ValueError(f"equation must name the output, got {equation!r}")
        return subject(*operands, ", ".join(apart) + " -> " + " ".join(right).replace(". . .", "..."))

    return einsum


def einops_permute(subject: Any) -> Callable[..., Any]:
    """Axes by letters."""

    def permute(input: Tensor, dims: tuple[int, ...]) -> Tensor:
        letters = [f"a{i}" for i in range(input.dim())]
        turned = [letters[d] for d in dims]
        if sorted(turned) != sorted(letters):
            raise ValueError(f"dims must name every axis once, got {dims}")
        return subject(input, f"{' '.join(letters)} -> {' '.join(turned)}")

    return permute


def one_group_softmax(subject: Any) -> Callable[..., Any]:
    """All in one group."""

    def softmax(input: Tensor, dim: int = 0) -> Tensor:
        size = input.shape[dim] if input.dim() else 1
        return subject(input, torch.zeros(size, dtype=torch.long, device=input.device), num_nodes=1, dim=dim)

    return softmax


def kornia_binary(subject: Any) -> Callable[..., Any]:
    """A negative alpha means none; native's focal losses have no ignored value."""

    def loss(
        inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
    ) -> Tensor:
        return subject(inputs, targets, None if alpha < 0 else alpha, gamma, reduction, ignore_index=None)

    return loss


def focal_of_none(subject: Any) -> Callable[..., Any]:
    """A negative alpha means none."""

    def loss(
        inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
    ) -> Tensor:
        return subject(inputs, targets, alpha=None if alpha < 0 else alpha, gamma=gamma, reduction=reduction)

    return loss


def kornia_focal(subject: Any) -> Callable[..., Any]:
    """No class weights, alpha being one number there; a loss for each class, 0 but for the label's."""

    def loss(
        input: Tensor, target: Tensor, gamma: float = 2.0, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> Tensor:
        losses = subject(input, target, None, gamma, reduction, ignore_index=ignore_index)
        return losses.sum(1) if reduction == "none" else losses

    return loss


def detr_focal(subject: Any) -> Callable[..., Any]:
    """Its sum of means, undone: queries times boxes of one."""

    def loss(
        inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "sum"
    ) -> Tensor:
        if reduction != "sum":
            raise ValueError(f"reduction must be 'sum', got {reduction!r}")
        return subject(inputs[None, None].flatten(2), targets[None, None].flatten(2), 1, alpha, gamma) * 1

    return loss


def probabilities_focal(subject: Any) -> Callable[..., Any]:
    """It takes probabilities."""

    def loss(
        inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
    ) -> Tensor:
        if alpha < 0:
            raise ValueError(f"alpha must not be negative, got {alpha}")
        return subject(alpha, gamma, reduction=reduction)(inputs.sigmoid(), targets)

    return loss


def monai_focal(subject: Any) -> Callable[..., Any]:
    """A negative alpha means none."""

    def loss(
        inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
    ) -> Tensor:
        return subject(gamma=gamma, alpha=None if alpha < 0 else alpha, reduction=reduction)(inputs, targets)

    return loss


def pml_ntxent(subject: Any) -> Callable[..., Any]:
    """Both views in one batch, alike where the labels are."""

    class Pairs(nn.Module):
        def __init__(self, temperature: float = 0.5) -> None:
            super().__init__()
            self.inner = subject(temperature=temperature)

        def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
            labels = torch.arange(len(z1), device=z1.device)
            return self.inner(torch.cat([z1, z2]), torch.cat([labels, labels]))

    return Pairs


def pml_triplet(subject: Any) -> Callable[..., Any]:
    """Every triplet, also those without a loss in the mean; distances not normalised."""

    def make(margin: float = 1.0, squared: bool = False) -> Any:
        from pytorch_metric_learning.distances import LpDistance
        from pytorch_metric_learning.reducers import MeanReducer

        distance = LpDistance(normalize_embeddings=False, power=2 if squared else 1)
        return subject(margin=margin, distance=distance, reducer=MeanReducer())

    return make


def by_number(subject: Any) -> Callable[..., Any]:
    """A reduction is a number there: none, mean, sum."""

    def loss(input: Tensor, target: Tensor, *, reduction: str = "mean", **options: Any) -> Tensor:
        return subject(input, target, ("none", "mean", "sum").index(reduction), **options)

    return loss
