"""Formulas of the convolution family against native torch: on the meta device, illegal arguments on the CPU.

The meta device lets some arguments through that every real device refuses.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.shapes.convolution import conv1d, conv2d, conv3d

FORMULAS = {1: conv1d, 2: conv2d, 3: conv3d}
LAYERS = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}
MODES = ("zeros", "reflect", "replicate", "circular")
REFUSED = (RuntimeError, ValueError, NotImplementedError)
NAMES = r"input|channels|kernel_size|stride|padding|dilation|groups|pad|mode"


def native(n, input, in_channels, device="meta", **arguments):
    layer = LAYERS[n](in_channels, device=device, **arguments)
    return tuple(layer(torch.empty(input, device=device)).shape)


def agrees(n, input, in_channels, device="meta", **arguments):
    try:
        expected = native(n, input, in_channels, device, **arguments)
    except REFUSED:
        with pytest.raises(ValueError, match=NAMES):
            FORMULAS[n](input, in_channels=in_channels, **arguments)
    else:
        assert FORMULAS[n](input, in_channels=in_channels, **arguments) == expected
        assert FORMULAS[n](input, **arguments) == expected


def sizes(n, low, high):
    return st.integers(low, high) | st.lists(st.integers(low, high), min_size=n, max_size=n).map(tuple)


@st.composite
def configurations(draw):
    n = draw(st.sampled_from([1, 2, 3]))
    into, out, groups = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 2)))
    spatial = draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    channels = into * groups + draw(st.sampled_from([0] * 9 + [1]))
    shape = (*draw(st.lists(st.integers(0, 2), max_size=1)), channels, *spatial)
    arguments = {
        "out_channels": out * groups,
        "kernel_size": draw(sizes(n, 1, 4)),
        "stride": draw(st.just(1) | sizes(n, 1, 3)),
        "padding": draw(sizes(n, 0, 4) | st.sampled_from(["same", "valid"])),
        "dilation": draw(st.just(1) | sizes(n, 1, 3)),
        "groups": groups,
        "padding_mode": draw(st.sampled_from(("zeros", *MODES))),
    }
    return n, shape, into * groups, arguments


@given(configurations())
@settings(deadline=None, max_examples=300)
def test_formula_agrees_with_native(configuration):
    n, shape, into, arguments = configuration
    agrees(n, shape, into, **arguments)


ODD = (
    {"groups": 0}, {"groups": 3}, {"groups": -2}, {"out_channels": 5, "groups": 2}, {"out_channels": 0},
    {"kernel_size": 0}, {"kernel_size": 10}, {"kernel_size": (3, 3, 3)}, {"kernel_size": (3, 10)},
    {"stride": 0}, {"stride": -1}, {"stride": (1, 2, 1)}, {"stride": (2,)},
    {"padding": -1}, {"padding": (1, -1)}, {"padding": "full"}, {"padding": (1, 1, 1)}, {"padding": (1,)},
    {"padding": -1, "padding_mode": "circular"}, {"padding": -1, "padding_mode": "replicate"},
    {"padding": "same", "stride": 2}, {"padding": "same", "stride": (1, 2)}, {"padding": "same", "kernel_size": 4},
    {"padding": "same", "kernel_size": (4, 3), "dilation": (3, 2)}, {"padding": "valid", "stride": 2},
    {"dilation": 0}, {"dilation": -1}, {"dilation": 5}, {"dilation": (1, 1, 1)}, {"dilation": (2,)},
    {"padding_mode": "constant"}, {"padding_mode": "edge"}, {"padding": 9, "padding_mode": "reflect"},
    {"padding": 8, "padding_mode": "reflect"}, {"padding": 9, "padding_mode": "circular"},
    {"padding": 10, "padding_mode": "circular"}, {"padding": 20, "padding_mode": "replicate"},
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("change", ODD, ids=str)
def test_odd_arguments_are_judged_as_native_does(change):
    agrees(2, (2, 4, 9, 9), 4, "cpu", **({"out_channels": 6, "kernel_size": 3} | change))


@pytest.mark.parametrize(
    "input", [(9, 9), (4,), (1, 1, 4, 9, 9), (2, 3, 9, 9), (2, 4, 2, 9), (0, 4, 9, 9), (0, 4, 2, 9)]
)
@pytest.mark.parametrize("mode", MODES)
def test_inputs_are_judged_as_native_does(input, mode):
    agrees(2, input, 4, "cpu", out_channels=6, kernel_size=3, padding_mode=mode)


@pytest.mark.parametrize(
    ("n", "input", "arguments", "expected"),
    [
        (2, (1, 3, 32, 32), {"out_channels": 16, "kernel_size": 3, "padding": 1}, (1, 16, 32, 32)),
        (2, (1, 16, 32, 32), {"out_channels": 32, "kernel_size": 3, "stride": 2, "padding": 1}, (1, 32, 16, 16)),
        (2, (1, 16, 32, 32), {"out_channels": 16, "kernel_size": 3, "groups": 16}, (1, 16, 30, 30)),
        (2, (20, 16, 50, 100), {"out_channels": 33, "kernel_size": 3, "stride": 2}, (20, 33, 24, 49)),
        (
            2,
            (20, 16, 50, 100),
            {"out_channels": 33, "kernel_size": (3, 5), "stride": (2, 1), "padding": (4, 2)},
            (20, 33, 28, 100),
        ),
        (
            2,
            (20, 16, 50, 100),
            {"out_channels": 33, "kernel_size": (3, 5), "stride": (2, 1), "padding": (4, 2), "dilation": (3, 1)},
            (20, 33, 26, 100),
        ),
        (2, (1, 16, 12, 12), {"out_channels": 16, "kernel_size": 3, "stride": 2, "padding": 1}, (1, 16, 6, 6)),
        (2, (32, 3, 224, 224), {"out_channels": 64, "kernel_size": 3, "padding": 1}, (32, 64, 224, 224)),
        (2, (1, 3, 8, 8), {"out_channels": 5, "kernel_size": 3}, (1, 5, 6, 6)),
        (2, (3, 10, 10), {"out_channels": 3, "kernel_size": 4, "padding": "same"}, (3, 10, 10)),
        (1, (20, 16, 50), {"out_channels": 33, "kernel_size": 3, "stride": 2}, (20, 33, 24)),
        (3, (20, 16, 10, 50, 100), {"out_channels": 33, "kernel_size": 3, "stride": 2}, (20, 33, 4, 24, 49)),
    ],
)
def test_documented_examples(n, input, arguments, expected):
    channels = input[-n - 1]
    assert FORMULAS[n](input, **arguments) == expected == native(n, input, channels, **arguments)
