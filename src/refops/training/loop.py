"""The training loop: epochs of steps, three measurements after each, and a checkpoint that continues exactly.

What is random in an epoch, order and augmentation, is drawn from a generator seeded by (seed, epoch), so an epoch is
the same whether the epochs before it ran in this process or in one that was killed. Dropout draws from torch's own
generator, whose state is in the checkpoint.

Losses and accuracies are means over *samples*; a mean of batch means weighs a short last batch as much as a full one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from refops.training import checkpoint
from refops.training.task import NAMESPACES, Namespace, Settings, Split, Task, nudge

__all__ = ["Row", "Run", "fit"]

Row = dict[str, float]
EVALUATION_BATCH = 256


@dataclass
class Run:
    """A training run between two epochs: all that the rest of it depends on."""

    task: Task
    settings: Settings
    ops: str
    space: Namespace
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    history: list[Row] = field(default_factory=list)  # one row for each epoch done
    steps: list[float] = field(default_factory=list)  # the loss of each training batch

    @property
    def best(self) -> Row:
        """The epoch with the highest validation accuracy; of equal ones that with the lower loss."""
        return max(self.history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))

    def about(self) -> dict[str, Any]:
        """What must agree for a checkpoint to be continued; it may move to another device."""
        settings = {name: value for name, value in asdict(self.settings).items() if name != "device"}
        return {"task": self.task.name, "ops": self.ops, **settings}

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "about": self.about(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": checkpoint.random_state(),
            "history": self.history,
            "steps": self.steps,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: if it is of another run.
        """
        own, found = self.about(), state["about"]
        for name in own:
            if own[name] != found.get(name):
                raise ValueError(f"the checkpoint is of another run: its {name} is {found.get(name)}, not {own[name]}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.history, self.steps = state["history"], state["steps"]
        checkpoint.load_random(state["random"])


def start(task: Task, settings: Settings, ops: str) -> Run:
    """A run before its first epoch; seeds torch's generators, so equal settings start from equal parameters."""
    space = NAMESPACES[ops]
    torch.manual_seed(settings.seed)
    model = task.model(space).to(device=settings.device, dtype=getattr(torch, settings.dtype))
    if task.nudge:
        nudge(model)
    optimizer = task.optimizer(space, model.parameters(), settings)
    scheduler = space.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs)
    return Run(task, settings, ops, space, model, optimizer, scheduler)


def _nothing(*_: Any) -> None:
    pass


def fit(
    task: Task,
    settings: Settings,
    ops: str = "torch",
    *,
    folder: Path | None = None,
    resume: bool = False,
    on_step: Callable[[Run, int, int], None] = _nothing,
    on_epoch: Callable[[Run], None] = _nothing,
) -> Run:
    """Train to the last epoch, writing `last.pt` after each and `best.pt` when validation says so.

    Args:
        task: data, model and optimizer.
        settings: numbers; a seed among them, which torch's generators are set to.
        ops: "torch" or "refops": where layers, optimizer and schedule come from.
        folder: where the checkpoints go; without one there are none.
        resume: go on from `last.pt`, if there is one; the result is that of a run never interrupted, bit for bit.
        on_step: told the run, the step within the epoch and their number, after each step.
        on_epoch: told the run, after each epoch.

    Raises:
        FileExistsError: if the folder holds a run and `resume` is False.
        ValueError: if the checkpoint is of another run, or cannot be read.
        FloatingPointError: if the loss is no longer finite.
    """
    run = start(task, settings, ops)
    last = None if folder is None else folder / "last.pt"
    if last is not None and last.exists():
        if not resume:
            raise FileExistsError(f"{last.parent} holds a run already: continue it with --resume or name another --out")
        run.load(checkpoint.load(last))
    while len(run.history) < settings.epochs:
        run.history.append(epoch(run, len(run.history) + 1, on_step))
        if last is not None:
            last.parent.mkdir(parents=True, exist_ok=True)
            if run.best is run.history[-1]:  # before last.pt: who is killed between the two runs this epoch again
                checkpoint.save(last.with_name("best.pt"), run.state())
            checkpoint.save(last, run.state())
        on_epoch(run)
    return run


def epoch(run: Run, number: int, on_step: Callable[[Run, int, int], None]) -> Row:
    """Train on every sample once, then measure."""
    began = time.perf_counter()
    row: Row = {"epoch": number, "lr": float(run.optimizer.param_groups[0]["lr"])}
    row["train_loss"], row["train_accuracy"] = train(run, number, on_step)
    run.scheduler.step()
    for name, split in (("validation", run.task.validation), ("test", run.task.test)):
        row[f"{name}_loss"], row[f"{name}_accuracy"] = evaluate(run, split)
    row["seconds"] = time.perf_counter() - began
    return row


def train(run: Run, number: int, on_step: Callable[[Run, int, int], None]) -> tuple[float, float]:
    """One pass over the training split; loss and accuracy as they were met on the way, augmented."""
    generator = torch.Generator().manual_seed(1_000_003 * run.settings.seed + number)
    inputs, labels = run.task.train
    order = torch.randperm(len(labels), generator=generator)
    criterion = run.space.nn.CrossEntropyLoss()
    run.model.train()
    tally = Tally()
    picks = list(batches(order, run.settings.batch_size))
    for step, pick in enumerate(picks, start=1):
        x, y = place(run, run.task.prepare(inputs[pick], generator), labels[pick])
        run.optimizer.zero_grad()
        scores = run.model(x)
        loss = criterion(scores, y)
        loss.backward()
        run.optimizer.step()
        tally.add(loss, scores, y)
        run.steps.append(loss.item())
        if not math.isfinite(run.steps[-1]):
            raise FloatingPointError(f"the loss is {run.steps[-1]} in epoch {number}, step {step}: try a smaller --lr")
        on_step(run, step, len(picks))
    return tally.means()


@torch.no_grad()
def evaluate(run: Run, split: Split) -> tuple[float, float]:
    """Mean loss and accuracy over a split, in evaluation mode and without augmentation."""
    criterion = run.space.nn.CrossEntropyLoss()
    run.model.eval()
    tally = Tally()
    for x, y in zip(split.inputs.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True):
        x, y = place(run, run.task.prepare(x, None), y)
        scores = run.model(x)
        tally.add(criterion(scores, y), scores, y)
    return tally.means()


@dataclass
class Tally:
    """Sums over samples."""

    loss: float = 0.0
    right: int = 0
    samples: int = 0

    def add(self, mean_loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Count one batch, whose loss is the mean over its samples."""
        self.loss += mean_loss.item() * len(labels)
        self.right += int((scores.argmax(1) == labels).sum())
        self.samples += len(labels)

    def means(self) -> tuple[float, float]:
        """Loss and accuracy of a sample."""
        return self.loss / self.samples, self.right / self.samples


def batches(order: Tensor, size: int) -> Iterator[Tensor]:
    """Slices of `size`; a last one of a single sample joins its neighbour, since batch norm cannot train on one.

    Example:
        >>> [len(b) for b in batches(torch.arange(10), 4)], [len(b) for b in batches(torch.arange(9), 4)]
        ([4, 4, 2], [4, 5])
    """
    edges = list(range(0, len(order), size))
    if len(edges) > 1 and len(order) - edges[-1] == 1:
        edges.pop()
    for begin, end in zip(edges, [*edges[1:], len(order)], strict=True):
        yield order[begin:end]


def place(run: Run, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A batch on the run's device, real numbers in its dtype."""
    dtype = getattr(torch, run.settings.dtype) if x.is_floating_point() else x.dtype
    return x.to(run.settings.device, dtype), y.to(run.settings.device)
