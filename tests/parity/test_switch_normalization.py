"""Switchable norm against its oracle: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_switch_normalization = conforms(family="switch_normalization")
