"""Specs of the optimizers. A row's constructor arguments follow the parameters; its inputs are the parameters' shapes.

The first row is trained on every stream of gradients (`refops.parity.judging.scenarios.STREAMS`), the others on random
ones.
"""

from __future__ import annotations

import torch

from refops.optim import LAMB, SGD, Adam, AdamW, Lookahead
from refops.parity.case import Case, built, literal, param
from refops.parity.judging.scenarios import STREAMS
from refops.parity.spec import Difference, Refusal, Spec
from refops.parity.specs import _optimizer_oracles as oracles

__all__ = ["SPECS"]

SHAPES = (param(6, 7), param(5), param(3, 2, 2))  # two in the first group, one in the second


def refused(argument: str, *args: object, **kwargs: object) -> Refusal:
    """These constructor arguments are refused for the sake of `argument`."""
    return Refusal(built(*args, **kwargs).on(param(3)), argument)


EMPTY = Refusal(built(lr=0.1).on(), "param")

SGD_SPEC = Spec(
    "optim.SGD",
    "optim",
    SGD,
    torch.optim.SGD,
    (
        built(lr=0.1, momentum=0.9, weight_decay=0.01).on(*SHAPES),
        built().on(param(3)),
        built(lr=0.1).on(param(13), param()),
        built(0.1, 0.9, 0.5).on(param(17), param(4, 3)),
        built(0.1, 0.9, 0, 0.1, True).on(param(4, 5), param(6)),
        built(lr=0.1, weight_decay=0.1).on(param(4, 5), param(6)),
        built(lr=0.1, momentum=0.5, dampening=0.1, weight_decay=0.1, maximize=True).on(param(4, 5), param(6)),
        built(lr=0.1, momentum=0.9, foreach=True).on(param(4, 5), param(0, 3)),
        built(lr=0.1, momentum=0.9, nesterov=True, foreach=False, differentiable=False).on(param(4, 5), param(6)),
        built(lr=0.1, momentum=0.9, weight_decay=0.1, fused=True).on(param(4, 5), param(6)),
        built(lr=literal(0.125), momentum=0.9).on(param(4, 5), param(6)),
        built(lr=0.1, momentum=0.9, weight_decay=0.01).on(param(3000), param(2)),
    ),
    regimes=tuple(STREAMS),
    refusals=(
        EMPTY,
        refused("lr", lr=-0.1),
        refused("lr", lr=literal((0.1, 0.2))),
        refused("momentum", lr=0.1, momentum=-0.9),
        refused("weight_decay", lr=0.1, weight_decay=-0.1),
        refused("nesterov", lr=0.1, nesterov=True),
        refused("nesterov", lr=0.1, momentum=0.9, dampening=0.1, nesterov=True),
        refused("fused", lr=0.1, foreach=True, fused=True),
        refused("fused", lr=0.1, differentiable=True, fused=True),
    ),
    differences=(
        Difference(
            "differentiable=True: the first momentum buffer stays in the graph",
            "momentum 0.9, lr 0.1: d theta_2 / d g_1 is -0.19; native has no gradient there",
            "torch.optim.SGD starts the buffer from the detached gradient",
        ),
        Difference(
            "lr, momentum and weight_decay may not be nan", "native trains on nan", "torch.optim.SGD asks `lr < 0`"
        ),
    ),
)

ADAM_REFUSALS = (
    EMPTY,
    refused("lr", lr=-0.1),
    refused("lr", lr=float("nan")),
    refused("lr", lr=literal((0.1, 0.2))),
    refused("beta", betas=(1.0, 0.999)),
    refused("beta", betas=(-0.1, 0.999)),
    refused("beta", betas=(0.9, 1.0)),
    refused("beta", betas=(0, 0.999)),
    refused("eps", eps=-1e-8),
    refused("weight_decay", weight_decay=-0.1),
)
FLAG_REFUSALS = (
    refused("lr", lr=literal(0.1), foreach=True),
    refused("fused", foreach=True, fused=True),
    refused("fused", differentiable=True, fused=True),
)


def adam_rows(decay: float) -> tuple[Case, ...]:
    """Rows of Adam and AdamW, whose signatures differ in the meaning of weight_decay."""
    two = (param(4, 5), param(6))
    return (
        built(lr=0.1, betas=(0.9, 0.99), weight_decay=decay).on(*SHAPES),
        built().on(param(3)),
        built(0.01).on(param(13), param()),
        built(0.1, (0.5, 0.75), 1e-3, decay, True).on(param(17), param(4, 3)).but(regime="fading"),
        built(lr=0.1, eps=1e-3).on(*two).but(regime="tiny"),
        built(lr=0.1).on(*two).but(regime="tiny"),
        built(lr=0.1, eps=0.1).on(*two),
        built(lr=0.1, betas=(0.0, 0.0), eps=1e-3).on(*two),
        built(lr=0.1, weight_decay=decay, maximize=True).on(*two),
        built(lr=0.1, weight_decay=decay, foreach=True).on(param(4, 5), param(0, 3)),
        built(lr=0.1, amsgrad=True, foreach=False, capturable=False, differentiable=False).on(*two),
        built(lr=0.1, weight_decay=decay, fused=True).on(*two),
        built(lr=literal(0.125), weight_decay=decay).on(*two),
        built(lr=0.1, betas=(0.9, 0.99), weight_decay=decay).on(param(3000), param(2)),
    )


ADAM_SPEC = Spec(
    "optim.Adam",
    "optim",
    Adam,
    torch.optim.Adam,
    (*adam_rows(0.1), built(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True).on(param(4, 5), param(6))),
    regimes=tuple(STREAMS),
    refusals=(*ADAM_REFUSALS, *FLAG_REFUSALS),
    differences=(
        Difference(
            "differentiable=True or capturable=True: 1 - beta^t is computed in float64",
            "t = 3: relative error 1e-16 instead of 1e-5 for beta2 = 0.999",
            "torch.optim.Adam takes the power of the float32 step count there",
        ),
    ),
)

ADAMW_SPEC = Spec(
    "optim.AdamW",
    "optim",
    AdamW,
    torch.optim.AdamW,
    adam_rows(0.5),
    regimes=tuple(STREAMS),
    refusals=(*ADAM_REFUSALS, *FLAG_REFUSALS),
)

LAMB_SPEC = Spec(
    "optim.LAMB",
    "optim",
    LAMB,
    None,
    (
        built(lr=0.1, betas=(0.9, 0.99), weight_decay=0.1).on(*SHAPES),
        built().on(param(3)),
        built(lr=0.01, weight_decay=0.0).on(param(13), param()),
        built(lr=0.1, betas=(0.5, 0.75), eps=1e-3).on(param(17), param(4, 3)),
        built(lr=0.1).on(param(4, 5), param(6)).but(regime="tiny"),
        built(lr=0.1, eps=0.1, weight_decay=0.0).on(param(4, 5), param(6)),
        built(lr=0.1, betas=(0.0, 0.0), eps=1e-3).on(param(4, 5), param(6)),
        built(lr=0.1, maximize=True).on(param(4, 5), param(0, 3)),
        built(lr=0.1, weight_decay=0.0).on(literal((0.0, 0.0, 0.0)), param(6)),  # from zero: trust ratio 1
        built(lr=0.1, betas=(0.9, 0.99)).on(param(3000), param(2)),
    ),
    oracle=oracles.LAMB,
    dtypes=("float64", "float32", "bfloat16"),  # float16 cannot hold the second moment: g = 2e-4 squares to zero
    regimes=tuple(STREAMS),
    refusals=ADAM_REFUSALS,
)

LOOKAHEAD_SPEC = Spec(
    "optim.Lookahead",
    "optim",
    Lookahead,
    None,
    (
        built(base="SGD", base_lr=0.1, base_momentum=0.9, k=5, alpha=0.5).on(*SHAPES),
        built(base="SGD", base_lr=0.1).on(param(3)),
        built(base="AdamW", base_lr=0.1, base_eps=1e-3, k=3, alpha=0.8).on(param(13), param()),
        built(base="Adam", base_lr=0.1, base_eps=1e-3, k=2).on(param(17), param(4, 3)),
        built(base="SGD", base_lr=0.1, k=1, alpha=0.25).on(param(4, 5), param(6)),
        built(base="SGD", base_lr=0.1, base_momentum=0.9, k=1, alpha=1.0).on(param(4, 5), param(0, 3)),
        built(base="SGD", base_lr=0.1, k=4, alpha=0.0).on(param(4, 5), param(6)),
        built(base="AdamW", base_lr=0.1, base_eps=1e-3).on(param(3000), param(2)),
    ),
    oracle=oracles.Lookahead,
    regimes=tuple(STREAMS),
    refusals=(
        refused("k", base="SGD", base_lr=0.1, k=0),
        refused("k", base="SGD", base_lr=0.1, k=-5),
        refused("k", base="SGD", base_lr=0.1, k=2.5),
        refused("alpha", base="SGD", base_lr=0.1, alpha=1.5),
        refused("alpha", base="SGD", base_lr=0.1, alpha=-0.1),
    ),
)

SPECS: tuple[Spec, ...] = (SGD_SPEC, ADAM_SPEC, ADAMW_SPEC, LAMB_SPEC, LOOKAHEAD_SPEC)
