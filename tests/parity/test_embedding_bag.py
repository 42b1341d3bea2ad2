"""Embedding bags against native torch: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_embedding_bag = conforms(family="embedding_bag")
