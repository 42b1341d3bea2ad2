"""The examples that state a layer and a shape: the layer of either namespace gives it, and so does the formula.

Batches of hundreds of images are cut to two: no shape here hangs on the batch.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

import refops
from refops import shapes

Call = tuple[tuple[Any, ...], dict[str, Any]]


def of(*args: Any, **kwargs: Any) -> Call:
    return args, kwargs


# row of the inventory, layer, constructor arguments, input, output
LAYERS: tuple[tuple[int, str, Call, tuple[int, ...], tuple[int, ...]], ...] = (
    (8, "Conv2d", of(3, 16, 3, stride=1, padding=1), (1, 3, 32, 32), (1, 16, 32, 32)),
    (9, "Conv2d", of(16, 32, 3, stride=2, padding=1), (1, 16, 32, 32), (1, 32, 16, 16)),
    (10, "Conv2d", of(16, 16, 3, groups=16), (1, 16, 32, 32), (1, 16, 30, 30)),
    (10, "Conv2d", of(16, 32, 1), (1, 16, 30, 30), (1, 32, 30, 30)),
    (15, "Linear", of(512, 10), (32, 512), (32, 10)),
    (17, "MaxPool2d", of(kernel_size=2, stride=2), (1, 64, 32, 32), (1, 64, 16, 16)),
    (29, "Conv2d", of(16, 33, 3, stride=2), (2, 16, 50, 100), (2, 33, 24, 49)),
    (30, "Conv2d", of(16, 33, (3, 5), stride=(2, 1), padding=(4, 2)), (2, 16, 50, 100), (2, 33, 28, 100)),
    (31, "Conv2d", of(16, 33, (3, 5), (2, 1), (4, 2), dilation=(3, 1)), (2, 16, 50, 100), (2, 33, 26, 100)),
    (32, "ConvTranspose2d", of(16, 33, 3, stride=2), (2, 16, 50, 100), (2, 33, 101, 201)),
    (33, "ConvTranspose2d", of(16, 33, (3, 5), stride=(2, 1), padding=(4, 2)), (2, 16, 50, 100), (2, 33, 93, 100)),
    (35, "Linear", of(20, 30), (128, 20), (128, 30)),
    (43, "BatchNorm2d", of(100), (20, 100, 35, 45), (20, 100, 35, 45)),
    (43, "BatchNorm2d", of(100, affine=False), (20, 100, 35, 45), (20, 100, 35, 45)),
    (47, "LayerNorm", of(10), (20, 5, 10), (20, 5, 10)),
    (51, "InstanceNorm2d", of(100), (20, 100, 35, 45), (20, 100, 35, 45)),
    (51, "InstanceNorm2d", of(100, affine=True), (20, 100, 35, 45), (20, 100, 35, 45)),
    (54, "GroupNorm", of(3, 6), (20, 6, 10, 10), (20, 6, 10, 10)),
    (61, "MaxPool2d", of(3, stride=2), (20, 16, 50, 32), (20, 16, 24, 15)),
    (62, "MaxPool2d", of((3, 2), stride=(2, 1)), (20, 16, 50, 32), (20, 16, 24, 31)),
    (63, "AvgPool2d", of(3, stride=2), (20, 16, 50, 32), (20, 16, 24, 15)),
    (64, "AvgPool2d", of((3, 2), stride=(2, 1)), (20, 16, 50, 32), (20, 16, 24, 31)),
    (66, "AdaptiveAvgPool2d", of((5, 7)), (1, 64, 8, 9), (1, 64, 5, 7)),
    (67, "AdaptiveAvgPool2d", of(7), (1, 64, 10, 9), (1, 64, 7, 7)),
    (68, "AdaptiveAvgPool2d", of((None, 7)), (1, 64, 10, 9), (1, 64, 10, 7)),
    (96, "Dropout", of(p=0.2), (20, 16), (20, 16)),
    (107, "Conv2d", of(3, 64, 3, stride=1, padding=1, bias=True), (2, 3, 224, 224), (2, 64, 224, 224)),
    (113, "BatchNorm2d", of(64, momentum=0.1, eps=1e-5), (2, 64, 56, 56), (2, 64, 56, 56)),
    (119, "Dropout", of(0.5), (32, 128), (32, 128)),
    (135, "PReLU", of(num_parameters=64), (2, 64, 5), (2, 64, 5)),
    (202, "Conv1d", of(3, 5, 3), (3, 8), (5, 6)),
    (202, "Conv1d", of(3, 5, 3), (2, 3, 8), (2, 5, 6)),
    (202, "Conv2d", of(3, 5, 3), (3, 8, 8), (5, 6, 6)),
    (202, "Conv2d", of(3, 5, 3), (2, 3, 8, 8), (2, 5, 6, 6)),
    (202, "Conv3d", of(3, 5, 3), (3, 8, 8, 8), (5, 6, 6, 6)),
    (202, "Conv3d", of(3, 5, 3), (2, 3, 8, 8, 8), (2, 5, 6, 6, 6)),
    (209, "Conv3d", of(4, 6, (3, 2, 1), padding=(1, 0, 0)), (2, 4, 5, 6, 7), (2, 6, 5, 5, 7)),
    (233, "MaxPool2d", of((2, 2), stride=(2, 2)), (1, 1, 4, 4), (1, 1, 2, 2)),
    (239, "AvgPool2d", of((2, 2), stride=(2, 2)), (1, 1, 4, 4), (1, 1, 2, 2)),
)

# row, layer, constructor arguments, shapes of weight and bias
PARAMETERS: tuple[tuple[int, str, Call, tuple[int, ...], tuple[int, ...]], ...] = (
    (35, "Linear", of(20, 30), (30, 20), (30,)),
    (100, "Linear", of(10, 5), (5, 10), (5,)),
    (204, "Conv2d", of(3, 1, 3), (1, 3, 3, 3), (1,)),
    (205, "Conv2d", of(3, 1, 3), (1, 3, 3, 3), (1,)),
    (206, "Conv1d", of(4, 6, 3, groups=2), (6, 2, 3), (6,)),
    (207, "Conv2d", of(4, 6, 3, groups=2), (6, 2, 3, 3), (6,)),
    (208, "Conv3d", of(4, 6, 3, groups=2), (6, 2, 3, 3, 3), (6,)),
    (222, "Conv2d", of(3, 1, 3), (1, 3, 3, 3), (1,)),
    (228, "ConvTranspose2d", of(3, 1, 3, stride=2), (3, 1, 3, 3), (1,)),
)

# row, formula, its arguments, output
FORMULAS: tuple[tuple[int, str, Call, tuple[int, ...]], ...] = (
    (7, "conv2d", of((1, 3, 32, 32), 16, 3, stride=2, padding=1), (1, 16, 16, 16)),
    (106, "conv2d", of((1, 3, 32, 30), 8, 5, stride=2, padding=1), (1, 8, 15, 14)),
    (221, "conv2d", of((1, 3, 32, 30), 8, 3, stride=2, padding=1, dilation=3), (1, 8, 14, 13)),
    (227, "conv_transpose2d", of((1, 3, 5, 6), 8, 3, 2, 1, output_padding=1, dilation=2), (1, 8, 12, 14)),
)


def names(rows: tuple[Any, ...]) -> list[str]:
    return [f"row{row[0]}-{row[1]}" for row in rows]


@pytest.mark.parametrize(("row", "name", "arguments", "given", "wanted"), LAYERS, ids=names(LAYERS))
@pytest.mark.parametrize("namespace", [torch.nn, refops.nn], ids=["torch", "refops"])
def test_layer(namespace: Any, row: int, name: str, arguments: Call, given: Any, wanted: Any) -> None:
    args, kwargs = arguments
    with torch.no_grad():
        assert tuple(getattr(namespace, name)(*args, **kwargs)(torch.randn(given)).shape) == wanted


@pytest.mark.parametrize(("row", "name", "arguments", "weight", "bias"), PARAMETERS, ids=names(PARAMETERS))
@pytest.mark.parametrize("namespace", [torch.nn, refops.nn], ids=["torch", "refops"])
def test_parameters(namespace: Any, row: int, name: str, arguments: Call, weight: Any, bias: Any) -> None:
    layer = getattr(namespace, name)(*arguments[0], **arguments[1])
    assert (tuple(layer.weight.shape), tuple(layer.bias.shape)) == (weight, bias)


@pytest.mark.parametrize(("row", "name", "arguments", "wanted"), FORMULAS, ids=names(FORMULAS))
def test_formula(row: int, name: str, arguments: Call, wanted: Any) -> None:
    assert getattr(shapes, name)(*arguments[0], **arguments[1]) == wanted
