"""Softplus and mish against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_smooth_activation = conforms(family="smooth_activation")
