"""Lines of text to learn from, without a download: the Python standard library's own, code against documentation.

A file's docstrings are prose, the rest of its lines code; examples inside docstrings and comments are neither. Whole
files go to one split, so no line is tested whose neighbour was learned.
"""

from __future__ import annotations

import ast
import doctest
import random
import re
import sys
import sysconfig
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from refops.training.task import Split

__all__ = ["Texts", "split_source", "standard_library", "tokens", "trim"]

PADDING, UNKNOWN = 0, 1
CODE, PROSE = 0, 1
SHORTEST, LONGEST = 3, 32  # words of a line; shorter ones say nothing, longer ones are cut
LARGEST = 40_000  # bytes of a file; a few giants would fill a split with one voice


class Texts(NamedTuple):
    """Word numbers (N, LONGEST), 0 behind the last, and classes, in three parts; and the words that have a number."""

    train: Split
    validation: Split
    test: Split
    vocabulary: list[str]


def tokens(line: str) -> list[str]:
    """Words in lower case, numbers as 0, and single signs.

    Example:
        >>> tokens("x[12] = Old_name  # why")
        ['x', '[', '0', ']', '=', 'old', '_', 'name', '#', 'why']
    """
    return ["0" if word.isdigit() else word for word in re.findall(r"[a-z]+|\d+|[^\w\s]|_", line.lower())]


def split_source(source: str) -> tuple[list[str], list[str]]:
    r"""The lines of a Python file that are code, and those that are documentation.

    Example:
        >>> split_source('def f(x):\n    "Add one to a number."\n    return x + 1')
        (['def f(x):', 'return x + 1'], ['Add one to a number.'])
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library's odd escape is not our reader's concern
        tree = ast.parse(source)
    prose: list[str] = []
    strings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if (docstring := ast.get_docstring(node)) is not None:
                prose += _without_examples(docstring)
                strings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
        elif isinstance(node, ast.Constant) and (node.end_lineno or 0) > node.lineno:
            strings.update(range(node.lineno, (node.end_lineno or 0) + 1))
    code = [line.strip() for i, line in enumerate(source.splitlines(), 1) if i not in strings and "#" not in line]
    return [line for line in code if line], [line.strip() for line in prose if line.strip()]


def _without_examples(docstring: str) -> list[str]:
    try:
        parts = doctest.DocTestParser().parse(docstring)
    except ValueError:  # an example that is not indented as one
        return []
    return [line for part in parts if isinstance(part, str) for line in part.splitlines()]


def standard_library(samples: int | None = 6000, vocabulary_size: int = 4000) -> Texts:
    """Lines of the standard library's files, as many of code (class 0) as of documentation (class 1) in each split.

    Args:
        samples: at most as many lines in each split.
        vocabulary_size: numbers for the most frequent words of the training split, for padding and for all others.

    Raises:
        FileNotFoundError: where Python was installed without its sources.
    """
    lines: dict[str, dict[tuple[str, ...], int]] = {"train": {}, "validation": {}, "test": {}}
    owner: dict[tuple[str, ...], tuple[str, int] | None] = {}
    for name, source in _sources():
        split = _split_of(name)
        for label, found in enumerate(split_source(source)):
            for line in found:
                words = tuple(tokens(line)[:LONGEST])
                if len(words) >= SHORTEST and owner.setdefault(words, (split, label)) != (split, label):
                    owner[words] = None  # the same words in two classes or two splits: in none
    for words, belongs in owner.items():
        if belongs is not None:
            lines[belongs[0]][words] = belongs[1]
    counted = Counter(word for words in lines["train"] for word in words)
    vocabulary = [word for word, _ in counted.most_common(vocabulary_size - 2)]
    numbers = {word: i for i, word in enumerate(vocabulary, start=2)}
    train, validation, test = (_encode(_balanced(found, samples), numbers) for found in lines.values())
    return Texts(train, validation, test, vocabulary)


def _sources() -> Iterable[tuple[str, str]]:
    root = Path(sysconfig.get_path("stdlib"))
    files = [f for f in root.glob("*.py") if f.stem in sys.stdlib_module_names and f.stat().st_size <= LARGEST]
    if not files:
        raise FileNotFoundError(f"the text data are the standard library's sources, and {root} holds none")
    for file in sorted(files):
        yield file.name, file.read_text("utf-8")


def _split_of(name: str) -> str:
    """A tenth of the files, by name, is for validation, a fifth for the test."""
    return {0: "validation", 1: "test", 2: "test"}.get(zlib.crc32(name.encode()) % 10, "train")


def _balanced(lines: dict[tuple[str, ...], int], samples: int | None) -> list[tuple[tuple[str, ...], int]]:
    """As many lines of either class, shuffled, the same for all runs."""
    classes = [[words for words, label in lines.items() if label == kind] for kind in (CODE, PROSE)]
    draw = random.Random(0)
    for kind in classes:
        draw.shuffle(kind)
    pairs = [(words, label) for both in zip(*classes, strict=False) for label, words in enumerate(both)]
    pairs = pairs[:samples]
    draw.shuffle(pairs)
    return pairs


def _encode(lines: Sequence[tuple[tuple[str, ...], int]], numbers: dict[str, int]) -> Split:
    rows = [[numbers.get(word, UNKNOWN) for word in words] for words, _ in lines]
    inputs = torch.tensor([row + [PADDING] * (LONGEST - len(row)) for row in rows])  # (N, LONGEST)
    return Split(inputs, torch.tensor([label for _, label in lines]))


def trim(words: Tensor) -> Tensor:
    """Without the columns that are padding in every row.

    Example:
        >>> trim(torch.tensor([[5, 0, 0, 0], [6, 7, 0, 0]]))
        tensor([[5, 0],
                [6, 7]])
    """
    return words[:, : int((words != PADDING).sum(1).max())]
