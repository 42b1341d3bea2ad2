"""Sampling against its oracles: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_sampling = conforms(family="sampling")
