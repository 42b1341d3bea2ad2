"""Packages that training needs and the rest of refops does not: imported when used, asked for in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["MissingPackageError", "need"]

INSTALL = "pip install 'refops[train]'"


class MissingPackageError(ImportError):
    """A package that was asked for is not installed; the message says what to install."""


def need(module: str, what: str, install: str = INSTALL) -> Any:
    """Import `module`, without which there is no `what`.

    Raises:
        MissingPackageError: if it is not installed.

    Example:
        >>> need("math", "arithmetic").sqrt(4)
        2.0
        >>> need("no_such_package.part", "the impossible")
        Traceback (most recent call last):
        refops.training.extras.MissingPackageError: the impossible needs no_such_package: pip install 'refops[train]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingPackageError(f"{what} needs {package}: {install}") from error
