"""Rectifiers against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_rectifier = conforms(family="rectifier")
