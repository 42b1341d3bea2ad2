"""Running: what starts the judging and shows what it found: calls, pytest's plugin, the command, terminal, report."""
