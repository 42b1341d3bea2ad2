"""Layer, group and root-mean-square normalization against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_normalization = conforms(family="normalization")
