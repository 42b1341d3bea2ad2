"""Truth for what torch lacks: the papers' equations in float64 NumPy, in another form than the references.

An oracle is built from a case's keyword arguments and has `step(params, grads)`, which changes the arrays in place; a
gradient of `None` skips its parameter. Nothing is accumulated: every step is computed from the whole past, moments as
weighted means of all gradients seen, so a slip in a recurrence cannot be shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAMB", "SGD", "Adam", "AdamW", "Lookahead"]

Array: TypeAlias = NDArray[np.float64]


def weighted(past: Sequence[Array], beta: float) -> Array:
    """The bias-corrected moment: a mean of the past whose weights fall with age, (1 - beta) beta^age / (1 - beta^t)."""
    ages = np.arange(len(past) - 1, -1, -1.0)
    weights = (
        (1 - beta) * beta**ages / (1 - beta ** len(past))
    )  # in float64 too, 1 - beta^t cancels for everybody alike
    return np.tensordot(weights, np.stack(past), axes=1)


class Rule:
    """One past per parameter; a subclass says where to go, given all gradients so far and where the parameter is."""

    def __init__(self, **options: Any) -> None:
        self.past: dict[int, list[Array]] = {}
        self.options = options

    @property
    def lr(self) -> float:
        """Step size; may be set between steps."""
        return float(self.options["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        self.options["lr"] = value

    def step(self, params: Sequence[Array], grads: Sequence[Array | None]) -> None:
        """Move every parameter that has a gradient."""
        for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
            if grad is not None:
                past = self.past.setdefault(i, [])
                past.append(self.seen(param, -grad if self.options["maximize"] else grad))
                param[...] = self.moved(param, past)

    def seen(self, param: Array, grad: Array) -> Array:
        """What is remembered of a gradient: with coupled decay, the gradient of the penalised objective."""
        return grad

    def moved(self, param: Array, past: list[Array]) -> Array:
        """Where the parameter goes."""
        raise NotImplementedError


class SGD(Rule):
    """theta - lr * (mu^(t-1) g_1 + (1 - tau) * sum over i > 1 of mu^(t-i) g_i), torch's form of momentum."""

    def __init__(
        self,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(lr=lr, momentum=momentum, dampening=dampening, decay=weight_decay, maximize=maximize)
        self.nesterov = nesterov

    def seen(self, param: Array, grad: Array) -> Array:
        """Gradient of the objective with its penalty, g + lambda * theta."""
        return np.asarray(grad + self.options["decay"] * param)

    def moved(self, param: Array, past: list[Array]) -> Array:
        """Powers of mu over the whole past."""
        mu, tau = self.options["momentum"], self.options["dampening"]
        ages = np.arange(len(past) - 1, -1, -1.0)
        weights = mu**ages * np.where(np.arange(len(past)) == 0, 1.0, 1.0 - tau)
        buffer = np.tensordot(weights, np.stack(past), axes=1)
        return np.asarray(param - self.lr * (past[-1] + mu * buffer if self.nesterov else buffer))


class Adam(Rule):
    """theta - lr * mean(g) / (sqrt(mean(g^2)) + eps), both means weighted; arXiv 1412.6980, Algorithm 1."""

    decoupled = False

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(lr=lr, betas=betas, eps=eps, decay=weight_decay, maximize=maximize)

    def seen(self, param: Array, grad: Array) -> Array:
        """Gradient with the penalty's, g + lambda * theta; without where the decay is decoupled."""
        return np.asarray(grad if self.decoupled else grad + self.options["decay"] * param)

    def direction(self, past: list[Array]) -> Array:
        """The bias-corrected first moment over the root of the second."""
        beta1, beta2 = self.options["betas"]
        mean, square = weighted(past, beta1), weighted([g * g for g in past], beta2)
        return np.asarray(mean / (np.sqrt(square) + self.options["eps"]))

    def moved(self, param: Array, past: list[Array]) -> Array:
        """Along the direction; decoupled decay uses the parameter from before the step."""
        shrunk = param * (1 - self.lr * self.options["decay"]) if self.decoupled else param
        return np.asarray(shrunk - self.lr * self.direction(past))


class AdamW(Adam):
    """Adam with the decay taken out of the gradient; arXiv 1711.05101, Algorithm 2."""

    decoupled = True

    def __init__(self, *, weight_decay: float = 1e-2, **options: Any) -> None:
        super().__init__(weight_decay=weight_decay, **options)


class LAMB(Adam):
    """x - lr * |x| / |r + lambda x| * (r + lambda x), ratio 1 where a length is 0; arXiv 1904.00962 v5, Algorithm 2."""

    decoupled = True
    relative = "AdamW"  # the nearest optimizer torch has, whose rounding is the yardstick

    def __init__(self, *, eps: float = 1e-6, weight_decay: float = 1e-2, **options: Any) -> None:
        super().__init__(eps=eps, weight_decay=weight_decay, **options)

    def moved(self, param: Array, past: list[Array]) -> Array:
        """By lr times the length of the parameter, along Adam's direction plus decay."""
        update = self.direction(past) + self.options["decay"] * param
        lengths = np.linalg.norm(param.ravel()), np.linalg.norm(update.ravel())
        ratio = lengths[0] / lengths[1] if min(lengths) > 0 else 1.0
        return np.asarray(param - self.lr * ratio * update)


BASES: dict[str, Callable[..., Rule]] = {"SGD": SGD, "Adam": Adam, "AdamW": AdamW}


class Lookahead:
    """Every k-th step phi + alpha * (theta - phi), for slow and fast weights alike; arXiv 1907.08610, Algorithm 1.

    The inner optimizer is `base`, its arguments are those that begin with `base_`.
    """

    def __init__(self, base: str, k: int = 5, alpha: float = 0.5, **base_options: Any) -> None:
        self.fast = BASES[base](**{name.removeprefix("base_"): value for name, value in base_options.items()})
        self.k, self.alpha, self.steps = k, alpha, 0
        self.slow: list[Array] = []

    @property
    def lr(self) -> float:
        """The inner optimizer's step size; may be set between steps."""
        return self.fast.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.fast.lr = value

    def step(self, params: Sequence[Array], grads: Sequence[Array | None]) -> None:
        """One fast step, and a slow one where it is due."""
        if not self.steps:
            self.slow = [param.copy() for param in params]
        self.fast.step(params, grads)
        self.steps += 1
        if self.steps % self.k == 0:
            self.slow = [
                (1 - self.alpha) * phi + self.alpha * theta for phi, theta in zip(self.slow, params, strict=True)
            ]
            for param, phi in zip(params, self.slow, strict=True):
                param[...] = phi
