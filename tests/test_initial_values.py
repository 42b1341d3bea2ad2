"""Modules set every number they hold when they reset themselves, and can say what they are."""

from __future__ import annotations

import warnings

import pytest
import torch

import refops.nn
from refops.parity.judging.trial import Trial
from refops.parity.running.conformance import reference
from refops.parity.spec import Spec
from refops.parity.specs import all_specs

MODULES = [spec for spec in all_specs() if spec.kind == "module"]


def built(spec: Spec) -> torch.nn.Module:
    trial = Trial(spec, reference(spec))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # native's deprecations, repeated
        module = trial.subject.build(spec.cases[0], trial.initial(spec.cases[0])).module
    assert module is not None
    return module


@pytest.mark.parametrize("spec", MODULES, ids=lambda spec: spec.name)
def test_a_reset_leaves_nothing_as_it_was(spec: Spec) -> None:
    for module in built(spec).modules():
        names = [name for name in dir(module) if name.lstrip("_").startswith("reset_")]
        held = [*module.parameters(recurse=False), *module.buffers(recurse=False)] if names else []
        held = [t for t in held if t.is_floating_point()]
        with torch.no_grad():
            for tensor in held:
                tensor.fill_(torch.nan)
        for name in names:
            getattr(module, name)()
        assert all(bool(t.isfinite().all()) for t in held)


@pytest.mark.parametrize("spec", [s for s in MODULES if s.native is None], ids=lambda spec: spec.name)
def test_a_module_that_torch_lacks_has_a_repr(spec: Spec) -> None:
    module = built(spec)
    assert repr(module).startswith(f"{type(module).__name__}(")


def test_deformable_convolution_starts_as_a_plain_one() -> None:
    layer = refops.nn.DeformableConv2d(3, 4, 3, padding=1)
    x = torch.rand(2, 3, 6, 7)
    plain = torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    with torch.no_grad():
        for parameter in layer.conv_offset.parameters():
            parameter.fill_(0.3)
    assert not torch.allclose(layer(x), plain)
    layer.reset_offsets()
    torch.testing.assert_close(layer(x), plain)
