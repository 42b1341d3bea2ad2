"""Linear and Identity against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_linear = conforms(family="linear")
