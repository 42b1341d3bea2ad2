"""Losses. Legend: N batch, C classes, *S spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import loss as F
from refops.nn import loss as nn
from refops.parity.case import Case, Draw, additive, built, called, flag, index, literal, positive, real, simplex
from refops.parity.spec import FINITE, SATURATING, Law, Refusal, Spec
from refops.shapes import loss as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
Loss = Callable[..., Tensor]
Settings = dict[str, Any]

MODULE, FUNCTION = True, False
REDUCTIONS = ("none", "mean", "sum")


def row(module: bool, input: Draw, target: Draw, **settings: Any) -> Case:
    """One case: settings go to a module's constructor, or to the function."""
    return built(**settings).on(input, target) if module else called(input, target, **settings)


def classified(module: bool, smoothing: bool) -> Callable[[], SearchStrategy[Case]]:
    """Batches, classes, spatial axes, weights, ignored classes; for cross-entropy probabilities and smoothing too."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            classes = draw(st.integers(1, 6))
            samples = draw(st.lists(st.integers(0, 4), max_size=3))  # none at all: a single unbatched one
            shape = (*samples[:1], classes, *samples[1:])
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS))}
            target = index(*samples, high=classes)
            if draw(st.booleans()):
                settings["weight"] = positive(classes)
            if smoothing and draw(st.booleans()):
                settings["label_smoothing"] = draw(st.sampled_from([0.0, 0.125, 1.0]))
            if smoothing and draw(st.integers(0, 3)) == 0:
                target = simplex(*shape)
            elif draw(st.booleans()):
                settings["ignore_index"] = draw(st.integers(0, classes - 1))
            return row(module, real(*shape), target, **settings)

        return cases()

    return strategy


def regressed(module: bool) -> Callable[[], SearchStrategy[Case]]:
    """Any shape, also empty and without axes; for the functions a weight too."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            shape = draw(st.lists(st.integers(0, 5), max_size=4))
            settings: Settings = {"reduction": draw(st.sampled_from(REDUCTIONS))}
            if not module and draw(st.booleans()):
                settings["weight"] = positive(*shape)
            return row(module, real(*shape), real(*shape), **settings)

        return cases()

    return strategy


def index_rows(module: bool) -> tuple[Case, ...]:
    """What nll_loss and cross_entropy share: class indices."""
    some = literal([0, -100, 2, 6, -100])
    image, labels = real(2, 5, 3, 4), index(2, 3, 4, high=5)
    return (
        row(module, real(47, 7), index(47, high=7), reduction="none"),
        row(module, real(5, 7), index(5, high=7)),
        row(module, real(5, 7), index(5, high=7), reduction="sum"),
        row(module, real(7), index(high=7)),
        row(module, real(4, 1), index(4, high=1), reduction="none"),
        row(module, real(0, 7), index(0, high=7), reduction="sum"),
        row(module, real(0, 7), index(0, high=7), reduction="none"),
        row(module, real(0, 7), index(0, high=7)),
        row(module, real(5, 7), some),
        row(module, real(5, 7), some, reduction="none", weight=positive(7)),
        row(module, real(5, 7), some, weight=positive(7)),
        row(module, real(5, 7), some, reduction="sum", weight=positive(7)),
        row(module, real(3, 7), literal([-100, -100, -100])),
        row(module, real(3, 7), literal([-100, -100, -100]), reduction="sum"),
        row(module, real(33, 5), index(33, high=5), ignore_index=2, weight=positive(5)),
        row(module, real(6, 5), literal([0, 255, 4, 3, 255, 1]), ignore_index=255),
        row(module, real(3, 5, 6), index(3, 6, high=5), reduction="none"),
        row(module, image, labels, ignore_index=0, weight=positive(5)),
        row(module, image, labels, reduction="none", weight=positive(5)),
        row(module, real(2, 3, 2, 3, 2), index(2, 2, 3, 2, high=3)),
        row(module, real(2, 3, 0), index(2, 0, high=3), reduction="sum"),
        row(module, real(3, 4097), index(3, high=4097), reduction="none"),
        row(module, real(1031, 3), index(1031, high=3)),
        row(module, additive(6, 9), index(6, high=9), reduction="none"),
        row(module, real(5, 7), index(5, high=7), size_average=False),
        row(module, real(5, 7), index(5, high=7), reduce=False),
    )


def smoothing_rows(module: bool) -> tuple[Case, ...]:
    """What cross_entropy adds: smoothed labels, and class probabilities."""
    some = literal([0, -100, 2, 6, -100])
    return (
        row(module, real(5, 7), some, label_smoothing=0.1, reduction="none"),
        row(module, real(5, 7), some, label_smoothing=0.1),
        row(module, real(5, 7), some, label_smoothing=0.3, weight=positive(7)),
        row(module, real(5, 7), some, label_smoothing=0.3, weight=positive(7), reduction="none"),
        row(module, real(5, 7), index(5, high=7), label_smoothing=1.0, reduction="sum"),
        row(module, real(4, 1), index(4, high=1), label_smoothing=0.2),
        row(module, real(7), index(high=7), label_smoothing=0.2, weight=positive(7)),
        row(module, real(2, 5, 3, 4), index(2, 3, 4, high=5), label_smoothing=0.2, weight=positive(5)),
        row(module, real(11, 7), simplex(11, 7), reduction="none"),
        row(module, real(5, 7), simplex(5, 7)),
        row(module, real(5, 7), simplex(5, 7), reduction="sum", weight=positive(7)),
        row(module, real(5, 7), simplex(5, 7), weight=positive(7), label_smoothing=0.1),
        row(module, real(7), simplex(7)),
        row(module, real(7), simplex(7), weight=positive(7), reduction="none"),
        row(module, real(2, 5, 3, 4), simplex(2, 5, 3, 4), weight=positive(5), label_smoothing=0.1),
        row(module, real(2, 5, 3, 4), simplex(2, 5, 3, 4), reduction="none"),
        row(module, real(0, 7), simplex(0, 7), reduction="none"),
    )


def regression_rows(module: bool) -> tuple[Case, ...]:
    """Every shape, every reduction; for the functions the weight too."""
    rows = (
        row(module, real(7, 9), real(7, 9), reduction="none"),
        row(module, real(), real()),
        row(module, real(3), real(3)),
        row(module, real(3), real(3), reduction="sum"),
        row(module, real(2, 3, 5), real(2, 3, 5)),
        row(module, real(0, 3), real(0, 3)),
        row(module, real(0, 3), real(0, 3), reduction="sum"),
        row(module, real(0, 3), real(0, 3), reduction="none"),
        row(module, real(32, 1), real(32, 1)),
        row(module, real(3, 4097), real(3, 4097)),
        row(module, real(1031), real(1031), reduction="sum"),
        row(module, real(5, 1), real(5, 4)),
        row(module, real(4, 1), real(4), reduction="none"),
        row(module, real(3, 4), real(3, 4), size_average=False),
        row(module, real(3, 4), real(3, 4), size_average=True, reduce=False),
    )
    if module:
        return rows
    return (
        *rows,
        row(module, real(7, 9), real(7, 9), weight=positive(7, 9)),
        row(module, real(7, 9), real(7, 9), weight=positive(7, 9), reduction="none"),
        row(module, real(7, 9), real(7, 9), weight=real(7, 9), reduction="sum"),
        row(module, real(5, 4), real(5, 1), weight=positive(5, 4)),
    )


def index_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong with class indices."""
    x, t = real(4, 5), index(4, high=5)
    return (
        Refusal(row(module, x, literal([0, 1, 2, 5])), "target"),
        Refusal(row(module, x, literal([0, 1, 2, -1])), "target"),
        Refusal(row(module, x, literal([0, 1, 2, 5]), reduction="none", weight=positive(5)), "target"),
        Refusal(row(module, real(2, 5, 3), literal([[0, 1, 2], [3, 4, 7]])), "target"),
        Refusal(row(module, x, index(3, high=5)), "target"),
        Refusal(row(module, x, index(4, 1, high=5)), "target"),
        Refusal(row(module, x, index(high=5)), "target"),
        Refusal(row(module, x, flag(4)), "target"),
        Refusal(row(module, x, real(4)), "target"),
        Refusal(row(module, real(5), index(2, high=5)), "target"),
        Refusal(row(module, real(2, 5, 3), index(2, 4, high=5)), "target"),
        Refusal(row(module, real(2, 5, 3), index(2, high=5)), "target"),
        Refusal(row(module, real(2, 5, 3, 4), index(2, 4, 3, high=5)), "target"),
        Refusal(row(module, x, t, weight=positive(4)), "weight"),
        Refusal(row(module, x, t, weight=positive(1)), "weight"),
        Refusal(row(module, x, t, weight=positive(1, 5)), "weight"),
        Refusal(row(module, x, t, reduction="average"), "reduction"),
        Refusal(row(module, index(4, 5, high=9), t), "input"),
    )


def smoothing_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong with probabilities and smoothing."""
    x, probabilities = real(4, 5), simplex(4, 5)
    return (
        Refusal(row(module, x, index(4, high=5), label_smoothing=1.5), "label_smoothing"),
        Refusal(row(module, x, literal([0, 1, 2, 5]), label_smoothing=0.1), "target"),
        Refusal(row(module, x, index(4, 5, high=5)), "target"),
        Refusal(row(module, x, probabilities, ignore_index=0), "ignore_index"),
        Refusal(row(module, x, probabilities, weight=positive(4)), "weight"),
        Refusal(row(module, x, simplex(4, 4)), "target"),
    )


def regression_refusals(module: bool) -> tuple[Refusal, ...]:
    """What people get wrong with pairs of numbers."""
    x = real(4, 3)
    refusals = (
        Refusal(row(module, x, real(3, 3)), "target"),
        Refusal(row(module, x, real(4)), "target"),
        Refusal(row(module, x, real(4, 3), reduction="average"), "reduction"),
        Refusal(row(module, index(4, 3, high=9), index(4, 3, high=9)), "input"),
    )
    if module:
        return refusals
    return (
        *refusals,
        Refusal(row(module, x, real(4, 3), weight=positive(4)), "weight"),
        Refusal(row(module, x, real(4, 3), weight=positive(4, 1)), "weight"),
        Refusal(row(module, x, real(4, 3), weight=positive(4, 3), reduction="average"), "reduction"),
    )


def _made(module: bool, build: Build) -> Callable[..., Loss]:
    """`_made(...)(**settings)` is a loss of input and target, of a module and a function alike."""

    def make(**settings: Any) -> Loss:
        if module:
            loss: Loss = build(**settings)
            return loss
        function = build()
        return lambda input, target: function(input, target, **settings)

    return make


def _laws(module: bool, *laws: Callable[..., Pair], inputs: tuple[Draw, ...]) -> tuple[Law, ...]:
    """Laws over `make`, given for modules and functions alike."""

    def bound(law: Callable[..., Pair]) -> Callable[..., Pair]:
        return lambda build, *tensors: law(_made(module, build), *tensors)

    return tuple(Law(law.__name__.replace("_", " "), bound(law), inputs) for law in laws)


def none_sums_to_sum(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """The sum is that of the single losses."""
    return make(reduction="none")(x, t).sum(), make(reduction="sum")(x, t)


def batch_split(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """The losses of a batch are those of its parts."""
    loss = make(reduction="none")
    return torch.cat([loss(x[:33], t[:33]), loss(x[33:], t[33:])]), loss(x, t)


def equal_weights(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Equal weights drop out of the mean."""
    return make(weight=x.new_full(x.shape[1:2], 4))(x, t), make()(x, t)


def ignored_is_absent(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Ignoring a class is leaving its samples out, of the mean too."""
    kept = t != 3
    return make(ignore_index=3)(x, t), make()(x[kept], t[kept])


def renamed_classes(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Classes in another order, with their weights, change nothing."""
    weight = torch.arange(1.0, 10.0, device=x.device, dtype=x.dtype)
    left = make(weight=weight.flip(0), reduction="none")(x.flip(1), 8 - t)
    return left, make(weight=weight, reduction="none")(x, t)


def axes_of_space(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """Spatial axes are samples like those of the batch."""
    image = x.reshape(5, 14, 9).movedim(-1, 1)  # (N, C, L)
    return make(reduction="none")(image, t.reshape(5, 14)).reshape(70), make(reduction="none")(x, t)


def shifted_logits(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """A constant added to all logits of a sample changes nothing."""
    return make(reduction="none")(x - 8, t), make(reduction="none")(x, t)


def one_hot(make: Callable[..., Loss], x: Tensor, t: Tensor) -> Pair:
    """A class index is the distribution that is certain of it; smoothed, too."""
    certain = torch.eye(9, dtype=x.dtype, device=x.device)[t]
    return make(label_smoothing=0.25)(x, certain), make(label_smoothing=0.25)(x, t)


def translation(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """Only the difference matters."""
    return make(reduction="none")(x - y, torch.zeros_like(y)), make(reduction="none")(x, y)


def symmetric(make: Callable[..., Loss], x: Tensor, y: Tensor) -> Pair:
    """Input and target may change places."""
    return make()(x, y), make()(y, x)


INDEX_LAWS = (none_sums_to_sum, batch_split, equal_weights, ignored_is_absent, renamed_classes, axes_of_space)
ENTROPY_LAWS = (*INDEX_LAWS, shifted_logits, one_hot)
REGRESSION_LAWS = (none_sums_to_sum, batch_split, translation, symmetric)
LOGITS = (real(70, 9), index(70, high=9))
PAIRS = (real(70, 9), real(70, 9))

SPECS = (
    *(
        Spec(
            name,
            "loss",
            reference,
            native,
            (*index_rows(module), *smoothing_rows(module)),
            shape=shapes.cross_entropy,
            strategy=classified(module, smoothing=True),
            regimes=SATURATING,
            laws=_laws(module, *ENTROPY_LAWS, inputs=LOGITS),
            refusals=(*index_refusals(module), *smoothing_refusals(module)),
        )
        for name, module, reference, native in (
            ("CrossEntropyLoss", MODULE, nn.CrossEntropyLoss, torch.nn.CrossEntropyLoss),
            ("functional.cross_entropy", FUNCTION, F.cross_entropy, torch.nn.functional.cross_entropy),
        )
    ),
    *(
        Spec(
            name,
            "loss",
            reference,
            native,
            index_rows(module),
            shape=shapes.nll_loss,
            strategy=classified(module, smoothing=False),
            regimes=SATURATING,
            laws=_laws(module, *INDEX_LAWS, inputs=LOGITS),
            refusals=index_refusals(module),
        )
        for name, module, reference, native in (
            ("NLLLoss", MODULE, nn.NLLLoss, torch.nn.NLLLoss),
            ("functional.nll_loss", FUNCTION, F.nll_loss, torch.nn.functional.nll_loss),
        )
    ),
    *(
        Spec(
            name,
            "loss",
            reference,
            native,
            regression_rows(module),
            shape=shape,
            strategy=regressed(module),
            regimes=FINITE,
            laws=_laws(module, *REGRESSION_LAWS, inputs=PAIRS),
            refusals=regression_refusals(module),
        )
        for name, module, reference, native, shape in (
            ("MSELoss", MODULE, nn.MSELoss, torch.nn.MSELoss, shapes.mse_loss),
            ("functional.mse_loss", FUNCTION, F.mse_loss, torch.nn.functional.mse_loss, shapes.mse_loss),
            ("L1Loss", MODULE, nn.L1Loss, torch.nn.L1Loss, shapes.l1_loss),
            ("functional.l1_loss", FUNCTION, F.l1_loss, torch.nn.functional.l1_loss, shapes.l1_loss),
        )
    ),
)
