"""Perceptrons against an oracle of their own: every check of every reference, as `refops check` runs them."""

from refops.parity import conforms

test_perceptron = conforms(family="perceptron")
