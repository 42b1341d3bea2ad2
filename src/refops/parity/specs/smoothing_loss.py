"""Label smoothing by two rules. Legend: N batch, K classes, *S spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from refops.functional.loss import smoothing as F
from refops.nn.loss import smoothing as nn
from refops.parity.case import Case, additive, flag, index, literal, positive, real
from refops.parity.spec import SATURATING, Refusal, Spec
from refops.parity.specs.loss import (
    FUNCTION,
    LOGITS,
    MODULE,
    REDUCTIONS,
    Loss,
    Pair,
    Settings,
    _laws,
    axes_of_space,
    batch_split,
    ignored_is_absent,
    none_sums_to_sum,
    renamed_classes,
    row,
    shifted_logits,
)
from refops.shapes.focal_loss import label_smoothing_cross_entropy as shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

OTHERS = {"rule": "others"}


def rows(module: bool) -> tuple[Case, ...]:
    """Both rules over every shape, weight, ignored class and reduction."""
    some, image = literal([0, -100, 2, 6, -100]), real(2, 5, 3, 4)
    labels = index(2, 3, 4, high=5)
    return (
        row(module, real(47, 7), index(47, high=7), reduction="none", rule="others"),
        row(module, real(47, 7), index(47, high=7), reduction="none").but(only=SATURATING),
        row(module, real(5, 7), index(5, high=7)),
        row(module, real(5, 7), index(5, high=7), eps=0.3, **OTHERS),
        row(module, real(5, 7), index(5, high=7), eps=0.3, reduction="sum"),
        row(module, real(7), index(high=7), **OTHERS),
        row(module, real(7), index(high=7), eps=0.2, weight=positive(7)),
        row(module, real(3, 1), index(3, high=1), **OTHERS, reduction="none"),
        row(module, real(3, 1), index(3, high=1), reduction="none"),
        row(module, real(9, 2), index(9, high=2), eps=0.4, **OTHERS),
        row(module, real(0, 7), index(0, high=7), reduction="none"),
        row(module, real(0, 7), index(0, high=7), **OTHERS, reduction="sum"),
        row(module, real(5, 7), some, **OTHERS),
        row(module, real(5, 7), some, weight=positive(7)),
        row(module, real(5, 7), some, weight=positive(7), **OTHERS),
        row(module, real(5, 7), some, weight=positive(7), reduction="none", **OTHERS),
        row(module, real(5, 7), index(5, high=7), eps=1.0, **OTHERS),
        row(module, real(5, 7), index(5, high=7), eps=1.0),
        row(module, real(5, 7), index(5, high=7), eps=0.0, **OTHERS),
        row(module, additive(6, 9), index(6, high=9), eps=0.0, reduction="none"),
        row(module, additive(6, 9), index(6, high=9), eps=0.0, reduction="none", **OTHERS),
        row(module, image, labels, ignore_index=0, weight=positive(5), **OTHERS),
        row(module, image, labels, reduction="none", eps=0.25),
        row(module, real(3, 4097), index(3, high=4097), reduction="none", **OTHERS),
        row(module, real(3, 7), literal([-100, -100, -100]), reduction="sum", **OTHERS),
        row(module, real(3, 1), literal([0, -100, 0]), reduction="none"),
    )


def refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    x, t = real(4, 5), index(4, high=5)
    return (
        Refusal(row(module, x, t, eps=1.5), "eps"),
        Refusal(row(module, x, t, eps=-0.1, **OTHERS), "eps"),
        Refusal(row(module, x, t, rule="torch"), "rule"),
        Refusal(row(module, x, literal([0, 1, 2, 5])), "target"),
        Refusal(row(module, x, literal([0, 1, 2, -1]), **OTHERS), "target"),
        Refusal(row(module, x, index(4, 1, high=5)), "target"),
        Refusal(row(module, x, index(3, high=5)), "target"),
        Refusal(row(module, x, flag(4)), "target"),
        Refusal(row(module, real(2, 5, 3, 4), index(2, 4, 3, high=5)), "target"),
        Refusal(row(module, x, t, weight=positive(4)), "weight"),
        Refusal(row(module, x, t, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 5, high=9), t), "input"),
    )


def cases_of(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """Batches, classes, spatial axes, weights, ignored classes, shares and rules."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            classes = draw(st.integers(1, 6))
            samples = draw(st.lists(st.integers(0, 4), max_size=3))
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS))}
            settings["rule"] = draw(st.sampled_from(["all", "others"]))
            settings["eps"] = draw(st.sampled_from([0.0, 0.125, 1.0]))
            if draw(st.booleans()):
                settings["weight"] = positive(classes)
            if draw(st.booleans()):
                settings["ignore_index"] = draw(st.integers(0, classes - 1))
            target = index(*samples, high=classes)
            return row(module, real(*samples[:1], classes, *samples[1:]), target, **settings)

        return cases()

    return strategy


def mixed(
    input: Tensor, target: Tensor, eps: float = 0.1, rule: str = "all", weight: Tensor | None = None,
    ignore_index: int = -100, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The oracle: by mixing two losses, that of the target and those of all who share eps."""
    classes = input.shape[min(input.dim() - 1, 1)]
    logp = input.log_softmax(min(input.dim() - 1, 1))
    logp = (logp if input.dim() > 1 else logp[None]).movedim(1, -1).reshape(-1, classes)
    kept = target.reshape(-1) != ignore_index
    label = target.reshape(-1) * kept
    weight = logp.new_ones(classes) if weight is None else weight.to(logp.dtype)
    own = torch.zeros_like(logp, dtype=torch.bool)
    own[torch.arange(len(label)), label] = True
    costs = -weight * logp
    certain = costs[own]
    shared = costs if rule == "all" else costs.masked_fill(own, 0)
    part = eps / classes if rule == "all" else eps / max(classes - 1, 1)
    losses = certain * (1 - eps) + shared.sum(1) * part if eps else certain
    losses = losses.masked_fill(~kept, 0)
    if reduction == "none":
        return losses.reshape(target.shape)
    return losses.sum() if reduction == "sum" else losses.sum() / (weight[label] * kept).sum()


class Mixed(torch.nn.Module):
    """The oracle as a module."""

    def __init__(
        self, eps: float = 0.1, rule: str = "all", weight: Tensor | None = None, ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__()
        self.settings = (eps, rule)
        self.rest = (ignore_index, reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """By mixing two losses."""
        return mixed(input, target, *self.settings, self.weight, *self.rest)  # type: ignore[arg-type]


def all_is_native(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Rule "all" is torch's own."""
    weight = torch.arange(1.0, 10.0, device=x.device, dtype=x.dtype)
    native = torch.nn.functional.cross_entropy(x, t, weight, ignore_index=3, label_smoothing=0.2)
    return make(eps=0.2, weight=weight, ignore_index=3)(x, t), native


def others_is_a_larger_share(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Rule "others" is rule "all" of a share K / (K - 1) as large."""
    return make(eps=0.2, rule="others", reduction="none")(x, t), make(eps=0.225, reduction="none")(x, t)


def nothing_shared(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """With eps 0 it is cross-entropy."""
    return make(eps=0.0, rule="others")(x, t), torch.nn.functional.cross_entropy(x, t)


LAWS = (
    none_sums_to_sum, batch_split, ignored_is_absent, renamed_classes, axes_of_space, shifted_logits, all_is_native,
    others_is_a_larger_share, nothing_shared,
)  # fmt: skip

SPECS = tuple(
    Spec(
        name,
        "smoothing_loss",
        reference,
        None,
        rows(module),
        oracle=oracle,
        shape=shape,
        strategy=cases_of(module),
        regimes=SATURATING,
        laws=_laws(module, *LAWS, inputs=LOGITS),
        refusals=refusals(module),
    )
    for name, module, reference, oracle in (
        ("LabelSmoothingCrossEntropy", MODULE, nn.LabelSmoothingCrossEntropy, Mixed),
        ("functional.label_smoothing_cross_entropy", FUNCTION, F.label_smoothing_cross_entropy, mixed),
    )
)
