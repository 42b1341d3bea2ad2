"""Tensor operations against native torch."""

from refops.parity import conforms

test_tensor = conforms(family="tensor")
