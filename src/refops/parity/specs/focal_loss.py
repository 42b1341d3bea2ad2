"""Focal losses. Legend: N batch, K classes, *S any (spatial) axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.loss import focal as F
from refops.nn.loss import focal as nn
from refops.parity.case import Case, fill, flag, index, literal, positive, real
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
    row,
    shifted_logits,
)
from refops.shapes.focal_loss import focal_loss, sigmoid_focal_loss

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

SURE = ("ordinary", "saturation", "large", "ties")
MARGINS = (5.0, 10.0, 14.0, 17.0, 40.0)


def softmax_rows(module: bool) -> tuple[Case, ...]:
    """Every shape, alpha, ignored class and reduction; samples the model is sure of, one by one."""
    some, image, labels = literal([0, -100, 2, 6, -100]), real(2, 5, 3, 4), index(2, 3, 4, high=5)
    return (
        row(module, real(47, 7), index(47, high=7), reduction="none"),
        row(module, real(5, 7), index(5, high=7)),
        row(module, real(5, 7), index(5, high=7), gamma=0.0),
        row(module, real(31, 7), index(31, high=7), gamma=0.5, reduction="none").but(only=SURE),
        row(module, real(31, 7), index(31, high=7), gamma=0.0, reduction="none").but(only=SURE),
        row(module, real(31, 3), index(31, high=3), gamma=0.1, reduction="none").but(only=SURE),
        row(module, real(9, 2), index(9, high=2), gamma=1, alpha=0.25, reduction="none"),
        row(module, real(9, 4), index(9, high=4), alpha=0.75, reduction="sum"),
        row(module, real(5, 7), index(5, high=7), alpha=positive(7)),
        row(module, real(7, 7), index(7, high=7), alpha=positive(7), reduction="none"),
        row(module, real(7), index(high=7), alpha=positive(7), gamma=3.0),
        row(module, real(3, 1), index(3, high=1), reduction="none"),
        row(module, real(0, 7), index(0, high=7), reduction="none"),
        row(module, real(0, 7), index(0, high=7), reduction="sum"),
        row(module, real(5, 7), some),
        row(module, real(5, 7), some, alpha=positive(7)),
        row(module, real(5, 7), some, reduction="none"),
        row(module, real(33, 5), index(33, high=5), ignore_index=2, gamma=5.0),
        row(module, real(3, 7), literal([-100, -100, -100]), reduction="sum"),
        row(module, image, labels, ignore_index=0, alpha=positive(5)),
        row(module, image, labels, reduction="none", gamma=1.5),
        row(module, real(3, 4097), index(3, high=4097), reduction="none"),
        *(row(module, literal([[m, 0.0, -1.0]]), literal([0]), reduction="none") for m in MARGINS),
    )


def softmax_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    x, t = real(4, 5), index(4, high=5)
    return (
        Refusal(row(module, x, t, gamma=-1.0), "gamma"),
        Refusal(row(module, x, t, alpha=1.5), "alpha"),
        Refusal(row(module, x, t, alpha=-1.0), "alpha"),
        Refusal(row(module, x, t, alpha=positive(4)), "alpha"),
        Refusal(row(module, x, t, alpha=positive(1)), "alpha"),
        Refusal(row(module, x, t, alpha=positive(4, 1)), "alpha"),
        Refusal(row(module, x, literal([0, 1, 2, 5])), "target"),
        Refusal(row(module, x, literal([0, 1, 2, -1])), "target"),
        Refusal(row(module, x, index(4, 1, high=5)), "target"),
        Refusal(row(module, x, index(3, high=5)), "target"),
        Refusal(row(module, x, flag(4)), "target"),
        Refusal(row(module, x, real(4)), "target"),
        Refusal(row(module, x, t, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 5, high=9), t), "input"),
    )


def sigmoid_rows(module: bool) -> tuple[Case, ...]:
    """Every shape, alpha, gamma and reduction, targets of 0 and 1 and between."""
    kinds = [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.25]
    both = literal([kinds])
    return (
        row(module, real(9, 7), literal([kinds] * 9)),
        row(module, real(5, 7), index(5, 7, high=2)),
        row(module, real(7), literal([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0]), alpha=-1),
        row(module, real(1, 7), both, alpha=0.75, gamma=0.0, reduction="mean"),
        row(module, real(1, 7), both, alpha=0.0, gamma=5, reduction="sum"),
        row(module, real(1, 7), both, alpha=1.0, gamma=1.5),
        row(module, real(8, 7), index(8, 7, high=2), gamma=0.5).but(only=SURE),
        row(module, real(8, 7), index(8, 7, high=2), gamma=0.1, reduction="mean").but(only=SURE),
        row(module, real(), literal(1.0)),
        row(module, real(0, 3), index(0, 3, high=2)),
        row(module, real(0, 3), index(0, 3, high=2), reduction="sum"),
        row(module, real(2, 3, 5, 2), index(2, 3, 5, 2, high=2), reduction="mean"),
        row(module, real(3, 4097), index(3, 4097, high=2), reduction="sum"),
        *(row(module, literal([m]), literal([1.0])) for m in MARGINS),
        *(row(module, literal([-m]), literal([0.0]), alpha=-1) for m in MARGINS),
    )


def sigmoid_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong."""
    x, t = real(4, 3), index(4, 3, high=2)
    return (
        Refusal(row(module, x, index(3, high=2)), "targets"),
        Refusal(row(module, x, index(4, 1, high=2)), "targets"),
        Refusal(row(module, x, t, alpha=1.5), "alpha"),
        Refusal(row(module, x, t, alpha=-0.5), "alpha"),
        Refusal(row(module, x, t, gamma=-1.0), "gamma"),
        Refusal(row(module, x, t, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 3, high=9), t), "inputs"),
    )


def softmax_cases(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """Batches, classes, spatial axes, alpha, ignored classes."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            classes = draw(st.integers(1, 6))
            samples = draw(st.lists(st.integers(0, 4), max_size=3))
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS))}
            settings["gamma"] = draw(st.sampled_from([0.0, 0.5, 2, 3.5]))
            settings["alpha"] = draw(st.sampled_from([None, 0.0, 0.25, 1.0, positive(classes)]))
            if draw(st.booleans()):
                settings["ignore_index"] = draw(st.integers(0, classes - 1))
            target = index(*samples, high=classes)
            return row(module, real(*samples[:1], classes, *samples[1:]), target, **settings)

        return cases()

    return strategy


def sigmoid_cases(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """Any shape, alpha and gamma."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = draw(st.lists(st.integers(0, 5), max_size=4))
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS))}
            settings |= {"alpha": draw(st.sampled_from([-1, 0.25, 1.0])), "gamma": draw(st.sampled_from([0.0, 0.5, 2]))}
            return row(module, real(*shape), index(*shape, high=2), **settings)

        return cases()

    return strategy


def _doubted(doubt: Tensor, surprise: Tensor, gamma: float) -> Tensor:
    """(1 - p_t)^gamma times -log p_t; the latter from 1 - p_t itself where p_t is near 1."""
    near = -torch.log1p(-doubt.clamp(max=0.5))
    surprise = torch.where(doubt < 0.5, near, surprise)
    return doubt.clamp(min=torch.finfo(doubt.dtype).tiny) ** gamma * surprise if gamma else surprise


def from_probabilities(
    input: Tensor, target: Tensor, gamma: float = 2.0, alpha: float | Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The oracle: 1 - p_t as the sum of the others' probabilities, sample by sample in one table."""
    table = (input if input.dim() > 1 else input[None]).movedim(1, -1)
    table = table.reshape(target.numel(), table.shape[-1])
    labels = target.reshape(-1)
    kept = labels != ignore_index
    label = (labels * kept)[:, None]
    other = torch.ones_like(table).scatter(1, label, 0)
    doubt = (table.softmax(1) * other).sum(1)
    losses = _doubted(doubt, -table.log_softmax(1).gather(1, label)[:, 0], gamma)
    if isinstance(alpha, Tensor):
        losses = losses * alpha.to(losses.dtype)[label[:, 0]]
    elif alpha is not None:
        losses = losses * torch.tensor([1 - alpha, alpha], dtype=losses.dtype)[(label[:, 0] > 0).long()]
    losses = losses.masked_fill(~kept, 0)
    if reduction == "none":
        return losses.reshape(target.shape)
    return losses.sum() if reduction == "sum" else losses.sum() / kept.sum()


def from_probability(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
) -> Tensor:
    """The oracle: p, p_t and alpha_t one after the other."""
    t = targets.to(inputs.dtype)
    p, q = inputs.sigmoid(), (-inputs).sigmoid()
    doubt = p * (1 - t) + q * t
    surprise = -(torch.nn.functional.logsigmoid(inputs) * t + torch.nn.functional.logsigmoid(-inputs) * (1 - t))
    losses = surprise * (doubt.clamp(min=torch.finfo(p.dtype).tiny) ** gamma if gamma else 1)
    losses = losses * torch.lerp(t.new_tensor(1 - alpha), t.new_tensor(alpha), t) if alpha >= 0 else losses
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


class FromProbabilities(torch.nn.Module):
    """The oracle as a module."""

    def __init__(
        self, gamma: float = 2.0, alpha: float | Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.register_buffer("alpha", alpha if isinstance(alpha, Tensor) else None)
        self.number = None if isinstance(alpha, Tensor) else alpha
        self.gamma, self.rest = gamma, (ignore_index, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """From the others' probabilities."""
        alpha: Any = self.number if self.alpha is None else self.alpha
        return from_probabilities(input, target, self.gamma, alpha, *self.rest)


class FromProbability(torch.nn.Module):
    """The oracle as a module."""

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none") -> None:
        super().__init__()
        self.settings = (alpha, gamma, reduction)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """From p, p_t and alpha_t."""
        return from_probability(inputs, targets, *self.settings)


def nearly_sure(oracle: Callable[..., Any]) -> Callable[[Case, list[Tensor], list[Tensor]], str]:
    """Losses that are as exact as 1 - p can be when it is taken from p: off by no more than an ulp of 1.

    torchvision and the papers' own code take it so; samples that the model is sure of then count nothing.
    """

    def told(case: Case, inputs: list[Tensor], outputs: list[Tensor]) -> str:
        if case.init is not None and any(case.init.draws()):
            return ""
        args, kwargs = fill(case.call, iter([t.detach().double() if t.is_floating_point() else t for t in inputs]))
        function = oracle if case.init is None else oracle(*case.init.args, **case.init.keywords)
        exact, (got, *_) = function(*args, **kwargs), outputs
        off, eps = (got.double() - exact).abs(), torch.finfo(got.dtype).eps
        lost = bool((off > 4 * eps * exact.abs()).any()) and bool((off <= eps * exact.abs().clamp(min=1)).all())
        return "a loss below an ulp of 1 is rounded away" if lost else ""

    return told


def unfocused(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """With gamma 0 it is cross-entropy, weighted classes too."""
    alpha = torch.arange(1.0, 10.0, device=x.device, dtype=x.dtype)
    native = torch.nn.functional.cross_entropy(x, t, alpha, reduction="none")
    return make(gamma=0.0, alpha=alpha, reduction="none")(x, t), native


def unfocused_mean(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """With gamma 0 the mean leaves ignored samples out as cross-entropy's does."""
    return make(gamma=0.0, ignore_index=3)(x, t), torch.nn.functional.cross_entropy(x, t, ignore_index=3)


def two_classes(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Logits 0 and x are the binary case: alpha for class 1, 1 - alpha for class 0."""
    y, label = x.flatten(), (x.flatten() > 0.3).long().roll(1)
    z = torch.where(label == 1, -y, y)  # log-odds against
    factor = torch.where(label == 1, y.new_tensor(0.25), y.new_tensor(0.75))
    expected = factor * z.sigmoid() ** 2 * -torch.nn.functional.logsigmoid(-z)
    return make(alpha=0.25, reduction="none")(torch.stack([torch.zeros_like(y), y], 1), label), expected


def equal_alpha(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Equal numbers for all classes are a factor."""
    return make(alpha=x.new_full((9,), 4))(x, t), 4 * make()(x, t)


def swapped(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Turned logits, targets and alpha change nothing."""
    hot = torch.nn.functional.one_hot(t, 9).to(x.dtype)
    return make(alpha=0.25)(x, hot), make(alpha=0.75)(-x, 1 - hot)


def unfocused_binary(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """With gamma 0 and alpha off it is binary cross-entropy."""
    hot = torch.nn.functional.one_hot(t, 9).to(x.dtype)
    return make(alpha=-1, gamma=0.0)(x, hot), torch.nn.functional.binary_cross_entropy_with_logits(
        x, hot, reduction="none"
    )


def alpha_is_a_factor(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Alpha 1/2 halves everything."""
    hot = torch.nn.functional.one_hot(t, 9).to(x.dtype)
    return make(alpha=0.5, reduction="mean")(x, hot), make(alpha=-1, reduction="mean")(x, hot) / 2


SOFTMAX_LAWS = (
    none_sums_to_sum, batch_split, ignored_is_absent, axes_of_space, shifted_logits, unfocused, unfocused_mean,
    two_classes, equal_alpha,
)  # fmt: skip

SPECS = (
    *(
        Spec(
            name,
            "focal_loss",
            reference,
            None,
            softmax_rows(module),
            oracle=oracle,
            shape=focal_loss,
            strategy=softmax_cases(module),
            regimes=SATURATING,
            left_open=nearly_sure(oracle),
            laws=_laws(module, *SOFTMAX_LAWS, inputs=LOGITS),
            refusals=softmax_refusals(module),
        )
        for name, module, reference, oracle in (
            ("FocalLoss", MODULE, nn.FocalLoss, FromProbabilities),
            ("functional.focal_loss", FUNCTION, F.focal_loss, from_probabilities),
        )
    ),
    *(
        Spec(
            name,
            "focal_loss",
            reference,
            None,
            sigmoid_rows(module),
            oracle=oracle,
            shape=sigmoid_focal_loss,
            strategy=sigmoid_cases(module),
            regimes=SATURATING,
            left_open=nearly_sure(oracle),
            laws=_laws(module, swapped, unfocused_binary, alpha_is_a_factor, inputs=LOGITS),
            refusals=sigmoid_refusals(module),
        )
        for name, module, reference, oracle in (
            ("SigmoidFocalLoss", MODULE, nn.SigmoidFocalLoss, FromProbability),
            ("functional.sigmoid_focal_loss", FUNCTION, F.sigmoid_focal_loss, from_probability),
        )
    ),
)
