"""Lookahead: let any optimizer run k fast steps, then go part of the way there with slow weights and start again.

Legend: theta fast weights (the parameters), phi slow weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from refops.optim.base import Group

__all__ = ["Lookahead", "lookahead_step"]


def lookahead_step(slow: Tensor, fast: Tensor, *, alpha: float) -> Tensor:
    """One synchronisation: the new slow weights, which the fast ones then start from.

    phi = phi + alpha * (theta - phi)

    Example:
        >>> import torch
        >>> lookahead_step(torch.tensor(1.0), torch.tensor(3.0), alpha=0.25)
        tensor(1.5000)
    """
    return slow + alpha * (fast - slow)


class Lookahead(Optimizer):
    """k steps forward, 1 step back: slow weights that follow those of any optimizer; the rule is `lookahead_step`.

    Native: none. The parameter groups *are* the wrapped optimizer's, with `lookahead_k`, `lookahead_alpha` and
    `lookahead_step` added, so a scheduler may be given either. `state` is a fresh view of the wrapped optimizer's with
    `slow` added, and so is `state_dict()`: loading it restores everything.

    Args:
        optimizer: the optimizer that makes the fast steps; it may have made some already.
        k: fast steps between synchronisations.
        alpha: how far the slow weights go, in [0, 1].

    Raises:
        TypeError: if optimizer is no optimizer, or a Lookahead itself.
        ValueError: if k is not an integer >= 1 or alpha is outside [0, 1].

    Trap: slow weights are the parameters at construction, not at the first synchronisation. The k-th step synchronises,
        not the first. The moments of the wrapped optimizer go on undisturbed. Evaluate after a synchronisation: the
        parameters in between are the fast weights.

    Source: Zhang et al., arXiv 1907.08610, Algorithm 1.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor(1.0))
        >>> optimizer = Lookahead(torch.optim.SGD([weight], lr=0.1), k=2, alpha=0.5)
        >>> weight.grad = torch.tensor(1.0)
        >>> optimizer.step()
        >>> weight.data
        tensor(0.9000)
        >>> optimizer.step()  # 0.8, then half of the way back to 1
        >>> weight.data
        tensor(0.9000)
    """

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if not isinstance(optimizer, Optimizer) or isinstance(optimizer, Lookahead):
            kind = type(optimizer).__name__
            raise TypeError(f"optimizer must be a torch.optim.Optimizer other than Lookahead, got {kind}")
        if not isinstance(k, int) or k < 1:
            raise ValueError(f"k must be an integer >= 1, got {k}")
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must be in [0, 1], got {alpha}")
        self.optimizer = optimizer
        self.slow: dict[Tensor, Tensor] = {}
        self.own = {"lookahead_k": k, "lookahead_alpha": alpha, "lookahead_step": 0}
        super().__init__(optimizer.param_groups, {**optimizer.defaults, **self.own})

    # One list of groups for both; Optimizer.__init__ would set an empty one, which is why there is a setter.
    @property
    def param_groups(self) -> list[Group]:
        """The wrapped optimizer's parameter groups."""
        return self.optimizer.param_groups

    @param_groups.setter
    def param_groups(self, value: list[Group]) -> None:
        pass

    @property
    def state(self) -> defaultdict[Tensor, dict[str, Any]]:
        """The wrapped optimizer's state of every parameter, and its slow weights as `slow`."""
        fast = self.optimizer.state
        return defaultdict(dict, {p: {**fast.get(p, {}), "slow": slow} for p, slow in self.slow.items()})

    @state.setter
    def state(self, value: Any) -> None:
        pass

    def add_param_group(self, param_group: Group) -> None:
        """Add a group to both; its slow weights are the parameters now."""
        if any(param_group is known for known in self.param_groups):  # the base's own, at construction
            param_group |= self.own
        else:
            self.optimizer.add_param_group(param_group)
            param_group |= {**self.own, **param_group}
        self.slow |= {param: param.detach().clone() for param in param_group["params"]}

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one fast step; in every k-th call, synchronise."""
        loss = self.optimizer.step(closure)
        with torch.set_grad_enabled(self.defaults.get("differentiable", False)):
            for group in self.param_groups:
                group["lookahead_step"] += 1
                if group["lookahead_step"] % group["lookahead_k"] == 0:
                    for param in group["params"]:
                        slow = self.slow[param].lerp_(param, group["lookahead_alpha"])  # `lookahead_step` in place
                        param.copy_(slow)
        return loss

    def __getstate__(self) -> dict[str, Any]:
        """What pickle and deepcopy keep."""
        return {"optimizer": self.optimizer, "slow": self.slow, "own": self.own, "defaults": self.defaults}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what pickle kept or, from `load_state_dict`, state and groups: each optimizer its part."""
        if "param_groups" in state:
            loaded = {param: dict(own) for param, own in state["state"].items()}
            if missing := [i for i, param in enumerate(self.slow) if "slow" not in loaded.get(param, {})]:
                raise ValueError(f"state_dict must hold slow weights for every parameter, got none for {missing}")
            self.slow = {param: loaded[param].pop("slow") for param in self.slow}
            base = {param: own for param, own in loaded.items() if own}
            self.optimizer.__setstate__({"state": defaultdict(dict, base), "param_groups": state["param_groups"]})
            state = {}
        super().__setstate__(state)
