"""EmbeddingBag. Legend: V num_embeddings, D embedding_dim, R entries, B bags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.functional.embedding_bag import embedding_bag
from refops.nn.embedding_bag import EmbeddingBag
from refops.parity.case import Case, built, called, index, literal, param, real
from refops.parity.spec import POINTWISE, Difference, Law, Refusal, Spec
from refops.shapes.embedding_bag import embedding_bag as embedding_bag_shape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]
Build = Callable[..., Any]

ENTRIES = literal((1, 2, 4, 5, 4, 3, 2, 9))
OFFSETS = literal((0, 4))
RAGGED = literal((0, 3, 3, 4))  # the second bag is empty
ENDS = literal((0, 3, 3, 8))  # with the end of the last bag
PADDED = literal((2, 0, 2, 5, 2, 2, 7, 0))  # row 2 is padding; with RAGGED the third bag holds one row, not of padding
TWICE = literal((1, 4, 7, 1, 4, 7))  # every row equally often, where native's frequencies are right

DIFFERENCES = (
    Difference(
        "scale_grad_by_freq divides the gradient of a row by how often that row occurs",
        "entries (1, 2, 4, 5, 4, 3, 2, 9), sum: rows 3, 4, 5 get 1, 1, 1; native on the CPU gives 0.5, 2, 0.5",
        "documentation of torch.nn.functional.embedding_bag; native looks the count up at another position",
    ),
    Difference(
        "the second derivative exists",
        "native raises NotImplementedError: the derivative for _embedding_bag_backward is not implemented",
        "the derivative of the first",
    ),
    Difference(
        "entries behind the last offset are in no bag in every mode",
        "with include_last_offset, offsets (0, 4, 6) and 8 entries native sums 4 and 2 of them in float32, 4 and 4 in "
        "float64, and for max reads beyond its memory",
        "documentation: the last element is the ending index position of the last bag",
    ),
)


def functional_shape(
    input: Shape,
    weight: Shape,
    offsets: Shape | None = None,
    mode: str = "mean",
    per_sample_weights: Shape | None = None,
    include_last_offset: bool = False,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
    padding_idx: int | None = None,
) -> Shape:
    """Read V and D from the weight's shape."""
    if len(weight) != 2:
        raise ValueError(f"weight must have shape (V, D), got {weight}")
    return embedding_bag_shape(
        input,
        weight[1],
        offsets,
        per_sample_weights,
        include_last_offset,
        mode,
        scale_grad_by_freq,
        sparse,
        weight[0],
        padding_idx,
    )


def drawn(*, function: bool) -> SearchStrategy[Case]:
    """A matrix of bags or ragged ones, and the options that may stand together."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 5))
        mode = draw(st.sampled_from(("sum", "mean", "max")))
        options: dict[str, Any] = {"mode": mode}
        if draw(st.booleans()):
            options["padding_idx"] = draw(st.integers(-rows, rows - 1))
        if draw(st.booleans()):
            options |= {"max_norm": draw(st.sampled_from((0.5, 2.5))), "norm_type": draw(st.sampled_from((1.0, 3.0)))}
        if mode != "max" and draw(st.booleans()):
            options["sparse"] = True
        weighted = mode == "sum" and draw(st.booleans())
        if draw(st.booleans()):
            shape: Shape = (draw(st.integers(0, 4)), draw(st.integers(1, 4)))
            call: dict[str, Any] = {}
        else:
            lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
            shape = (sum(lengths),)
            starts = [sum(lengths[:b]) for b in range(len(lengths) + 1)]
            options["include_last_offset"] = draw(st.booleans())
            call = {"offsets": literal(tuple(starts if options["include_last_offset"] else starts[:-1]))}
        if weighted:
            call["per_sample_weights"] = real(*shape)
        if function:
            return called(index(*shape, high=rows), param(rows, columns), **call, **options)
        return built(rows, columns, **options).on(index(*shape, high=rows), **call)

    return cases()


# --- laws ------------------------------------------------------------------------------------------------------------


def one_element(build: Build, x: Tensor) -> Pair:
    """Bags of one entry are an Embedding."""
    layer = build(11, 3)
    table = next(layer.parameters())
    return layer(x[:, None]), torch.nn.functional.embedding(x, table)


def matrix_and_vector(build: Build, x: Tensor) -> Pair:
    """A matrix is its rows one behind the other, with equally far offsets."""
    layer = build(11, 3, mode="max")
    return layer(x.flatten(), torch.arange(0, x.numel(), x.shape[1], device=x.device)), layer(x)


def order_in_bag(build: Build, x: Tensor) -> Pair:
    """The order within a bag does not matter."""
    layer = build(11, 3, mode="sum", padding_idx=4)
    return layer(x.flip(1)), layer(x)


def splitting(build: Build, x: Tensor) -> Pair:
    """Bags in two parts give the parts of the whole."""
    layer = build(11, 3)
    return torch.cat([layer(x[:33]), layer(x[33:])]), layer(x)


def padding_counts_nothing(build: Build, x: Tensor) -> Pair:
    """Padding may be left out: it is not in the sum, and the mean does not divide by it."""
    layer = build(11, 3, padding_idx=10)
    return layer(torch.cat([x, torch.full_like(x, 10)], 1)), layer(x)


def last_offset(build: Build, x: Tensor) -> Pair:
    """The last offset may be given or left out."""
    starts = torch.tensor([0, 5, 5, 30, len(x)], device=x.device)
    with_end, without = build(11, 3, mode="sum", include_last_offset=True), build(11, 3, mode="sum")
    table = next(with_end.parameters()).detach()
    with torch.no_grad():
        next(without.parameters()).copy_(table)
    return with_end(x, starts), without(x, starts[:-1])


def frequency(build: Build, weight: Tensor) -> Pair:
    """With scale_grad_by_freq the gradient of a row does not depend on how often it was named."""
    weight = weight.detach().requires_grad_()
    repeated = torch.tensor([[3, 3, 0, 3, 3]], device=weight.device)  # few enough for native's own count
    once = torch.tensor([[3, 0]], device=weight.device)
    bag = build()
    (scaled,) = torch.autograd.grad(bag(repeated, weight, scale_grad_by_freq=True, mode="sum").sum(), weight)
    (plain,) = torch.autograd.grad(bag(once, weight, mode="sum").sum(), weight)
    return scaled, plain


def weights_of_one(build: Build, weight: Tensor) -> Pair:
    """Weights of one are no weights, and weights of 1/L make the sum the mean."""
    bags = torch.tensor([[3, 1, 0, 7], [2, 2, 5, 6]], device=weight.device)
    ones = weight.new_ones(2, 4)
    weighted = torch.cat([build()(bags, weight, mode="sum", per_sample_weights=p) for p in (ones, ones / 4)])
    return weighted, torch.cat([build()(bags, weight, mode=mode) for mode in ("sum", "mean")])


def sum_of_rows(build: Build, weight: Tensor) -> Pair:
    """The sum is what a count of every row makes of the table."""
    bags = torch.tensor([[3, 1, 0, 7], [2, 2, 5, 6], [1, 1, 1, 1]], device=weight.device)
    counts = (bags[..., None] == torch.arange(8, device=weight.device)).sum(1).to(weight.dtype)
    return build()(bags, weight, mode="sum"), counts @ weight


# --- specs -----------------------------------------------------------------------------------------------------------

SPECS = (
    Spec(
        "EmbeddingBag",
        "embedding_bag",
        EmbeddingBag,
        torch.nn.EmbeddingBag,
        (
            built(10, 21).on(ENTRIES, OFFSETS),
            built(10, 3, mode="sum").on(ENTRIES, RAGGED),
            built(10, 3, mode="max").on(ENTRIES, RAGGED),
            built(10, 3).on(ENTRIES, RAGGED),
            built(10, 3).on(index(3, 4, high=10)),
            built(10, 3, mode="sum").on(index(2, 5, high=10)),
            built(10, 3, mode="max").on(index(3, 5, high=10)),
            built(10, 3).on(index(0, 4, high=10)),
            built(10, 3, mode="sum").on(index(0, high=10), literal((0,))),
            built(10, 3, padding_idx=2).on(PADDED, RAGGED),
            built(10, 3, mode="sum", padding_idx=2).on(PADDED, RAGGED),
            built(10, 3, mode="max", padding_idx=-8).on(PADDED, RAGGED),
            built(10, 3, mode="sum").on(ENTRIES, RAGGED, real(8)),
            built(10, 3, mode="sum", padding_idx=2).on(PADDED, OFFSETS, real(8)),
            built(10, 3, mode="sum").on(index(3, 4, high=10), per_sample_weights=real(3, 4)),
            built(10, 3, include_last_offset=True).on(ENTRIES, ENDS),
            built(10, 3, mode="max", include_last_offset=True).on(ENTRIES, ENDS),
            built(10, 3, max_norm=1.0).on(ENTRIES, OFFSETS),
            built(10, 3, 1.5, 1.0, False, "sum").on(ENTRIES, RAGGED).but(mode="eval"),
            built(10, 3, max_norm=0.5, norm_type=3.5, mode="max").on(ENTRIES, RAGGED),
            built(10, 3, scale_grad_by_freq=True).on(TWICE, literal((0, 2))),
            built(10, 3, scale_grad_by_freq=True, mode="sum").on(TWICE, literal((0, 1))),
            built(10, 3, sparse=True).on(ENTRIES, RAGGED),
            built(10, 3, sparse=True, mode="sum", padding_idx=2).on(PADDED, RAGGED),
            built(10, 3, _weight=param(10, 3)).on(ENTRIES, OFFSETS),
            built(33, 17).on(index(5, 7, high=33)),
            built(5, 2, mode="sum").on(index(2, 2049, high=5)),
            built(7, 2, mode="max").on(index(2049, high=7), literal((0, 3, 1500, 1500))),
            built(4, 3001).on(index(2, 3, high=4)),
        ),
        shape=embedding_bag_shape,
        strategy=lambda: drawn(function=False),
        regimes=("ordinary",),
        differences=DIFFERENCES,
        laws=(
            Law("bags of one", one_element, (index(70, high=11),)),
            Law("matrix and vector", matrix_and_vector, (index(23, 6, high=11),)),
            Law("order in a bag", order_in_bag, (index(23, 6, high=11),)),
            Law("batch split", splitting, (index(70, 5, high=11),)),
            Law("padding counts nothing", padding_counts_nothing, (index(23, 5, high=10),)),
            Law("last offset", last_offset, (index(41, high=11),)),
        ),
        long=(
            built(3, 2).on(index(66_561, 2, high=3)),
            built(3, 2, mode="max").on(index(66_561, 2, high=3)),
            built(3, 2, mode="sum").on(index(2, 66_561, high=3)),
            built(66_561, 1).on(index(1_153, 2, high=66_561)),
            built(3, 66_561).on(index(2, 3, high=3)),
        ),
        refusals=(
            Refusal(built(10, 3).on(literal((3, 10)), literal((0,))), "input"),
            Refusal(built(10, 3, mode="max").on(literal((3, -1)), literal((0,))), "input"),
            Refusal(built(10, 3, max_norm=1.0).on(literal((3, 10)), literal((0,))), "input"),
            Refusal(built(10, 3).on(literal((3.0, 1.0)), literal((0,))), "input"),
            Refusal(built(10, 3).on(index(high=10)), "input"),
            Refusal(built(10, 3).on(index(2, 2, 2, high=10)), "input"),
            Refusal(built(10, 3).on(index(2, 0, high=10)), "input"),
            Refusal(built(10, 3).on(ENTRIES), "offsets"),
            Refusal(built(10, 3).on(index(2, 4, high=10), OFFSETS), "offsets"),
            Refusal(built(10, 3).on(ENTRIES, literal(((0, 4),))), "offsets"),
            Refusal(built(10, 3).on(ENTRIES, literal((1, 4))), "offsets"),
            Refusal(built(10, 3).on(ENTRIES, literal((0, 9))), "offsets"),
            Refusal(built(10, 3).on(ENTRIES, literal((0.0, 4.0))), "offsets"),
            Refusal(built(10, 3, include_last_offset=True).on(ENTRIES, index(0, high=1)), "offsets"),
            Refusal(built(10, 3, mode="min").on(ENTRIES, OFFSETS), "mode"),
            Refusal(built(10, 3, mode="max", scale_grad_by_freq=True).on(ENTRIES, OFFSETS), "scale_grad_by_freq"),
            Refusal(built(10, 3, mode="max", sparse=True).on(ENTRIES, OFFSETS), "sparse"),
            Refusal(built(10, 3).on(ENTRIES, OFFSETS, real(8)), "per_sample_weights"),
            Refusal(built(10, 3, mode="max").on(ENTRIES, OFFSETS, real(8)), "per_sample_weights"),
            Refusal(built(10, 3, mode="sum").on(ENTRIES, OFFSETS, real(7)), "per_sample_weights"),
            Refusal(built(10, 3, padding_idx=10).on(ENTRIES, OFFSETS), "padding_idx"),
            Refusal(built(10, 3, padding_idx=-11).on(ENTRIES, OFFSETS), "padding_idx"),
            Refusal(built(10, 3, _weight=param(3, 10)).on(ENTRIES, OFFSETS), "_weight"),
            Refusal(built(-1, 3).on(ENTRIES, OFFSETS), "num_embeddings"),
            Refusal(built(10, -3).on(ENTRIES, OFFSETS), "embedding_dim"),
        ),
    ),
    Spec(
        "functional.embedding_bag",
        "embedding_bag",
        embedding_bag,
        torch.nn.functional.embedding_bag,
        (
            called(ENTRIES, weight=real(10, 21), offsets=OFFSETS),
            called(ENTRIES, weight=real(10, 3), offsets=RAGGED, mode="sum"),
            called(ENTRIES, weight=real(10, 3), offsets=RAGGED, mode="max"),
            called(index(3, 4, high=10), weight=real(10, 3), mode="max"),
            called(index(3, 4, high=10), weight=real(10, 3)),
            called(index(0, 4, high=10), weight=real(10, 3)),
            called(PADDED, weight=real(10, 3), offsets=RAGGED, mode="mean", padding_idx=2),
            called(PADDED, weight=real(10, 3), offsets=RAGGED, mode="max", padding_idx=2),
            called(PADDED, weight=real(10, 3), offsets=RAGGED, mode="sum", padding_idx=-8, per_sample_weights=real(8)),
            called(ENTRIES, param(10, 3), RAGGED, None, 2, False, "sum", False, real(8), False, None),
            called(ENTRIES, weight=real(10, 3), offsets=ENDS, include_last_offset=True),
            called(ENTRIES, param(10, 3), OFFSETS, 1.0),
            called(ENTRIES, param(10, 3), OFFSETS, 1.5, 1.0, False, "sum"),
            called(TWICE, weight=real(10, 3), offsets=literal((0, 2)), scale_grad_by_freq=True),
            called(ENTRIES, weight=real(10, 3), offsets=OFFSETS, mode="sum", sparse=True),
            called(index(5, 7, high=33), weight=real(33, 17)),
            called(index(2, 2049, high=5), weight=real(5, 2), mode="sum"),
            called(index(2, 3, high=4), weight=real(4, 3001)),
        ),
        shape=functional_shape,
        strategy=lambda: drawn(function=True),
        regimes=POINTWISE,
        differences=DIFFERENCES,
        laws=(
            Law("frequency", frequency, (real(8, 5),)),
            Law("weights of one", weights_of_one, (real(8, 5),)),
            Law("sum of rows", sum_of_rows, (real(8, 5),)),
        ),
        long=(
            called(index(66_561, 2, high=3), real(3, 2)),
            called(index(2, 66_561, high=3), real(3, 2)),
            called(index(1_153, 2, high=66_561), real(66_561, 1)),
        ),
        refusals=(
            Refusal(called(literal((3, 10)), real(10, 3), literal((0,))), "input"),
            Refusal(called(literal((-1, 3)), real(10, 3), literal((0,))), "input"),
            Refusal(called(ENTRIES, real(10), OFFSETS), "weight"),
            Refusal(called(ENTRIES, real(10, 3)), "offsets"),
            Refusal(called(ENTRIES, real(10, 3), OFFSETS, padding_idx=10), "padding_idx"),
            Refusal(called(ENTRIES, real(10, 3), OFFSETS, padding_idx=-11), "padding_idx"),
            Refusal(called(ENTRIES, real(10, 3), OFFSETS, mode="avg"), "mode"),
            Refusal(called(ENTRIES, real(10, 3), OFFSETS, per_sample_weights=real(8)), "per_sample_weights"),
            Refusal(
                called(ENTRIES, real(10, 3), OFFSETS, mode="sum", per_sample_weights=real(2, 4)), "per_sample_weights"
            ),
        ),
    ),
)
