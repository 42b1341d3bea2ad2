"""The text pipeline: a small Transformer classifier by AdamW, with a cosine schedule."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from refops.models import TextClassifier
from refops.training.data_text import LONGEST, standard_library, trim
from refops.training.task import Namespace, Settings, Task

__all__ = ["text_task"]

HEADS = 4
LAYERS = 2


def text_task(width: int = 64, dropout: float = 0.1, *, samples: int | None = 6000) -> Task:
    """Tell the code of Python's standard library from its documentation, line by line.

    Args:
        width: features of the model, D; the inner layers have 2 D.
        dropout: share of activations dropped in training.
        samples: at most as many lines in each split.

    Raises:
        ValueError: if width is no positive multiple of the four heads, or dropout lies outside [0, 1).

    Example:
        >>> text_task(samples=100).name
        'lines of code and documentation (at most 100 samples) by a Transformer, width 64, dropout 0.1'
    """
    if width < 1 or width % HEADS != 0:
        raise ValueError(f"width must be a positive multiple of {HEADS}, got {width}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")
    texts = standard_library(samples)
    words = len(texts.vocabulary) + 2  # and padding, and unknown

    def make(space: Namespace) -> torch.nn.Module:
        return TextClassifier(words, width, HEADS, LAYERS, 2 * width, LONGEST, 2, dropout, nn=space.nn)

    few = f" (at most {samples} samples)" if samples else ""
    return Task(
        name=f"lines of code and documentation{few} by a Transformer, width {width}, dropout {dropout:g}",
        train=texts.train, validation=texts.validation, test=texts.test,
        prepare=lambda inputs, generator: trim(inputs), model=make, optimizer=adamw,
    )  # fmt: skip


def adamw(space: Namespace, parameters: Iterable[Tensor], settings: Settings) -> torch.optim.Optimizer:
    """AdamW with the run's learning rate and weight decay."""
    optimizer: torch.optim.Optimizer = space.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay)
    return optimizer
