"""Checkpoints that are either whole or not there.

A file is written under another name, forced to the disk, and then renamed: the system renames at once, so whoever is
killed at any moment leaves the old file or the new one, never half of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

__all__ = ["load", "load_random", "random_state", "save", "write"]


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Let `fill` write a file; it appears as a whole, or not at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder) / "a.txt", lambda file: file.write(b"whole"))
        ...     [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
        [('a.txt', b'whole')]
    """
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint as a whole, or not at all."""
    write(path, lambda file: torch.save(state, file))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; its tensors lie on the CPU, from where `load_state_dict` takes them to their device.

    Raises:
        ValueError: if the file is no checkpoint.
        OSError: if there is no file to be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of bytes that mean nothing, anything can come
        raise ValueError(f"{path} is not a checkpoint that can be read: {error}") from error
    return state


def random_state() -> dict[str, Any]:
    """Where torch's random generators stand: dropout draws from them."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": devices}


def load_random(state: dict[str, Any]) -> None:
    """Set torch's random generators back to where they stood."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
