"""What a wrong subject behaves like: the right cause is named, and none where none is sure."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from refops.parity import check
from refops.parity.hypotheses import _all, hypotheses_of
from refops.parity.judging.causes import cause_of
from refops.parity.judging.sight import Supposed
from refops.parity.judging.trial import Trial
from refops.parity.running.conformance import operator
from refops.parity.specs import find


def cause(subject, like="LayerNorm", check="value", rows=5):
    """The cause named for the first rows, as though they had all failed."""
    spec = find(like)
    trial = Trial(spec, operator(subject, spec))
    return cause_of(trial, [(check, case) for case in list(trial.rows())[:rows]])


def standardised(x, shape, eps, root=torch.sqrt):
    axes = tuple(range(-len(shape), 0))
    d = x - x.mean(axes, keepdim=True)
    return d / (root((d * d).mean(axes, keepdim=True)) + eps)


class EpsOutside(nn.LayerNorm):
    def forward(self, input):
        y = standardised(input, self.normalized_shape, self.eps)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias


class TwoFaults(EpsOutside):
    def forward(self, input):
        return 3 * super().forward(input)


class NoEps(nn.LayerNorm):
    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias)


class Half(nn.LayerNorm):
    def forward(self, input):
        return super().forward(input).bfloat16().to(input.dtype)


class Frozen(nn.LayerNorm):
    def forward(self, input):
        weight = None if self.weight is None else self.weight.detach()
        return F.layer_norm(input, self.normalized_shape, weight, self.bias, self.eps)


def test_a_hypothesis_is_named() -> None:
    assert cause(EpsOutside) == "eps outside the root"


def test_what_is_right_behaves_like_nothing_else() -> None:
    assert cause(nn.LayerNorm) == ""


def test_two_faults_are_not_taken_for_one() -> None:
    assert cause(TwoFaults) == ""


def test_an_ignored_argument_needs_no_hypothesis() -> None:
    assert cause(NoEps) == "argument eps is ignored"


def test_a_coarser_dtype_is_told_from_its_numbers() -> None:
    assert cause(Half) == "computes in bfloat16"


def test_a_missing_gradient_is_named() -> None:
    assert cause(Frozen, check="gradient", rows=2) == "no gradient of weight"


def test_a_factor_is_named() -> None:
    class Doubled(nn.MSELoss):
        def forward(self, input, target):
            return 2 * super().forward(input, target)

    assert cause(Doubled, "MSELoss") == "the output is 2 times too large"


def test_swapped_arguments_are_named() -> None:
    def late(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return F.conv1d(input, weight, bias, dilation, padding, stride, groups)

    spec = find("functional.conv1d")
    trial = Trial(spec, operator(late, spec))
    wrong = []
    for case in trial.rows():
        try:
            if any(trial.judge(case, trial.call(trial.build_subject(case), case, trial.inputs(case)))):
                wrong.append(("value", case))
        except RuntimeError:
            continue
    assert cause_of(trial, wrong) in ("arguments stride and dilation are swapped", "stride and dilation are exchanged")


def test_nothing_is_said_of_what_holds_no_numbers() -> None:
    spec = find("LayerNorm")
    trial = Trial(spec, operator(EpsOutside, spec))
    assert cause_of(trial, [("refusals", spec.refusals[0].case)]) == ""


@pytest.mark.parametrize("name", sorted(_all()))
def test_hypotheses_run_and_have_names_of_their_own(name: str) -> None:
    spec = find(name)
    found = hypotheses_of(spec)
    assert len({h.name for h in found}) == len(found)
    if spec.kind == "optimizer":
        return
    trial = Trial(spec, operator(spec.reference, spec))
    rows = sorted(trial.rows(None), key=repr)
    for hypothesis in found:
        supposed = Supposed(trial, hypothesis)
        assert any(supposed.exact(row) is not None for row in rows), f"{hypothesis.name} runs on no row"


class ByWhere(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, x, 0.0)


def leaky_by_where(input, negative_slope=0.01, inplace=False):
    return torch.where(input > 0, input, 0) + negative_slope * torch.where(input < 0, input, 0)


def test_nan_that_becomes_0_is_one_line() -> None:
    report = check(ByWhere, like="ReLU", without=("inplace",))
    assert report.verdict.sentence.startswith("wrong: nan becomes 0 ·")
    assert len(report.verdict.wrong) == 1
    leaky = check(leaky_by_where, like="functional.leaky_relu", checks=["value"], dtypes=["float32"])
    assert leaky.verdict.sentence.startswith("wrong: nan becomes 0 ·"), "whatever the operator"


def test_what_is_wrong_at_0_is_not_laid_to_a_dtype_that_alone_draws_a_0() -> None:
    def kinked(input, inplace=False):
        return torch.where(input < 0, 0, input)

    report = check(kinked, like="functional.relu", without=("inplace",), checks=["value", "gradient"])
    assert report.verdict.sentence.startswith("wrong: slope 1 at 0, as by clamp ·")
