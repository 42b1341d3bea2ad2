"""Two complete training pipelines, for images and for text; `refops train image` and `refops train text` run them.

Each trains from either namespace, torch's or refops', or from both with one seed, so that the curves can be compared.

Example:
    >>> from refops.training import Settings, fit, image_task
    >>> run = fit(image_task(width=4, samples=64), Settings(epochs=1), ops="refops")
    >>> len(run.history), len(run.steps)
    (1, 2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refops.late import late

if TYPE_CHECKING:
    from refops.training.extras import MissingPackageError
    from refops.training.image import image_task
    from refops.training.loop import Run, fit
    from refops.training.task import Settings, Task
    from refops.training.text import text_task

_PLACES = {
    "extras": ("MissingPackageError",),
    "image": ("image_task",),
    "loop": ("Run", "fit"),
    "task": ("Settings", "Task"),
    "text": ("text_task",),
}

__all__ = ["MissingPackageError", "Run", "Settings", "Task", "fit", "image_task", "text_task"]

__getattr__ = late(__name__, _PLACES)
