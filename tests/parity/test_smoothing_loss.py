"""Label smoothing against the equations of its two rules: every check, as `refops check` runs them."""

from refops.parity import conforms

test_smoothing_loss = conforms(family="smoothing_loss")
