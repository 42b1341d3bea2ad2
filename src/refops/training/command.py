"""`refops train image` and `refops train text`: options in, checkpoints, tables and pictures out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refops.usage import UsageError

if TYPE_CHECKING:
    from refops.training.loop import Run
    from refops.training.task import Settings, Task

YARDSTICK = "yardstick"  # the third run of `--ops both`: what rounding alone does to torch's own curve

train = typer.Typer(help="Train a whole model with torch's layers, with refops', or with both from one seed.")

Ops = Annotated[str, typer.Option(help="torch, refops, or both.")]
Epochs = Annotated[int, typer.Option(help="Passes over the training data.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the results.", show_default="runs/image or runs/text")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint, if there is one.")]
Seed = Annotated[int, typer.Option(help="Of initial values, order, augmentation and dropout.")]
BatchSize = Annotated[int, typer.Option(help="Samples of one step.")]
Rate = Annotated[float, typer.Option(help="The first learning rate; a cosine brings it down to 0.")]
Decay = Annotated[float, typer.Option(help="Weight decay.")]
Samples = Annotated[int | None, typer.Option(min=16, help="At most as many samples in each split.")]
Device = Annotated[str, typer.Option(help="A torch device string: cpu, cuda, mps ...")]
Dtype = Annotated[str, typer.Option(help="float32 or float64.")]


@train.command()
def image(
    ops: Ops = "both",
    dataset: Annotated[str, typer.Option(help="digits, or cifar10 (downloaded, needs torchvision).")] = "digits",
    model: Annotated[
        str | None, typer.Option(help="resnet8, resnet18, resnet34.", show_default="what suits the data")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Channels of the first stage.", show_default="16 or 64")] = None,
    epochs: Epochs = 5,
    out: Out = None,
    resume: Resume = False,
    seed: Seed = 0,
    batch_size: Annotated[int | None, typer.Option(help="Samples of one step.", show_default="32 or 128")] = None,
    lr: Annotated[float | None, typer.Option(help="The first learning rate.", show_default="0.05 or 0.1")] = None,
    weight_decay: Decay = 5e-4,
    samples: Samples = None,
    data: Annotated[Path, typer.Option(help="Where downloaded data lie.")] = Path("data"),
    device: Device = "cpu",
    dtype: Dtype = "float32",
) -> None:
    """Tell images apart: a residual network, SGD with momentum, weight decay, cosine schedule."""
    from refops.training.image import DATASETS, image_task
    from refops.training.task import Settings

    usual = DATASETS.get(dataset, DATASETS["digits"])  # an unknown name is refused below
    with refusing():
        settings = Settings(
            epochs, usual.batch_size if batch_size is None else batch_size, usual.lr if lr is None else lr,
            weight_decay, seed, dtype, device,
        )  # fmt: skip
    _train(lambda: image_task(dataset, model, width, data=data, samples=samples), settings, ops,
           out or Path("runs/image"), resume)  # fmt: skip


@train.command()
def text(
    ops: Ops = "both",
    width: Annotated[int, typer.Option(help="Features of the model.")] = 64,
    dropout: Annotated[float, typer.Option(help="Share of activations dropped in training.")] = 0.1,
    epochs: Epochs = 3,
    out: Out = None,
    resume: Resume = False,
    seed: Seed = 0,
    batch_size: BatchSize = 64,
    lr: Rate = 1e-3,
    weight_decay: Decay = 1e-2,
    samples: Samples = 6000,
    device: Device = "cpu",
    dtype: Dtype = "float32",
) -> None:
    """Tell code from documentation, line by line: a Transformer, AdamW, cosine schedule."""
    from refops.training.task import Settings
    from refops.training.text import text_task

    with refusing():
        settings = Settings(epochs, batch_size, lr, weight_decay, seed, dtype, device)
    _train(lambda: text_task(width, dropout, samples=samples), settings, ops, out or Path("runs/text"), resume)


@contextmanager
def refusing() -> Iterator[None]:
    """Say in one sentence what cannot be done."""
    from refops.training.extras import MissingPackageError

    try:
        yield
    except (ValueError, FileExistsError, FileNotFoundError, FloatingPointError, MissingPackageError) as error:
        raise UsageError(str(error)) from error


def _train(make: Callable[[], Task], settings: Settings, ops: str, out: Path, resume: bool) -> None:
    """Run the arms one after another; then draw them, and if there are two, over each other."""
    from refops.training import curves
    from refops.training.extras import need
    from refops.training.task import NAMESPACES, nudged

    if ops not in (*NAMESPACES, "both"):
        raise UsageError(f"--ops must be torch, refops or both, got {ops!r}")
    arms = ["torch", "refops", YARDSTICK] if ops == "both" else [ops]
    with refusing():
        need("matplotlib.figure", "a picture of the curves")  # better now than after the training
        _usable(settings.device)
        if not resume:
            _refuse_old_runs(out, arms)
        task = make()
        typer.echo(f"{task.name}: {len(task.train.labels)} to train, {len(task.validation.labels)} for validation, "
                   f"{len(task.test.labels)} to test")  # fmt: skip
        runs = {}
        for arm in arms:
            again = arm == YARDSTICK
            if again:
                typer.echo("torch once more, each initial value moved by one rounding: how far does that alone lead?")
            runs[arm] = _arm(nudged(task) if again else task, settings, "torch" if again else arm, out / arm, resume)
    yardstick = runs.pop(YARDSTICK, None)
    for arm, run in runs.items():
        best = run.best
        typer.echo(f"{arm}: best epoch by validation {best['epoch']:.0f}, test accuracy there "
                   f"{best['test_accuracy']:.2%}; checkpoints, tables and curves in {out / arm}")  # fmt: skip
    if yardstick is not None:
        title = f"{task.name}: torch and refops from seed {settings.seed}"
        curves.draw(runs, out / "curves.png", title, yardstick=yardstick)
        apart, alone = (max(curves.differences(runs["torch"].steps, r.steps)) for r in (runs["refops"], yardstick))
        typer.echo(f"training losses of refops differ from torch's by at most {apart:.1e}, torch's own after one "
                   f"rounding by {alone:.1e} (relative to the largest); see {out / 'curves.png'}")  # fmt: skip


def _arm(task: Task, settings: Settings, ops: str, folder: Path, resume: bool) -> Run:
    """One run with its tables and its picture."""
    from refops.training import curves
    from refops.training.display import Display
    from refops.training.loop import fit

    with Display() as display:
        run = fit(task, settings, ops, folder=folder, resume=resume, on_step=display.step, on_epoch=display.epoch)
    curves.write_tables(run, folder)
    curves.draw({ops: run}, folder / "curves.png", f"{task.name}: {ops}")
    return run


def _usable(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device} cannot be used: {error}") from error


def _refuse_old_runs(out: Path, arms: list[str]) -> None:
    for arm in arms:
        if (out / arm / "last.pt").exists():
            raise FileExistsError(f"{out / arm} holds a run already: continue it with --resume or name another --out")
