"""The image pipeline: a residual network by SGD with momentum, weight decay and a cosine schedule."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from refops import models
from refops.training.data_images import cifar10, digits
from refops.training.task import Namespace, Settings, Task

__all__ = ["DATASETS", "MODELS", "image_task"]


class Usual(NamedTuple):
    """What suits a data set."""

    model: str
    width: int
    batch_size: int
    lr: float


DATASETS = {"digits": Usual("resnet8", 16, 32, 0.05), "cifar10": Usual("resnet18", 64, 128, 0.1)}
MODELS = ("resnet8", "resnet18", "resnet34")
MOMENTUM = 0.9


def image_task(
    dataset: str = "digits",
    model: str | None = None,
    width: int | None = None,
    *,
    data: Path = Path("data"),
    samples: int | None = None,
) -> Task:
    """Tell images apart.

    Args:
        dataset: digits, or cifar10.
        model: resnet8, resnet18 or resnet34; by default what suits the data set.
        width: channels of the first stage.
        data: where a downloaded data set lies.
        samples: at most as many images in each split.

    Raises:
        ValueError: for an unknown data set or model, or a width below 1.
        MissingPackageError: if the data set's package is not installed.

    Example:
        >>> image_task(samples=100).name
        'images of digits (at most 100 samples) by resnet8, width 16'
    """
    if dataset not in DATASETS:
        raise ValueError(f"dataset must be {' or '.join(DATASETS)}, got {dataset!r}")
    usual = DATASETS[dataset]
    kind, channels = model or usual.model, usual.width if width is None else width
    if kind not in MODELS:
        raise ValueError(f"model must be {', '.join(MODELS)}, got {kind!r}")
    if channels < 1:
        raise ValueError(f"width must be at least 1, got {channels}")
    images = digits(samples) if dataset == "digits" else cifar10(data, samples)
    build = getattr(models, kind)
    depth = images.train.inputs.shape[1]

    def make(nn: ModuleType) -> torch.nn.Module:
        network: torch.nn.Module = build(10, in_channels=depth, width=channels, nn=nn)
        return network

    few = f" (at most {samples} samples)" if samples else ""
    return Task(
        name=f"images of {dataset}{few} by {kind}, width {channels}",
        train=images.train, validation=images.validation, test=images.test,
        prepare=images.prepare, model=lambda space: make(space.nn), optimizer=sgd,
    )  # fmt: skip


def sgd(space: Namespace, parameters: Iterable[Tensor], settings: Settings) -> torch.optim.Optimizer:
    """SGD with momentum and weight decay."""
    optimizer: torch.optim.Optimizer = space.optim.SGD(
        parameters, lr=settings.lr, momentum=MOMENTUM, weight_decay=settings.weight_decay
    )
    return optimizer
