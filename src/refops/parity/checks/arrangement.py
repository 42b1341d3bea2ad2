"""Checks of arrangement: how outputs lie in memory, and what can be said of them where there are no numbers at all."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from refops.parity.case import Case
from refops.parity.checks import check
from refops.parity.judging.draw import LAYOUTS, lay
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding

Strides = tuple[int, ...]


def every_arrangement(trial: Trial) -> Iterator[Case]:
    """Every row as it stands, and in every layout that gives one of its inputs other strides; quick asks some."""
    for row in trial.spread(trial.rows(None), 8):
        yield row
        plain = [torch.empty(d.shape) for d in row.call.draws() if d.kind == "real"]
        for layout in LAYOUTS:
            if any(lay(t, layout).stride() != t.stride() for t in plain):
                yield row.but(layout=layout)


@check(cases=every_arrangement, dtypes=("float32",), contract="drop-in", compares=True)
def strides(trial: Trial, case: Case) -> Iterator[Finding]:
    """Outputs lie in memory as native's do, whatever the inputs' layout: `view` works on both or on neither."""
    try:
        native = trial.call(trial.build_native(case), case, trial.inputs(case))
    except Exception:
        return  # native refuses some: max_pool3d takes no channels_last without a batch
    got = trial.call(trial.build_subject(case), case, trial.inputs(case))
    for i, (n, g) in enumerate(zip(native, got, strict=False)):
        if n.shape == g.shape and steps(n) != steps(g):
            yield Finding(
                repr(case),
                f"output[{i}] of shape {tuple(n.shape)} must have strides {n.stride()} like native's, got {g.stride()}",
                grade="differs",
                kind="strides",
            )


def steps(output: Tensor) -> Strides:
    """The strides that matter: of axes with more than one element, in a tensor of more than one."""
    return tuple(s for s, n in zip(output.stride(), output.shape, strict=True) if n > 1) if output.numel() > 1 else ()
