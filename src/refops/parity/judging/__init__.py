"""Judging: one item from its cases to its findings: numbers drawn, both sides run, budgets, comparison, shrinking."""
