"""What goes wrong in LAMB and Lookahead: the trust ratio and what stands in it, and when the weights are synchronised.

Legend: m, v the first and second moment, t the step, r Adam's direction, u that with the decay.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from refops.parity.hypotheses.optim import Group, Stepping, coupled, first_rate, of

# -- LAMB --------------------------------------------------------------------------------------------------------------


class _LAMB(Stepping):
    """Algorithm 2 of arXiv 1904.00962 v5 in steps."""

    def __init__(self, params: Any, lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-6,
                 weight_decay: float = 1e-2, maximize: bool = False) -> None:  # fmt: skip
        given = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, given)

    def update(self, p: Tensor, g: Tensor, group: Group) -> None:
        state, (b1, b2) = self.state[p], group["betas"]
        if not state:
            state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
        state["t"] += 1
        g = self.gradient(p, g, group)
        state["m"].mul_(b1).add_(g, alpha=1 - b1)
        state["v"].mul_(b2).addcmul_(g, g, value=1 - b2)
        r = self.adam(state["m"], state["v"], b1, b2, state["t"], group["eps"])
        p.sub_(self.change(p, r, group), alpha=float(group["lr"]))

    def gradient(self, p: Tensor, g: Tensor, group: Group) -> Tensor:
        return g

    def adam(self, m: Tensor, v: Tensor, b1: float, b2: float, t: int, eps: float) -> Tensor:
        return m / (1 - b1**t) / ((v / (1 - b2**t)).sqrt() + eps)

    def change(self, p: Tensor, r: Tensor, group: Group) -> Any:
        u = r + group["weight_decay"] * p
        return self.ratio(p, u, group) * u

    def ratio(self, p: Tensor, u: Tensor, group: Group) -> Any:
        return p.norm() / u.norm() if p.any() and u.any() else 1.0


def _before_moments(self: Any, p: Tensor, r: Tensor, group: Group) -> Tensor:
    return self.ratio(p, r, group) * r  # type: ignore[no-any-return]


def _ratio_of_group(self: Any, p: Tensor, u: Tensor, group: Group) -> Any:
    whole = torch.stack([q.detach().norm() for q in group["params"]]).norm()
    return whole / u.norm() if whole > 0 and u.any() else 1.0


_LAMBS: dict[str, dict[str, Any]] = {
    "weight decay is added to the gradient before the moments": {"gradient": coupled, "change": _before_moments},
    "the trust ratio leaves the decay out of its denominator": {
        "change": lambda s, p, r, group: s.ratio(p, r, group) * (r + group["weight_decay"] * p)
    },
    "the decay is not scaled by the trust ratio": {
        "change": lambda s, p, r, group: s.ratio(p, r, group) * r + group["weight_decay"] * p
    },
    "no trust ratio": {"ratio": lambda s, p, u, group: 1.0},
    "no trust ratio where weight_decay is 0": {
        "ratio": lambda s, p, u, group: _LAMB.ratio(s, p, u, group) if group["weight_decay"] else 1.0
    },
    "the weights' norm is clamped to 10": {
        "ratio": lambda s, p, u, group: p.norm().clamp(0, 10.0) / u.norm() if p.any() and u.any() else 1.0
    },
    "the trust ratio is clamped to 10": {
        "ratio": lambda s, p, u, group: (p.norm() / u.norm()).clamp(max=10.0) if p.any() and u.any() else 1.0
    },
    "moments are not bias-corrected": {"adam": lambda s, m, v, b1, b2, t, eps: m / (v.sqrt() + eps)},
    "eps inside the root": {"adam": lambda s, m, v, b1, b2, t, eps: m / (1 - b1**t) / (v / (1 - b2**t) + eps).sqrt()},
    "weights of norm 0 never move": {"ratio": lambda s, p, u, group: p.norm() / u.norm().clamp(min=1e-12)},
    "one trust ratio for the whole group": {"ratio": _ratio_of_group},
    "the trust ratio is upside down": {"ratio": lambda s, p, u, group: 1 / _LAMB.ratio(s, p, u, group)},
    "norms are means of absolute values": {
        "ratio": lambda s, p, u, group: p.abs().mean() / u.abs().mean() if p.any() and u.any() else 1.0
    },
    "maximize is ignored": {"update": lambda s, p, g, group: _LAMB.update(s, p, p.grad, group)},
    "the learning rate of the first group is used for all": {"group": first_rate},
}

# -- Lookahead ---------------------------------------------------------------------------------------------------------


class _Lookahead(Optimizer):
    """Algorithm 1 of arXiv 1907.08610 in steps, around another optimizer."""

    def __init__(self, optimizer: Any, k: int = 5, alpha: float = 0.5) -> None:
        self.optimizer, self.k, self.alpha, self.steps = optimizer, k, alpha, 0
        self.slow: dict[Tensor, Tensor] = {}
        self.start()
        super().__init__(optimizer.param_groups, dict(optimizer.defaults))
        self.param_groups = optimizer.param_groups

    def start(self) -> None:
        self.slow = {p: p.detach().clone() for group in self.optimizer.param_groups for p in group["params"]}

    def due(self) -> bool:
        return self.steps % self.k == 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = self.optimizer.step(closure)
        self.steps += 1
        if self.due():
            self.synchronise()
        return loss

    def synchronise(self) -> None:
        for p, slow in self.slow.items():
            self.pair(p, slow)

    def pair(self, p: Tensor, slow: Tensor) -> None:
        slow.lerp_(p, self.alpha)
        p.copy_(slow)


def _late(self: Any) -> None:
    if self.steps == self.k:
        self.start()
    _Lookahead.synchronise(self)


def _reversed(self: Any, p: Tensor, slow: Tensor) -> None:
    slow.lerp_(p, 1 - self.alpha)
    p.copy_(slow)


def _slow_stays(self: Any, p: Tensor, slow: Tensor) -> None:
    p.copy_(torch.lerp(slow, p, self.alpha))


def _fast_goes_on(self: Any, p: Tensor, slow: Tensor) -> None:
    slow.lerp_(p, self.alpha)


def _firsts_only(self: Any) -> None:
    for group in self.optimizer.param_groups:
        self.pair(group["params"][0], self.slow[group["params"][0]])


def _with_gradient_only(self: Any, p: Tensor, slow: Tensor) -> None:
    if p.grad is not None:
        _Lookahead.pair(self, p, slow)


def _clearing(self: Any) -> None:
    _Lookahead.synchronise(self)
    self.optimizer.state.clear()


_LOOKAHEADS: dict[str, dict[str, Any]] = {
    "slow weights are taken at the first synchronisation": {"synchronise": _late},
    "synchronises at steps 1, k + 1, 2k + 1": {"due": lambda s: (s.steps - 1) % s.k == 0},
    "synchronises after k + 1 steps": {"due": lambda s: s.steps % (s.k + 1) == 0},
    "alpha weighs the slow weights": {"pair": _reversed},
    "the fast weights are not set back to the slow ones": {"pair": _fast_goes_on},
    "the slow weights stay where they began": {"pair": _slow_stays},
    "synchronising changes nothing": {"synchronise": lambda s: None},
    "only the first parameter of each group is synchronised": {"synchronise": _firsts_only},
    "parameters without a gradient are not synchronised": {"pair": _with_gradient_only},
    "the inner state is cleared at every synchronisation": {"synchronise": _clearing},
}


HYPOTHESES = {
    "optim.LAMB": of(_LAMB, _LAMBS),
    "optim.Lookahead": of(_Lookahead, _LOOKAHEADS),
}
