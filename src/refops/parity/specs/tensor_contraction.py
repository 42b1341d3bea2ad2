"""Products of tensors: mm, bmm, matmul, einsum."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from refops.parity.case import Case, called, index, param, real
from refops.parity.spec import FINITE, Law, Refusal, Spec
from refops.shapes import contraction
from refops.tensor.contraction import bmm, einsum, matmul, mm

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SPECS"]

Shape = tuple[int, ...]
Pair = tuple[Tensor, Tensor]


def einsum_shape(equation: str, operands: tuple[Any, ...]) -> Shape:
    """Operands one by one or as one sequence."""
    given: Any = operands[0] if len(operands) == 1 and isinstance(operands[0], list) else operands
    return contraction.einsum(equation, *(tuple(getattr(x, "shape", x)) for x in given))


def matmul_cases() -> SearchStrategy[Case]:
    """Vectors, matrices and batches that meet."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        n, k, m = (draw(st.integers(1, 4)) for _ in range(3))
        batch = draw(st.lists(st.integers(0, 3), max_size=2))
        left = [b if draw(st.booleans()) else 1 for b in batch][draw(st.integers(0, len(batch))) :]
        right = [b if draw(st.booleans()) else 1 for b in batch][draw(st.integers(0, len(batch))) :]
        x = draw(st.sampled_from([(*left, n, k), (k,)]))
        y = draw(st.sampled_from([(*right, k, m), (k,)]))
        return called(real(*x), real(*y))

    return cases()


def einsum_cases() -> SearchStrategy[Case]:
    """Up to three operands over four letters, any of them in the result."""
    from hypothesis import strategies as st

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes = {x: draw(st.integers(1, 4)) for x in "abcd"}
        terms = draw(st.lists(st.text("abcd", min_size=1, max_size=3), min_size=1, max_size=3))
        used = sorted(set("".join(terms)))
        result = "".join(draw(st.permutations(used)))[: draw(st.integers(0, len(used)))]
        equation = ",".join(terms) + draw(st.sampled_from(["", "->" + result]))
        return called(equation, *(real(*(sizes[x] for x in term)) for term in terms))

    return cases()


def associative(build: Callable[..., Any], x: Tensor, y: Tensor, z: Tensor) -> Pair:
    """(x y) z = x (y z)."""
    return build()(build()(x, y), z), build()(x, build()(y, z))


def transposed(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """(x y)^T = y^T x^T."""
    return build()(x, y).mT, build()(y.mT, x.mT)


def entry_by_entry(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """A batch of products is the products of its entries."""
    return build()(x, y), torch.stack([build()(x[i : i + 1], y[i : i + 1])[0] for i in range(70)])


def a_vector_is_a_column(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """A vector on the right is a matrix of one column, less that column's axis."""
    return build()(x, y), build()(x, y.unsqueeze(1)).squeeze(-1)


def renamed(build: Callable[..., Any], x: Tensor, y: Tensor) -> Pair:
    """Letters are names: others give the same."""
    return build()("abc,bd->dac", x, y), build()("xyz,yB->Bxz", x, y)


def trace(build: Callable[..., Any], x: Tensor) -> Pair:
    """A letter standing twice is the diagonal, unnamed in the result its sum."""
    return build()("ii", x), x.diagonal().sum()


SPECS = (
    Spec(
        "tensor.mm",
        "tensor",
        mm,
        torch.mm,
        (
            called(real(8, 5), param(5, 7)),
            called(real(2, 3), param(3, 3)),
            called(real(1, 1), param(1, 1)),
            called(real(0, 3), param(3, 4)),
            called(real(3, 0), param(0, 4)),
            called(index(3, 4, high=9, low=-9), index(4, 2, high=9)),
            called(input=real(17, 5), mat2=real(5, 33)),
            called(real(2, 2049), real(2049, 3)),
        ),
        shape=contraction.mm,
        regimes=FINITE,
        laws=(
            Law("associative", associative, (real(5, 7), real(7, 3), real(3, 11))),
            Law("transposed", transposed, (real(5, 7), real(7, 3))),
        ),
        refusals=(
            Refusal(called(real(2, 3), real(2, 3)), "mat2"),
            Refusal(called(real(3), real(3, 2)), "input"),
            Refusal(called(real(2, 3), real(3)), "mat2"),
            Refusal(called(real(4, 2, 3), real(3, 2)), "input"),
            Refusal(called(real(2, 3), index(3, 2, high=5)), "mat2"),
        ),
    ),
    Spec(
        "tensor.bmm",
        "tensor",
        bmm,
        torch.bmm,
        (
            called(real(3, 4, 5), param(3, 5, 6)),
            called(real(10, 3, 4), param(10, 4, 5)),
            called(real(1, 2, 3), param(1, 3, 1)),
            called(real(0, 2, 3), param(0, 3, 4)),
            called(real(2, 3, 0), param(2, 0, 4)),
            called(index(2, 3, 4, high=9, low=-9), index(2, 4, 2, high=9)),
            called(input=real(2, 17, 5), mat2=real(2, 5, 9)),
            called(real(2, 2, 2049), real(2, 2049, 1)),
        ),
        shape=contraction.bmm,
        regimes=FINITE,
        laws=(
            Law("transposed", transposed, (real(5, 7, 2), real(5, 2, 3))),
            Law("entry by entry", entry_by_entry, (real(70, 2, 3), real(70, 3, 2))),
        ),
        refusals=(
            Refusal(called(real(1, 2, 3), real(2, 3, 4)), "mat2"),
            Refusal(called(real(2, 2, 3), real(2, 2, 3)), "mat2"),
            Refusal(called(real(2, 3), real(3, 4)), "input"),
            Refusal(called(real(2, 2, 3), real(3, 4)), "mat2"),
        ),
    ),
    Spec(
        "tensor.matmul",
        "tensor",
        matmul,
        torch.matmul,
        (
            called(real(2, 1, 4, 5), param(3, 5, 6)),
            called(real(10, 20), param(20, 30)),
            called(real(2, 3, 4), param(2, 4, 5)),
            called(real(10, 3, 4), param(10, 4, 5)),
            called(real(5), real(5)),
            called(real(3, 5), real(5)),
            called(real(5), real(5, 3)),
            called(real(2, 3, 5), param(5)),
            called(real(5), real(2, 5, 3)),
            called(real(2, 3, 5), param(5, 4)),
            called(real(3, 5), param(2, 5, 4)),
            called(real(0, 3, 5), param(5, 4)),
            called(real(2, 3, 0), param(0, 4)),
            called(index(3, 4, high=9, low=-9), index(4, high=9)),
            called(input=real(3, 1, 2, 17), other=real(4, 17, 3)),
            called(real(2, 2049), real(2049, 3)),
        ),
        shape=contraction.matmul,
        strategy=matmul_cases,
        regimes=FINITE,
        laws=(
            Law("associative", associative, (real(2, 5, 7), real(7, 3), real(3, 11))),
            Law("transposed", transposed, (real(3, 1, 5, 7), real(2, 7, 3))),
            Law("a vector is a column", a_vector_is_a_column, (real(2, 5, 7), real(7))),
        ),
        refusals=(
            Refusal(called(real(2, 3), real(2, 3)), "other"),
            Refusal(called(real(3), real(2)), "other"),
            Refusal(called(real(), real(3)), "input"),
            Refusal(called(real(3), real()), "other"),
            Refusal(called(real(2, 3, 4), real(3, 4, 5)), "other"),
            Refusal(called(real(3, 4), real(1, 5)), "other"),
        ),
    ),
    Spec(
        "tensor.einsum",
        "tensor",
        einsum,
        torch.einsum,
        (
            called("bij,bjk->bki", real(3, 4, 5), param(3, 5, 6)),
            called("be,beh->bh", real(5, 3), param(5, 3, 4)),
            called("ij,jk", real(4, 5), param(5, 3)),
            called("i,j->ij", real(4), param(5)),
            called("ij->ji", real(4, 5)),
            called("ij->", real(4, 5)),
            called("ij->j", real(4, 5)),
            called("ii->i", real(4, 4)),
            called("ii", real(4, 4)),
            called("ba", real(4, 5)),
            called("...ij,...jk->...ik", real(2, 1, 3, 4), param(5, 4, 2)),
            called("i...->...i", real(2, 3, 4)),
            called("... j, j k", real(2, 3, 4), param(4, 3)),
            called("bn,anm,bm->ba", real(2, 3), param(4, 3, 5), real(2, 5)),
            called("i,j,k->kji", real(2), param(3), real(4)),
            called("ij,kl->il", real(2, 3), real(4, 5)),
            called("ij,ij->ij", real(1, 3), real(2, 3)),
            called("ij,jk->ik", [real(2, 3), real(3, 4)]),
            called("bij,bjk->bik", real(0, 2, 3), param(0, 3, 4)),
            called("aB,Bc->ac", index(2, 3, high=9), index(3, 2, high=9)),
            called(",->", real(), real()),
            called("bhqd,bhkd->bhqk", real(2, 2, 17, 3), param(2, 2, 5, 3)),
            called("ij,kj->ik", real(2, 2049), real(3, 2049)),
        ),
        shape=einsum_shape,
        strategy=einsum_cases,
        regimes=FINITE,
        laws=(
            Law("renamed", renamed, (real(5, 7, 3), real(7, 2))),
            Law("trace", trace, (real(9, 9),)),
        ),
        refusals=(
            Refusal(called("ij,jk->ik", real(2, 3)), "equation"),
            Refusal(called("ij->k", real(2, 3)), "equation"),
            Refusal(called("i->ii", real(2)), "equation"),
            Refusal(called("i", real(2, 3)), "equation"),
            Refusal(called("ijk", real(2, 3)), "equation"),
            Refusal(called("i1", real(2, 3)), "equation"),
            Refusal(called("ij,jk", real(2, 3), real(4, 5)), "operands"),
            Refusal(called("ii", real(2, 3)), "operands"),
            Refusal(called("ij"), "operands"),
        ),
    ),
)
