"""`python -m refops` is the command `refops`."""

import sys

from refops.cli import main

if __name__ == "__main__":
    sys.exit(main())
