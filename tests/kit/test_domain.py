"""What a subject claims is what it is asked: declared in code, on the command line and in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from refops.parity import check
from refops.parity.domain import Domain

BRIEF: dict[str, Any] = {"checks": ["value", "gradient", "signature"], "dtypes": ["float32"]}


class Dense(torch.nn.Module):
    """A linear layer that keeps its weight as (in, out)."""

    def __init__(self, n_in: int, n_out: int, use_bias: bool = True) -> None:
        super().__init__()
        self.kernel = torch.nn.Parameter(torch.randn(n_in, n_out))
        self.offset = torch.nn.Parameter(torch.randn(n_out)) if use_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kernel if self.offset is None else x @ self.kernel + self.offset


CLAIMS: dict[str, Any] = {
    "arguments": {"bias": "use_bias"},
    "without": ("device", "dtype"),
    "state": {"weight": ("kernel", torch.t), "bias": "offset"},
}


def test_names_and_forms_of_ones_own() -> None:
    report = check(Dense, like="Linear", **CLAIMS, **BRIEF)
    assert report.passed
    assert report.verdict.sentence == "right: 3 checks passed"


class Gain(torch.nn.RMSNorm):
    """Keeps its weight as the distance from 1."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.weight is not None:
            torch.nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        weight = None if self.weight is None else 1 + self.weight
        return torch.nn.functional.rms_norm(x, self.normalized_shape, weight, self.eps)


def test_a_weight_kept_in_another_form_has_a_way_there_and_back() -> None:
    state = {"weight": ("weight", lambda w: w - 1, lambda w: w + 1)}
    assert check(Gain, like="RMSNorm", state=state, **BRIEF).passed
    assert not check(Gain, like="RMSNorm", **BRIEF).passed


def test_a_parametrized_module_is_loaded_through_its_parametrization() -> None:
    def normed(*args: Any, **kwargs: Any) -> torch.nn.Module:
        return torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(*args, **kwargs))

    assert check(normed, like="Linear", checks=["value", "gradient"], dtypes=["float32"]).passed


class Product(torch.nn.Module):
    """A linear layer without a bias."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.t()


def test_what_is_not_offered_and_not_there_is_taken_to_be_switched_off() -> None:
    asked = {"checks": [*BRIEF["checks"], "laws", "frozen"], "dtypes": ["float32"]}
    report = check(Product, like="Linear", without=("bias", "device", "dtype"), **asked)
    assert report.verdict.sentence == "right: 5 checks passed"
    assert sum(record.evidence for record in report.records) > 20
    assert "accepted: not offered: bias" in str(report)

    class Doubled(Product):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    assert not check(Doubled, like="Linear", without=("bias", "device", "dtype"), **BRIEF).passed


def test_a_factory_that_does_not_offer_what_the_first_case_asks_is_judged() -> None:
    def triplets(margin: float = 1.0, mining: str = "hard", squared: bool = False) -> torch.nn.Module:
        from refops.nn import TripletMiningLoss

        return TripletMiningLoss(margin, mining, squared)

    report = check(triplets, like="TripletMiningLoss", without=("reduction",), **BRIEF)
    assert report.passed, report


def test_a_parameter_that_is_not_there_is_told_with_what_to_declare() -> None:
    report = check(Product, like="Linear", without=("device", "dtype"), **BRIEF)
    assert report.verdict.sentence.startswith("wrong: state")
    assert "declare fixed={'bias': False}" in str(report)
    assert check(Product, like="Linear", without=("device", "dtype"), fixed={"bias": False}, **BRIEF).passed


def test_a_declared_default_is_no_difference() -> None:
    class Small(torch.nn.LayerNorm):
        def __init__(self, normalized_shape: Any, eps: float = 1e-6, elementwise_affine: bool = True) -> None:
            super().__init__(normalized_shape, eps, elementwise_affine)

    without = ("bias", "device", "dtype")
    report = check(Small, like="LayerNorm", defaults={"eps": 1e-6}, without=without, **BRIEF)
    assert report.verdict.sentence == "right: 3 checks passed"


def test_cases_may_be_left_out_by_a_predicate() -> None:
    def flat(x: Tensor) -> Tensor:
        if x.dim() > 2:
            raise ValueError("planes only")
        return torch.relu(x)

    def deep(case: Any) -> bool:
        return len(case.call.args[0].shape) > 2

    report = check(flat, like="functional.relu", unsupported=deep, without=["inplace"], **BRIEF)
    assert report.verdict.sentence == "right: 3 checks passed"


def test_a_law_asks_a_function_nothing_it_is_not_made_for() -> None:
    def attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        scores = query @ key.mT / query.shape[-1] ** 0.5
        return (scores if attn_mask is None else scores + attn_mask).softmax(-1) @ value  # no mask of booleans

    def masked(case: Any) -> bool:
        return any(kind in repr(case) for kind in ("flag", "True", "False", "additive"))

    claims = {"without": ("dropout_p", "is_causal", "scale", "enable_gqa"), "unsupported": masked}
    report = check(
        attention, like="functional.scaled_dot_product_attention", checks=["laws"], dtypes=["float32"], **claims
    )
    assert report.passed, report
    assert report.records[0].cases, "laws without a mask are asked"


def test_an_accepted_difference_is_listed_and_told_when_it_is_gone() -> None:
    accepts = {"accepts-int64": "for whole numbers too", "refuses-complex": "never met"}

    def softmax(x: Tensor, dim: int) -> Tensor:
        e = torch.exp(x - x.amax(dim, keepdim=True))
        return e / e.sum(dim, keepdim=True)

    report = check(softmax, like="functional.softmax", accepts=accepts, checks=["dtype"], dtypes=["float32"])
    text = str(report)
    assert "accepted: accepts-int64 — for whole numbers too" in text
    assert "accepted, but no longer met: refuses-complex" in text


def test_what_is_wrong_is_never_accepted_silently() -> None:
    with pytest.raises(ValueError, match="reason"):
        Domain(accepts={"wrong:value": " "})

    def shifted(input: Tensor, inplace: bool = False) -> Tensor:
        return torch.where(input > 0, input, 0) + 1

    accepts = {"wrong:value": "shifted by one for the old model"}
    report = check(shifted, like="functional.relu", accepts=accepts, checks=["value"], dtypes=["float32"])
    assert report.passed
    assert "ACCEPTED, WRONG" in str(report)
    assert report.verdict.sentence.startswith("accepted, wrong")


def test_a_claim_about_an_argument_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean eps"):
        check(torch.nn.LayerNorm, like="LayerNorm", defaults={"epss": 1.0})
    with pytest.raises(ValueError, match="nothing"):
        check(Dense, like="Linear", state={"weight": "nothing"}, checks=["value"], dtypes=["float32"])


MINE = """
import torch

class Dense(torch.nn.Module):
    def __init__(self, n_in, n_out, use_bias=True):
        super().__init__()
        self.kernel = torch.nn.Parameter(torch.randn(n_in, n_out))
        self.offset = torch.nn.Parameter(torch.randn(n_out)) if use_bias else None

    def forward(self, x):
        return x @ self.kernel if self.offset is None else x @ self.kernel + self.offset

def turned(weight):
    return weight.t()

def rotate(x, c, s):
    a, b = x.chunk(2, -1)
    return torch.cat([a * c - b * s, b * c + a * s], -1)

def fast(x, c, s):
    z = torch.complex(*x.chunk(2, -1)) * torch.complex(c, s)
    return torch.cat([z.real, z.imag], -1)
"""

TABLE = """
[tool.refops.subjects."mine:Dense"]
like = "Linear"
dtypes = ["float32"]
without = ["device", "dtype"]
arguments = { bias = "use_bias" }
state = { weight = ["kernel", "mine:turned"], bias = "offset" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def refops(folder: Path, *words: str) -> tuple[int, str]:
    made = subprocess.run(
        [sys.executable, "-m", "refops", *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    return made.returncode, made.stdout + made.stderr


def test_a_project_declares_its_domain_in_its_pyproject(folder: Path) -> None:
    asked = ("check", "mine:Dense", "--check", "value", "--check", "signature", "-n", "1")
    code, output = refops(folder, *asked)
    assert code == 2, "nothing says yet what it is like"
    assert "--like" in output
    (folder / "pyproject.toml").write_text(TABLE)
    code, output = refops(folder, *asked, "--strict")
    assert code == 0, output
    assert "right: 2 checks passed" in output
    (folder / "pyproject.toml").write_text(TABLE + 'color = "red"\n')
    code, output = refops(folder, *asked)
    assert code == 2
    assert "color" in output


def test_strict_on_the_command_line(folder: Path) -> None:
    claims = ("--argument", "bias=use_bias", "--dtype", "float32", "--check", "signature", "-n", "1")
    asked = ("check", "mine:Dense", "--like", "Linear", *claims)
    code, output = refops(folder, *asked)
    assert code == 0, output
    code, output = refops(folder, *asked, "--strict")
    assert code == 1, output
    code, output = refops(folder, *asked, "--strict", "--without", "device", "--without", "dtype")
    assert code == 0, output


def test_an_operator_of_ones_own_on_the_command_line(folder: Path) -> None:
    asked = ("check", "mine:fast", "--like", "mine:rotate", "--check", "value", "--dtype", "float32", "-n", "1")
    code, output = refops(folder, *asked)
    assert code == 2
    assert "--case" in output
    code, output = refops(folder, *asked, "--case", "called(real(2, 5, 8), real(5, 4), real(5, 4))")
    assert code == 0, output
