"""Dropout of more than single numbers: of weights, of whole feature maps, of square blocks.

What is dropped is 0, what is kept is scaled up, so that the mean stays. Half precision is computed in float32 and
rounded once.

Legend: N batch, C channels, H, W height and width, I, O features in and out, R rows, b block size, p share dropped.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from refops.functional.derivative import widened
from refops.functional.dropout import dropout2d
from refops.functional.linear import linear

__all__ = [
    "drop_block2d",
    "drop_block_gamma",
    "drop_connect",
    "drop_connect_moments",
    "spatial_dropout2d",
]


def require_probability(p: float) -> None:
    """Refuse a `p` outside [0, 1], and nan.

    Raises:
        ValueError: if it is.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability, between 0 and 1, got {p}")


def require_inference(inference: str) -> None:
    """Refuse another `inference` than mean and gaussian.

    Raises:
        ValueError: if it is another.
    """
    if inference not in ("mean", "gaussian"):
        raise ValueError(f"inference must be 'mean' or 'gaussian', got {inference!r}")


def drop_connect(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    p: float = 0.5,
    training: bool = True,
    inference: str = "mean",
) -> Tensor:
    """A linear map that drops single weights and biases, each row of the input with a mask of its own.

    y = ((M * A) x + m * b) / (1 - p),  M_ij, m_i ~ Bernoulli(1 - p)

    Without `training`, `inference="mean"` is the expected y, A x + b; "gaussian" draws y from the normal distribution
    of equal mean and variance (`drop_connect_moments`), so that activation(y), averaged over several calls, is the
    paper's answer.

    Native: none. The paper does not divide by 1 - p: its weights are 1 / (1 - p) times these, and its mean rule scales
        them by its chance of keeping, 1 - p, where here nothing is to be done.

    Shape: input (*, I), weight (O, I), bias (O) to (*, O). In training N O I numbers are held for N rows.

    Raises:
        ValueError: if `p` is outside [0, 1] or `inference` is neither.
        RuntimeError: if the shapes do not fit, as for `linear`.

    Trap: one mask for the whole batch is another, noisier thing. The mean goes through an activation as if there were
        no variance: for relu of N(0, s^2) it gives 0 where the truth is 0.4 s; that is what "gaussian" is for.
        At p = 1 everything is 0, not 0 / 0; with "mean", evaluation still is A x + b.

    Source: Wan et al., ICML 2013, "Regularization of Neural Networks using DropConnect", equations 5 and 7.

    Example:
        >>> x, weight = torch.ones(1000, 1), torch.ones(1, 1)
        >>> drop_connect(x, weight, p=0.75).unique()
        tensor([0., 4.])
        >>> drop_connect(x[:2], weight, p=0.75, training=False)
        tensor([[1.],
                [1.]])
    """
    require_probability(p)
    require_inference(inference)
    if p == 0 or (not training and inference == "mean"):
        return linear(input, weight, bias)
    if not training:
        mean, variance = drop_connect_moments(input, weight, bias, p)
        mean, variance = widened(mean), widened(variance)
        varies = variance > 0  # where nothing does, the root has no derivative
        spread = torch.where(varies, variance, 1).sqrt() * varies
        return torch.addcmul(mean, spread, torch.randn_like(mean)).to(input.dtype)
    expected = linear(input, weight, bias)  # refuses what does not fit, and has the dtype autocast wants
    if p == 1:
        return expected * 0
    rows = widened(input)[None].flatten(0, -2)  # (R, I)
    masked = _masked(widened(weight), rows.shape[0], p)  # (R, O, I)
    output = torch.bmm(masked, rows.to(masked.dtype)[..., None]).squeeze(-1)  # (R, O)
    if bias is not None:
        output = output + _masked(widened(bias), rows.shape[0], p)
    return output.view(expected.shape).to(expected.dtype)


def _masked(weight: Tensor, rows: int, p: float) -> Tensor:
    """One copy of the weights for each row, each with draws of its own: (*) to (R, *)."""
    return weight * weight.new_empty((rows, *weight.shape)).bernoulli_(1 - p).div_(1 - p)


def drop_connect_moments(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, p: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Mean and variance of what `drop_connect` gives in training.

    mean = A x + b,  variance = p / (1 - p) ((A * A) (x * x) + b * b)

    Native: none.

    Shape: input (*, I), weight (O, I), bias (O) to (*, O) and (*, O).

    Raises:
        ValueError: if `p` is outside [0, 1].
        RuntimeError: if the shapes do not fit, as for `linear`.

    Trap: at p = 1 both are 0: nothing is left that could vary.

    Source: Wan et al., ICML 2013, section 3.2, with the division by 1 - p of `drop_connect`.

    Example:
        >>> drop_connect_moments(torch.tensor([2.0]), torch.tensor([[3.0]]), torch.tensor([1.0]), p=0.5)
        (tensor([7.]), tensor([37.]))
    """
    require_probability(p)
    if p == 1:
        zeros = linear(input, weight, bias) * 0
        return zeros, zeros.clone()
    x, a, b = widened(input), widened(weight), None if bias is None else widened(bias)
    mean, variance = linear(x, a, b), linear(x * x, a * a, None if b is None else b * b)
    return mean.to(input.dtype), (variance * (p / (1 - p))).to(input.dtype)


def spatial_dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole feature maps with probability `p`: `dropout2d`, but three axes are one image.

    Native: `torch.nn.functional.dropout2d` for four axes, from one seed with the same mask.

    Shape: (N, C, H, W) to (N, C, H, W) or (C, H, W) to (C, H, W).

    Raises:
        ValueError: if `p` is outside [0, 1] or `input` has neither 3 nor 4 axes.

    Trap: `dropout2d` reads three axes as (N, C, L) and drops single rows of an image.

    Source: Tompson et al., arXiv 1411.4280; the name is Keras'.

    Example:
        >>> spatial_dropout2d(torch.ones(1000, 2, 2)).flatten(1).unique(dim=0)
        tensor([[0., 0., 0., 0.],
                [2., 2., 2., 2.]])
    """
    require_probability(p)
    if input.dim() not in (3, 4):
        raise ValueError(f"input must have shape (N, C, H, W) or (C, H, W), got {tuple(input.shape)}")
    if input.dim() == 4:
        return dropout2d(input, p, training, inplace)
    output = dropout2d(input[None], p, training, inplace)  # (1, C, H, W)
    return input if inplace else output[0]


def drop_block2d(
    input: Tensor,
    p: float = 0.1,
    block_size: int = 7,
    training: bool = True,
    inplace: bool = False,
    gamma: str = "exact",
) -> Tensor:
    """Zero square blocks of each feature map, a share `p` of it on average, and scale the rest up.

    y = x * m * count(m) / sum(m),  m = 0 in the block of each seed,  seeds ~ Bernoulli(gamma) wherever a block fits

    Native: none; torchvision has `ops.drop_block2d`, which this is with `gamma="paper"` and an odd block.

    Args:
        input: feature maps.
        p: the share to drop.
        block_size: side of the blocks; at most the smaller side of the map is used.
        training: without it the input is returned.
        inplace: overwrite the input.
        gamma: how the chance of a seed follows from p, see `drop_block_gamma`.

    Shape: (N, C, H, W) to (N, C, H, W) or (C, H, W) to (C, H, W).

    Raises:
        ValueError: if `p` is outside [0, 1], `block_size` is no positive int, `gamma` is neither, or `input` has
            neither 3 nor 4 axes.

    Trap: seeds drawn on the whole map, with the gamma that is meant for the part where blocks fit, drop up to twice
        as much and cut blocks at the border. A max-pool with padding b // 2 is one too large for an even block.
        The scale is taken over the whole batch; where everything is dropped it is 0, not 1 / 0.

    Source: Ghiasi et al., arXiv 1810.12890, Algorithm 1.

    Example:
        >>> y = drop_block2d(torch.ones(64, 8, 9, 12), p=0.2, block_size=4)
        >>> bool(0.15 < (y == 0).float().mean() < 0.25)
        True
    """
    require_probability(p)
    require_block(block_size)
    if input.dim() not in (3, 4):
        raise ValueError(f"input must have shape (N, C, H, W) or (C, H, W), got {tuple(input.shape)}")
    height, width = input.shape[-2:]
    chance = drop_block_gamma(p, block_size, height, width, gamma)
    if p == 0 or not training or input.numel() == 0:
        return input
    side = min(block_size, height, width)
    seeds = torch.empty((*input.shape[:-2], height - side + 1, width - side + 1), device=input.device)
    seeds.bernoulli_(chance)
    kept = 1 - _grown(_grown(seeds, side, -1), side, -2)  # (N, C, H, W)
    scale = kept.numel() / kept.sum().clamp(min=1)
    output = (widened(input) * (kept * scale)).to(input.dtype)
    return input.copy_(output) if inplace else output


def require_block(block_size: int) -> int:
    """The block size, if it is a positive int.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1:
        raise ValueError(f"block_size must be a positive int, got {block_size!r}")
    return block_size


def _grown(seeds: Tensor, side: int, dim: int) -> Tensor:
    """Each seed becomes `side` of them along one axis: position i is covered by the seeds i - side + 1 to i."""
    if side == 1:
        return seeds
    length = seeds.shape[dim]
    shape = list(seeds.shape)
    shape[dim] = length + 2 * (side - 1)
    padded = seeds.new_zeros(shape)
    padded.narrow(dim, side - 1, length).copy_(seeds)
    return padded.unfold(dim, side, 1).amax(-1)


def drop_block_gamma(p: float, block_size: int, height: int, width: int, gamma: str = "exact") -> float:
    """The chance of a seed with which DropBlock drops a share `p` of a map.

    "paper": p / b^2 * H W / ((H - b + 1) (W - b + 1)), which counts twice what two blocks cover, so less is dropped.
    "exact": the solution of  mean over positions of 1 - (1 - gamma)^k = p,  k how many seeds reach a position.

    Native: none; torchvision computes the first inside `ops.drop_block2d`.

    Raises:
        ValueError: if `p` is outside [0, 1], `block_size` is no positive int or `gamma` is neither.

    Trap: the block is clamped to the map *before* the formula; unclamped, b = H + 1 divides by 0.

    Source: Ghiasi et al., arXiv 1810.12890, equation 1.

    Example:
        >>> round(drop_block_gamma(0.1, 7, 14, 14, "paper"), 6), round(drop_block_gamma(0.1, 7, 14, 14), 6)
        (0.00625, 0.006764)
    """
    require_probability(p)
    if gamma not in ("exact", "paper"):
        raise ValueError(f"gamma must be 'exact' or 'paper', got {gamma!r}")
    side = min(require_block(block_size), height, width)
    if side == 0:
        return 0.0
    if gamma == "paper":
        return min(1.0, p / side**2 * height * width / ((height - side + 1) * (width - side + 1)))
    return _solved(p, side, height, width)


@lru_cache(maxsize=256)
def _solved(p: float, side: int, height: int, width: int) -> float:
    """Bisection for gamma; the share dropped grows with it."""
    if p in (0, 1):
        return float(p)
    reach = [[min(i + 1, side, n - side + 1, n - i) for i in range(n)] for n in (height, width)]
    counts = {a * b: 0 for a in set(reach[0]) for b in set(reach[1])}
    for a in set(reach[0]):
        for b in set(reach[1]):
            counts[a * b] += reach[0].count(a) * reach[1].count(b)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        kept = math.fsum(count * (1 - middle) ** k for k, count in counts.items())
        low, high = (middle, high) if kept > (1 - p) * height * width else (low, middle)
    return (low + high) / 2
