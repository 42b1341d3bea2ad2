"""Dropout of weights, feature maps and blocks. Legend: N batch, C channels, H, W axes, I, O features, * any axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional import structured_dropout as F
from refops.nn import structured_dropout as nn
from refops.parity.case import Case, buffer, built, called, dtype_of, param, real
from refops.parity.spec import FINITE, Law, Randomness, Refusal, Spec
from refops.shapes import structured_dropout as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
Call = Callable[[Tensor, int], Tensor]


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


def connect_shape(
    input: tuple[int, ...], weight: tuple[int, ...], p: float = 0.5, inference: str = "mean"
) -> tuple[int, ...]:
    """The formula, told the sizes by the weight."""
    return shapes.drop_connect(input, weight[0], p, inference, weight[1])


def moments_shape(
    input: tuple[int, ...], weight: tuple[int, ...], p: float = 0.5
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The formula, told the sizes by the weight."""
    return shapes.drop_connect_moments(input, weight[0], p, weight[1])


def connect_cases(module: bool, moments: bool = False) -> Callable[[], SearchStrategy[Case]]:
    """Any sizes and p, in evaluation and training."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            inside, outside = draw(st.integers(1, 5)), draw(st.integers(1, 5))
            x = real(*draw(st.lists(st.integers(0, 4), max_size=3)), inside)
            p, bias = draw(st.sampled_from((0.0, 0.3, 0.5, 1.0))), draw(st.booleans())
            if module:
                return built(inside, outside, bias, p).on(x).but(mode=draw(st.sampled_from(("train", "eval"))))
            rest = () if moments else (draw(st.booleans()),)
            return called(x, param(outside, inside), param(outside) if bias else None, p, *rest)

        return cases()

    return strategy


def map_cases(module: bool, blocks: bool) -> Callable[[], SearchStrategy[Case]]:
    """Images with and without batch, any p, any block."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            x = real(*draw(st.lists(st.integers(0, 6), min_size=3, max_size=4)))
            settings = (draw(st.sampled_from((0.0, 0.2, 1.0))), *((draw(st.integers(1, 8)),) if blocks else ()))
            if module:
                return built(*settings).on(x).but(mode=draw(st.sampled_from(("train", "eval"))))
            return called(x, *settings, training=draw(st.booleans()))

        return cases()

    return strategy


def linear_without_p(build: Build, x: Tensor) -> Pair:
    """Without p it is the linear map, in training too."""
    layer = build(9, 5, p=0.0)
    weight, bias = (t.detach().to(x.dtype) for t in layer.parameters())
    return layer(x), x @ weight.t() + bias


def linear_in_evaluation(build: Build, x: Tensor) -> Pair:
    """Evaluation is the linear map, whatever p."""
    layer = build(9, 5, p=0.9)
    weight, bias = (t.detach().to(x.dtype) for t in layer.parameters())
    return layer(x), x @ weight.t() + bias


def everything_dropped(build: Build, x: Tensor) -> Pair:
    """All of p gives zeros in training."""
    return build(9, 5, p=1.0)(x), x.new_zeros(70, 5)


def one_weight(build: Build, x: Tensor) -> Pair:
    """One weight without bias: 0, or the product divided by 1 - p."""
    layer = build(1, 1, False, 0.75)
    y, product = layer(x), x * next(layer.parameters()).detach().to(x.dtype).item()
    return torch.where(y == 0, torch.zeros_like(y), y / 4), torch.where(y == 0, torch.zeros_like(y), product)


def gradient_has_the_mask(build: Build, x: Tensor) -> Pair:
    """Without bias <x, dy/dx> = y: forward and backward use one mask."""
    x = x.detach().requires_grad_()
    y = build(9, 5, False, 0.4)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return (x * gradient).sum(-1).detach(), y.sum(-1).detach()


def moments_without_p(build: Build, x: Tensor, w: Tensor, b: Tensor) -> Pair:
    """Without p the mean is the linear map, the variance 0."""
    mean, variance = build()(x, w, b, 0.0)
    return torch.stack([mean, variance]), torch.stack([x @ w.t() + b, torch.zeros_like(variance)])


def moments_of_all_masks(build: Build, x: Tensor, w: Tensor) -> Pair:
    """Over all 16 masks of 4 weights, at p = 1/2 equally likely."""
    masks = torch.tensor([[i >> j & 1 for j in range(4)] for i in range(16)], dtype=x.dtype) * 2
    every = (x[:, None, None, :] * w[:, None, :] * masks).sum(-1)  # (N, O, 16)
    return torch.stack(list(build()(x, w, None, 0.5))), torch.stack([every.mean(-1), every.var(-1, correction=0)])


def unchanged(build: Build, x: Tensor) -> Pair:
    """In evaluation nothing happens."""
    return build(0.9)(x), x


def zeros(build: Build, x: Tensor) -> Pair:
    """All of p gives zeros."""
    return build(1.0)(x), torch.zeros_like(x)


def whole_maps(build: Build, x: Tensor) -> Pair:
    """All positions of a map are scaled by one number, with a batch and without."""
    y = torch.cat([build(0.5)(torch.ones_like(x)), build(0.5)(torch.ones_like(x[0]))[None]]).flatten(2)
    return y, y[..., :1].expand_as(y)


def dropout_of_pixels(build: Build, x: Tensor) -> Pair:
    """Blocks of one pixel: kept are scaled by count / kept."""
    y = build(0.3, 1)(torch.ones_like(x))
    kept = (y != 0).to(x.dtype)
    return y, kept * (kept.numel() / kept.sum())


def block_of_everything(build: Build, x: Tensor) -> Pair:
    """A block larger than a square map drops it whole."""
    y = build(0.5, 99)(torch.ones_like(x[..., :5, :5])).flatten(2)
    return y, y[..., :1].expand_as(y)


def block_gradient_is_the_mask(build: Build, x: Tensor) -> Pair:
    """Of y = x m, dy/dx = m: x dy/dx = y."""
    x = x.detach().requires_grad_()
    y = build(0.3, 2)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return x.detach() * gradient, y.detach()


IMAGES = (real(6, 5, 5, 7),)
MAP_LAWS = (Law("evaluation", unchanged, IMAGES, mode="eval"), Law("p = 1", zeros, IMAGES))
REFUSED_P = (1.5, -0.1)
SHARES = (("inputs", "as by torch's dropouts the input itself is returned where nothing is dropped, or overwritten"),)

SPECS = (
    Spec(
        "DropConnect",
        "structured_dropout",
        nn.DropConnect,
        None,
        (
            built(7, 9).on(real(6, 7)).but(mode="eval"),
            built(7, 9).on(real(6, 7)),
            built(4, 3, False).on(real(5, 4)).but(mode="eval"),
            built(4, 3, p=0.2).on(real(5, 4)),
            built(4, 3, p=0.0).on(real(5, 4)),
            built(4, 3, p=1.0).on(real(5, 4)),
            built(4, 3, p=1.0).on(real(5, 4)).but(mode="eval"),
            built(4, 3, p=0.5).on(real(4)).but(mode="eval"),
            built(4, 3, p=0.5).on(real(0, 4)),
            built(4, 3, True, 0.3).on(real(2, 3, 4)),
            built(6, 5, p=0.25, inference="gaussian").on(real(33, 6)).but(mode="eval"),
            built(4, 3, p=0.0, inference="gaussian").on(real(5, 4)).but(mode="eval"),
            built(4, 3, p=1.0, inference="gaussian").on(real(5, 4)).but(mode="eval"),
            built(1025, 3).on(real(3, 1025)).but(mode="eval"),
        ),
        oracle=ConnectOracle,
        shape=shapes.drop_connect,
        strategy=connect_cases(True),
        regimes=FINITE,
        laws=(
            Law("p = 0", linear_without_p, (real(70, 9),)),
            Law("evaluation", linear_in_evaluation, (real(70, 9),), mode="eval"),
            Law("p = 1", everything_dropped, (real(70, 9),)),
            Law("one weight", one_weight, (real(70, 1),)),
            Law("one mask forward and backward", gradient_has_the_mask, (real(70, 9),)),
        ),
        refusals=(
            *(Refusal(built(4, 3, p=p).on(real(5, 4)), "p") for p in REFUSED_P),
            Refusal(built(4, 3, inference="median").on(real(5, 4)), "inference"),
            Refusal(built(4, 3).on(real(5, 3)), "input"),
            Refusal(built(4, 3).on(real()), "input"),
        ),
        randomness=Randomness(connect_rate, statistics=connect_statistics),
    ),
    Spec(
        "functional.drop_connect",
        "structured_dropout",
        F.drop_connect,
        None,
        (
            called(real(6, 7), param(9, 7), param(9), 0.5, False),
            called(real(5, 4), param(3, 4), None, 0.0),
            called(real(5, 4), param(3, 4), param(3), 1.0),
            called(real(4), param(3, 4), param(3), p=0.2, training=False, inference="mean"),
            called(real(0, 4), param(3, 4), None, 0.3, False),
            called(real(6, 7), param(9, 7), param(9), 0.3),
            called(real(6, 7), param(9, 7), param(9), 0.3, False, "gaussian"),
            called(real(2, 3, 4), param(3, 4), param(3), 1.0, False, "gaussian"),
            called(real(5, 4), param(3, 4), param(3), 0.0, False, "gaussian"),
        ),
        oracle=connect_oracle,
        shape=connect_shape,
        strategy=connect_cases(False),
        regimes=FINITE,
        refusals=(
            *(Refusal(called(real(5, 4), param(3, 4), None, p), "p") for p in REFUSED_P),
            Refusal(called(real(5, 4), param(3, 4), None, 0.5, True, "median"), "inference"),
            Refusal(called(real(5, 3), param(3, 4)), "input"),
        ),
        randomness=Randomness(connect_rate, statistics=connect_statistics),
    ),
    Spec(
        "functional.drop_connect_moments",
        "structured_dropout",
        F.drop_connect_moments,
        None,
        (
            called(real(6, 7), param(9, 7), param(9), 0.4),
            called(real(5, 4), param(3, 4)),
            called(real(4), param(3, 4), None, 0.75),
            called(real(0, 4), param(3, 4), param(3), 0.3),
            called(real(5, 4), param(3, 4), param(3), 0.0),
            called(real(5, 4), param(3, 4), param(3), p=1.0),
            called(real(2, 3, 4), param(3, 4), param(3)),
            called(real(3, 513), param(3, 513), param(3), 0.2),
        ),
        oracle=moments_oracle,
        shape=moments_shape,
        strategy=connect_cases(False, moments=True),
        regimes=FINITE,
        laws=(
            Law("p = 0", moments_without_p, (real(70, 9), real(5, 9), real(5))),
            Law("all masks", moments_of_all_masks, (real(70, 4), real(5, 4))),
        ),
        refusals=(
            *(Refusal(called(real(5, 4), param(3, 4), None, p), "p") for p in REFUSED_P),
            Refusal(called(real(5, 3), param(3, 4)), "input"),
        ),
    ),
    Spec(
        "SpatialDropout2d",
        "structured_dropout",
        nn.SpatialDropout2d,
        None,
        (
            built().on(real(10, 16, 3, 2)),
            built(0.2).on(real(0, 3, 2, 4)),
            built(0.0).on(real(3, 4, 5, 2)),
            built(1.0).on(real(3, 4, 5, 2)),
            built(1.0).on(real(4, 5, 2)),
            built(0.5).on(real(16, 5, 2)),
            built(p=0.7, inplace=True).on(buffer(7, 33, 3, 5)),
            built(p=0.7, inplace=True).on(buffer(33, 3, 5)),
            built(0.5).on(real(3, 4, 5, 2)).but(mode="eval"),
            built(0.5).on(real(4, 5, 2)).but(mode="eval"),
        ),
        oracle=MapsOracle,
        shape=shapes.spatial_dropout2d,
        strategy=map_cases(True, blocks=False),
        regimes=FINITE,
        laws=(*MAP_LAWS, Law("whole maps", whole_maps, IMAGES)),
        refusals=(
            *(Refusal(built(p).on(real(2, 3, 4, 5)), "p") for p in REFUSED_P),
            Refusal(built().on(real(3, 4)), "input"),
            Refusal(built().on(real(2, 3, 4, 5, 2)), "input"),
        ),
        randomness=Randomness(map_rate, (-2, -1)),
        no_check=SHARES,
    ),
    Spec(
        "functional.spatial_dropout2d",
        "structured_dropout",
        F.spatial_dropout2d,
        None,
        (
            called(real(3, 4, 5, 2), 0.4, False),
            called(real(10, 16, 3, 2)),
            called(real(16, 3, 2)),
            called(real(3, 4, 5, 2), 0.0),
            called(real(4, 5, 2), 1.0),
            called(buffer(7, 33, 3, 5), p=0.7, training=True, inplace=True),
        ),
        oracle=maps_oracle,
        shape=shapes.spatial_dropout2d,
        strategy=map_cases(False, blocks=False),
        regimes=FINITE,
        refusals=(
            *(Refusal(called(real(2, 3, 4, 5), p), "p") for p in REFUSED_P),
            Refusal(called(real(3, 4)), "input"),
        ),
        randomness=Randomness(map_rate, (-2, -1)),
        no_check=SHARES,
    ),
    Spec(
        "DropBlock2d",
        "structured_dropout",
        nn.DropBlock2d,
        None,
        (
            built().on(real(2, 3, 9, 8)).but(mode="eval"),
            built().on(real(2, 3, 9, 14)),
            built(0.2, 4).on(real(2, 3, 8, 11)),
            built(0.0, 3).on(real(3, 4, 5, 7)),
            built(1.0, 3).on(real(3, 4, 5, 7)),
            built(1.0, 2).on(real(4, 5, 7)),
            built(0.3, 1).on(real(2, 3, 5, 7)),
            built(0.3, 7).on(real(2, 3, 5, 5)),
            built(0.3, 6).on(real(2, 3, 6, 4)),
            built(0.15, block_size=3, gamma="paper").on(real(2, 3, 10, 7)),
            built(0.6, 3).on(real(2, 3, 10, 7)),
            built(0.2, 3, True).on(buffer(2, 3, 10, 7)),
            built(0.2, 3).on(real(0, 3, 5, 5)),
            built(0.2, 3).on(real(3, 17, 9)).but(mode="eval"),
        ),
        oracle=BlockOracle,
        shape=shapes.drop_block2d,
        strategy=map_cases(True, blocks=True),
        regimes=FINITE,
        laws=(
            *MAP_LAWS,
            Law("blocks of one pixel", dropout_of_pixels, IMAGES),
            Law("block of everything", block_of_everything, IMAGES),
            Law("the gradient is the mask", block_gradient_is_the_mask, IMAGES),
        ),
        refusals=(
            *(Refusal(built(p).on(real(2, 3, 4, 5)), "p") for p in REFUSED_P),
            Refusal(built(0.1, 0).on(real(2, 3, 4, 5)), "block_size"),
            Refusal(built(0.1, 2.5).on(real(2, 3, 4, 5)), "block_size"),
            Refusal(built(gamma="other").on(real(2, 3, 4, 5)), "gamma"),
            Refusal(built().on(real(3, 4)), "input"),
        ),
        randomness=Randomness(block_rate, statistics=block_statistics),
        no_check=SHARES,
    ),
    Spec(
        "functional.drop_block2d",
        "structured_dropout",
        F.drop_block2d,
        None,
        (
            called(real(2, 3, 9, 8), 0.2, 3, False),
            called(real(2, 3, 9, 14)),
            called(real(2, 3, 8, 11), 0.2, 4),
            called(real(3, 4, 5, 7), 0.0),
            called(real(4, 5, 7), 1.0, 3),
            called(real(2, 3, 10, 7), p=0.15, block_size=3, gamma="paper"),
            called(buffer(2, 3, 10, 7), 0.2, 3, True, True),
        ),
        oracle=blocks_oracle,
        shape=shapes.drop_block2d,
        strategy=map_cases(False, blocks=True),
        regimes=FINITE,
        refusals=(
            *(Refusal(called(real(2, 3, 4, 5), p), "p") for p in REFUSED_P),
            Refusal(called(real(2, 3, 4, 5), 0.1, 0), "block_size"),
            Refusal(called(real(2, 3, 4, 5), gamma="other"), "gamma"),
            Refusal(called(real(3, 4)), "input"),
        ),
        randomness=Randomness(block_rate, statistics=block_statistics),
        no_check=SHARES,
    ),
)
