"""Losses: classification and regression, over one shared reduction."""

from refops.functional.loss.classification import cross_entropy, nll_loss
from refops.functional.loss.regression import l1_loss, mse_loss

__all__ = ["cross_entropy", "l1_loss", "mse_loss", "nll_loss"]
