"""Initial values, drawn with the same arithmetic and in the same order as torch's, so that one seed gives equal bits.

Source: He et al., arXiv 1502.01852 (kaiming); Glorot & Bengio, AISTATS 2010 (xavier).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def fan_in_and_out(weight: Tensor) -> tuple[int, int]:
    """Inputs and outputs one weight connects: (out, in, *K) gives (in * |K|, out * |K|)."""
    field = math.prod(weight.shape[2:])
    return weight.shape[1] * field, weight.shape[0] * field


@torch.no_grad()
def kaiming_uniform_(weight: Tensor, a: float = math.sqrt(5)) -> Tensor:
    """U(-b, b) with b = sqrt(3) * gain / sqrt(fan_in) and gain = sqrt(2 / (1 + a^2)).

    With a = sqrt(5), b = 1/sqrt(fan_in). An empty weight is left alone.
    """
    if 0 in weight.shape:
        return weight
    gain = math.sqrt(2.0 / (1 + a**2))
    bound = math.sqrt(3.0) * (gain / math.sqrt(fan_in_and_out(weight)[0]))  # in this order: the bits depend on it
    return weight.uniform_(-bound, bound)


@torch.no_grad()
def fan_in_uniform_(bias: Tensor, weight: Tensor) -> Tensor:
    """U(-b, b) with b = 1/sqrt(fan_in of the weight), torch's start for biases; without inputs, zeros."""
    fan_in, _ = fan_in_and_out(weight)
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
    return bias.uniform_(-bound, bound)


@torch.no_grad()
def xavier_uniform_(weight: Tensor, gain: float = 1.0) -> Tensor:
    """U(-b, b) with b = gain * sqrt(6 / (fan_in + fan_out))."""
    fan_in, fan_out = fan_in_and_out(weight)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return weight.uniform_(-bound, bound)


@torch.no_grad()
def xavier_normal_(weight: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, s^2) with s = gain * sqrt(2 / (fan_in + fan_out))."""
    fan_in, fan_out = fan_in_and_out(weight)
    return weight.normal_(0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)))
