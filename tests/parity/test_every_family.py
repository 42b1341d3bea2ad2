"""No reference is left out of this folder, and none is without a spec."""

from pathlib import Path

import pytest
import torch

from refops import nn, optim
from refops.parity.case import Case
from refops.parity.spec import Spec
from refops.parity.specs import all_specs


def test_every_family_has_its_file_here():
    here = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {spec.family for spec in all_specs()} <= here


def own_classes(package: object) -> set[str]:
    """Names of the classes a package defines itself, rather than passing on torch's."""
    found = {name: getattr(package, name) for name in package.__all__}
    return {name for name, value in found.items() if isinstance(value, type) and value.__module__.startswith("refops")}


def test_every_module_and_optimizer_has_a_spec():
    named = {spec.name for spec in all_specs()}
    assert own_classes(nn) <= named
    assert {f"optim.{name}" for name in own_classes(optim)} <= named


def test_no_reference_is_native_in_disguise():
    for name in own_classes(nn):
        assert getattr(torch.nn, name, None) not in getattr(nn, name).__mro__


@pytest.mark.parametrize("spec", all_specs(), ids=lambda spec: spec.name)
def test_every_case_can_be_read_back_from_its_text(spec: Spec) -> None:
    for case in spec.cases:
        assert repr(Case.parse(repr(case))) == repr(case)
