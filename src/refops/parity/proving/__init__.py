"""Proving: whether the kit itself is right: collections, their rates, and the primitives the references need."""
