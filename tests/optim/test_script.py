"""The script of a finding in an optimizer: fifteen lines that run, and show the case's own numbers."""

import contextlib
import io

import pytest
import torch

from refops import optim
from refops.parity.judging.training import Training, script_lines
from refops.parity.judging.trial import Trial
from refops.parity.specs.optim import SPECS
from refops.parity.subject import Operator


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("stream", ["missing", "tiny"])
def test_script_runs_and_ends_where_the_check_does(spec, stream):
    name = spec.name.rpartition(".")[2]
    for row in spec.cases:
        case = row.but(regime=stream)
        trial = Trial(spec, Operator(getattr(optim, name), "optimizer", name))
        lines = script_lines(trial, case, f"from refops.optim import {name}", name)
        assert len(lines) <= 15
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec("\n".join(lines), {})
        training = Training(trial, case)
        last = training.run()[-len(training.start) :]
        numbers = [p.flatten()[:3].tolist() for p in last]
        assert printed.getvalue().splitlines()[-1] == " ".join(map(str, [11, *numbers]))


def test_both_sides_are_shown():
    trial = Trial(SPECS[2], Operator(optim.AdamW, "optimizer", "AdamW"))
    lines = script_lines(trial, SPECS[2].cases[0], "from here import Mine", "Mine")
    assert lines[-1].startswith("train(lambda ps: torch.optim.AdamW(ps, lr=0.1")
    assert "Mine(ps, lr=0.1, betas=(0.9, 0.99), weight_decay=0.5), low)" in lines[-1]
    assert torch.float64.__str__() in lines[-1]
