"""What a person sees of a run: a bar while it goes on, a line for each epoch."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from refops.training.extras import need
from refops.training.loop import Run

__all__ = ["Display", "line"]


def line(run: Run) -> str:
    """The last epoch's numbers in one line, a star where validation calls it the best so far."""
    row = run.history[-1]
    parts = [f"{run.ops:6} epoch {row['epoch']:.0f}/{run.settings.epochs}"]
    parts += [f"{s} {row[f'{s}_loss']:.4f} {row[f'{s}_accuracy']:7.2%}" for s in ("train", "validation", "test")]
    return "  ".join([*parts, f"{row['seconds']:.1f} s"]) + (" *" if run.best is row else "")


class Display:
    """A progress bar of steps, on a terminal; a line for each epoch, anywhere.

    Raises:
        MissingPackageError: without rich.
    """

    def __init__(self) -> None:
        rich = need("rich.progress", "the progress bar")
        self.console = need("rich.console", "the progress bar").Console(highlight=False, soft_wrap=True)
        self.bar: Any = rich.Progress(
            rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(),
            rich.TextColumn("loss {task.fields[loss]}"), rich.TimeRemainingColumn(),
            console=self.console, transient=True, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=1, loss="")

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def step(self, run: Run, step: int, steps: int) -> None:
        """Move the bar."""
        epoch = f"{run.ops} epoch {len(run.history) + 1}/{run.settings.epochs}"
        self.bar.update(self.task, description=epoch, completed=step, total=steps, loss=f"{run.steps[-1]:.4f}")

    def epoch(self, run: Run) -> None:
        """Print the epoch's line."""
        self.console.print(line(run), markup=False)
