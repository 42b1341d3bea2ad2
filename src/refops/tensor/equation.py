"""The equation of `einsum`: read, and laid against the operands as strides.

A letter is an axis of the whole sum. For an operand its stride is the sum of the strides of the axes it names there:
none gives 0, an axis of size 1; two give the step along the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from refops.tensor.strides import Geometry, Ints, relabel

__all__ = ["aligned", "parsed"]

Letters = list[str]


def parsed(equation: str, ranks: Sequence[int]) -> tuple[list[Letters], Letters]:
    """The letters of every operand and of the result; the axes under `...` are called 0, 1, 2, ... from the last.

    Raises:
        RuntimeError: if the equation cannot be read or does not fit operands of these ranks.

    Example:
        >>> parsed("...ij,jk->...ik", [4, 2])
        ([['1', '0', 'i', 'j'], ['j', 'k']], ['1', '0', 'i', 'k'])
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    written = left.split(",")
    if len(written) != len(ranks):
        raise RuntimeError(f"equation must name {len(ranks)} operands, got {equation!r}")
    terms = [_term(text, rank, equation) for text, rank in zip(written, ranks, strict=True)]
    dots = max([[x for x in term if x.isdigit()] for term in terms], key=len)
    every = [x for term in terms for x in term]
    if not arrow:
        return terms, dots + sorted(x for x in set(every) if every.count(x) == 1 and not x.isdigit())
    before, dotted, after = right.partition("...")
    wanted = [*before, *(dots if dotted else []), *after]
    if len(set(wanted)) != len(wanted) or any(x not in [*every, *dots] for x in wanted):
        raise RuntimeError(f"equation must name every letter of the result once, and in an operand, got {equation!r}")
    return terms, wanted


def _term(text: str, rank: int, equation: str) -> Letters:
    """The letters of one operand."""
    before, dotted, after = text.partition("...")
    if not all(x.isascii() and x.isalpha() for x in before + after):
        raise RuntimeError(f"equation must consist of letters, '...', ',' and '->', got {equation!r}")
    under = rank - len(before) - len(after)
    if under < 0 or (under > 0 and not dotted):
        raise RuntimeError(f"equation must name each of the {rank} axes of an operand, got {text!r} in {equation!r}")
    return [*before, *map(str, reversed(range(under))), *after]


def aligned(terms: Sequence[Letters], letters: Letters, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Every operand as a view with one axis per letter, of size 1 where it does not name the letter.

    Raises:
        RuntimeError: if the sizes of a letter differ and none is 1.
    """
    views = [_aligned(term, letters, tensor) for term, tensor in zip(terms, tensors, strict=True)]
    for i, letter in enumerate(letters):
        if len({view.shape[i] for view in views} - {1}) > 1:
            raise RuntimeError(f"operands must have one size for {letter!r}, got {[v.shape[i] for v in views]}")
    return views


def _aligned(term: Letters, letters: Letters, tensor: Tensor) -> Tensor:
    axes = [[axis for axis, x in enumerate(term) if x == letter] for letter in letters]
    for letter, own in zip(letters, axes, strict=True):
        if len({tensor.shape[axis] for axis in own}) > 1:
            raise RuntimeError(f"operands must have one size for {letter!r}, got {tuple(tensor.shape)}")

    def rule(size: Ints, stride: Ints) -> Geometry:
        return (
            tuple(size[own[0]] if own else 1 for own in axes),
            tuple(sum([stride[axis] for axis in own]) for own in axes),
            (),
        )

    return relabel(tensor, rule)
