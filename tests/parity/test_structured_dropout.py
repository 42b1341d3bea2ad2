"""Structured dropout against its oracles: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_structured_dropout = conforms(family="structured_dropout")
