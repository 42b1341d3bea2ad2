"""Perceptrons, judged by sums over single weights, hidden unit after hidden unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from refops.nn.perceptron import MLP, ResidualMLP
from refops.parity.case import Case, built, real
from refops.parity.spec import Law, Randomness, Refusal, Spec
from refops.shapes.perceptron import mlp, residual_mlp

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]


def weighted_sum(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """y_o = b_o + sum_i w_oi x_i, as products and sums over an axis of their own."""
    return (x.unsqueeze(-2) * weight).sum(-1) + bias


def with_parameters(module: nn.Module, sizes: Sequence[tuple[int, int]]) -> list[tuple[nn.Parameter, nn.Parameter]]:
    """A weight and a bias for each pair (inputs, outputs)."""
    pairs = []
    for k, (inputs, outputs) in enumerate(sizes):
        pair = (nn.Parameter(torch.zeros(outputs, inputs)), nn.Parameter(torch.zeros(outputs)))
        module.register_parameter(f"weight{k}", pair[0])
        module.register_parameter(f"bias{k}", pair[1])
        pairs.append(pair)
    return pairs


class _PlainMLP(nn.Module):
    """The MLP as one loop over parameters; dropout only where nothing is left to chance."""

    def __init__(self, input_dim: int, hidden_dims: Sequence[int], output_dim: int, dropout: float = 0.5) -> None:
        super().__init__()
        sizes = [input_dim, *hidden_dims, output_dim]
        self.count, self.p = len(sizes) - 1, dropout
        with_parameters(self, list(pairwise(sizes)))

    def forward(self, input: Tensor) -> Tensor:
        x = input
        for k in range(self.count):
            if k:
                x = x * (x > 0) * (0.0 if self.training and self.p == 1 else 1.0)
            x = weighted_sum(x, getattr(self, f"weight{k}"), getattr(self, f"bias{k}"))
        return x


class _PlainResidualMLP(nn.Module):
    """One hidden unit after the other, then the textbook's variance."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        pairs = with_parameters(self, [(dim, hidden_dim), (hidden_dim, dim)])
        (self.weight0, self.bias0), (self.weight1, self.bias1) = pairs
        self.gain, self.shift = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, input: Tensor) -> Tensor:
        x = input + self.bias1
        for k in range(self.bias0.numel()):
            unit = (input * self.weight0[k]).sum(-1, keepdim=True) + self.bias0[k]
            x = x + unit * (unit > 0) * self.weight1[:, k]
        centred = x - x.mean(-1, keepdim=True)
        return centred / ((centred * centred).mean(-1, keepdim=True) + 1e-5) ** 0.5 * self.gain + self.shift


def mlp_cases() -> SearchStrategy[Case]:
    """Up to three hidden layers, any axes before the features."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes = st.integers(1, 6)
        features = draw(sizes)
        lead = draw(st.lists(st.integers(0, 4), max_size=3))
        hidden = tuple(draw(st.lists(sizes, max_size=3)))
        return built(features, hidden, draw(sizes), draw(st.sampled_from((0.0, 1.0)))).on(real(*lead, features))

    return cases()


def residual_cases() -> SearchStrategy[Case]:
    """Any sizes, any axes before the features."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        features = draw(st.integers(1, 6))
        lead = draw(st.lists(st.integers(0, 4), max_size=3))
        return built(features, draw(st.integers(1, 6))).on(real(*lead, features))

    return cases()


def dropout_rate(case: Case) -> float:
    """Of the hidden features in training; nothing is dropped where there is no hidden layer."""
    init = case.init
    if init is None or case.mode != "train":
        return 0.0
    given = dict(zip(("input_dim", "hidden_dims", "output_dim", "dropout"), init.args, strict=False)) | init.keywords
    return float(given.get("dropout", 0.5)) if given["hidden_dims"] else 0.0


def drawn_by_the_seed(case: Case, call: Callable[[Any, int], Any]) -> Iterator[str]:
    """The seed decides what is dropped, and nothing else."""
    shape, p = next(case.call.draws()).shape, dropout_rate(case)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(case.seed)).to(getattr(torch, case.dtype))
    outputs = [call(x, seed).detach() for seed in range(20)]
    if not torch.equal(call(x, 0).detach(), outputs[0]):
        yield "the same seed must give the same output"
    varied = any(not torch.equal(y, outputs[0]) for y in outputs)
    if x.numel() and varied != (0 < p < 1):
        yield f"with dropout {p} another seed must give {'another' if 0 < p < 1 else 'the same'} output"


def batch_split(build: Build, x: Tensor) -> Pair:
    """Rows do not meet."""
    f = build(6, (9, 5), 4, 0.0)
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


def no_hidden_layer(build: Build, x: Tensor) -> Pair:
    """Without hidden layers the map is affine: the middle goes to the middle."""
    f = build(6, (), 4, 1.0)
    return f((x + x.flip(0)) / 2), (f(x) + f(x).flip(0)) / 2


def all_dropped(build: Build, x: Tensor) -> Pair:
    """With dropout 1 the input is forgotten."""
    f = build(6, (9,), 4, 1.0)
    return f(x), f(x.flip(0))


def evaluation(build: Build, x: Tensor) -> Pair:
    """In evaluation dropout does nothing."""
    return build(6, (9, 5), 4, 1.0)(x), build(6, (9, 5), 4, 0.0)(x)


def unscaled(build: Build, x: Tensor) -> Pair:
    """Outputs are logits: with nothing hidden, minus the input mirrors them around the bias."""
    f = build(6, (), 4, 0.5)
    middle = f(torch.zeros_like(x))
    return f(-x) - middle, middle - f(x)


def residual_batch_split(build: Build, x: Tensor) -> Pair:
    """Rows do not meet."""
    f = build(6, 11)
    return torch.cat([f(x[:33]), f(x[33:])]), f(x)


def leading_axes(build: Build, x: Tensor) -> Pair:
    """Axes before the features are rows."""
    f = build(6, 11)
    return f(x.reshape(7, 2, 5, 6)), f(x).reshape(7, 2, 5, 6)


SPECS = (
    Spec(
        "MLP",
        "perceptron",
        MLP,
        None,
        (
            built(7, (9, 5), 11, 0.0).on(real(6, 7)),
            built(5, (4,), 3, dropout=0.0).on(real(5)),
            built(input_dim=6, hidden_dims=[8], output_dim=2, dropout=0.0).on(real(3, 2, 6)),
            built(6, (), 4).on(real(5, 6)),
            built(1, (1, 1, 1), 1, 0.0).on(real(3, 1)),
            built(6, (9, 5), 4, 1.0).on(real(5, 6)),
            built(6, (9, 5), 4, 0.0).on(real(0, 6)),
            built(33, (17,), 13, 0.3).on(real(5, 33)),
            built(6, (9, 5), 4).on(real(5, 6)),
            built(6, (9, 5), 4).on(real(5, 6)).but(mode="eval"),
            built(2049, (5,), 3, 0.0).on(real(2, 2049)),
        ),
        oracle=_PlainMLP,
        shape=mlp,
        strategy=mlp_cases,
        laws=(
            Law("batch split", batch_split, (real(70, 6),)),
            Law("no hidden layer", no_hidden_layer, (real(19, 6),)),
            Law("everything dropped", all_dropped, (real(19, 6),)),
            Law("no dropout in evaluation", evaluation, (real(19, 6),), mode="eval"),
            Law("nothing after the last map", unscaled, (real(19, 6),)),
        ),
        refusals=(
            Refusal(built(0, (4,), 3).on(real(5, 0)), "input_dim"),
            Refusal(built(6, (4, 0), 3).on(real(5, 6)), "hidden_dims"),
            Refusal(built(6, (4,), -1).on(real(5, 6)), "output_dim"),
            Refusal(built(6, (4,), 3, 1.5).on(real(5, 6)), "p must be"),
            Refusal(built(6, (4,), 3, 0.0).on(real(5, 7)), "input"),
            Refusal(built(6, (4,), 3, 0.0).on(real()), "input"),
        ),
        randomness=Randomness(dropout_rate, statistics=drawn_by_the_seed),
    ),
    Spec(
        "ResidualMLP",
        "perceptron",
        ResidualMLP,
        None,
        (
            built(7, 11).on(real(6, 7)),
            built(5, 3).on(real(5)),
            built(dim=6, hidden_dim=8).on(real(3, 2, 6)),
            built(6, 9).on(real(0, 6)),
            built(33, 17).on(real(5, 33)),
            built(64, 31).on(real(4, 64)),
            built(6, 9).on(real(5, 6)).but(mode="eval"),
            built(5, 65).on(real(3, 5)),
        ),
        oracle=_PlainResidualMLP,
        shape=residual_mlp,
        strategy=residual_cases,
        laws=(
            Law("batch split", residual_batch_split, (real(70, 6),)),
            Law("leading axes are rows", leading_axes, (real(70, 6),)),
        ),
        refusals=(
            Refusal(built(0, 4).on(real(5, 0)), "dim"),
            Refusal(built(6, 0).on(real(5, 6)), "hidden_dim"),
            Refusal(built(6, 4).on(real(5, 7)), "input"),
        ),
    ),
)
