"""The standalone script of a finding: at most fifteen lines that need torch and the subject alone."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Arguments, Case, Draw
from refops.parity.judging.draw import draws_with_position, expression, numbers
from refops.parity.judging.trial import Trial
from refops.parity.running.describe import native_name, reference_name

LAID = {
    "transposed": ".transpose(0, -1).contiguous().transpose(0, -1)",
    "strided": ".repeat_interleave(2, -1)[..., ::2]",
    "expanded": "[:1].expand({})",
}
FEW = 12  # so many numbers are written out, more are drawn again


def script(trial: Trial, check: str, case: Case) -> str:
    """Lines that show native's and the subject's answer to a case side by side."""
    try:
        if trial.spec.kind == "optimizer":
            from refops.parity.judging.training import script_lines

            return "\n".join(script_lines(trial.spec, case, *_import(trial.subject.target)))
        lines = _layer(trial, check, case)
    except Exception as error:  # a script is a service: a finding without one is still a finding
        return f"# no script: {type(error).__name__}: {error}"
    return "\n".join(lines)


def _import(target: Any) -> tuple[str, str]:
    """How to import a class or function, and its name after that."""
    module, name = target.__module__, target.__qualname__
    head = name.partition(".")[0]
    if module == "__main__" or "<" in name:
        return f"# {name} is taken to be defined here", target.__name__
    return f"from {module} import {head}", name


def _native_name(trial: Trial) -> str:
    return native_name(trial.spec) if trial.spec.native is not None else reference_name(trial.spec)


def _literal(value: Tensor) -> str:
    return f"torch.tensor({value.tolist()!r}, dtype={value.dtype})".replace("nan", "float('nan')").replace(
        "inf", "float('inf')"
    )


def _tensor(case: Case, draw: Draw, position: int) -> str:
    value = numbers(case, draw, position)
    cast = f".to(torch.{case.dtype})" if value.is_floating_point() else ""
    if value.numel() <= FEW:
        return _literal(value.to(getattr(torch, case.dtype)) if value.is_floating_point() else value)
    text = expression(case, draw, position).replace("info", f"torch.finfo(torch.{case.dtype})")
    return text + cast


def _call(arguments: Arguments, names: list[str]) -> str:
    """The arguments as source, draws replaced by variable names."""
    left = iter(names)

    def text(value: Any) -> str:
        if isinstance(value, Draw):
            return next(left)
        if isinstance(value, tuple):
            return "(" + ", ".join(map(text, value)) + ("," if len(value) == 1 else "") + ")"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float('{value}')"
        return repr(value)

    return ", ".join([*map(text, arguments.args), *(f"{k}={text(v)}" for k, v in arguments.kwargs)])


def _layer(trial: Trial, check: str, case: Case) -> list[str]:
    line, name = _import(trial.subject.target)
    modules = ["math"] * (case.regime in ("saturation", "nonfinite")) + ["torch"]
    native = _native_name(trial)
    package = native.rpartition(".")[0]
    lines = [f"import {', '.join([*modules, package] if trial.spec.native is None else modules)}", line]
    inside = 0 if case.init is None else len(list(case.init.draws()))
    labels = []
    for i, (draw, position) in enumerate(draws_with_position(case)):
        label = f"c{i}" if i < inside else "xyzuvw"[i - inside] if i - inside < 6 else f"x{i}"
        layout = LAID.get(case.layout, "") if draw.kind == "real" else ""
        grad = (
            ".requires_grad_()"
            if check in ("gradient", "double_backward", "jacobian") and draw.differentiable and i >= inside
            else ""
        )
        lines.append(f"{label} = ({_tensor(case, draw, position)}){layout.format(draw.shape)}{grad}")
        labels.append(label)
    if case.init is None:
        lines.append(f"native, mine = {native}, {name}")
    else:
        arguments = _call(case.init, labels[:inside])
        cast = f".to(torch.{case.dtype})" + (".eval()" if case.mode == "eval" else "")
        lines.append(f"native, mine = {native}({arguments}){cast}, {name}({arguments}){cast}")
        lines += _loading(trial, case)
    call = _call(case.call, labels[inside:])
    if check in ("gradient", "double_backward", "jacobian"):
        return [*lines, *_gradients(trial, case, call, labels[inside:])]
    lines += [
        "for layer in (native, mine):",
        f"    torch.manual_seed({case.seed})",
        "    try:",
        f"        print(layer({call}))",
    ]
    return [*lines, "    except Exception as error:", "        print(type(error).__name__, error)"]


def _loading(trial: Trial, case: Case) -> list[str]:
    """Give both the same random parameters, in the same order."""
    if not trial.build_native(case).parameters():
        return []
    shared = inspect.cleandoc("""
        torch.manual_seed(0)
        for p, q in zip(native.parameters(), mine.parameters()):
            p.data.normal_(), q.data.copy_(p.data.view_as(q))
    """)
    return shared.splitlines()


def _gradients(trial: Trial, case: Case, call: str, labels: list[str]) -> list[str]:
    leaves = [n for n, d in zip(labels, case.call.draws(), strict=False) if d.differentiable]
    parameters = ", *layer.parameters()" if trial.spec.kind == "module" else ""
    return [
        "for layer in (native, mine):",
        f"    torch.manual_seed({case.seed})",
        f"    y = layer({call})",
        "    y = y[0] if isinstance(y, tuple) else y",
        "    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)",
        f"    print(torch.autograd.grad(y, [{', '.join(leaves)}{parameters}], g, allow_unused=True))",
    ]
