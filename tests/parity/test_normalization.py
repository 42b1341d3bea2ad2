"""LayerNorm, GroupNorm and RMSNorm against native torch: every check of every reference."""

from refops.parity import conforms

test_normalization = conforms(family="normalization")
