"""How many primitives the references need: every curated row is run forward, and what it dispatches is counted."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from refops.parity.judging.primitives import PRIMITIVES, Recorder
from refops.parity.judging.trial import Trial
from refops.parity.spec import Spec
from refops.parity.subject import Operator


def operations(specs: Iterable[Spec]) -> dict[str, str]:
    """Every aten operation a forward pass of these references dispatches, with the first spec that does."""
    seen: dict[str, str] = {}
    for spec in specs:
        if spec.kind == "optimizer":
            continue
        trial = Trial(spec, Operator(spec.reference, spec.kind, spec.name, reference=True))
        for case in trial.rows(None):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # native's own deprecations, which the references repeat
                subject, inputs = trial.build_subject(case), trial.inputs(case)
                with Recorder() as recorder:
                    trial.call(subject, case, inputs)
            for operation in recorder.operations:
                seen.setdefault(operation, spec.name)
    return seen


def needed(specs: Iterable[Spec]) -> dict[str, tuple[str, ...]]:
    """The part of the primitive table that these references use; primitives they never use are left out."""
    used = operations(specs)
    parts = {name: tuple(o for o in allowed if o in used) for name, allowed in PRIMITIVES.items()}
    return {name: part for name, part in parts.items() if part}
