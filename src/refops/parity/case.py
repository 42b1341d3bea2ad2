"""Cases: one constructor call, one input recipe, and how the numbers are drawn.

A case is small, printable and can be regenerated from its own text::

    built(10, eps=0.1).on(real(4, 10))                  # a module: constructor arguments, then inputs
    called(real(4, 10), (10,), param(10), eps=0.1)      # a function: its arguments

Tensors are *draws*: shapes and kinds, never numbers. The numbers follow from dtype, regime, layout and seed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

FLOATING_KINDS = ("real", "param", "buffer", "positive", "simplex", "additive")
KINDS = (*FLOATING_KINDS, "index", "flag", "literal")


@dataclass(frozen=True)
class Draw:
    """A tensor still to be drawn: its shape and what its numbers mean.

    Kinds: `real` data (value regimes apply), `param` weights (ordinary numbers always), `buffer` floating and without
    gradient, `positive` likewise and > 0, `simplex` non-negative and summing to 1 along dim 1, `additive` attention
    bias with some -inf, `index` integers in [low, high), `flag` booleans, `literal` the numbers given in `data`.
    """

    shape: tuple[int, ...]
    kind: str = "real"
    low: int = 0
    high: int = 0
    data: Any = None

    @property
    def floating(self) -> bool:
        """Whether the tensor has the case's floating dtype."""
        return self.kind in FLOATING_KINDS

    @property
    def differentiable(self) -> bool:
        """Whether a gradient with respect to this tensor is asked for."""
        return self.kind in ("real", "param", "simplex", "additive")

    def __repr__(self) -> str:
        if self.kind == "literal":
            return f"literal({self.data!r})"
        inner = [str(n) for n in self.shape]
        if self.kind == "index":
            inner += ([f"low={self.low}"] if self.low else []) + [f"high={self.high}"]
        return f"{self.kind}({', '.join(inner)})"


def _draw(kind: str) -> Callable[..., Draw]:
    def make(*shape: int) -> Draw:
        return Draw(tuple(shape), kind)

    make.__name__ = kind
    make.__doc__ = f"A `{kind}` tensor of this shape, see `Draw`."
    return make


real, param, buffer, positive = _draw("real"), _draw("param"), _draw("buffer"), _draw("positive")
simplex, additive, flag = _draw("simplex"), _draw("additive"), _draw("flag")


def index(*shape: int, high: int, low: int = 0) -> Draw:
    """Integers in [low, high), dtype int64."""
    return Draw(tuple(shape), "index", low, high)


def literal(data: Any) -> Draw:
    """The very numbers of `data`: floats take the case's dtype, integers and booleans their own."""
    return Draw((), "literal", data=_frozen(data))


def draw_like(value: Any) -> Any:
    """What draws a tensor of the same shape and sort: numbers, indices up to the largest seen, or booleans."""
    if not isinstance(value, Tensor):
        return value
    shape = tuple(value.shape)
    if value.dtype == torch.bool:
        return flag(*shape)
    if value.is_floating_point() or value.is_complex():
        return real(*shape)
    return index(*shape, high=int(value.max()) + 1 if value.numel() else 1)


def _frozen(data: Any) -> Any:
    return tuple(_frozen(x) for x in data) if isinstance(data, list | tuple) else data


@dataclass(frozen=True)
class Arguments:
    """Positional and keyword arguments of one call."""

    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    @property
    def keywords(self) -> dict[str, Any]:
        """The keyword arguments as a dictionary."""
        return dict(self.kwargs)

    def draws(self) -> Iterator[Draw]:
        """Every tensor among the arguments, also inside tuples, in order."""
        yield from self._draws

    @cached_property
    def _draws(self) -> tuple[Draw, ...]:
        return tuple(d for value in (*self.args, *self.keywords.values()) for d in draws_in(value))

    def __repr__(self) -> str:
        return ", ".join([*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs)])


def whole_numbers(value: Any) -> Iterator[int]:
    """Every whole number in a value: sizes, bounds of indices, arguments."""
    if isinstance(value, Draw):
        yield from value.shape
        yield value.high
    elif isinstance(value, Arguments):
        yield from whole_numbers((value.args, [v for _, v in value.kwargs]))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from whole_numbers(item)


def resized(value: Any, old: int, new: int) -> Any:
    """The arguments with every whole number `old`, in shapes too, made `new`."""
    if isinstance(value, Draw):
        high = new if value.high == old else value.high
        return replace(value, shape=tuple(new if n == old else n for n in value.shape), high=high)
    if isinstance(value, Arguments):
        return Arguments(resized(value.args, old, new), tuple((k, resized(v, old, new)) for k, v in value.kwargs))
    if isinstance(value, tuple | list):
        return type(value)(resized(v, old, new) for v in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return new if value == old else value
    return value


def draws_in(value: Any) -> Iterator[Draw]:
    """Every tensor in a value, tuples and lists opened."""
    if isinstance(value, Draw):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from draws_in(item)


def fill(arguments: Arguments, tensors: Iterator[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with each draw replaced by the next tensor."""

    def filled(value: Any) -> Any:
        if isinstance(value, Draw):
            try:
                return next(tensors)
            except StopIteration:
                raise ValueError(f"tensors must be as many as the draws of ({arguments}), got fewer") from None
        if isinstance(value, tuple | list):
            return type(value)(map(filled, value))
        return value

    return tuple(map(filled, arguments.args)), {k: filled(v) for k, v in arguments.kwargs}


def dtype_of(name: str) -> torch.dtype:
    """The torch dtype of this name.

    Raises:
        ValueError: if torch has no such dtype.
    """
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"dtype must name a torch dtype such as float32, got {name!r}")
    return dtype


DEFAULTS: dict[str, Any] = {
    "mode": "train", "regime": "ordinary", "layout": "contiguous", "dtype": "float32", "seed": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One thing to try: how to build the operator, what to call it with, and how to draw the numbers."""

    call: Arguments
    init: Arguments | None = None
    mode: str = "train"
    regime: str = "ordinary"
    layout: str = "contiguous"
    dtype: str = "float32"
    seed: int = 0
    only: tuple[str, ...] = field(default=(), compare=False)

    def __hash__(self) -> int:  # arguments may be lists, which cannot be hashed themselves
        return hash(repr(self))

    def but(self, **changes: Any) -> Case:
        """The same case with some of mode, regime, layout, dtype, seed (or `only`, its regimes) changed."""
        return replace(self, **changes)

    def draws(self) -> Iterator[Draw]:
        """Every tensor the case draws, constructor's first."""
        if self.init is not None:
            yield from self.init.draws()
        yield from self.call.draws()

    def __repr__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:  # what budgets, draws and instances are kept by
        head = f"called({self.call})" if self.init is None else f"built({self.init}).on({self.call})"
        changed = {k: getattr(self, k) for k, v in DEFAULTS.items() if getattr(self, k) != v}
        return head + (f".but({', '.join(f'{k}={v!r}' for k, v in changed.items())})" if changed else "")

    @staticmethod
    def parse(text: str) -> Case:
        """Read a case back from its text; nothing but the words of this module is understood.

        Raises:
            ValueError: if the text is not the `repr` of a case.

        Example:
            >>> Case.parse("built(10, eps=0.1).on(real(4, 10))")
            built(10, eps=0.1).on(real(4, 10))
        """
        try:
            case = _evaluate(ast.parse(text, mode="eval").body)
        except (SyntaxError, TypeError, KeyError) as error:
            raise ValueError(f"text must be the repr of a case, got {text!r} ({error})") from error
        if not isinstance(case, Case):
            raise ValueError(f"text must be the repr of a case, got {text!r}")
        return case


@dataclass(frozen=True)
class Built:
    """A constructor call still waiting for its inputs."""

    init: Arguments

    def on(self, *args: Any, **kwargs: Any) -> Case:
        """The case that calls the built module with these inputs."""
        return Case(Arguments(args, tuple(kwargs.items())), self.init)


def built(*args: Any, **kwargs: Any) -> Built:
    """Constructor arguments of a module; add the inputs with `.on(...)`."""
    return Built(Arguments(args, tuple(kwargs.items())))


def called(*args: Any, **kwargs: Any) -> Case:
    """A case for a function: its arguments, tensors as draws."""
    return Case(Arguments(args, tuple(kwargs.items())))


_WORDS: dict[str, Callable[..., Any]] = {
    "real": real, "param": param, "buffer": buffer, "positive": positive, "simplex": simplex, "additive": additive,
    "flag": flag, "index": index, "literal": literal, "built": built, "called": called, "slice": slice,
}  # fmt: skip
_CONSTANTS: dict[str, Any] = {"inf": math.inf, "nan": math.nan, "Ellipsis": ...}


def _evaluate(node: ast.expr) -> Any:
    """Evaluate the small expression language of `Case.__repr__`: literals and the words above."""
    if isinstance(node, ast.Call):
        function: Any
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("on", "but"):
            function = getattr(_evaluate(node.func.value), node.func.attr)
        elif isinstance(node.func, ast.Name):
            function = _WORDS[node.func.id]
        else:
            raise KeyError(ast.unparse(node.func))
        return function(*map(_evaluate, node.args), **{str(k.arg): _evaluate(k.value) for k in node.keywords})
    if isinstance(node, ast.Tuple):
        return tuple(map(_evaluate, node.elts))
    if isinstance(node, ast.List):
        return list(map(_evaluate, node.elts))
    if isinstance(node, ast.Name):
        return _CONSTANTS[node.id]
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch":
        return dtype_of(node.attr)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Name):
        return -_CONSTANTS[node.operand.id]
    return ast.literal_eval(node)
