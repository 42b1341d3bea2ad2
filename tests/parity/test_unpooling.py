"""Unpooling against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_unpooling = conforms(family="unpooling")
