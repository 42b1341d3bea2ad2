"""Lets the tests of this folder import its data: subjects, what is known of them, and how they are judged."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
