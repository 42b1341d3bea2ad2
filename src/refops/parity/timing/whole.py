"""What is timed beside single operators: losses against the form torch would take, and training steps of whole models.

Each function gives two calls that do the same work: the reference's and the other.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

import refops
from refops.models import resnet18

Call = Callable[[], Any]


def nt_xent(device: str) -> tuple[Call, Call]:
    """NT-Xent of 2 x 256 views of 128 numbers; the other is a matmul and native cross-entropy."""

    def native(z1: Tensor, z2: Tensor) -> Tensor:
        z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
        scores = (z @ z.T / 0.5).fill_diagonal_(-torch.inf)
        partners = torch.arange(len(z), device=device).roll(len(z1))
        return torch.nn.functional.cross_entropy(scores, partners)

    views = [_leaf(256, 128, device=device) for _ in range(2)]
    return _both(refops.nn.NTXentLoss(0.5), views), _both(native, views)


def hard_triplets(device: str) -> tuple[Call, Call]:
    """The batch-hard triplet loss of 256 points of 128 numbers; the other takes its distances from torch.cdist."""
    labels = torch.randint(0, 16, (256,), generator=torch.Generator().manual_seed(2)).to(device)

    def native(x: Tensor) -> Tensor:
        distances = torch.cdist(x, x)
        same = labels[:, None] == labels
        farthest = distances.masked_fill(~same, -torch.inf).amax(1)
        nearest = distances.masked_fill(same, torch.inf).amin(1)
        return (farthest - nearest + 1.0).relu().mean()

    ours = refops.nn.TripletMiningLoss(margin=1.0, mining="hard")
    points = [_leaf(256, 128, device=device)]
    return _both(lambda x: ours(x, labels), points), _both(native, points)


def resnet18_step(device: str) -> tuple[Call, Call]:
    """A training step of the small-image ResNet-18 on 32 images, built from either namespace."""
    images = torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(device)
    labels = torch.arange(32, device=device) % 10

    def step(nn: ModuleType, optim: ModuleType) -> Call:
        torch.manual_seed(0)
        model = resnet18(nn=nn).to(device)
        return _step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.01, momentum=0.9), images, labels)

    return step(refops.nn, refops.optim), step(torch.nn, torch.optim)


def encoder_step(device: str) -> tuple[Call, Call]:
    """A training step of a two-layer Transformer encoder on 16 sequences of 64 tokens of width 128."""
    tokens = torch.randn(16, 64, 128, generator=torch.Generator().manual_seed(1)).to(device)

    def step(nn: ModuleType, optim: ModuleType) -> Call:
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(128, 8, 512, dropout=0.0, batch_first=True)
        model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).to(device)
        return _step(model, nn.MSELoss(), optim.AdamW(model.parameters(), 1e-4), tokens, tokens)

    return step(refops.nn, refops.optim), step(torch.nn, torch.optim)


def _leaf(*shape: int, device: str) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(device).requires_grad_()


def _both(function: Callable[..., Tensor], leaves: list[Tensor]) -> Call:
    return lambda: torch.autograd.grad(function(*leaves), leaves)


def _step(model: torch.nn.Module, loss: Any, optimizer: Any, inputs: Tensor, targets: Tensor) -> Call:
    def step() -> None:
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        optimizer.step()

    return step
