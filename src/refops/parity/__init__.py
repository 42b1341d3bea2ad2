"""The conformance kit: what every operator must do, and whether an implementation does it.

`conforms(MyLayer, to="LayerNorm")` in a test file, `check(MyLayer, like="LayerNorm")` in a notebook,
`refops check module:MyLayer --like LayerNorm` on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refops.late import late

if TYPE_CHECKING:
    from refops.parity.proving.collection import honest, wrong
    from refops.parity.record import Finding, Record
    from refops.parity.running.conformance import Conformance, ConformanceError, Report, check, conforms
    from refops.parity.spec import Spec

_PLACES = {
    "proving.collection": ("honest", "wrong"),
    "record": ("Finding", "Record"),
    "running.conformance": ("Conformance", "ConformanceError", "Report", "check", "conforms"),
    "spec": ("Spec",),
}

__all__ = [
    "Conformance",
    "ConformanceError",
    "Finding",
    "Record",
    "Report",
    "Spec",
    "check",
    "conforms",
    "honest",
    "wrong",
]

__getattr__ = late(__name__, _PLACES)
