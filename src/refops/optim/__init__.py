"""Optimizers: a pure rule shaped like its equation, and a thin `torch.optim.Optimizer` around it."""

from torch.optim import Optimizer

from refops.optim import lr_scheduler
from refops.optim.adam import Adam, adam_step
from refops.optim.adamw import AdamW, adamw_step
from refops.optim.lamb import LAMB, lamb_step
from refops.optim.lookahead import Lookahead, lookahead_step
from refops.optim.sgd import SGD, sgd_step

__all__ = [
    "LAMB",
    "SGD",
    "Adam",
    "AdamW",
    "Lookahead",
    "Optimizer",
    "adam_step",
    "adamw_step",
    "lamb_step",
    "lookahead_step",
    "lr_scheduler",
    "sgd_step",
]
