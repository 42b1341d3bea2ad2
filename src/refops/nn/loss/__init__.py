"""Losses as modules: classification and regression."""

from refops.nn.loss.classification import CrossEntropyLoss, NLLLoss
from refops.nn.loss.regression import L1Loss, MSELoss

__all__ = ["CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]
