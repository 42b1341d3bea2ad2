"""Oracles and statistics of dropped weights, maps and blocks: what their share, scale and mean must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, dtype_of

if TYPE_CHECKING:
    pass

Call = Callable[[Tensor, int], Tensor]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def moments_oracle(input: Tensor, weight: Tensor, bias: Tensor | None = None, p: float = 0.5) -> tuple[Tensor, Tensor]:
    """Term by term: each is 0 with probability p, else t / (1 - p); means and variances of independent terms add."""
    mean = input.new_zeros((*input.shape[:-1], weight.shape[0]))
    variance = mean
    terms = [input[..., i, None] * weight[:, i] for i in range(weight.shape[1])]
    for term in [*terms, *([] if bias is None else [bias.expand(mean.shape)])]:
        if p < 1:
            average = (1 - p) * (term / (1 - p))
            mean = mean + average
            variance = variance + p * average**2 + (1 - p) * (term / (1 - p) - average) ** 2
        else:
            mean = mean + 0 * term
            variance = variance + 0 * term
    return mean, variance


def connect_oracle(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    p: float = 0.5,
    training: bool = True,
    inference: str = "mean",
) -> Tensor:
    """Row by row, each with a layer of its own whose numbers are dropped; gaussian inference only where p is 0 or 1."""
    rate = p if training or inference == "gaussian" else 0.0
    if rate in (0, 1) or not training:
        return moments_oracle(input, weight, bias, 1.0 if rate == 1 else 0.0)[0]
    outputs = []
    for row in input.reshape(-1, input.shape[-1]):
        some = torch.where(torch.rand_like(weight) < p, 0, weight / (1 - p))
        output = (some * row).sum(-1)
        outputs.append(output if bias is None else output + torch.where(torch.rand_like(bias) < p, 0, bias / (1 - p)))
    return torch.stack(outputs).view(*input.shape[:-1], -1) if outputs else moments_oracle(input, weight, bias, 0.0)[0]


class ConnectOracle(torch.nn.Linear):
    """`connect_oracle` with the parameters of a linear layer."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, p: float = 0.5, inference: str = "mean"
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.p, self.inference = p, inference

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return connect_oracle(input, self.weight, self.bias, self.p, self.training, self.inference)


def maps_oracle(input: Tensor, p: float = 0.5, training: bool = True, *settings: Any, **more: Any) -> Tensor:
    """Where nothing is left to chance: the input, or zeros."""
    return input * 0 if p == 1 and training else input


def blocks_oracle(
    input: Tensor, p: float = 0.5, block_size: int = 7, training: bool = True, *settings: Any, **more: Any
) -> Tensor:
    """The same in the order of `drop_block2d`."""
    return maps_oracle(input, p, training)


class MapsOracle(torch.nn.Module):
    """The same as a module."""

    def __init__(self, p: float = 0.5, *settings: Any, **more: Any) -> None:
        super().__init__()
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        return input * 0 if self.p == 1 and self.training else input


class BlockOracle(MapsOracle):
    """The same with the default of blocks."""

    def __init__(self, p: float = 0.1, *settings: Any, **more: Any) -> None:
        super().__init__(p)


def settings_of(case: Case, *names: str, **defaults: Any) -> dict[str, Any]:
    """Constructor or call arguments by name."""
    given_in = case.init or case.call
    return defaults | dict(zip(names, given_in.args, strict=False)) | given_in.keywords


def _trains(case: Case, given: dict[str, Any]) -> bool:
    return case.mode == "train" if case.init else bool(given.get("training", True))


def connect_settings(case: Case) -> dict[str, Any]:
    """Settings p and inference of a DropConnect case."""
    names = ("in_features", "out_features", "bias", "p", "inference") if case.init else (
        "input", "weight", "bias", "p", "training", "inference")  # fmt: skip
    return settings_of(case, *names, p=0.5, inference="mean")


def connect_rate(case: Case) -> float:
    """The rate: p in training and for gaussian inference, else 0."""
    given = connect_settings(case)
    return float(given["p"]) if _trains(case, given) or given["inference"] == "gaussian" else 0.0


def map_rate(case: Case) -> float:
    """The rate: p in training, else 0."""
    given = settings_of(case, *(("p",) if case.init else ("input", "p", "training")), p=0.5)
    return float(given["p"]) if _trains(case, given) else 0.0


def block_settings(case: Case) -> dict[str, Any]:
    """Settings p, block_size and gamma of a DropBlock case."""
    names = ("p", "block_size", "inplace", "gamma") if case.init else (
        "input", "p", "block_size", "training", "inplace", "gamma")  # fmt: skip
    return settings_of(case, *names, p=0.1, block_size=7, gamma="exact")


def block_rate(case: Case) -> float:
    """The rate: p in training, else 0."""
    given = block_settings(case)
    return float(given["p"]) if _trains(case, given) else 0.0


def connect_statistics(case: Case, call: Call) -> Iterator[str]:
    """Each row has its own masks; an output's mean and variance are those of its independent terms."""
    p, dtype = connect_rate(case), dtype_of(case.dtype)
    given = connect_settings(case)
    features = int(given["in_features"]) if case.init else given["weight"].shape[1]
    x = torch.ones((1, features), dtype=dtype).expand(4096, features).contiguous()
    y = call(x, 3)
    if y.dtype != dtype:
        yield f"output must be {dtype}, got {y.dtype}"
    y = y.detach().double().cpu()
    if p in (0, 1):
        off = (y - (y[:1] if p == 0 else 0)).abs().max() / y.abs().max().clamp(min=1)
        if float(off) > (16 * torch.finfo(dtype).eps if p == 0 else 0):
            yield "what is drawn with p=0 must be what is not drawn, rows differ" if p == 0 else "p=1 must give zeros"
        return
    if bool((y == y[:1]).all()):
        yield "each row must have a mask of its own, equal rows gave equal outputs"
        return
    yield from _matches_zero_input(case, call, x, p)
    yield from _stays_in_the_mean(call, x, y)
    yield from _moments(call, x, y, p)
    if torch.equal(call(x, 4).double().cpu(), y):
        yield "another seed must draw other masks"


def _matches_zero_input(case: Case, call: Call, x: Tensor, p: float) -> Iterator[str]:
    """Without input only the bias is left, dropped like a weight."""
    biased = call(x * 0, 9).detach().double().cpu()
    for column in biased.T:
        largest = float(column.abs().max())
        if largest and float(column.std()) < 0.2 * float(column.mean().abs()):
            yield "biases must be dropped like weights, each row's on its own"
            return


def _stays_in_the_mean(call: Any, x: Tensor, y: Tensor) -> Iterator[str]:
    """What is kept is scaled up, so the mean is what a layer that drops nothing gives."""
    weight, bias = call.given["weight"].detach().double().cpu(), call.given.get("bias")
    wanted = (x[0].double() * weight).sum(-1) + (0 if bias is None else bias.detach().double().cpu())
    off = (y.mean(0) - wanted).abs()
    if bool((off > 8 * y.std(0) / math.sqrt(len(y)) + 0.01 * wanted.abs()).any()):
        yield f"the mean must be that of a layer that drops nothing, it is off by {float(off.max()):.3g}"


def _moments(call: Call, x: Tensor, y: Tensor, p: float) -> Iterator[str]:
    """The variance of the outputs is p / (1 - p) times the sum of squared terms, found one input at a time."""
    base = call(x * 0, 5).detach().double().cpu()
    means, variances = base.mean(0), base.var(0)
    for i in range(x.shape[1]):
        alone = x.clone() * 0
        alone[:, i] = 1
        some = call(alone, 6 + i).detach().double().cpu()
        term = some.mean(0) - means
        expected = p / (1 - p) * term.square() + base.var(0)
        off = (some.var(0) - expected).abs()
        room = 8 * math.sqrt((1 / p + 1 / (1 - p)) / len(some)) * (expected + base.var(0) + term.square()) + 1e-6
        if bool((off > room).any()):
            yield f"weights must be dropped at rate {p} and the others scaled, variance off by {float(off.max()):.3g}"
            return
        variances = variances + p / (1 - p) * term.square()
    ratio = (y.var(0) / variances.clamp(min=1e-12)).mean()
    if not 0.6 < float(ratio) < 1.6:
        yield f"weights must be dropped independently, the variance is {float(ratio):.3g} of the sum of its terms"


def block_statistics(case: Case, call: Call) -> Iterator[str]:
    """Whole blocks inside the map go, a share p of it, each map on its own; the rest is scaled by the share kept."""
    given, p, dtype = block_settings(case), block_rate(case), dtype_of(case.dtype)
    shape = next(case.call.draws()).shape
    height, width = shape[-2:]
    side = min(int(given["block_size"]), height, width)
    x = torch.full((200, 3, height, width), 2.0, dtype=dtype)
    y = call(x, 3).detach().cpu()
    if y.dtype != dtype:
        yield f"output must be {dtype}, got {y.dtype}"
    y = y.double()
    if p in (0, 1):
        if not bool((y == (2 if p == 0 else 0)).all()):
            yield f"p={p} must give {'the input' if p == 0 else 'zeros'}"
        return
    dropped = y == 0
    scale = 2 * dropped.numel() / (~dropped).sum().clamp(min=1)
    if float((y[~dropped] - scale).abs().max()) > 4 * torch.finfo(dtype).eps * float(scale):
        yield f"what is kept must be scaled by count / kept = {float(scale) / 2:.4f}, got {float(y.max()) / 2:.4f}"
    whole = -torch.nn.functional.max_pool2d(-dropped.double(), side, 1)
    covered = torch.nn.functional.conv_transpose2d(whole.flatten(0, 1)[:, None], torch.ones(1, 1, side, side).double())
    if not torch.equal(covered.view(dropped.shape) > 0, dropped):
        yield f"what is dropped must be made of whole blocks of {side} x {side}, some are cut"
    share = dropped.double().mean((-2, -1))
    lowest = _share_of_paper(p, side, height, width)
    sigma = float(share.std()) / math.sqrt(share.numel())
    if not lowest - 6 * sigma - 1e-3 < float(share.mean()) < p + 6 * sigma + 1e-3:
        yield f"the share dropped must be {p}, got {float(share.mean()):.4f}"
    if bool((dropped == dropped[:, :1]).all()) or bool((dropped == dropped[:1]).all()):
        yield "each map must have seeds of its own"
    if torch.equal(call(x, 4).cpu() == 0, dropped):
        yield "another seed must drop other blocks"


def _share_of_paper(p: float, side: int, height: int, width: int) -> float:
    """What the paper's gamma drops, which counts overlaps twice."""
    gamma = min(1.0, p * height * width / (side**2 * (height - side + 1) * (width - side + 1)))
    reach = [torch.ones(n - side + 1, dtype=torch.float64) for n in (height, width)]
    line = [torch.nn.functional.conv_transpose1d(r[None], torch.ones(1, 1, side).double())[0] for r in reach]
    return float((1 - (1 - gamma) ** (line[0][:, None] * line[1])).mean())


def moments_without_p(build: Build, x: Tensor, w: Tensor, b: Tensor) -> Pair:
    """Without p the mean is the linear map, the variance 0."""
    mean, variance = build()(x, w, b, 0.0)
    return torch.stack([mean, variance]), torch.stack([x @ w.t() + b, torch.zeros_like(variance)])


def moments_of_all_masks(build: Build, x: Tensor, w: Tensor) -> Pair:
    """Over all 16 masks of 4 weights, at p = 1/2 equally likely."""
    masks = torch.tensor([[i >> j & 1 for j in range(4)] for i in range(16)], dtype=x.dtype) * 2
    every = (x[:, None, None, :] * w[:, None, :] * masks).sum(-1)  # (N, O, 16)
    return torch.stack(list(build()(x, w, None, 0.5))), torch.stack([every.mean(-1), every.var(-1, correction=0)])
