"""The oracles in NumPy, which judge what torch lacks, agree with torch where torch has the optimizer."""

import pytest
import torch

from refops.parity.judging.scenarios import Oracle, grouped, train
from refops.parity.specs import _optimizer_oracles as oracles

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.75), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.0), "eps": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_oracle_is_native_in_float64(name, options):
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(3, 4, generator=generator, dtype=torch.float64), torch.randn((), dtype=torch.float64)]
    grads = [[torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in start] for _ in range(9)]
    grads[3][0] = None
    runs = []
    for make in (
        lambda groups: Oracle(groups, getattr(oracles, name), **options),
        lambda groups: getattr(torch.optim, name)(groups, **options),
    ):
        params = [torch.nn.Parameter(p.clone()) for p in start]
        runs.append(train(make(grouped(params)), params, grads))
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-12, atol=1e-13)
