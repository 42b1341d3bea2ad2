"""BatchNorm, 1d to 3d. Legend: N batch, C channels, *S spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.batch_normalization import batch_norm
from refops.nn import batch_normalization as norms
from refops.parity.case import Case, buffer, built, called, param, positive, real
from refops.parity.spec import Law, Refusal, Spec
from refops.parity.specs._channel_statistics import exact_batch_norm, exact_module
from refops.shapes import batch_normalization as shapes

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]
SPACE = ((), (7,), (3, 5), (2, 3, 4))  # some unequal spatial sizes by their number


def batch_norm_shape(
    input: Shape,
    running_mean: Shape | None = None,
    running_var: Shape | None = None,
    weight: Shape | None = None,
    bias: Shape | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> Shape:
    """One value per channel in all that is given; both running statistics or none, in evaluation both."""
    check(input, training, momentum, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    return shapes.batch_norm(input, None, training, eps)


def check(input: Shape, own: bool, momentum: float | None, **parameters: Shape | None) -> None:
    """Refuse parameters of another size than C, half a pair of running statistics, none in evaluation."""
    if momentum is None:
        raise ValueError("momentum must be a number, got None")
    for name, shape in parameters.items():
        if shape is not None and shape != input[1:2]:
            raise ValueError(f"{name} must have shape {input[1:2]}, got {shape}")
    given = [parameters[name] is not None for name in ("running_mean", "running_var")]
    if given[0] != given[1] or not (own or all(given)):
        raise ValueError(f"running_mean and running_var must be given together, in evaluation both, got {parameters}")


def module_cases(n: int, kind: str) -> Callable[[], SearchStrategy[Case]]:
    """Channels and sizes drawn with every constructor argument, in training and in evaluation."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            channels, batch = draw(st.integers(1, 6)), draw(st.integers(1, 4))
            flat = kind == "batch" and n == 1 and draw(st.booleans())
            space = () if flat else (draw(st.integers(2, 6)), *draw(st.tuples(*[st.integers(1, 4)] * (n - 1))))
            keywords: dict[str, Any] = {
                "eps": draw(st.sampled_from((1e-5, 1e-3, 0.5))),
                "momentum": draw(st.sampled_from((0.1, 0.7, None))),
                "affine": draw(st.booleans()),
                "track_running_stats": draw(st.booleans()),
                "bias": draw(st.booleans()),
            }
            lead = () if kind == "instance" and draw(st.booleans()) else (batch + (1 if flat else 0),)
            case = built(channels, **keywords).on(real(*lead, channels, *space))
            return case.but(mode=draw(st.sampled_from(("train", "eval"))))

        return cases()

    return strategy


def function_cases(kind: str) -> Callable[[], SearchStrategy[Case]]:
    """Any number of spatial axes, by own and by running statistics, each parameter given or not."""

    def strategy() -> SearchStrategy[Case]:
        from hypothesis import strategies as st

        @st.composite
        def cases(draw: DrawFn) -> Case:
            channels, batch = draw(st.integers(1, 6)), draw(st.integers(1, 4))
            space = draw(st.lists(st.integers(1, 4), max_size=2))
            own, tracked = draw(st.booleans()), draw(st.booleans())
            shape = (batch, channels, 2, *space) if own else (batch, channels, *space)
            statistics = (buffer(channels), positive(channels)) if tracked or not own else (None, None)
            weight, bias = (param(channels) if draw(st.booleans()) else None for _ in range(2))
            numbers = draw(st.sampled_from(((0.1, 1e-5), (0.7, 1e-3), (0.0, 0.5))))
            return called(real(*shape), *statistics, weight, bias, own, *numbers)

        return cases()

    return strategy


def channels_apart(n: int) -> Callable[..., Pair]:
    """Channels know nothing of each other: C channels are C norms of one."""

    def law(build: Build, x: Tensor) -> Pair:
        settings = {"affine": False, "track_running_stats": False}
        apart = [build(1, **settings)(part) for part in x.split(1, dim=1)]
        return torch.cat(apart, dim=1), build(x.shape[1], **settings)(x)

    return law


def reordered(build: Build, x: Tensor) -> Pair:
    """The order of the samples does not matter to their statistics."""
    norm, again = build(5, track_running_stats=False), build(5, track_running_stats=False)
    return again(x.flip(0)), norm(x).flip(0)


def alone(build: Build, x: Tensor) -> Pair:
    """In evaluation a sample does not see its batch."""
    norm = build(5)
    return torch.cat([norm(part) for part in x.split(1)]), norm(x)


def nothing(build: Build, x: Tensor) -> Pair:
    """An empty batch gives an empty batch."""
    return build(5, affine=False)(x[:0]), x[:0]


def affine_last(build: Build, x: Tensor, weight: Tensor, bias: Tensor) -> Pair:
    """Weight and bias act per channel on the standardised values."""
    function = build()
    plain = function(x, None, None, None, None, True)
    return function(x, None, None, weight, bias, True), plain * weight[:, None] + bias[:, None]


def both_by_running(build: Build, x: Tensor, mean: Tensor, variance: Tensor) -> Pair:
    """By running statistics, each sample is on its own."""
    function = build()
    return function(x, mean, variance, None, None, False), torch.cat(
        [function(part, mean, variance, None, None, False) for part in x.split(9)]
    )


def batch_norm_spec(n: int) -> Spec:
    """BatchNorm1d, 2d or 3d."""
    size, big = SPACE[n], {1: (13,), 2: (6, 9), 3: (2, 3, 5)}[n]
    wide = {1: (257,), 2: (17, 15), 3: (4, 9, 7)}[n]
    flat = (built(5).on(real(9, 5)), built(5, affine=False).on(real(7, 5)))
    rows = (
        built(4).on(real(3, 4, *size)),
        *(flat if n == 1 else ()),
        built(3, 1e-3, 0.3).on(real(2, 3, *size)),
        built(3, eps=0.5, momentum=None, affine=False).on(real(2, 3, *size)),
        built(3, momentum=1.0, bias=False).on(real(2, 3, *size)),
        built(3, track_running_stats=False).on(real(2, 3, *size)),
        built(3, affine=False, track_running_stats=False).on(real(1, 3, *size)),
        built(1).on(real(31, 1, *size)),
        built(17).on(real(5, 17, *big)),
        built(2).on(real(4, 2, *wide)),
    )
    one = (1,) * n
    refusals = (
        Refusal(built(3).on(real(3)), "input"),
        Refusal(built(3).on(real(2, 3, *size, 2) if n > 1 else real(2, 3, 4, 5)), "input"),
        Refusal(built(3).on(real(2, 3, *size[1:]) if n > 1 else real()), "input"),
        Refusal(built(3).on(real(1, 3, *one)), "input"),
        Refusal(built(3).on(real(2, 1, *size)), "running_mean"),
        Refusal(built(1).on(real(2, 3, *size)), "running_mean"),
        Refusal(built(3, track_running_stats=False).on(real(2, 4, *size)), "weight"),
        Refusal(built(3, eps=0.0).on(real(2, 3, *size)), "eps"),
        Refusal(built(-1).on(real(2, 3, *size)), "num_features"),
    )
    laws = (
        Law("channels apart", channels_apart(n), (real(70, 11, *size),)),
        Law("order of samples", reordered, (real(23, 5, *size),)),
        Law("nothing", nothing, (real(23, 5, *size),)),
        Law("samples alone", alone, (real(23, 5, *size),), mode="eval"),
    )
    name, reference = f"BatchNorm{n}d", getattr(norms, f"BatchNorm{n}d")
    native, formula = getattr(torch.nn, name), getattr(shapes, f"batch_norm{n}d")
    cases = module_cases(n, "batch")
    oracle = exact_module(native, n)
    return Spec(
        name, "batch_normalization", reference, native, rows, oracle, formula, cases, laws=laws, refusals=refusals
    )


def function_rows(*own: Case) -> tuple[Case, ...]:
    """Rows that both functions take: by own statistics and by running ones."""
    return (
        called(real(3, 4, 7), buffer(4), positive(4), param(4), param(4), True),
        called(real(2, 3, 8), None, None, None, None, True, 0.1, 1e-3),
        called(real(2, 3, 8), None, None, param(3), None, True),
        called(real(2, 3, 8), None, None, None, param(3), True, eps=0.5),
        called(real(2, 3, 8), buffer(3), positive(3), None, None, True, momentum=0.3),
        called(real(3, 4, 7), buffer(4), positive(4), param(4), param(4), False),
        called(real(1, 3), buffer(3), positive(3), param(3), param(3), False, eps=1e-3),
        called(real(5, 3), buffer(3), positive(3), None, param(3), False, eps=0.0),
        called(real(3, 17, 4, 3), buffer(17), positive(17), param(17), param(17), True),
        called(real(3, 5, 2, 3, 4), None, None, param(5), param(5), True),
        called(real(2, 2, 33, 31), buffer(2), positive(2), param(2), param(2), True),
        *own,
    )


def function_refusals(keyword: str, *own: Refusal) -> tuple[Refusal, ...]:
    """Refusals of both functions; `keyword` is the switch between own and running statistics."""
    by_own, by_running = {keyword: True}, {keyword: False}
    return (
        Refusal(called(real(2, 3, 8), None, None, **by_running), "running_mean"),
        Refusal(called(real(2, 3, 8), buffer(3), None, **by_running), "running_var"),
        Refusal(called(real(2, 3, 8), buffer(3), None, **by_own), "running_var"),
        Refusal(called(real(2, 3, 8), None, positive(3), **by_own), "running_mean"),
        Refusal(called(real(2, 3, 8), buffer(1), positive(1), **by_own), "running_mean"),
        Refusal(called(real(2, 3, 8), buffer(3), positive(4), **by_running), "running_var"),
        Refusal(called(real(2, 3, 8), buffer(3), positive(3), param(1), **by_own), "weight"),
        Refusal(called(real(2, 3, 8), buffer(3), positive(3), None, param(5), **by_running), "bias"),
        Refusal(called(real(2, 3, 8), buffer(3), positive(3), momentum=None), "momentum"),
        *own,
    )


SPECS = (
    *(batch_norm_spec(n) for n in (1, 2, 3)),
    Spec(
        "functional.batch_norm",
        "batch_normalization",
        batch_norm,
        torch.nn.functional.batch_norm,
        function_rows(called(real(9, 5), None, None, training=True)),
        oracle=exact_batch_norm,
        shape=batch_norm_shape,
        strategy=function_cases("batch"),
        laws=(
            Law("weight and bias", affine_last, (real(23, 6, 5), param(6), param(6))),
            Law("samples alone", both_by_running, (real(23, 6, 5), buffer(6), positive(6))),
        ),
        refusals=function_refusals(
            "training",
            Refusal(called(real(1, 3), None, None, training=True), "input"),
            Refusal(called(real(1, 3, 1, 1), buffer(3), positive(3), training=True), "input"),
            Refusal(called(real(4, 3), None, None, training=True, eps=0.0), "eps"),
            Refusal(called(real(4, 3), buffer(3), positive(3), eps=-1.0), "eps"),
        ),
    ),
)
