"""Output shapes of layer, group and RMS norm: the input's own, if it has the axes, channels and values to norm.

Legend: N batch, C channels, *S any spatial axes, *D the normalized axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["group_norm", "layer_norm", "rms_norm"]


def group_norm(
    input: Sequence[int], num_groups: int, num_channels: int | None = None, affine: bool = True
) -> tuple[int, ...]:
    """(N, C, *S) -> same; the whole batch must hold more than one value per group.

    Raises:
        ValueError: if `num_groups` does not divide C, C is not `num_channels` (where given, with weights), or there is
            one value per group.

    Example:
        >>> group_norm((20, 6, 10, 10), 3)
        (20, 6, 10, 10)
    """
    if num_groups < 1 or (num_channels is not None and num_channels % num_groups):
        raise ValueError(f"num_groups must be positive and divide num_channels, got {num_groups}, {num_channels}")
    needs_channels(input, num_channels if affine else None)
    if input[1] % num_groups:
        raise ValueError(f"num_groups must divide the channels of input, got {num_groups} for {tuple(input)}")
    if input[0] * input[1] // num_groups * math.prod(input[2:]) == 1:
        raise ValueError(f"input must have more than 1 value per group, got {tuple(input)} for {num_groups} groups")
    return tuple(input)


def layer_norm(input: Sequence[int], normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """(*, *D) -> same, where *D is `normalized_shape`.

    Raises:
        ValueError: if `normalized_shape` is empty or `input` does not end in it.

    Example:
        >>> layer_norm((20, 5, 10, 10), [5, 10, 10])
        (20, 5, 10, 10)
    """
    last = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not last or min(last) < 0:
        raise ValueError(f"normalized_shape must have at least one entry and no negative one, got {last}")
    if tuple(input[-len(last) :]) != last:
        raise ValueError(f"input must end in normalized_shape {last}, got {tuple(input)}")
    return tuple(input)


def rms_norm(input: Sequence[int], normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """(*, *D) -> same, where *D is `normalized_shape`.

    Raises:
        ValueError: if `normalized_shape` is empty or `input` does not end in it.
    """
    return layer_norm(input, normalized_shape)


def needs_channels(input: Sequence[int], channels: int | None) -> None:
    """Refuse an input without a channel axis, or with another number of channels.

    Raises:
        ValueError: if so.
    """
    if len(input) < 2:
        raise ValueError(f"input must have at least 2 axes (N, C, *S), got {tuple(input)}")
    if channels is not None and input[1] != channels:
        raise ValueError(f"input must have {channels} channels on axis 1, got {tuple(input)}")
