"""Residual networks: a block learns what to *add* to its input, so a deep stack starts out close to the identity.

Names of parameters are torchvision's, so its checkpoints load into the `imagenet` form. The `cifar` form has another
first layer, for small images: 3x3 without stride instead of 7x7 with stride 2 and pooling.

Legend: N batch, C channels, H and W the image's axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

__all__ = ["BasicBlock", "ResNet", "resnet8", "resnet18", "resnet34"]

STEMS = ("cifar", "imagenet")


class BasicBlock(Module):
    """Two 3x3 convolutions and the way around them.

    y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))

    The shortcut is the identity, or a 1x1 convolution and a norm (`downsample`) where `stride` or the number of
    channels changes the shape.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))

    Trap: the last ReLU comes after the addition; a ReLU before it could only ever add.

    Source: He et al., arXiv 1512.03385, section 3.2 and figure 5 (left).

    Example:
        >>> BasicBlock(16, 32, stride=2)(torch.zeros(1, 16, 9, 8)).shape
        torch.Size([1, 32, 5, 4])
    """

    expansion = 1

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, nn: ModuleType = torch.nn) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)  # the norm has one
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu(y + shortcut)
        return out


class ResNet(Module):
    """A stem, stages of `BasicBlock`s that double the channels and halve the image, the mean over the image, a head.

    Args:
        blocks: blocks in each stage; every stage but the first begins with stride 2.
        num_classes: outputs.
        in_channels: channels of the image.
        stem: "cifar": 3x3 convolution; "imagenet": 7x7 with stride 2, then 3x3 max-pooling with stride 2.
        width: channels of the first stage.
        nn: where the layers come from.

    Shape:
        (N, in_channels, H, W) -> (N, num_classes)

    Raises:
        ValueError: if stem is unknown, or blocks is empty or holds a number below 1.

    Trap: torchvision's resnet18 is the `imagenet` form. On images of 32x32 it leaves the first stage 8x8 positions;
        the `cifar` form leaves it all 32x32, and shares neither the first weight's shape nor the cost.

    Source: He et al., arXiv 1512.03385; initial values: He et al., arXiv 1502.01852 (normal, fan out).

    Example:
        >>> ResNet((1, 1), num_classes=4, in_channels=1, width=8)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        blocks: Sequence[int],
        num_classes: int = 10,
        *,
        in_channels: int = 3,
        stem: str = "cifar",
        width: int = 64,
        nn: ModuleType = torch.nn,
    ) -> None:
        if stem not in STEMS:
            raise ValueError(f"stem must be 'cifar' or 'imagenet', got {stem!r}")
        if not blocks or min(blocks) < 1:
            raise ValueError(f"blocks must name at least one block for each stage, got {tuple(blocks)}")
        super().__init__()
        if stem == "cifar":
            self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
            self.maxpool = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.stages = len(blocks)
        channels = width
        for i, count in enumerate(blocks):
            wider = width * 2**i
            first = BasicBlock(channels, wider, stride=1 if i == 0 else 2, nn=nn)
            rest = (BasicBlock(wider, wider, nn=nn) for _ in range(count - 1))
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *rest))
            channels = wider
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (logits)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, width, H, W)
        for i in range(self.stages):
            x = self.get_submodule(f"layer{i + 1}")(x)
        x = x.mean((2, 3))  # (N, C)
        scores: Tensor = self.fc(x)
        return scores


def resnet8(num_classes: int = 10, **options: Any) -> ResNet:
    """Three stages of one block, 16 channels wide unless told: trains in seconds on small images.

    Example:
        >>> sum(p.numel() for p in resnet8(in_channels=1).parameters())
        77754
    """
    return ResNet((1, 1, 1), num_classes, **{"width": 16, **options})


def resnet18(num_classes: int = 10, **options: Any) -> ResNet:
    """Four stages of two blocks; `options` are `ResNet`'s.

    Native: `torchvision.models.resnet18`, with `stem="imagenet"` and `num_classes=1000`.

    Example:
        >>> sum(p.numel() for p in resnet18().parameters())
        11173962
    """
    return ResNet((2, 2, 2, 2), num_classes, **options)


def resnet34(num_classes: int = 10, **options: Any) -> ResNet:
    """Four stages of 3, 4, 6 and 3 blocks; `options` are `ResNet`'s.

    Native: `torchvision.models.resnet34`, with `stem="imagenet"` and `num_classes=1000`.

    Example:
        >>> sum(p.numel() for p in resnet34().parameters())
        21282122
    """
    return ResNet((3, 4, 6, 3), num_classes, **options)
