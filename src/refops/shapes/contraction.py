"""Output shapes of products: rows by columns, batches broadcast, and whatever an equation says."""

from __future__ import annotations

from collections.abc import Sequence

from refops.shapes.tensor import broadcast_shape

__all__ = ["bmm", "einsum", "matmul", "mm"]

Shape = tuple[int, ...]


def mm(input: Sequence[int], mat2: Sequence[int]) -> Shape:
    """(N, K), (K, M) -> (N, M).

    Raises:
        ValueError: if one is no matrix, or K differs.

    Example:
        >>> mm((2, 3), (3, 3))
        (2, 3)
    """
    return _product(2, input, mat2)


def bmm(input: Sequence[int], mat2: Sequence[int]) -> Shape:
    """(B, N, K), (B, K, M) -> (B, N, M).

    Raises:
        ValueError: if one has not three axes, or B or K differs.

    Example:
        >>> bmm((10, 3, 4), (10, 4, 5))
        (10, 3, 5)
    """
    if input and mat2 and input[0] != mat2[0]:
        raise ValueError(f"mat2 must have the batch of input, got {tuple(mat2)} for {tuple(input)}")
    return _product(3, input, mat2)


def _product(rank: int, input: Sequence[int], mat2: Sequence[int]) -> Shape:
    if len(input) != rank or len(mat2) != rank:
        raise ValueError(f"input and mat2 must have {rank} axes, got {tuple(input)} and {tuple(mat2)}")
    return matmul(input, mat2)


def matmul(input: Sequence[int], other: Sequence[int]) -> Shape:
    """(*B, N, K), (*B, K, M) -> (*B, N, M); a vector lacks N or M, and so does the result.

    Raises:
        ValueError: if one has no axes, K differs, or the batch axes do not meet.

    Example:
        >>> matmul((10, 3, 4), (4, 5)), matmul((2, 1, 3, 4), (4,))
        ((10, 3, 5), (2, 1, 3))
    """
    if not input or not other:
        raise ValueError(f"input and other must have an axis, got {tuple(input)} and {tuple(other)}")
    rows, columns = input[-2:-1], other[-1:] if len(other) > 1 else ()
    inner = other[-2] if len(other) > 1 else other[0]
    if input[-1] != inner:
        raise ValueError(f"other must have {input[-1]} rows, got {tuple(other)}")
    return (*broadcast_shape(input[:-2], other[:-2]), *rows, *columns)


def einsum(equation: str, *operands: Sequence[int]) -> Shape:
    """The sizes of the letters that the result names.

    Raises:
        ValueError: if the equation cannot be read, does not fit, or the sizes of a letter differ.

    Example:
        >>> einsum("be,beh->bh", (2, 3), (2, 3, 5))
        (2, 5)
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"equation must name {len(operands)} operands, got {equation!r}")
    sizes: dict[str, int] = {}
    dotted: list[Shape] = []
    for term, shape in zip(terms, operands, strict=True):
        before, dots, after = term.partition("...")
        under = len(shape) - len(before + after)
        if under < 0 or (under and not dots) or not all(x.isascii() and x.isalpha() for x in before + after):
            raise ValueError(f"equation must name each axis of {tuple(shape)} by a letter, got {equation!r}")
        dotted.append(tuple(shape[len(before) : len(before) + under]))
        own = [*zip(before, shape, strict=False), *zip(after, shape[len(before) + under :], strict=True)]
        for letter, n in own:
            if (sizes.get(letter, 1) not in (1, n) and n != 1) or dict(own)[letter] != n:
                raise ValueError(f"operands must have one size for {letter!r}, got {n} and {sizes.get(letter)}")
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    if not arrow:
        right = "..." + "".join(sorted(x for x in sizes if left.count(x) == 1))
    before, dots, after = right.partition("...")
    rest = broadcast_shape(*dotted)
    if len(set(before + after)) != len(before + after) or any(x not in sizes for x in before + after):
        raise ValueError(f"equation must name every letter of the result once, got {equation!r}")
    return (*(sizes[x] for x in before), *(rest if dots else ()), *(sizes[x] for x in after))
