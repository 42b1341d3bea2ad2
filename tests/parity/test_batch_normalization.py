"""Batch and instance normalization against native torch: every check of every reference."""

from refops.parity import conforms

test_batch_normalization = conforms(family="batch_normalization")
