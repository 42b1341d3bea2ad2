"""Deformable convolution against its oracle: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_deformable_convolution = conforms(family="deformable_convolution")
