"""What the command line cannot do, as an error that every command may raise."""

from __future__ import annotations


class UsageError(Exception):
    """What was asked cannot be done; the message says why in one line."""
