"""Focal losses against their papers' equations: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_focal_loss = conforms(family="focal_loss")
