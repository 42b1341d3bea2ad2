"""Transposed convolution against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_transposed_convolution = conforms(family="transposed_convolution")
