"""Formulas of transposed convolution, its matrix and the separable layer against native torch.

Illegal arguments are judged on the CPU in float64: the meta device and float32 let some through.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.functional.convolution_matrix import convolution_matrix as reference_matrix
from refops.shapes.transposed_convolution import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    convolution_matrix,
    depthwise_separable_conv2d,
)

FORMULAS = {1: conv_transpose1d, 2: conv_transpose2d, 3: conv_transpose3d}
LAYERS = {1: torch.nn.ConvTranspose1d, 2: torch.nn.ConvTranspose2d, 3: torch.nn.ConvTranspose3d}
CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}
REFUSED = (RuntimeError, ValueError, TypeError)
NAMES = r"input|channels|kernel_size|stride|padding|dilation|groups|output_padding|output_size"


def agrees(n, input, in_channels, output_size=None, **arguments):
    try:
        layer = LAYERS[n](in_channels, dtype=torch.float64, **arguments)
        expected = tuple(layer(torch.empty(input, dtype=torch.float64), output_size).shape)
    except REFUSED:
        with pytest.raises(ValueError, match=NAMES):
            FORMULAS[n](input, in_channels=in_channels, output_size=output_size, **arguments)
    else:
        assert FORMULAS[n](input, in_channels=in_channels, output_size=output_size, **arguments) == expected
        assert FORMULAS[n](input, output_size=output_size, **arguments) == expected


def sizes(n, low, high):
    return st.integers(low, high) | st.lists(st.integers(low, high), min_size=n, max_size=n).map(tuple)


@st.composite
def configurations(draw):
    n = draw(st.sampled_from([1, 2, 3]))
    into, out, groups = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)))
    spatial = draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
    channels = into * groups + draw(st.sampled_from([0] * 9 + [1]))
    shape = (*draw(st.lists(st.integers(1, 2), max_size=1)), channels, *spatial)
    arguments = {
        "out_channels": out * groups,
        "kernel_size": draw(sizes(n, 1, 4)),
        "stride": draw(st.just(1) | sizes(n, 1, 3)),
        "padding": draw(sizes(n, 0, 3)),
        "output_padding": draw(st.just(0) | sizes(n, 0, 2)),
        "groups": groups,
        "dilation": draw(st.just(1) | sizes(n, 1, 3)),
    }
    if draw(st.booleans()):
        arguments["output_size"] = draw(st.lists(st.integers(1, 12), min_size=n, max_size=n))
    return n, shape, into * groups, arguments


@given(configurations())
@settings(deadline=None, max_examples=200)
def test_formula_agrees_with_native(configuration):
    n, shape, into, arguments = configuration
    agrees(n, shape, into, **arguments)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_stride_dilation_padding_together(stride, dilation, padding):
    for kernel_size in (1, 3, 4):
        for output_padding in range(4):
            agrees(
                2, (1, 2, 5, 4), 2, out_channels=3, kernel_size=kernel_size, stride=stride, dilation=dilation,
                padding=padding, output_padding=output_padding,
            )  # fmt: skip


ODD = (
    {"groups": 0}, {"groups": 3}, {"groups": -2}, {"out_channels": 5, "groups": 2}, {"out_channels": 0},
    {"kernel_size": 0}, {"kernel_size": (3, 3, 3)}, {"stride": 0}, {"stride": -1}, {"stride": (1, 2, 1)},
    {"stride": (2,)}, {"padding": -1}, {"padding": (1, -1)}, {"padding": "same"}, {"padding": (1, 1, 1)},
    {"padding": 5}, {"padding": 6}, {"padding": (5, 0)}, {"dilation": 0}, {"dilation": -1}, {"dilation": (1, 1, 1)},
    {"output_padding": 1}, {"output_padding": -1, "stride": 2}, {"output_padding": 1, "stride": 2},
    {"output_padding": 2, "stride": 2}, {"output_padding": 2, "dilation": 3}, {"output_padding": (0, 1)},
    {"output_padding": (0, 1), "stride": (1, 2)}, {"output_padding": (1, 0), "stride": (1, 2)},
    {"padding": 2, "kernel_size": 1, "stride": 5, "output_padding": 4},
    {"output_size": (20, 20), "stride": 2}, {"output_size": (19, 20), "stride": 2},
    {"output_size": (21, 20), "stride": 2}, {"output_size": (18, 20), "stride": 2}, {"output_size": (20,), "stride": 2},
    {"output_size": (2, 6, 20, 20), "stride": 2}, {"output_size": (6, 20, 20), "stride": 2},
    {"output_size": (19, 19), "stride": 2, "output_padding": 1},
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("change", ODD, ids=str)
def test_odd_arguments_are_judged_as_native_does(change):
    agrees(2, (2, 4, 9, 9), 4, **({"out_channels": 6, "kernel_size": 3} | change))


@pytest.mark.parametrize("input", [(9, 9), (4,), (1, 1, 4, 9, 9), (2, 3, 9, 9), (2, 4, 0, 9), (0, 4, 9, 9), (4, 1, 1)])
def test_inputs_are_judged_as_native_does(input):
    agrees(2, input, 4, out_channels=6, kernel_size=3)


@pytest.mark.parametrize(
    ("input", "arguments", "expected"),
    [
        ((20, 16, 50, 100), {"out_channels": 33, "kernel_size": 3, "stride": 2}, (20, 33, 101, 201)),
        (
            (20, 16, 50, 100),
            {"out_channels": 33, "kernel_size": (3, 5), "stride": (2, 1), "padding": (4, 2)},
            (20, 33, 93, 100),
        ),
        ((1, 16, 6, 6), {"out_channels": 16, "kernel_size": 3, "stride": 2, "padding": 1}, (1, 16, 11, 11)),
        (
            (1, 16, 6, 6),
            {"out_channels": 16, "kernel_size": 3, "stride": 2, "padding": 1, "output_size": (1, 16, 12, 12)},
            (1, 16, 12, 12),
        ),
        ((1, 3, 8, 8), {"out_channels": 1, "kernel_size": 3, "stride": 2}, (1, 1, 17, 17)),
        ((1, 1, 2, 2), {"out_channels": 1, "kernel_size": 3}, (1, 1, 4, 4)),
        ((16, 64, 16, 16), {"out_channels": 32, "kernel_size": 4, "stride": 2, "padding": 1}, (16, 32, 32, 32)),
    ],
)
def test_documented_examples(input, arguments, expected):
    asked = dict(arguments)
    layer = LAYERS[2](input[1], device="meta", **{k: asked[k] for k in asked.keys() - {"output_size"}})
    native = layer(torch.empty(input, device="meta"), asked.get("output_size"))
    assert conv_transpose2d(input, **arguments) == expected == tuple(native.shape)


def test_weight_begins_with_the_input_channels():
    assert tuple(torch.nn.ConvTranspose2d(3, 1, 3, stride=2).weight.shape) == (3, 1, 3, 3)


@given(st.data())
@settings(deadline=None, max_examples=80)
def test_matrix_has_a_row_for_every_output(data):
    n = data.draw(st.sampled_from([1, 2, 3]))
    groups = data.draw(st.integers(1, 2))
    weight = (2 * groups, data.draw(st.integers(1, 2)), *data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    size = tuple(data.draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)))
    options = {
        "stride": data.draw(st.just(1) | sizes(n, 1, 3)),
        "padding": data.draw(sizes(n, 0, 2) | st.sampled_from(["same", "valid"])),
        "dilation": data.draw(sizes(n, 1, 2)),
        "groups": groups,
    }
    image = torch.empty(weight[1] * groups, *size, device="meta")
    try:
        convolved = CONVOLUTIONS[n](image, torch.empty(weight, device="meta"), None, **options)
    except RuntimeError:
        with pytest.raises(ValueError, match=NAMES):
            convolution_matrix(weight, size, **options)
        with pytest.raises(RuntimeError, match=NAMES):
            reference_matrix(torch.ones(weight), size, **options)
    else:
        assert convolution_matrix(weight, size, **options) == (convolved.numel(), image.numel())
        assert tuple(reference_matrix(torch.ones(weight), size, **options).shape) == (convolved.numel(), image.numel())


def test_documented_matrices():
    kernel = torch.randn(1, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = reference_matrix(kernel, (4, 4))
    image, small = torch.arange(16.0, dtype=torch.float64), torch.arange(4.0, dtype=torch.float64)
    assert tuple(matrix.shape) == convolution_matrix((1, 1, 3, 3), (4, 4)) == (4, 16)
    there = torch.nn.functional.conv2d(image.view(1, 1, 4, 4), kernel)
    back = torch.nn.functional.conv_transpose2d(small.view(1, 1, 2, 2), kernel)
    torch.testing.assert_close(matrix @ image, there.flatten())
    torch.testing.assert_close(matrix.T @ small, back.flatten())
    assert torch.dist(matrix.T @ matrix @ image, image) > 1  # the transpose is not the inverse


@pytest.mark.parametrize(
    ("input", "arguments", "expected"),
    [
        ((1, 16, 32, 32), {"out_channels": 32, "padding": 0}, (1, 32, 30, 30)),
        ((1, 16, 32, 32), {"out_channels": 32}, (1, 32, 32, 32)),
        ((2, 3, 10, 10), {"out_channels": 5, "kernel_size": 2}, (2, 5, 10, 10)),
        ((2, 3, 8, 8), {"out_channels": 5, "kernel_size": 4}, (2, 5, 8, 8)),
        ((3, 9, 8), {"out_channels": 5, "kernel_size": (3, 2), "stride": 2, "padding": "valid"}, (5, 4, 4)),
        ((3, 9, 8), {"out_channels": 5, "padding": 2, "dilation": 2, "padding_mode": "reflect"}, (5, 9, 8)),
    ],
)
def test_separable_layer(input, arguments, expected):
    options = {"kernel_size": 3, "padding": "same"} | arguments
    out, channels = options.pop("out_channels"), input[-3]
    depthwise = torch.nn.Conv2d(channels, channels, groups=channels, **options)
    native = torch.nn.Conv2d(channels, out, 1)(depthwise(torch.ones(input)))
    assert depthwise_separable_conv2d(input, **arguments) == expected == tuple(native.shape)
    with pytest.raises(ValueError, match="stride"):
        depthwise_separable_conv2d(input, out, stride=2)
