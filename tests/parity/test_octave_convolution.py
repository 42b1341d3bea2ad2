"""Octave convolution against its oracle: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_octave_convolution = conforms(family="octave_convolution")
