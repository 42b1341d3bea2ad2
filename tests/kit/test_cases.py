"""What a case may say, is drawn as it says and read back from its own text."""

from __future__ import annotations

import math

import pytest
import torch

from refops.parity import Spec, check
from refops.parity.case import Case, called, literal, real
from refops.parity.judging.draw import numbers


def running_sum(x: torch.Tensor, dim: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.cumsum(x, dim, dtype=dtype)


def test_literals_may_be_infinite_or_nan() -> None:
    case = called(literal(((1.0, math.inf), (-math.inf, math.nan))))
    assert repr(case) == "called(literal(((1.0, inf), (-inf, nan))))"
    (draw,) = Case.parse(repr(case)).draws()
    expected = torch.tensor([[1.0, math.inf], [-math.inf, math.nan]], dtype=torch.float64)
    assert torch.equal(numbers(case, draw, 0).nan_to_num(), expected.nan_to_num())


def test_an_argument_may_be_a_dtype() -> None:
    case = called(real(3), dtype=torch.float64)
    assert Case.parse(repr(case)) == case
    for text in ("called(dtype=torch.nothing)", "called(dtype=numpy.float64)"):
        with pytest.raises(ValueError, match=r"nothing|malformed"):
            Case.parse(text)


def test_a_script_holds_them_too() -> None:
    spec = Spec.of(running_sum, cases=[called(literal((1.0, -math.inf, 2.0)), 0, dtype=torch.float64)])
    report = check(lambda x, dim, dtype: running_sum(x.flip(dim), dim, dtype), like=spec, checks=["value"])
    assert not report.passed
    script = next(f.script for r in report.records for f in r.findings if f.script)
    assert "float('inf')" in script
    assert "dtype=torch.float64" in script
    compile(script, "script", "exec")


def test_what_tells_no_arguments_is_no_reference() -> None:
    with pytest.raises(ValueError, match="cumsum, which does not"):
        Spec.of(torch.cumsum, cases=[(torch.ones(3), 0)])
