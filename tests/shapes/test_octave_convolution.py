"""The formula of octave convolution against the reference, and the reference's resizing against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from refops.functional.octave_convolution import low_channels
from refops.nn.octave_convolution import OctaveConv2d
from refops.shapes.octave_convolution import octave_conv2d

sides = st.tuples(st.integers(1, 6), st.integers(1, 6))


@st.composite
def configurations(draw):
    channels = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    alphas = draw(st.tuples(*(st.sampled_from((0, 0.25, 0.5, 1, 1.5)),) * 2))
    high = draw(st.none() | sides)
    low = tuple(s // 2 for s in high) if high and draw(st.booleans()) else draw(st.none() | sides)
    split = (channels[0] - int(alphas[0] * channels[0]), int(alphas[0] * channels[0]))
    maps = [None if size is None else (2, max(n, 0), *size) for size, n in zip((high, low), split, strict=True)]
    options = {
        "kernel_size": draw(st.integers(0, 4)),
        "stride": draw(st.sampled_from((1, 1, 2, 3))),
        "dilation": draw(st.sampled_from((1, 2))),
        "groups": draw(st.sampled_from((1, 1, 2, 3))),
    }
    return channels, alphas, maps, options


@given(configurations())
@settings(deadline=None, max_examples=400)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_formula_agrees_with_the_layer(configuration):
    (into, out), (alpha_in, alpha_out), maps, options = configuration
    try:
        layer = OctaveConv2d(into, out, alpha_in=alpha_in, alpha_out=alpha_out, **options)
        results = layer(*(None if shape is None else torch.zeros(shape) for shape in maps))
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError, match=r"alpha|high|low|kernel_size|stride|groups"):
            octave_conv2d(*maps, out, alpha_in=alpha_in, alpha_out=alpha_out, in_channels=into, **options)
    else:
        shapes = tuple(None if x is None else tuple(x.shape) for x in results)
        assert octave_conv2d(*maps, out, alpha_in=alpha_in, alpha_out=alpha_out, in_channels=into, **options) == shapes


@pytest.mark.parametrize(
    ("high", "low"), [((9, 9), (4, 4)), ((7, 8), (3, 4)), ((8, 8), (4, 4)), ((5, 2), (2, 1)), ((17, 16), (8, 8))]
)
def test_odd_sizes(high, low):
    given = (1, 8, *high), (1, 8, *low)
    assert octave_conv2d(*given, 16) == given
    assert [tuple(x.shape) for x in OctaveConv2d(16, 16)(*map(torch.zeros, given))] == [*given]


@pytest.mark.parametrize("size", [(9, 9), (8, 7), (16, 5), (31, 33)])
def test_a_network_of_odd_sizes(size):
    layers = [OctaveConv2d(3, 8, alpha_in=0), OctaveConv2d(8, 8, 2, stride=2), OctaveConv2d(8, 8, 4, alpha_in=0.5)]
    maps = (torch.rand(2, 3, *size),)
    for layer in layers:
        maps = layer(*maps)
        assert tuple(s // 2 for s in maps[0].shape[2:]) == tuple(maps[1].shape[2:])
    y, nothing = OctaveConv2d(8, 5, alpha_out=0)(*maps)
    assert nothing is None
    assert y.shape == (2, 5, *(s // 2 for s in size))


@pytest.mark.parametrize(
    ("alpha", "channels", "low"),
    [(0.9, 10, 9), (0.9, 100, 90), (0.8, 10, 8), (0.9, 30, 27), (0.29, 100, 29), (0.58, 50, 29), (0.5, 5, 2),
     (1 / 3, 3, 1), (0, 7, 0), (1, 7, 7)],
)  # fmt: skip
def test_no_channel_is_lost_to_rounding(alpha, channels, low):
    assert low_channels(alpha, channels) == low
    high, coarse = octave_conv2d((1, channels, 4, 4), None, channels, alpha_in=0, alpha_out=alpha)
    assert (coarse[1] if coarse else 0, high[1] if high else 0) == (low, channels - low)


@pytest.mark.parametrize("size", range(2, 70))
def test_enlarging_is_torch_s_nearest(size):
    layer = OctaveConv2d(2, 1, 1, alpha_out=0, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1))
        low = torch.arange(size // 2, dtype=torch.double).expand(1, 1, size // 2, -1)
        y, _ = layer(torch.zeros(1, 1, size, size, dtype=torch.double), low)
    assert torch.equal(y, torch.nn.functional.interpolate(low, size=(size, size), mode="nearest"))


def test_documented_example():
    assert octave_conv2d((2, 8, 8, 8), (2, 8, 4, 4), 16) == ((2, 8, 8, 8), (2, 8, 4, 4))


def test_starts_like_a_convolution():
    torch.manual_seed(0)
    octave = OctaveConv2d(6, 8, (3, 2))
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(6, 8, (3, 2))
    assert all(torch.equal(a, b) for a, b in zip(octave.parameters(), plain.parameters(), strict=True))
    octave.load_state_dict(plain.state_dict())
