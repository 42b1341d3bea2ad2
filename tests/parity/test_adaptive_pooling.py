"""Adaptive pooling against native torch, global pooling against its oracle: every check of every reference."""

from refops.parity import conforms

test_adaptive_pooling = conforms(family="adaptive_pooling")
