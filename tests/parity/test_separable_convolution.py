"""Depthwise separable convolution against torch's two convolutions: every check, as `refops check` runs them."""

from refops.parity import conforms

test_separable_convolution = conforms(family="separable_convolution")
