"""`refops.nn` in place of `torch.nn`: whole models load native's state and train to native's loss curve."""

from __future__ import annotations

import warnings
from types import ModuleType

import pytest
import torch
from torch import Tensor

import refops
import refops.nn
import refops.optim
from refops.parity.judging.budget import budgets

STEPS = 20


def small_cnn(nn: ModuleType) -> torch.nn.Module:
    """Convolution, norm, pooling, dropout-free: (N, 1, 12, 12) to (N, 5)."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, groups=2), nn.GroupNorm(3, 6), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 5),
    )  # fmt: skip


class Block(torch.nn.Module):
    """A pre-norm Transformer block over word ids, from either namespace: (N, L) to (N, 5)."""

    def __init__(self, nn: ModuleType) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norms = nn.ModuleList([nn.LayerNorm(8), nn.RMSNorm(8)])
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 5)

    def forward(self, words: Tensor) -> Tensor:
        """Class scores."""
        x = self.embedding(words)  # (N, L, 8)
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.mlp(self.norms[1](x))
        return self.head(x.mean(1))  # (N, 5)


def loss_curve(nn: ModuleType, optim: ModuleType, model: torch.nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    """The losses of some steps of SGD with momentum, then AdamW."""
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    losses = []
    for make in (lambda p: optim.SGD(p, lr=0.05, momentum=0.9), lambda p: optim.AdamW(p, lr=1e-3)):
        optimizer = make(model.parameters())
        for _ in range(STEPS // 2):
            optimizer.zero_grad()
            losses.append(loss(model(x), classes))
            losses[-1].backward()
            optimizer.step()
    return torch.stack(losses).detach()


@pytest.mark.parametrize("make", [small_cnn, Block])
def test_a_model_trains_to_natives_loss_curve(make: type) -> None:
    torch.manual_seed(0)
    native = make(torch.nn).double()
    torch.manual_seed(0)
    model = make(refops.nn).double()
    start = {k: v.clone() for k, v in native.state_dict().items()}
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in start.items()), "same seed, same initial values"
    model.load_state_dict(start)
    generator = torch.Generator().manual_seed(1)
    words = torch.randint(0, 20, (8, 6), generator=generator)
    x = words if make is Block else torch.randn(8, 1, 12, 12, dtype=torch.float64, generator=generator)
    classes = torch.randint(0, 5, (8,), generator=generator)

    def truth(flat: list[Tensor]) -> list[Tensor | None]:
        native.load_state_dict(dict(zip(start, flat[1:], strict=True)))
        return [loss_curve(torch.nn, torch.optim, native, flat[0], classes)]

    (budget,) = budgets(truth, None, [x, *start.values()], ["loss"], torch.float64, mixing=True)
    got = loss_curve(refops.nn, refops.optim, model, x, classes)
    assert budget is not None
    assert budget.truth[-1] < budget.truth[0]
    assert budget.accepts(got), (budget.excess(got), got - budget.truth)


def test_a_convolution_without_numbers_can_be_built() -> None:
    """Native refuses the call only."""
    for sizes in ((4, 6, 0), (0, 6, 3), (4, 0, 3)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # both say that there is nothing to initialise
            native, ours = torch.nn.Conv2d(*sizes), refops.nn.Conv2d(*sizes)
        assert ours.weight.shape == native.weight.shape


MASKS = {
    "none": (None, None),
    "padding": (None, (3, 5)),
    "square": ((5, 5), None),
    "square and padding": ((5, 5), (3, 5)),
    "per head and padding": ((6, 5, 5), (3, 5)),
}


@pytest.mark.parametrize("shapes", MASKS.values(), ids=MASKS)
def test_attention_masks_are_merged_as_natives(shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]) -> None:
    query, masks = torch.zeros(3, 5, 8), [None if s is None else torch.randn(s) for s in shapes]
    theirs, ours = (
        layer(8, 2, batch_first=True).merge_masks(*masks, query)
        for layer in (torch.nn.MultiheadAttention, refops.nn.MultiheadAttention)
    )
    assert ours[1] == theirs[1]
    assert (ours[0] is None) == (theirs[0] is None)
    if theirs[0] is not None:
        assert torch.equal(ours[0], theirs[0])


@pytest.mark.parametrize("tracking", [True, False])
@pytest.mark.parametrize("version", [None, 2])
def test_instance_norm_reads_old_states_as_native_does(tracking: bool, version: int | None) -> None:
    stats = {"running_mean": torch.ones(3), "running_var": torch.ones(3)}
    said = []
    for layer in (torch.nn.InstanceNorm1d, refops.nn.InstanceNorm1d):
        missing, unexpected, errors = [], [], []
        module, state = layer(3, track_running_stats=tracking), dict(stats)
        metadata = {} if version is None else {"version": version}
        module._load_from_state_dict(state, "", metadata, True, missing, unexpected, errors)
        said.append((missing, unexpected, len(errors), sorted(state)))
    assert said[0] == said[1]


def test_the_familiar_names_are_plain_aliases() -> None:
    assert refops.MyLinear is refops.nn.Linear
    assert refops.MyBatchNorm2d is refops.nn.BatchNorm2d
    assert refops.MyDropout is refops.nn.Dropout
    assert refops.MHA is refops.nn.MultiheadAttention
