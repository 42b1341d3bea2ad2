"""Timing: references against native, interleaved."""
