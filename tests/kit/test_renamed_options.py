"""Optimizers that call their hyperparameters otherwise: in the constructor, in their groups, or in both."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from refops.parity import check


class Descent(Optimizer):
    """Gradient descent with a rate and a decay."""

    keys = ("rate", "decay")

    def __init__(self, params: Any, rate: float = 1e-3, decay: float = 0.0) -> None:
        if rate < 0 or decay < 0:
            raise ValueError(f"rate and decay must not be negative, got {rate} and {decay}")
        super().__init__(params, dict(zip(self.keys, (rate, decay), strict=True)))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        with torch.enable_grad():
            loss = None if closure is None else closure()
        rate, decay = self.keys
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group[rate] * (p.grad.to_dense() + group[decay] * p))
        return loss


class Halfway(Descent):
    """The constructor's names alone are its own."""

    keys = ("lr", "weight_decay")


class RateOfTheFirst(Descent):
    """The second group's rate is never looked at."""

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        for group in self.param_groups[1:]:
            group["rate"] = self.param_groups[0]["rate"]
        return super().step(closure)


CLAIMS: dict[str, Any] = {
    "arguments": {"lr": "rate", "weight_decay": "decay"},
    "without": ("momentum", "dampening", "nesterov", "maximize", "foreach", "differentiable", "fused"),
    "dtypes": ("float32",),
    "checks": ("trajectory", "groups", "schedulers", "resume", "memory", "closure"),
}


@pytest.mark.parametrize("subject", [Descent, Halfway])
def test_groups_and_schedules_speak_the_subjects_words(subject: Any) -> None:
    report = check(subject, like="optim.SGD", **CLAIMS)
    assert report.passed, report
    assert all(record.cases for record in report.records), "what has no momentum is asked without"
    told = {kind.name for kind in report.verdict.differs}
    assert told == ({"refuses-schedulers"} if subject is Descent else set())


def test_what_is_wrong_in_other_words_is_found_and_shown_in_them() -> None:
    report = check(RateOfTheFirst, like="optim.SGD", **CLAIMS)
    assert not report.passed
    assert "RateOfTheFirst([{{'lr': 'rate', 'weight_decay': 'decay'}.get(k, k): v" in str(report)
    assert "for g in ps], 0.1), low)" in str(report)
    assert "the learning rate of the first group is used for all" in report.verdict.sentence
