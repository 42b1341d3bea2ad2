"""Formulas of deformable convolution: torch's own of convolution for the sizes, the references for what is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.functional.deformable_convolution import deform_conv2d as reference
from refops.functional.deformable_convolution import deformable_conv2d as with_its_offsets
from refops.nn.deformable_convolution import DeformableConv2d
from refops.shapes.deformable_convolution import deform_conv2d, deformable_conv2d

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def geometries(draw):
    return {
        "kernel_size": draw(st.integers(1, 4) | pairs),
        "stride": draw(st.integers(0, 3) | pairs),
        "padding": draw(st.integers(-1, 2) | pairs),
        "dilation": draw(st.integers(0, 2) | pairs),
    }


def two(size):
    return (size, size) if isinstance(size, int) else size


@given(geometries(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=200)
def test_offsets_have_one_pair_per_tap_and_window(geometry, size, shared, spoilt):
    input, weight = (2, 6, *size), (4, 3, *two(geometry["kernel_size"]))
    options = {k: v for k, v in geometry.items() if k != "kernel_size"}
    try:
        conv = torch.nn.functional.conv2d(torch.zeros(input), torch.zeros(weight), groups=2, **options)
    except RuntimeError:
        with pytest.raises(ValueError, match=r"kernel_size|stride|padding|dilation|pad|input"):
            deform_conv2d(input, (2, 18, 1, 1), 4, **geometry, groups=2)
        return
    taps = shared * weight[2] * weight[3]
    offset, mask = [2, 2 * taps, *conv.shape[2:]], (2, taps, *conv.shape[2:])
    assert deform_conv2d(input, offset, 4, **geometry, groups=2, mask=mask, in_channels=6) == tuple(conv.shape)
    assert reference(*map(torch.zeros, (input, offset, weight)), **options).shape == conv.shape
    offset[spoilt] += 1
    with pytest.raises(ValueError, match="offset"):
        deform_conv2d(input, offset, 4, **geometry, groups=2)
    with pytest.raises(RuntimeError, match="offset"):
        reference(*map(torch.zeros, (input, offset, weight)), **options)


@given(geometries(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.sampled_from(["same", "valid", "full", None]))
@settings(deadline=None, max_examples=100)
def test_learned_offsets_leave_the_shape_of_a_convolution(geometry, size, word):
    geometry |= {"padding": word} if word else {}
    try:
        expected = torch.nn.Conv2d(2, 3, **geometry)(torch.zeros(1, 2, *size)).shape
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError, match=r"kernel_size|stride|padding|dilation|pad"):
            deformable_conv2d((1, 2, *size), 3, **geometry)
        with pytest.raises((RuntimeError, ValueError)):
            DeformableConv2d(2, 3, **geometry)(torch.zeros(1, 2, *size))
    else:
        assert deformable_conv2d((1, 2, *size), 3, **geometry) == expected
        assert DeformableConv2d(2, 3, **geometry)(torch.zeros(1, 2, *size)).shape == expected


@pytest.mark.parametrize("kernel_size", range(1, 7))
def test_no_kernel_lets_the_map_grow(kernel_size):
    assert deformable_conv2d((1, 3, 10, 10), 8, kernel_size) == (1, 8, 10, 10)


def test_documented_examples():
    assert deform_conv2d((4, 3, 10, 10), (4, 2 * 3 * 3, 8, 8), 5, 3) == (4, 5, 8, 8)
    assert deformable_conv2d((2, 16, 32, 32), 32) == (2, 32, 32, 32)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"input": (3, 8, 8)}, "input"),
        ({"padding": "same"}, "padding"),
        ({"groups": 2}, "groups"),
        ({"mask": (1, 18, 6, 6)}, "mask"),
        ({"mask": (1, 9, 8, 8)}, "mask"),
        ({"offset": (18, 6, 6)}, "offset"),
        ({"offset": (1, 36, 6, 6)}, "offset"),
        ({"in_channels": 4}, "in_channels"),
    ],
)
def test_refused(change, named):
    arguments = {"input": (1, 3, 8, 8), "offset": (1, 18, 6, 6), "out_channels": 5, "kernel_size": 3}
    with pytest.raises(ValueError, match=named):
        deform_conv2d(**(arguments | change))


@pytest.mark.parametrize("offset_groups", [0, -1, 4])
def test_offset_groups_divide_the_channels(offset_groups):
    with pytest.raises(ValueError, match="offset_groups"):
        deformable_conv2d((1, 3, 8, 8), 5, offset_groups=offset_groups)


@pytest.mark.parametrize("predictor", [(17, 3, 3, 3), (18, 3, 3, 1), (9, 3, 3, 3)])
def test_the_predictor_of_offsets_fits_the_kernel(predictor):
    with pytest.raises(RuntimeError, match="offset_weight"):
        with_its_offsets(torch.zeros(1, 3, 8, 8), torch.zeros(5, 3, 3, 3), None, torch.zeros(predictor), None)
