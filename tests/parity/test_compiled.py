"""The references under `torch.compile`: one of each family, since that hangs on how a family is written."""

from refops.parity import conforms
from refops.parity.specs import all_specs

FIRST = {spec.family: spec.name for spec in reversed(all_specs()) if spec.kind != "optimizer"}

test_compiled = conforms(to=list(FIRST.values()), checks=["compile"])
