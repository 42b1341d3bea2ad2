"""What surrounds a call and must be as it was: torch's settings and functions, Python's, and the kit itself.

Settings are compared around a call. Functions are compared with those there were when the kit was imported, so that a
subject imported after it cannot put its own in their place; of those put there before, only the ones whose code stands
in the subject's own package are known. Not seen: what is changed and put back within one call, constants of the kit
changed before it was looked at, and kernels exchanged below Python other than by `torch.library`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

Settings = dict[str, Any]

_READ: dict[str, Callable[[], Any]] = {
    "torch.get_default_dtype()": torch.get_default_dtype,
    "torch.get_default_device()": lambda: str(torch.get_default_device()),
    "torch.is_grad_enabled()": torch.is_grad_enabled,
    "torch.is_inference_mode_enabled()": torch.is_inference_mode_enabled,
    "torch.is_anomaly_enabled()": torch.is_anomaly_enabled,
    "torch.get_num_threads()": torch.get_num_threads,
    "torch.get_num_interop_threads()": torch.get_num_interop_threads,
    "torch.are_deterministic_algorithms_enabled()": torch.are_deterministic_algorithms_enabled,
    "torch.get_float32_matmul_precision()": torch.get_float32_matmul_precision,
    "torch.backends.cuda.matmul.allow_tf32": lambda: torch.backends.cuda.matmul.allow_tf32,
    "torch.backends.cudnn.allow_tf32": lambda: torch.backends.cudnn.allow_tf32,
    "torch.backends.cudnn.benchmark": lambda: torch.backends.cudnn.benchmark,
    "torch.backends.cudnn.deterministic": lambda: torch.backends.cudnn.deterministic,
    "torch.backends.cudnn.enabled": lambda: torch.backends.cudnn.enabled,
    "torch.backends.mkldnn.enabled": lambda: torch.backends.mkldnn.enabled,
    "torch.is_autocast_enabled()": lambda: [torch.is_autocast_enabled(d) for d in ("cpu", "cuda")],
    "torch.set_flush_denormal": lambda: bool((torch.tensor([1e-39]) * 1.0 == 0).all()),
    "module hooks for all modules": lambda: [len(h) for h in _global_hooks()],
    "warnings.filters": lambda: list(warnings.filters),
    "numpy.geterr()": np.geterr,
    "the state of numpy.random": lambda: np.random.get_state()[1].tobytes(),  # type: ignore[index]
    "the state of random": random.getstate,
    "os.environ": lambda: dict(os.environ),
    "the working directory": os.getcwd,
    "sys.getrecursionlimit()": sys.getrecursionlimit,
    "sys.stdout and sys.stderr": lambda: (id(sys.stdout), id(sys.stderr)),
    "signal handlers": lambda: [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
}


def _global_hooks() -> Iterator[Any]:
    """The dictionaries behind `torch.nn.modules.module.register_module_forward_hook` and its like."""
    module = torch.nn.modules.module
    for name in sorted(vars(module)):
        if name.startswith("_global_") and name.endswith("_hooks") and isinstance(getattr(module, name), dict):
            yield getattr(module, name)


def settings() -> Settings:
    """Every setting as it is now."""
    return {name: read() for name, read in _READ.items()}


def moved(before: Settings, after: Settings) -> list[str]:
    """Names of settings that are not as they were, with both values where they are short."""
    names = [name for name in before if before[name] != after[name]]
    short = (f" ({before[n]!r:.40} before, {after[n]!r:.40} after)" for n in names)
    return [n + s if n.startswith("torch.") else n for n, s in zip(names, short, strict=True)]


# -- functions -------------------------------------------------------------------------------------------------------

_PLACES: dict[str, Any] = {
    "torch": torch, "torch.nn.functional": torch.nn.functional, "torch.Tensor": Tensor, "torch.nn": torch.nn,
    "torch.nn.Module": torch.nn.Module, "torch.autograd": torch.autograd, "torch.linalg": torch.linalg,
    "torch.testing": torch.testing, "torch.optim": torch.optim,
}  # fmt: skip


def functions() -> dict[str, object]:
    """Every public function, class and method of torch's that operators and comparisons are made of."""
    found = {
        f"{place}.{name}": value
        for place, holder in _PLACES.items()
        for name, value in vars(holder).items()
        if (callable(value) or isinstance(value, property)) and (not name.startswith("_") or name.startswith("__"))
    }
    for name, value in vars(torch.nn).items():
        if isinstance(value, type) and "forward" in vars(value):
            found[f"torch.nn.{name}.forward"] = vars(value)["forward"]
    return found | {f"torch.library {key}": True for key in _kernels()}


def _kernels() -> list[str]:
    """The kernels registered from Python for torch's own operators, on the devices; torch itself adds others later."""
    keys = map(str, getattr(torch.library, "_impls", ()))
    return [
        k for k in keys if k.startswith("aten/") and k.rpartition("/")[2] in ("CPU", "CUDA", "AutogradCPU", "Autograd")
    ]


_AT_IMPORT = functions()


def exchanged() -> list[str]:
    """Functions of torch's that are not those of when the kit was imported; torch itself wraps some later."""
    now = functions()
    changed = [name for name, value in _AT_IMPORT.items() if now.get(name) is not value and not _torchs(now.get(name))]
    return changed + [n for n in now.keys() - _AT_IMPORT.keys() if n.startswith("torch.library")]


def put_back(names: list[str]) -> None:
    """Put torch's own functions where others stand now."""
    for name in names:
        place, _, attribute = name.rpartition(".")
        if place in _PLACES:
            setattr(_PLACES[place], attribute, _AT_IMPORT[name])
        elif attribute == "forward":
            getattr(torch.nn, place.rpartition(".")[2]).forward = _AT_IMPORT[name]


def _torchs(function: object) -> bool:
    """Whether a Python function's code stands in torch."""
    return _home(function).startswith(os.path.dirname(torch.__file__))


def _home(function: object) -> str:
    return getattr(getattr(function, "__code__", None), "co_filename", "")


def planted(target: Any) -> list[str]:
    """Functions under torch's names whose code stands in the subject's own package, whenever they were put there."""
    own = str(getattr(target, "__module__", "")).partition(".")[0]
    if own in ("", "torch", "refops", "builtins"):
        return []
    homes = ((n, str(getattr(f, "__module__", "")).partition(".")[0]) for n, f in functions().items())
    return [name for name, home in homes if home == own]


def kit_exchanged() -> list[str]:
    """Functions of this kit whose code does not stand in their own file, or constants that are no longer the same."""
    found = []
    for module in _kit():
        for name, value in vars(module).items():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                if _home(value) not in (module.__file__, contextlib.__file__, functools.__file__):
                    found.append(f"{module.__name__}.{name}")
            elif (
                isinstance(value, int | float | str)
                and name.isupper()
                and _CONSTANTS.setdefault((module.__name__, name), value) != value
            ):
                found.append(f"{module.__name__}.{name}")
    return found


_CONSTANTS: dict[tuple[str, str], object] = {}


def _kit() -> list[ModuleType]:
    return [m for name, m in list(sys.modules.items()) if name.startswith("refops.parity.judging.")]
