"""Robust regression losses against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_robust_loss = conforms(family="robust_loss")
