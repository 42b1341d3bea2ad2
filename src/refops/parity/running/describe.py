"""What a spec says, in words: its names, its signature, its file, its page for `refops show`, its output shape."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

import refops
from refops.parity.spec import Spec

PACKAGE = Path(str(refops.__file__)).parent
HOMES = {"module": "nn.", "function": "", "optimizer": ""}  # function and optimizer specs carry theirs in the name


def short_name(spec: Spec) -> str:
    """The name without `functional.`, `tensor.` or `optim.`."""
    return spec.name.rpartition(".")[2]


def native_name(spec: Spec) -> str:
    """Where torch keeps it: `torch.nn.LayerNorm`, `torch.nn.functional.layer_norm`, `torch.optim.AdamW`."""
    if spec.name.startswith("tensor."):
        short = short_name(spec)
        if not hasattr(torch.Tensor, short) and not hasattr(torch, short):
            return "torch.Tensor.__getitem__"  # slicing, which torch spells x[...]
        return ("torch." if hasattr(torch, short) else "torch.Tensor.") + short
    return {"module": "torch.nn.", "function": "torch.nn.", "optimizer": "torch."}[spec.kind] + spec.name


def reference_name(spec: Spec) -> str:
    """Where refops keeps it: `refops.nn.LayerNorm`, `refops.functional.layer_norm`, `refops.optim.AdamW`."""
    return f"refops.{HOMES[spec.kind]}{spec.name}"


def file_of(spec: Spec) -> str:
    """The reference's file inside the package, `nn/normalization.py`; empty where it has none."""
    reference = getattr(refops.nn, spec.name, spec.reference)  # a spec may put another constructor around it
    try:
        source = inspect.getsourcefile(inspect.unwrap(reference))
        return Path(str(source)).resolve().relative_to(PACKAGE.resolve()).as_posix()
    except (TypeError, ValueError):
        return ""


def signature_of(spec: Spec) -> str:
    """Name and arguments as they are called.

    Every default is shown; annotations are left to the source.
    """
    try:
        parameters = inspect.signature(spec.reference).parameters.values()
    except (TypeError, ValueError):
        return f"{short_name(spec)}(...)"
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return f"{short_name(spec)}{inspect.Signature(plain)}"


def page(spec: Spec) -> str:
    """Everything `refops show` prints."""
    family = f"{spec.kind}, family {spec.family}"
    native = "none in torch; judged by an independent float64 oracle" if spec.own else native_name(spec)
    lines = [signature_of(spec), f"  {family}, file {file_of(spec)}", f"  native: {native}", ""]
    lines += [inspect.getdoc(spec.reference) or "no docstring", ""]
    lines += _listed("Cases", (f"{case!r}" for case in spec.cases))
    lines += _listed("Laws", (law.name for law in spec.laws))
    lines += _listed("Refused, naming the argument", (f"{r.argument}: {r.case!r}" for r in spec.refusals))
    lines += _listed("Differs from native", (f"{d.what}: {d.number} ({d.source})" for d in spec.differences))
    lines += _listed("Checks that do not apply", (f"{check}: {reason}" for check, reason in spec.no_check))
    return "\n".join(lines).rstrip()


def _listed(title: str, items: Iterable[str]) -> list[str]:
    rows = [f"  {item}" for item in items]
    return [f"{title} ({len(rows)})", *rows, ""] if rows else []


def parse_shape(text: str) -> tuple[int, ...] | None:
    """The shape `3x224x224` stands for, or `None` if the text is no shape.

    Example:
        >>> parse_shape("3x224x224"), parse_shape("10"), parse_shape("same")
        ((3, 224, 224), (10,), None)
    """
    return tuple(map(int, text.split("x"))) if re.fullmatch(r"\d+(x\d+)*", text) else None


def parse_words(words: Sequence[str]) -> tuple[list[tuple[int, ...]], dict[str, Any]]:
    """Split `3x32x32 --kernel-size 3 --ceil-mode` into input shapes and keyword arguments.

    Values are Python literals where they can be read as such, else text; an option without a value is `True`.

    Raises:
        ValueError: if a word is neither a shape nor an option.

    Example:
        >>> parse_words(["16x8x8", "--kernel-size", "3,5", "--padding=same", "--ceil-mode"])
        ([(16, 8, 8)], {'kernel_size': (3, 5), 'padding': 'same', 'ceil_mode': True})
    """
    shapes: list[tuple[int, ...]] = []
    keywords: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            name, equals, text = word[2:].partition("=")
            if not equals and rest and not rest[0].startswith("--"):
                text, equals = rest.pop(0), "="
            keywords[name.replace("-", "_")] = _literal(text) if equals else True
        elif (shape := parse_shape(word)) is not None:
            shapes.append(shape)
        else:
            raise ValueError(f"an input shape must be written like 3x224x224, got {word!r}")
    return shapes, keywords


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def output_shape(spec: Spec, shapes: Sequence[tuple[int, ...]], keywords: dict[str, Any]) -> list[tuple[int, ...]]:
    """Output shapes by the spec's formula; constructor arguments the shape does not depend on are accepted.

    Raises:
        ValueError: if there is no formula, an argument is missing or unknown, or native refuses the input.
    """
    formula = spec.shape
    if formula is None:
        raise ValueError(f"{spec.name} has no output-shape formula")
    known = inspect.signature(formula).parameters
    others = inspect.signature(spec.reference).parameters
    for name in keywords:
        if name not in known and name not in others:
            near = difflib.get_close_matches(name, [*known, *others], 1)
            raise ValueError(f"{spec.name} has no argument {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    try:
        bound = inspect.signature(formula).bind(*shapes, **{k: v for k, v in keywords.items() if k in known})
    except TypeError as error:
        raise ValueError(f"{spec.name}: {error}; its shape follows from ({', '.join(known)})") from error
    try:
        result = formula(*bound.args, **bound.kwargs)
    except TypeError as error:
        raise ValueError(f"{spec.name}: {error}") from error
    return list(result) if result and isinstance(result[0], tuple | list) else [tuple(result)]


def shape_text(shape: Sequence[int]) -> str:
    """A shape as it is typed, `64x112x112`; no axes at all is `scalar`."""
    return "x".join(map(str, shape)) or "scalar"
