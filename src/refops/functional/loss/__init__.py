"""Losses: classification and regression, over one shared reduction."""

from refops.functional.loss.classification import cross_entropy, nll_loss
from refops.functional.loss.focal import focal_loss, sigmoid_focal_loss
from refops.functional.loss.metric import contrastive_loss, nt_xent_loss, triplet_margin_loss
from refops.functional.loss.mining import triplet_mining_loss
from refops.functional.loss.regression import l1_loss, mse_loss
from refops.functional.loss.robust import huber_loss, quantile_loss, smooth_l1_loss
from refops.functional.loss.smoothing import label_smoothing_cross_entropy

__all__ = [
    "contrastive_loss",
    "cross_entropy",
    "focal_loss",
    "huber_loss",
    "l1_loss",
    "label_smoothing_cross_entropy",
    "mse_loss",
    "nll_loss",
    "nt_xent_loss",
    "quantile_loss",
    "sigmoid_focal_loss",
    "smooth_l1_loss",
    "triplet_margin_loss",
    "triplet_mining_loss",
]
