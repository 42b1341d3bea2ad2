"""Losses as modules: classification and regression."""

from refops.nn.loss.classification import CrossEntropyLoss, NLLLoss
from refops.nn.loss.focal import FocalLoss, SigmoidFocalLoss
from refops.nn.loss.metric import ContrastiveLoss, NTXentLoss, TripletMarginLoss, TripletMiningLoss
from refops.nn.loss.regression import L1Loss, MSELoss
from refops.nn.loss.robust import HuberLoss, QuantileLoss, SmoothL1Loss
from refops.nn.loss.smoothing import LabelSmoothingCrossEntropy

__all__ = [
    "ContrastiveLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "HuberLoss",
    "L1Loss",
    "LabelSmoothingCrossEntropy",
    "MSELoss",
    "NLLLoss",
    "NTXentLoss",
    "QuantileLoss",
    "SigmoidFocalLoss",
    "SmoothL1Loss",
    "TripletMarginLoss",
    "TripletMiningLoss",
]
