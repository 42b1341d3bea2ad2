"""The standalone script of a finding: at most fifteen lines that need torch and the subject alone."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor

from refops.parity.binding import Binding
from refops.parity.case import Arguments, Case, Draw, fill
from refops.parity.judging.draw import draws_with_position, expression, numbers, source_of
from refops.parity.judging.trial import Trial
from refops.parity.running.describe import native_name, reference_name

LAID = {
    "transposed": ".transpose(0, -1).contiguous().transpose(0, -1)",
    "strided": ".repeat_interleave(2, -1)[..., ::2]",
    "expanded": "[:1].expand({})",
}
DERIVED = ("gradient", "double_backward", "jacobian")  # checks whose scripts print gradients
FEW = 12  # so many numbers are written out, more are drawn again


def script(trial: Trial, check: str, case: Case) -> str:
    """Lines that show native's and the subject's answer to a case side by side."""
    try:
        if trial.spec.kind == "optimizer":
            from refops.parity.judging.training import script_lines

            return "\n".join(script_lines(trial, case, *_import(trial.subject.target)))
        lines = _layer(trial, check, case)
    except Exception as error:  # a script is a service: a finding without one is still a finding
        return f"# no script: {type(error).__name__}: {error}"
    return "\n".join(lines)


def _import(target: Any) -> tuple[str, str]:
    """How to import a class or function, and its name after that."""
    if isinstance(target, functools.partial):
        line, name = _import(target.func)
        return f"import functools; {line}", f"functools.partial({name}, {_call(target.args, target.keywords)})"
    module, name = target.__module__, target.__qualname__
    head = name.partition(".")[0]
    if module == "__main__" or "<" in name:
        known = target.__name__ if target.__name__.isidentifier() else "subject"
        return f"# {name} is taken to be defined here" + f", as {known}" * (known == "subject"), known
    return f"from {module} import {head}", name


def _model(trial: Trial) -> tuple[list[str], str]:
    """What to import for the other side, and its name: native, or the reference where torch has none."""
    spec = trial.spec
    if spec.native is not None and not spec.own:
        return [], native_name(spec)
    if spec.native is not None:
        line, name = _import(spec.reference)
        return [line], name
    name = reference_name(spec)
    return [f"import {name.rpartition('.')[0]}"], name


def _literal(value: Tensor) -> str:
    return f"torch.tensor({source_of(value.tolist())}, dtype={value.dtype})"


def _tensor(case: Case, draw: Draw, position: int) -> str:
    value = numbers(case, draw, position)
    cast = f".to(torch.{case.dtype})" if value.is_floating_point() else ""
    if value.numel() <= FEW:
        return _literal(value.to(getattr(torch, case.dtype)) if value.is_floating_point() else value)
    text = expression(case, draw, position).replace("info", f"torch.finfo(torch.{case.dtype})")
    return text + cast


class _Name(str):
    """The name of a variable of the script among a call's arguments."""

    __slots__ = ()


def _call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The arguments of a call as source."""

    def text(value: Any) -> str:
        if isinstance(value, _Name):
            return str(value)
        if isinstance(value, tuple):
            return "(" + ", ".join(map(text, value)) + ("," if len(value) == 1 else "") + ")"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float('{value}')"
        return repr(value)

    return ", ".join([*map(text, args), *(f"{k}={text(v)}" for k, v in kwargs.items())])


def _calls(arguments: Arguments, labels: list[str], binding: Binding | None) -> tuple[str, str]:
    """The same call in native's words and in the subject's."""
    args, kwargs = fill(arguments, iter(map(_Name, labels)))
    own = (args, kwargs) if binding is None else binding.bind(args, kwargs)
    return _call(args, kwargs), _call(*own)


def _layer(trial: Trial, check: str, case: Case) -> list[str]:
    line, name = _import(trial.subject.target)
    modules = ["math"] * (case.regime in ("saturation", "nonfinite")) + ["torch"]
    imports, native = _model(trial)
    lines = [f"import {', '.join(modules)}", *imports, line]
    inside = 0 if case.init is None else len(list(case.init.draws()))
    labels = []
    for i, (draw, position) in enumerate(draws_with_position(case)):
        label = f"c{i}" if i < inside else "xyzuvw"[i - inside] if i - inside < 6 else f"x{i}"
        layout = LAID.get(case.layout, "") if draw.kind == "real" else ""
        grad = ".requires_grad_()" if check in DERIVED and draw.differentiable and i >= inside else ""
        lines.append(f"{label} = ({_tensor(case, draw, position)}){layout.format(draw.shape)}{grad}")
        labels.append(label)
    built = trial.subject.build(case, trial.initial(case))
    if case.init is None:
        lines.append(f"native, mine = {native}, {name}")
    else:
        theirs, own = _calls(case.init, labels[:inside], trial.subject.construction())
        cast = f".to(torch.{case.dtype})" + (".eval()" if case.mode == "eval" else "")
        lines.append(f"native, mine = {native}({theirs}){cast}, {name}({own}){cast}")
        lines += _loading(trial, case)
    theirs, own = _calls(case.call, labels[inside:], built.binding)
    lines += _loop(theirs, own)
    if check in DERIVED:
        return [*lines, *_gradients(trial, case, labels[inside:])]
    tried = [
        f"    torch.manual_seed({case.seed})",
        "    try:",
        "        print(call(layer))" if theirs != own else f"        print(layer({theirs}))",
    ]
    lines += tried
    return [*lines, "    except Exception as error:", "        print(type(error).__name__, error)"]


def _loop(theirs: str, own: str) -> list[str]:
    """The loop over both sides, each called in its own words."""
    if theirs == own:
        return ["for layer in (native, mine):"]
    return [f"for layer, call in ((native, lambda f: f({theirs})), (mine, lambda f: f({own}))):"]


def _loading(trial: Trial, case: Case) -> list[str]:
    """Give both the same random parameters, whatever their names and order."""
    native, subject = trial.build_native(case), trial.build_subject(case)
    if not native.parameters():
        return []
    if subject.changes:
        return ["# give `mine` the parameters of `native` in its own form here, as state= says"]
    names = {k: subject.names[k] for k in native.parameters() if k in subject.names}
    if list(names.values()) == list(subject.own_state())[: len(names)]:
        pairs, copied = "zip(native.parameters(), mine.parameters())", "q.data.copy_(p.data.view_as(q))"
    else:
        pairs = f"((native.get_parameter(a), mine.get_parameter(b)) for a, b in {names}.items())"
        copied = "q.data.copy_(p.data)"
    return ["torch.manual_seed(0)", f"for p, q in {pairs}:", f"    p.data.normal_(), {copied}"]


def _gradients(trial: Trial, case: Case, labels: list[str]) -> list[str]:
    leaves = [n for n, d in zip(labels, case.call.draws(), strict=False) if d.differentiable]
    parameters = ", *layer.parameters()" if trial.spec.kind == "module" else ""
    theirs, own = _calls(case.call, labels, trial.subject.build(case, trial.initial(case)).binding)
    return [
        f"    torch.manual_seed({case.seed})",
        "    out = call(layer)" if theirs != own else f"    out = layer({theirs})",
        "    out = out[0] if isinstance(out, tuple) else out",
        "    g = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out)",
        f"    print(torch.autograd.grad(out, [{', '.join(leaves)}{parameters}], g, allow_unused=True))",
    ]
