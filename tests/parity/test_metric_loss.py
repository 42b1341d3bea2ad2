"""Metric losses against torch or their papers' equations: every check, as `refops check` runs them."""

from refops.parity import conforms

test_metric_loss = conforms(family="metric_loss")
