"""Whole models, built from either namespace: `resnet18(nn=torch.nn)` and `resnet18(nn=refops.nn)` share a `state_dict`.

A model is a composition of layers and computes nothing that `nn` has a layer for.
"""

from refops.models.resnet import BasicBlock, ResNet, resnet8, resnet18, resnet34
from refops.models.text_classifier import EncoderLayer, TextClassifier

__all__ = ["BasicBlock", "EncoderLayer", "ResNet", "TextClassifier", "resnet8", "resnet18", "resnet34"]
