"""Where subjects come from: `load("timm.layers:LayerNorm")` imports it, or says truly why it cannot.

torchvision's compiled operators are built for another build of torch, and importing it registers shapes for two of
them. They are declared here first, so that its Python parts (and timm, which imports it) can be judged; whatever calls
the compiled ones is refused by torch itself.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import warnings
from functools import cache
from typing import Any

import torch

SCHEMAS = ("nms", "qnms")


class AbsentError(ImportError):
    """A library is not installed, or does not import beside this torch; the message says which."""


@cache
def _declare_operators() -> torch.library.Library | None:
    """The operators of torchvision, without kernels, where its own do not load."""
    if importlib.util.find_spec("torchvision") is None:
        return None
    with contextlib.suppress(Exception):
        importlib.import_module("torchvision")
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in SCHEMAS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def load(path: str) -> Any:
    """The object at `package.module:Name.inner`.

    Raises:
        AbsentError: if it cannot be had here, with the reason.
    """
    module, _, name = path.partition(":")
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise AbsentError(f"{package} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _declare_operators()
            found = importlib.import_module(module)
        except Exception as error:
            raise AbsentError(f"{module} does not import beside torch {torch.__version__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise AbsentError(f"{path} is not in the installed {package}")
        found = getattr(found, part)
    return found


def version(path: str) -> str:
    """The installed version of the library that has it; empty where it is none."""
    package = path.partition(":")[0].partition(".")[0]
    for name in importlib.metadata.packages_distributions().get(package, [package]):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return ""
