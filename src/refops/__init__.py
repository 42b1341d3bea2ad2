"""Readable PyTorch operators, and the conformance kit that proves them and yours."""
