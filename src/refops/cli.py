"""The command line's front door: it answers what it cannot do in one line and exit code 2, never with a traceback.

The commands themselves stand in `refops.commands`, which is imported only when there is something to run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from refops.usage import UsageError

INSTALL = "pip install 'refops[kit]'"
KIT = ("typer", "rich", "pytest", "xdist", "hypothesis", "jinja2", "matplotlib")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Example:
        >>> main(["shape", "Conv2d", "3x224x224", "--out-channels", "64", "--kernel-size", "7", "--stride", "2"])
        64x109x109
        0
    """
    try:
        from refops.commands import run

        return run(sys.argv[1:] if argv is None else list(argv))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in KIT:
            raise
        return _refuse(f"{error.name} is missing; the command line needs: {INSTALL}")
    except UsageError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # `refops list | head`
        sys.stderr.close()
        return 0


def _refuse(reason: str) -> int:
    print(f"refops: {' '.join(reason.split())}", file=sys.stderr)
    return 2
