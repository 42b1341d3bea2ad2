"""Embedding. Legend: V num_embeddings, D embedding_dim."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.embedding import embedding
from refops.nn.embedding import Embedding
from refops.parity.case import Case, built, called, index, literal, param, real
from refops.parity.spec import POINTWISE, Difference, Law, Refusal, Spec
from refops.shapes.embedding import embedding as embedding_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]

REPEATED = ((1, 2, 1, 5), (4, 1, 2, 9))  # row 1 three times, row 2 twice
PADDED = ((0, 2, 0, 5), (7, 0, 0, 9))

DIFFERENCES = (
    Difference(
        "the second derivative with scale_grad_by_freq keeps the scale",
        "index (0, 1, 1, 1): d(dL/dw)/d(dL/dy) sums to 1, 1/3, 1/3, 1/3; native gives 1, 1, 1, 1",
        "the derivative of the first, which native divides by the frequency",
    ),
    Difference(
        "a sparse gradient with padding_idx exists for an index without axes",
        "native raises IndexError in the backward pass of Embedding(10, 3, padding_idx=2, sparse=True)(tensor(1))",
        "the same gradient for an index of shape (1)",
    ),
)


def functional_shape(input: Shape, weight: Shape, padding_idx: int | None = None) -> Shape:
    """Read V and D from the weight's shape."""
    if len(weight) != 2:
        raise ValueError(f"weight must have shape (V, D), got {weight}")
    return embedding_shape(input, weight[1], weight[0], padding_idx)


def scaled_oracle(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """As native, but with scale_grad_by_freq the second derivative is that of the first."""
    rows = torch.nn.functional.embedding(input, weight, padding_idx, max_norm, norm_type, False, sparse)
    if not scale_grad_by_freq:
        return rows
    share = 1 / torch.bincount(input.flatten(), minlength=1).to(rows)[input][..., None]
    return share * rows + ((1 - share) * rows).detach()


class EmbeddingOracle(torch.nn.Embedding):
    """Native, but computed by `scaled_oracle`."""

    def forward(self, input: Tensor) -> Tensor:
        """The truth."""
        given = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        return scaled_oracle(input, self.weight, *given)


def options(draw: DrawFn, rows: int) -> dict[str, Any]:
    """Some of the options that may stand together."""
    from hypothesis import strategies as st

    chosen: dict[str, Any] = {}
    if draw(st.booleans()):
        chosen["padding_idx"] = draw(st.integers(-rows, rows - 1))
    if draw(st.booleans()):
        chosen["max_norm"] = draw(st.sampled_from((0.5, 1.0, 2.5)))
        chosen["norm_type"] = draw(st.sampled_from((1.0, 2.0, 3.0)))
    if draw(st.booleans()):
        chosen["scale_grad_by_freq"] = True
    elif draw(st.booleans()):
        chosen["sparse"] = True
    return chosen


def module_cases() -> SearchStrategy[Case]:
    """Table sizes, shapes of the index and options."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 6))
        shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
        return built(rows, columns, **options(draw, rows)).on(index(*shape, high=rows))

    return cases()


def function_cases() -> SearchStrategy[Case]:
    """As for the module, the table being an argument."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 6))
        shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
        return called(index(*shape, high=rows), param(rows, columns), **options(draw, rows))

    return cases()


def splitting(build: Callable[..., Any], x: Tensor) -> Pair:
    """A batch in two parts gives the parts of the whole."""
    layer = build(11, 3, max_norm=1.0)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def whole_table(build: Callable[..., Any], x: Tensor) -> Pair:
    """Looking up every row in order, and then the rows of that, is looking the rows up."""
    layer = build(11, 3)
    return layer(torch.arange(11, device=x.device))[x], layer(x)


def bounded(build: Callable[..., Any], x: Tensor) -> Pair:
    """No row looked up is longer than max_norm."""
    length = build(11, 3, max_norm=0.75, norm_type=1.0)(x).abs().sum(-1)
    return torch.where(length > 0.76, length, torch.zeros_like(length)), torch.zeros_like(length)


def others_stay(build: Callable[..., Any], x: Tensor) -> Pair:
    """Rows that are not looked up are not shortened."""
    layer = build(11, 3, max_norm=0.5)
    table = next(layer.parameters()).detach()
    before = table.clone()
    layer(x)
    return table[7:], before[7:]


def frequency(build: Callable[..., Any], weight: Tensor) -> Pair:
    """With scale_grad_by_freq the gradient of a row does not depend on how often it was named."""
    weight = weight.detach().requires_grad_()
    repeated = torch.tensor([3, 3, 3, 3, 0, 7, 7], device=weight.device)
    once = torch.tensor([3, 0, 7], device=weight.device)
    lookup = build()
    (scaled,) = torch.autograd.grad(lookup(repeated, weight, scale_grad_by_freq=True).sum(), weight)
    (plain,) = torch.autograd.grad(lookup(once, weight).sum(), weight)
    return scaled, plain


SPECS = (
    Spec(
        "Embedding",
        "embedding",
        Embedding,
        torch.nn.Embedding,
        (
            built(10, 6).on(literal(REPEATED)),
            built(10, 3).on(index(2, 4, high=10)),
            built(10, 3).on(index(high=10)),
            built(10, 3).on(index(5, high=10)),
            built(10, 3).on(index(0, high=10)),
            built(10, 0).on(index(4, high=10)),
            built(0, 3).on(index(0, high=1)),
            built(10, 3).on(index(2, 0, 3, high=10)),
            built(10, 3, padding_idx=0).on(literal(PADDED)),
            built(10, 3, 9).on(literal(PADDED)),
            built(10, 3, padding_idx=-3).on(literal(PADDED)),
            built(10, 3, max_norm=1.0).on(literal(REPEATED)),
            built(10, 3, max_norm=1.5, norm_type=1.0).on(literal(REPEATED)),
            built(10, 3, None, 0.5, 3.5).on(literal(REPEATED)),
            built(10, 3, padding_idx=2, max_norm=0.5).on(literal(REPEATED)).but(mode="eval"),
            built(10, 3, scale_grad_by_freq=True).on(literal(REPEATED)),
            built(10, 3, padding_idx=2, scale_grad_by_freq=True).on(literal(REPEATED)),
            built(10, 3, sparse=True).on(literal(REPEATED)),
            built(10, 3, 1, None, 2.0, False, True).on(literal(REPEATED)),
            built(10, 3, _weight=param(10, 3)).on(literal(REPEATED)),
            built(10, 3, padding_idx=0, _weight=param(10, 3), _freeze=True).on(literal(PADDED)),
            built(33, 17).on(index(3, 5, 2, high=33)),
            built(3, 2).on(index(2, 2049, high=3)),
            built(4, 3001).on(index(2, high=4)),
        ),
        oracle=EmbeddingOracle,
        shape=embedding_shape,
        strategy=module_cases,
        regimes=("ordinary",),
        differences=DIFFERENCES,
        no_check=(("jacobian", "padding and frequency change the gradient on purpose: it is not the derivative"),),
        laws=(
            Law("batch split", splitting, (index(70, high=11),)),
            Law("rows of the table", whole_table, (index(7, 10, high=11),)),
            Law("bounded by max_norm", bounded, (index(70, high=11),)),
            Law("other rows stay", others_stay, (index(19, high=7),)),
        ),
        long=(
            built(3, 2).on(index(66_561, high=3)),
            built(66_561, 1).on(index(1_153, high=66_561)),
            built(3, 66_561).on(index(2, high=3)),
        ),
        refusals=(
            Refusal(built(10, 3).on(literal((3, 10))), "input"),
            Refusal(built(10, 3).on(literal((-1, 3))), "input"),
            Refusal(built(10, 3, padding_idx=-1).on(literal((-1, 3))), "input"),
            Refusal(built(10, 3, max_norm=1.0).on(literal((3, 10))), "input"),
            Refusal(built(10, 3).on(literal((1.0, 3.0))), "input"),
            Refusal(built(10, 3).on(literal((True, False))), "input"),
            Refusal(built(10, 3, padding_idx=10).on(literal((1, 3))), "padding_idx"),
            Refusal(built(10, 3, padding_idx=-11).on(literal((1, 3))), "padding_idx"),
            Refusal(built(10, 3, _weight=param(3, 10)).on(literal((1, 3))), "_weight"),
            Refusal(built(-1, 3).on(literal((1, 3))), "num_embeddings"),
            Refusal(built(10, -3).on(literal((1, 3))), "embedding_dim"),
        ),
    ),
    Spec(
        "functional.embedding",
        "embedding",
        embedding,
        torch.nn.functional.embedding,
        (
            called(literal(REPEATED), weight=real(10, 6)),
            called(index(2, 4, high=10), weight=real(10, 3)),
            called(index(high=10), weight=real(10, 3)),
            called(index(0, high=10), weight=real(10, 3)),
            called(index(0, high=10), weight=real(0, 3)),
            called(index(4, high=10), weight=real(10, 0)),
            called(literal(PADDED), param(10, 3), 0),
            called(literal(PADDED), weight=real(10, 3), padding_idx=-1),
            called(literal(REPEATED), param(10, 3), max_norm=1.0),
            called(literal(REPEATED), param(10, 3), None, 1.5, 1.0),
            called(literal(REPEATED), param(10, 3), max_norm=1, norm_type=2.5),
            called(literal(REPEATED), param(10, 3), max_norm=0.5, norm_type=4.0),
            called(literal(REPEATED), weight=real(10, 3), padding_idx=2, scale_grad_by_freq=True),
            called(literal(REPEATED), weight=real(10, 3), sparse=True),
            called(literal(PADDED), param(10, 3), 0, None, 2.0, False, True),
            called(index(3, 5, 2, high=33), weight=real(33, 17)),
            called(index(2, 2049, high=3), weight=real(3, 2)),
            called(index(2, high=4), weight=real(4, 3001)),
        ),
        oracle=scaled_oracle,
        shape=functional_shape,
        strategy=function_cases,
        regimes=POINTWISE,
        differences=DIFFERENCES,
        no_check=(("jacobian", "padding and frequency change the gradient on purpose: it is not the derivative"),),
        laws=(Law("frequency", frequency, (real(8, 5),)),),
        long=(called(index(66_561, high=3), real(3, 2)), called(index(1_153, high=66_561), real(66_561, 1))),
        refusals=(
            Refusal(called(literal((3, 10)), real(10, 3)), "input"),
            Refusal(called(literal((-1, 3)), real(10, 3)), "input"),
            Refusal(called(literal((1.0, 3.0)), real(10, 3)), "input"),
            Refusal(called(literal((1, 3)), real(10)), "weight"),
            Refusal(called(literal((1, 3)), real(10, 3, 2)), "weight"),
            Refusal(called(literal((1, 3)), real(10, 3), 10), "padding_idx"),
            Refusal(called(literal((1, 3)), real(10, 3), padding_idx=-11), "padding_idx"),
        ),
    ),
)
