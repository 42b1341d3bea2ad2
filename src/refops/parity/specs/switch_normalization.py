"""SwitchNorm, 1d to 3d. Legend: N batch, C channels, *S spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from refops.functional.switch_normalization import switch_norm
from refops.nn import switch_normalization as norms
from refops.parity.case import Case, buffer, built, called, param, positive, real
from refops.parity.spec import Law, Refusal, Spec
from refops.shapes import switch_normalization as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
SPACE = ((), (7,), (3, 5), (2, 3, 4))  # some unequal spatial sizes by their number
ONE_HOT = tuple(tuple(500.0 * (i == k) for i in range(3)) for k in range(3))  # logits that leave one statistic over


# --- oracle ----------------------------------------------------------------------------------------------------------


def one_by_one(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    mean_weight: Tensor,
    var_weight: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Equation 3 for one channel of one sample after the other, each of its three statistics from the numbers it is of.

    Nothing is shared between them. In float64 means count from a common origin and only differences are mixed,
    for large means swallow them. In float32 it is done as anybody would: the yardstick of honest rounding.
    """
    if not len(input):
        return input.clone()
    origin = input.detach().mean() if input.dtype == torch.float64 else 0.0
    input = input - origin
    w, v = (p.exp() / p.exp().sum() for p in (mean_weight - mean_weight.max(), var_weight - var_weight.max()))
    layers = [moments(sample) for sample in input]
    batches = [moments(input[:, c]) for c in range(input.shape[1])]
    if not training and running_mean is not None and running_var is not None:
        batches = list(zip(running_mean.detach() - origin, running_var.detach(), strict=True))
    elif training and running_mean is not None and running_var is not None:
        for c in range(input.shape[1]):
            var, mean = torch.var_mean(input[:, c].detach())
            running_mean[c] += momentum * (mean + origin - running_mean[c])
            running_var[c] += momentum * (var - running_var[c])
    maps = []
    for n, sample in enumerate(input):
        for c, x in enumerate(sample):
            (m0, v0), (m1, v1), (m2, v2) = moments(x), layers[n], batches[c]
            y = (x - mixture(w, m0, m1, m2)) / torch.sqrt(mixture(v, v0, v1, v2) + eps)
            y = y if weight is None else y * weight[c]
            maps.append(y if bias is None else y + bias[c])
    return torch.stack(maps).reshape(input.shape)


def mixture(weights: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """The sum of the three by weights that sum to 1."""
    if weights.dtype == torch.float64:
        return first + weights[1] * (second - first) + weights[2] * (third - first)
    return weights[0] * first + weights[1] * second + weights[2] * third


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of all numbers; `var_mean` runs along them once, which in float64 is not good enough."""
    if x.dtype == torch.float64 or x.numel() == 1:  # of one number `var_mean` has no gradient
        mean = x.mean()
        return mean, (x - mean).square().mean()
    var, mean = torch.var_mean(x, correction=0)
    return mean, var


class OneByOne(nn.Module):
    """The state of SwitchNorm around `one_by_one`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine and bias else None
        self.mean_weight, self.var_weight = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
        tracked = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features) if tracked else None)
        self.register_buffer("running_var", torch.ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if tracked else None)

    def forward(self, input: Tensor) -> Tensor:
        """As the module does, one by one."""
        momentum: Any = self.momentum
        count: Any = self.num_batches_tracked
        if self.training and count is not None:
            count.add_(1)
            momentum = 1 / float(count) if momentum is None else momentum
        mean: Any = self.running_mean
        var: Any = self.running_var
        own = self.training or mean is None
        args = (mean, var, self.mean_weight, self.var_weight, self.weight, self.bias)
        return one_by_one(input, *args, own, momentum or 0.0, self.eps)


# --- shapes and cases ------------------------------------------------------------------------------------------------


def function_shape(
    input: Shape,
    running_mean: Shape | None,
    running_var: Shape | None,
    mean_weight: Shape,
    var_weight: Shape,
    weight: Shape | None = None,
    bias: Shape | None = None,
    training: bool = False,
    eps: float = 1e-5,
) -> Shape:
    """One value per channel in all that is given; both running statistics or none, in evaluation both; three logits."""
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        raise ValueError("running_mean and running_var must be given together, in evaluation both")
    if {mean_weight, var_weight} != {(3,)}:
        raise ValueError(f"mean_weight and var_weight must have shape (3,), got {mean_weight}, {var_weight}")
    for shape in (running_mean, running_var, weight, bias):
        if shape is not None and shape != input[1:2]:
            raise ValueError(f"statistics, weight and bias must have shape {input[1:2]}, got {shape}")
    return shapes.switch_norm(input, None, training, eps)


def module_cases(n: int) -> Callable[[], SearchStrategy[Case]]:
    """Channels and sizes drawn with every constructor argument, in training and in evaluation."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            channels = draw(st.integers(1, 5))
            space = (draw(st.integers(2, 5)), *draw(st.tuples(*[st.integers(1, 4)] * (n - 1))))
            keywords: dict[str, Any] = {
                "eps": draw(st.sampled_from((1e-5, 1e-3, 0.5))),
                "momentum": draw(st.sampled_from((0.1, 0.7, None))),
                "affine": draw(st.booleans()),
                "track_running_stats": draw(st.booleans()),
                "bias": draw(st.booleans()),
            }
            case = built(channels, **keywords).on(real(draw(st.integers(1, 4)), channels, *space))
            return case.but(mode=draw(st.sampled_from(("train", "eval"))))

        return cases()

    return strategy


def function_cases() -> SearchStrategy[Case]:
    """Any number of spatial axes, by the batch's and by running statistics, each parameter given or not."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        channels, own = draw(st.integers(1, 5)), draw(st.booleans())
        shape = (draw(st.integers(1, 4)), channels, 2, *draw(st.lists(st.integers(1, 4), max_size=2)))
        statistics = (None, None) if own else (buffer(channels), positive(channels))  # moving them is a law's matter
        weight, bias = (param(channels) if draw(st.booleans()) else None for _ in range(2))
        numbers = draw(st.sampled_from(((0.1, 1e-5), (0.7, 1e-3), (0.0, 0.5))))
        return called(real(*shape), *statistics, param(3), param(3), weight, bias, own, *numbers)

    return cases()


# --- laws ------------------------------------------------------------------------------------------------------------


def only(k: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Logits that leave instance (0), layer (1) or batch (2) statistics over."""
    logits = torch.tensor(ONE_HOT[k], dtype=like.dtype, device=like.device)
    return logits, logits


def instance(build: Build, x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """With all the weight on the instance it is InstanceNorm."""
    truth = torch.nn.functional.instance_norm(x, None, None, weight, bias)
    return build()(x, None, None, *only(0, x), weight, bias, True), truth


def layer(build: Build, x: Tensor) -> Pair:
    """With all the weight on the layer it is LayerNorm over (C, *S)."""
    return build()(x, None, None, *only(1, x), None, None, True), torch.nn.functional.layer_norm(x, x.shape[1:])


def batch(build: Build, x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """With all the weight on the batch it is BatchNorm."""
    truth = torch.nn.functional.batch_norm(x, None, None, weight, bias, True)
    return build()(x, None, None, *only(2, x), weight, bias, True), truth


def remembered(build: Build, x: Tensor, mean: Tensor, var: Tensor) -> Pair:
    """With all the weight on the batch, in evaluation, it is BatchNorm by running statistics."""
    return build()(x, mean, var, *only(2, x)), torch.nn.functional.batch_norm(x, mean, var)


def running(build: Build, x: Tensor, mean: Tensor, var: Tensor, w: Tensor, v: Tensor) -> Pair:
    """What is remembered is what BatchNorm remembers, whatever the logits."""
    ours, theirs = ((mean.clone(), var.clone()) for _ in range(2))
    build()(x, *ours, w, v, training=True, momentum=0.3)
    torch.nn.functional.batch_norm(x, *theirs, training=True, momentum=0.3)
    return torch.cat(ours), torch.cat(theirs)


def shared_logit(build: Build, x: Tensor, w: Tensor, v: Tensor) -> Pair:
    """Only differences of logits count."""
    return build()(x, None, None, w + 8, v - 8, training=True), build()(x, None, None, w, v, training=True)


def single_sample(build: Build, x: Tensor, w: Tensor, v: Tensor) -> Pair:
    """Of one sample, batch statistics are the instance's: the two may exchange weights."""
    order = torch.tensor([2, 1, 0], device=x.device)
    left = build()(x[:1], None, None, w[order], v[order], training=True)
    return left, build()(x[:1], None, None, w, v, training=True)


def single_channel(build: Build, x: Tensor, w: Tensor, v: Tensor) -> Pair:
    """Of one channel, layer statistics are the instance's: the two may exchange weights."""
    order = torch.tensor([1, 0, 2], device=x.device)
    left = build()(x[:, :1], None, None, w[order], v[order], training=True)
    return left, build()(x[:, :1], None, None, w, v, training=True)


def alone(build: Build, x: Tensor) -> Pair:
    """In evaluation a sample does not see its batch."""
    norm = build(5)
    return torch.cat([norm(part) for part in x.split(1)]), norm(x)


def reordered(build: Build, x: Tensor) -> Pair:
    """The order of the samples does not matter."""
    norm = build(5, track_running_stats=False)
    return norm(x.flip(0)), norm(x).flip(0)


def channels_reordered(build: Build, x: Tensor) -> Pair:
    """The order of the channels does not matter, where they have no weights."""
    norm = build(5, affine=False, track_running_stats=False)
    return norm(x.flip(1)), norm(x).flip(1)


def nothing(build: Build, x: Tensor) -> Pair:
    """An empty batch gives an empty batch."""
    return build(5)(x[:0]), x[:0]


# --- specs -----------------------------------------------------------------------------------------------------------


def module_spec(n: int) -> Spec:
    """SwitchNorm1d, 2d or 3d."""
    size, big = SPACE[n], {1: (13,), 2: (4, 3), 3: (2, 3, 2)}[n]
    wide = {1: (2049,), 2: (67, 31), 3: (13, 11, 15)}[n]
    rows = (
        built(4).on(real(3, 4, *size)),
        built(3, 1e-3, 0.3).on(real(2, 3, *size)),
        built(3, eps=0.5, momentum=None, affine=False).on(real(2, 3, *size)),
        built(3, momentum=1.0, bias=False).on(real(2, 3, *size)),
        built(3, track_running_stats=False).on(real(2, 3, *size)),
        built(2, affine=False, track_running_stats=False).on(real(1, 2, *size)),
        built(1).on(real(11, 1, *size)),
        built(4).on(real(3, 4, *size)).but(mode="eval"),
        built(3, track_running_stats=False).on(real(2, 3, *size)).but(mode="eval"),
        built(2).on(real(3, 2, *(1,) * n)),
        built(17).on(real(2, 17, *big)),
        built(2).on(real(2, 2, *wide)),
    )
    refusals = (
        Refusal(built(3).on(real(3)), "input"),
        Refusal(built(3).on(real(2, 3)), "input"),
        Refusal(built(3).on(real(2, 3, *size, 2)), "input"),
        Refusal(built(3).on(real(2, 3, *size[1:])), "input"),
        Refusal(built(3).on(real(1, 3, *(1,) * n)), "input"),
        Refusal(built(3).on(real(2, 3, *size[:-1], 0)), "input"),
        Refusal(built(3).on(real(2, 1, *size)), "running_mean"),
        Refusal(built(1).on(real(2, 3, *size)), "running_mean"),
        Refusal(built(3, track_running_stats=False).on(real(2, 4, *size)), "weight"),
        Refusal(built(3, eps=0.0).on(real(2, 3, *size)), "eps"),
        Refusal(built(-1).on(real(2, 3, *size)), "num_features"),
    )
    laws = (
        Law("order of samples", reordered, (real(23, 5, *size),)),
        Law("order of channels", channels_reordered, (real(23, 5, *size),)),
        Law("nothing", nothing, (real(23, 5, *size),)),
        Law("samples alone", alone, (real(23, 5, *size),), mode="eval"),
    )
    name = f"SwitchNorm{n}d"
    formula, reference = getattr(shapes, f"switch_norm{n}d"), getattr(norms, name)
    return Spec(
        name,
        "switch_normalization",
        reference,
        None,
        rows,
        oracle=OneByOne,
        shape=formula,
        strategy=module_cases(n),
        laws=laws,
        refusals=refusals,
    )


SPECS = (
    *(module_spec(n) for n in (1, 2, 3)),
    Spec(
        "functional.switch_norm",
        "switch_normalization",
        switch_norm,
        None,
        (
            called(real(3, 4, 7), None, None, param(3), param(3), param(4), param(4), True),
            called(real(2, 3, 8), None, None, param(3), param(3), None, None, True, 0.1, 1e-3),
            called(real(2, 3, 8), None, None, param(3), param(3), param(3), training=True),
            called(real(2, 3, 8), None, None, param(3), param(3), bias=param(3), training=True, eps=0.5),
            called(real(2, 3, 8), buffer(3), positive(3), param(3), param(3), None, None, False, momentum=0.3),
            called(real(3, 4, 7), buffer(4), positive(4), param(3), param(3), param(4), param(4)),
            called(real(1, 3, 2), buffer(3), positive(3), param(3), param(3), param(3), param(3), eps=1e-3),
            called(real(5, 2, 3, 2), buffer(2), positive(2), param(3), param(3), None, param(2), False),
            called(real(2, 3, 2, 3, 4), None, None, param(3), param(3), param(3), param(3), True),
            called(real(2, 17, 4, 3), None, None, param(3), param(3), param(17), param(17), True),
            called(real(2, 2, 33, 61), None, None, param(3), param(3), param(2), param(2), True),
        ),
        oracle=one_by_one,
        shape=function_shape,
        strategy=function_cases,
        laws=(
            Law("instance norm", instance, (real(11, 5, 6, 4), param(5), param(5))),
            Law("layer norm", layer, (real(11, 5, 6, 4),)),
            Law("batch norm", batch, (real(11, 5, 6, 4), param(5), param(5))),
            Law("batch norm in evaluation", remembered, (real(11, 5, 6, 4), buffer(5), positive(5))),
            Law("running", running, (real(11, 5, 6, 4), buffer(5), positive(5), param(3), param(3))),
            Law("differences of logits", shared_logit, (real(11, 5, 6, 4), param(3), param(3))),
            Law("single sample", single_sample, (real(11, 5, 6, 4), param(3), param(3))),
            Law("single channel", single_channel, (real(11, 5, 6, 4), param(3), param(3))),
        ),
        refusals=(
            Refusal(called(real(2, 3, 8), None, None, param(3), param(3)), "running_mean"),
            Refusal(called(real(2, 3, 8), buffer(3), None, param(3), param(3), training=True), "running_var"),
            Refusal(called(real(2, 3, 8), buffer(1), positive(1), param(3), param(3)), "running_mean"),
            Refusal(called(real(2, 3, 8), buffer(3), positive(4), param(3), param(3)), "running_var"),
            Refusal(called(real(2, 3, 8), buffer(3), positive(3), param(2), param(3)), "mean_weight"),
            Refusal(called(real(2, 3, 8), buffer(3), positive(3), param(3), param(1)), "var_weight"),
            Refusal(called(real(2, 3, 8), buffer(3), positive(3), param(3, 1), param(3)), "mean_weight"),
            Refusal(called(real(2, 3, 8), None, None, param(3), param(3), param(1), None, True), "weight"),
            Refusal(called(real(2, 3, 8), None, None, param(3), param(3), None, param(5), True), "bias"),
            Refusal(called(real(2, 3), None, None, param(3), param(3), training=True), "input"),
            Refusal(called(real(1, 3, 1), None, None, param(3), param(3), training=True), "input"),
            Refusal(called(real(2, 3, 8), None, None, param(3), param(3), training=True, eps=0.0), "eps"),
            Refusal(called(real(2, 3, 8), buffer(3), positive(3), param(3), param(3), eps=-1.0), "eps"),
            Refusal(called(real(2, 3, 8), buffer(3), positive(3), param(3), param(3), momentum=None), "momentum"),
        ),
    ),
)
