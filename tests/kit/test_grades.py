"""What a finding is called: wrong only where a false answer was given; one line for one cause."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from refops.parity import Spec, check
from refops.parity.case import called, real
from refops.parity.running.conformance import Report

BRIEF: dict[str, Any] = {"checks": ["value", "gradient", "signature"], "dtypes": ["float32"]}


def kinds(report: Report, grade: str) -> set[str]:
    return {f.kind for record in report.records for f in record.findings if f.grade == grade}


class Norm(torch.nn.Module):
    """A textbook LayerNorm with names of its own, shift before scale."""

    def __init__(self, dim: Any, eps: float = 1e-5) -> None:
        super().__init__()
        self.shape = (dim,) if isinstance(dim, int) else tuple(dim)
        self.b = torch.nn.Parameter(torch.zeros(self.shape))
        self.w = torch.nn.Parameter(torch.ones(self.shape))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(-len(self.shape), 0))
        centred = x - x.mean(axes, keepdim=True)
        return centred / (centred.square().mean(axes, keepdim=True) + self.eps).sqrt() * self.w + self.b


LACKED = {f"not-offered-{name}" for name in ("elementwise_affine", "bias", "device", "dtype")}


def test_a_textbook_layer_of_other_names_is_right() -> None:
    report = check(Norm, like="LayerNorm", **BRIEF)
    assert report.passed
    assert kinds(report, "differs") == LACKED


def test_another_default_is_one_difference_and_no_wrong_number() -> None:
    report = check(functools.partial(Norm), like="LayerNorm", **BRIEF)
    assert report.passed

    class Small(Norm):
        def __init__(self, dim: Any, eps: float = 1e-6) -> None:
            super().__init__(dim, eps)

    report = check(Small, like="LayerNorm", **BRIEF)
    assert report.passed
    assert kinds(report, "differs") == {*LACKED, "default-eps"}


def test_to_refuse_is_not_to_be_wrong_whatever_is_raised() -> None:
    class HouseError(Exception):
        """Of a library's own."""

    class Choosy(Norm):
        def forward(self, x: Tensor) -> Tensor:
            if x.dim() < 2:
                raise HouseError("rows only")
            return super().forward(x)

    report = check(Choosy, like="LayerNorm", **BRIEF)
    assert report.passed
    assert "raises-HouseError" in kinds(report, "differs")
    assert not kinds(report, "wrong")


def test_who_refuses_nearly_everything_has_not_been_judged() -> None:
    class Closed(Norm):
        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError("later")

    report = check(Closed, like="LayerNorm", **BRIEF)
    assert not report.passed
    assert "too little was judged" in report.verdict.sentence


def test_a_lost_parameter_is_one_finding_and_the_rest_is_judged() -> None:
    class NoBias(torch.nn.Module):
        def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(out_features, in_features))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight.t()

    report = check(NoBias, like="Linear", checks=["value"], dtypes=["float32"])
    assert kinds(report, "wrong") == {"state"}
    (record,) = report.records
    assert "no counterpart for bias" in record.findings[0].message
    assert record.evidence > 0, "cases without a bias are judged"
    assert len(report.verdict.wrong) == 1


def test_what_is_given_in_place_of_a_class_is_named_at_once() -> None:
    with pytest.raises(TypeError, match=r"functional\.layer_norm"):
        check(torch.nn.functional.layer_norm, like="LayerNorm")
    with pytest.raises(TypeError, match="instance of GELU"):
        check(torch.nn.GELU(), like="GELU")


def test_where_torch_has_no_such_operator_nothing_is_said_of_native() -> None:
    def quantile_loss(input: Tensor, target: Tensor, quantile: Any = 0.5, reduction: str = "mean") -> Tensor:
        raise ValueError("not today")

    report = check(quantile_loss, like="functional.quantile_loss", checks=["shape", "dtype"], dtypes=["float32"])
    said = [f.message for record in report.records for f in record.findings]
    assert said
    assert not any("native" in message for message in said)


def test_what_is_preset_is_asked_as_preset() -> None:
    report = check(
        functools.partial(torch.optim.AdamW, foreach=True),
        like="optim.AdamW",
        checks=["trajectory"],
        dtypes=["float32"],
    )
    assert report.passed
    assert not kinds(report, "differs")
    (record,) = report.records
    assert "not offered: foreach other than True" in record.left_out


def test_a_locally_defined_optimizer_is_copied_but_not_pickled() -> None:
    class Mine(torch.optim.SGD):
        """Defined where pickle cannot find it."""

    report = check(Mine, like="optim.SGD", checks=["copies"], dtypes=["float32"])
    assert report.passed
    assert not kinds(report, "differs")


def test_strict_fails_for_differences() -> None:
    assert not check(Norm, like="LayerNorm", strict=True, **BRIEF).passed


def test_rounding_twice_is_less_accurate_and_fails_nobody() -> None:
    class Twice(torch.nn.LayerNorm):
        def forward(self, input: Tensor) -> Tensor:
            plain = torch.nn.functional.layer_norm(input, self.normalized_shape, None, None, self.eps)
            scaled = plain if self.weight is None else plain * self.weight
            return scaled if self.bias is None else scaled + self.bias

    report = check(Twice, like="LayerNorm", checks=["value"], dtypes=["bfloat16"])
    assert report.passed
    assert kinds(report, "less accurate") == {"less-accurate-bfloat16"}
    assert "native's error in bfloat16" in report.verdict.sentence
    assert not kinds(
        check(torch.nn.LayerNorm, like="LayerNorm", checks=["value"], dtypes=["bfloat16"]), "less accurate"
    )


def test_a_gradient_of_zeros_is_as_good_as_none() -> None:
    def leaves_out(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return x * x * z

    def weighs_with_nothing(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return x * x * z + 0 * y

    spec = Spec.of(leaves_out, cases=[called(real(3), real(3), real(3))])
    report = check(weighs_with_nothing, like=spec, checks=["gradient", "double_backward"], dtypes=["float32"])
    assert report.passed, report
    assert {record.check for record in report.records if record.cases} == {"gradient", "double_backward"}
