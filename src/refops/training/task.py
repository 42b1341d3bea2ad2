"""What there is to learn: data in three parts, how a batch is made of it, and the model and optimizer that learn it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import NamedTuple

import torch
import torch.optim.lr_scheduler
from torch import Tensor

import refops.nn
import refops.optim
import refops.optim.lr_scheduler

__all__ = ["NAMESPACES", "Namespace", "Settings", "Split", "Task", "nudge", "nudged"]


class Split(NamedTuple):
    """Inputs and their classes; the first axis of both counts samples."""

    inputs: Tensor
    labels: Tensor


class Namespace(NamedTuple):
    """Where layers, optimizers and schedules come from."""

    nn: ModuleType
    optim: ModuleType
    lr_scheduler: ModuleType


NAMESPACES = {
    "torch": Namespace(torch.nn, torch.optim, torch.optim.lr_scheduler),
    "refops": Namespace(refops.nn, refops.optim, refops.optim.lr_scheduler),
}


@dataclass(frozen=True)
class Settings:
    """What a run's course hangs on, besides the task. Equal settings, equal curves.

    Raises:
        ValueError: for a number that makes no sense.

    Example:
        >>> Settings(epochs=0)
        Traceback (most recent call last):
        ValueError: epochs must be at least 1, got 0
    """

    epochs: int = 5
    batch_size: int = 32
    lr: float = 0.05
    weight_decay: float = 5e-4
    seed: int = 0
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2)):  # a batch of one has no variance to normalise by
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.lr > 0:
            raise ValueError(f"lr must be > 0, got {self.lr}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be >= 0, got {self.weight_decay}")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype!r}")


@dataclass(frozen=True)
class Task:
    """One thing to learn.

    Attributes:
        name: what is learned by which model, in words; a checkpoint of another name is not continued.
        validation: chooses the best epoch, so that `test` is looked at but decides nothing.
        nudge: whether initial values are moved by one rounding, see `nudged`.
        prepare: makes a model's input of a batch; with a generator it also augments, in training.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    prepare: Callable[[Tensor, torch.Generator | None], Tensor]
    model: Callable[[Namespace], torch.nn.Module]
    optimizer: Callable[[Namespace, Iterable[Tensor], Settings], torch.optim.Optimizer]
    nudge: bool = False


def nudged(task: Task) -> Task:
    """The same task from initial values that are each moved by one rounding, up or down.

    Training amplifies rounding. How far two curves drift apart that differ in rounding alone is what this measures, on
    one and the same implementation.
    """
    return replace(task, name=f"{task.name}, nudged", nudge=True)


@torch.no_grad()
def nudge(model: torch.nn.Module) -> None:
    """Move each parameter by one rounding of its dtype.

    Example:
        >>> layer = torch.nn.Linear(2, 1).double()
        >>> before = layer.weight.clone()
        >>> nudge(layer)
        >>> bool((layer.weight != before).all()), torch.allclose(layer.weight, before, rtol=3e-16, atol=0.0)
        (True, True)
    """
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        sign = 2 * torch.randint(0, 2, parameter.shape, generator=generator) - 1
        parameter.mul_(1 + torch.finfo(parameter.dtype).eps * sign.to(parameter))
