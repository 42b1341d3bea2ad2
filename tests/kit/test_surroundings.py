"""What the checks of surroundings, lengths and chance stand on."""

import random
import time
import warnings

import pytest
import torch
from torch.nn import functional as F

from refops.parity import check
from refops.parity.case import built, called, param, real, whole_numbers
from refops.parity.checks.limits import SIZES, past_limits
from refops.parity.judging import chance
from refops.parity.judging.enlarge import lengths, rewritings
from refops.parity.judging.surroundings import exchanged, moved, planted, put_back, settings
from refops.parity.judging.trial import Trial
from refops.parity.specs import find
from refops.parity.subject import Operator


def own_relu(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(min=0)


def test_an_exchanged_function_is_named_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    native = F.alpha_dropout
    assert exchanged() == []
    monkeypatch.setattr(F, "alpha_dropout", own_relu)
    assert exchanged() == ["torch.nn.functional.alpha_dropout"]
    assert planted(own_relu) == ["torch.nn.functional.alpha_dropout"]
    put_back(exchanged())
    assert F.alpha_dropout is native


def test_settings_that_move_are_named() -> None:
    before, state = settings(), random.getstate()
    assert moved(before, settings()) == []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="something of the test's own")
        random.random()
        assert moved(before, settings()) == ["warnings.filters", "the state of random"]
    random.setstate(state)
    assert moved(before, settings()) == []


def test_what_changes_with_an_axis_changes_together() -> None:
    row = built(10).on(real(5, 10))
    assert lengths(row) == [(0, 0), (0, 1)]
    assert built(99).on(real(5, 99)) in rewritings(row, 0, 1, 99)
    assert built(10).on(real(99, 10)) in rewritings(row, 0, 0, 99)
    conv = called(real(2, 3, 8), param(4, 3, 3))
    assert called(real(2, 99, 8), param(4, 99, 3)) in rewritings(conv, 0, 1, 99)


@pytest.mark.parametrize("name", ["LayerNorm", "functional.softmax"])
def test_rows_and_columns_pass_all_limits(name: str) -> None:
    spec = find(name)
    cases = past_limits(Trial(spec, Operator(spec.reference, spec.kind, spec.name)))
    shapes = [next(case.call.draws()).shape for case in cases]
    assert [shape[0] for shape in shapes] == [SIZES[0], 1]
    assert [shape[1] for shape in shapes] == [2, SIZES[0]]


def test_who_is_too_slow_for_lengths_is_told_so_and_not_failed() -> None:
    def one_by_one(input: torch.Tensor, inplace: bool = False) -> torch.Tensor:
        time.sleep(input.numel() * 1e-4)
        return torch.relu(input)

    report = check(one_by_one, like="functional.relu", checks=["limits", "value"], dtypes=["float32"], strict=True)
    assert report.passed
    (left,) = (record.left_out for record in report.records if record.check == "limits")
    assert sum(left.values()) > 0
    assert "too slow or too large to be asked past blocks and grids" in str(report)


def test_what_is_looked_up_has_long_cases_too() -> None:
    names = ["Embedding", "EmbeddingBag", "DeformableConv2d", "RelativePositionAttention", "MaxUnpool2d"]
    for spec in map(find, names):
        cases = past_limits(Trial(spec, Operator(spec.reference, spec.kind, spec.name)))
        assert any(SIZES[0] in whole_numbers((case.init, case.call)) for case in cases), spec.name


@pytest.mark.parametrize(("name", "seed"), [("functional.dropout2d", 18), ("RReLU", 1)])
def test_every_run_has_a_case_nobody_could_know(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance, "run_seed", lambda: seed)
    spec = find(name)
    (record,) = check(spec.native, like=name, checks=["unseen"]).records
    assert record.cases, "a strategy may draw nothing that is not left to chance"


def test_a_run_is_repeated_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance, "run_seed", lambda: 5)
    first = chance.unforeseen("LayerNorm", 3)
    assert first == chance.unforeseen("LayerNorm", 3)
    assert first != chance.unforeseen("RMSNorm", 3)
    monkeypatch.setattr(chance, "run_seed", lambda: 6)
    assert first != chance.unforeseen("LayerNorm", 3)
