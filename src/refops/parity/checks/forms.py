"""Checks of form: output shapes, dtypes, memory layouts, and that nothing given is touched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from refops.parity.case import Arguments, Case, Draw, dtype_of
from refops.parity.checks import check, differs
from refops.parity.judging.budget import SLACK, ulp
from refops.parity.judging.draw import LAYOUTS, lay
from refops.parity.judging.trial import Trial
from refops.parity.record import Finding
from refops.parity.spec import Refusal
from refops.parity.subject import Operator

DRAWN = {"brief": 3, "quick": 8, "full": 200}  # cases that hypothesis draws, by level
Shapes = list[tuple[int, ...]]
ERRORS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError, ZeroDivisionError)
OF_TYPE = ("dtype", "scalar type", "not implemented for", "not supported", "types of", "floating point", "be type")
"""Words of errors that follow from the types of numbers."""


def shaped(trial: Trial) -> Iterator[Case]:
    """Every row, the first and one with most axes with these changed one at a time, and cases drawn by hypothesis.

    For a reference also what the spec says is refused, as far as its formula can know why.
    """
    rows = list(trial.rows(None))
    axes = [max((len(d.shape) for d in row.draws()), default=0) for row in rows]
    changed = {0, axes.index(max(axes))} if rows and trial.level != "brief" else set()
    for i, row in enumerate(rows):
        yield row
        if trial.full or i in changed:
            yield from _reshaped(row)
    yield from drawn_by_strategy(trial, DRAWN[trial.level])
    if trial.subject.reference and trial.spec.shape is not None:
        yield from (_of_zeros(r.case.but(dtype=trial.dtype)) for r in trial.spec.refusals if _is_of_shape(trial, r))


def _is_of_shape(trial: Trial, refusal: Refusal) -> bool:
    """Whether a refusal follows from shapes and arguments alone, and from such as the formula is told."""
    case = _of_zeros(refusal.case.but(dtype=trial.dtype))
    native = shapes_or_error(trial, trial.native, case)
    if not isinstance(native, Exception) or isinstance(native, TypeError) or case.layout != "contiguous":
        return False
    told, argument = _signature(trial.spec.shape).parameters, refusal.argument.split()[0]
    untold = argument not in told and argument in (*bound(trial, case), "p")  # p: a dropout's, whatever the layer's
    return not untold and not any(word in str(native) for word in OF_TYPE)


def _of_zeros(case: Case) -> Case:
    """The case with every whole number 0, which is a legal index wherever there is one."""

    def zero(value: Any) -> Any:
        if isinstance(value, Draw) and value.kind in ("index", "literal"):
            given = value.shape if value.kind == "index" else tuple(torch.tensor(value.data).shape)
            whole = value.kind == "index" or torch.tensor(value.data).dtype == torch.int64
            return Draw(given, "index", 0, 1) if whole else value
        return type(value)(map(zero, value)) if isinstance(value, list | tuple) else value

    call = Arguments(tuple(map(zero, case.call.args)), tuple((k, zero(v)) for k, v in case.call.kwargs))
    return case.but(call=call)


def _reshaped(row: Case) -> Iterator[Case]:
    """The case with its first floating input one axis shorter, longer, or with one axis 1, one less or one more."""
    where = next((i for i, a in enumerate(row.call.args) if isinstance(a, Draw) and a.kind == "real"), None)
    if where is None or any(0 in draw.shape for draw in row.draws()):
        return
    old = row.call.args[where]
    shapes = {old.shape[1:], (2, *old.shape)}
    for i, n in enumerate(old.shape):
        shapes |= {(*old.shape[:i], m, *old.shape[i + 1 :]) for m in (1, n - 1, n + 1) if 0 < m != n}
    for shape in sorted(shapes - {old.shape}, key=lambda s: (len(s), s)):
        if shape and torch.Size(shape).numel() <= 20_000:
            args = (*row.call.args[:where], replace(old, shape=shape), *row.call.args[where + 1 :])
            yield row.but(call=Arguments(args, row.call.kwargs))


def drawn_by_strategy(trial: Trial, count: int, start: int = 0) -> list[Case]:
    """Legal cases drawn by the spec's hypothesis strategy, the same ones from the same start every time."""
    if trial.spec.strategy is None:
        return []
    from hypothesis import HealthCheck, Phase, given, seed, settings

    found: list[Case] = []
    options = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )

    @seed(start)
    @options
    @given(trial.spec.strategy())
    def collect(case: Case) -> None:
        found.append(case.but(dtype=trial.dtype))

    collect()
    return list(dict.fromkeys(found))


def shapes_or_error(trial: Trial, operator: Operator, case: Case, grad: bool = False) -> Shapes | Exception:
    """The shapes an operator gives for a case, or the error it refuses it with."""
    try:
        instance = operator.build(case, trial.initial(case), trial.device)
        with torch.set_grad_enabled(grad):
            return [tuple(t.shape) for t in trial.call(instance, case, trial.inputs(case))]
    except Exception as error:
        return error


def formula(trial: Trial, case: Case) -> Shapes | Exception | None:
    """What the spec's output-shape formula says: shapes, an error, or None where there is no formula."""
    if trial.spec.shape is None:
        return None
    try:
        accepted = _signature(trial.spec.shape).parameters
        said = trial.spec.shape(**{k: v for k, v in bound(trial, case).items() if k in accepted})
    except (ValueError, TypeError) as error:
        return error
    several = bool(said) and isinstance(said[0], tuple)
    return list(said) if several else [tuple(said)]


@lru_cache(maxsize=1000)
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


def bound(trial: Trial, case: Case) -> dict[str, Any]:
    """Every argument of the case by native's name, defaults filled in, tensors as their shapes."""
    target: Any = trial.spec.reference
    found: dict[str, Any] = {}
    calls = [(target, case.call)] if case.init is None else [(target, case.init), (target.forward, case.call)]
    for function, arguments in calls:
        signature = _signature(function)
        first = (None,) if "self" in signature.parameters else ()
        filled = signature.bind(
            *first, *map(_shape_of, arguments.args), **{k: _shape_of(v) for k, v in arguments.kwargs}
        )
        filled.apply_defaults()
        found |= filled.arguments
        for parameter in signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                found |= found.pop(parameter.name)
    return found


def _shape_of(value: Any) -> Any:
    if not isinstance(value, Draw):
        return value
    return tuple(torch.tensor(value.data).shape) if value.kind == "literal" else value.shape


@check(cases=shaped)
def shape(trial: Trial, case: Case) -> Iterator[Finding]:
    """Output shapes are native's, and it raises if and only if native raises; so does the formula."""
    native = shapes_or_error(trial, trial.native, case)
    got = shapes_or_error(trial, trial.subject, case)
    if isinstance(native, Exception):
        if not isinstance(got, Exception):
            reason = " ".join(str(native).split())[:120]
            yield differs(
                case,
                "accepts-sizes",
                f"input of sizes that {trial.them} refuses is accepted ({reason}), got output of shape {_text(got)}",
            )
    elif isinstance(got, Exception):
        raised = f"{type(got).__name__}: {' '.join(str(got).split())[:160]}"
        yield differs(case, "refuses-sizes", f"must give {_text(native)} like {trial.them}, got {raised}")
    elif got != native:
        yield Finding(repr(case), f"output shape must be {_text(native)}, got {_text(got)}")
    if trial.subject.reference:
        yield from _by_formula(trial, case, native)


def _by_formula(trial: Trial, case: Case, native: Shapes | Exception) -> Iterator[Finding]:
    said = formula(trial, case)
    indexed = any(d.kind in ("index", "literal") for d in case.draws())
    if said is None or (isinstance(native, IndexError) and indexed) or "dtype" in str(native):
        return  # an index out of range, or a target of another dtype, is no matter of shapes
    if isinstance(native, Exception) != isinstance(said, Exception) or (
        said != native and not isinstance(said, Exception)
    ):
        shown = [f"{type(x).__name__}: {x}" if isinstance(x, Exception) else _text(x) for x in (native, said)]
        yield Finding(repr(case), f"the output-shape formula must say what native does ({shown[0]}), got {shown[1]}")


def _text(shapes: Shapes | None) -> str:
    return " and ".join(map(str, shapes or [])) or "nothing"


def every_row(trial: Trial) -> Iterator[Case]:
    """Every row."""
    yield from trial.rows(None)


def some(most: int, beside: int | None = None) -> Callable[[Trial], Iterator[Case]]:
    """Every row at the full level, else so many, see `Trial.spread`; `beside` where the dtype is not float32."""

    def chosen(trial: Trial) -> Iterator[Case]:
        yield from trial.spread(trial.rows(None), most if trial.dtype == "float32" else beside or most)

    return chosen


some_rows = some(6, beside=2)


def typed(trial: Trial) -> Iterator[Case]:
    """Some rows; where two dtypes would say the same as float32 and bfloat16, the first two."""
    rows = list(some_rows(trial))
    yield from rows if trial.full or trial.dtype in ("float32", "bfloat16") else rows[:2]


@check(cases=typed, dtypes=None)
def dtype(trial: Trial, case: Case) -> Iterator[Finding]:
    """Outputs, gradients and state have native's dtype and device; other input dtypes are promoted or refused alike."""
    native, subject = trial.build_native(case), trial.build_subject(case)
    expected, got = trial.call(native, case, trial.inputs(case)), trial.call(subject, case, trial.inputs(case))
    for i, (e, g) in enumerate(zip(expected, got, strict=False)):
        if (e.dtype, e.device.type) != (g.dtype, g.device.type):
            message = f"output[{i}] must be {e.dtype} on {e.device}, got {g.dtype} on {g.device}"
            yield differs(case, "promotes", message)
    before, after = native.state(), subject.state()
    for name in before.keys() & after.keys():
        if before[name].dtype != after[name].dtype:
            yield Finding(repr(case), f"{name} must stay {before[name].dtype}, got {after[name].dtype}")
    if trial.spec.own and any(g.is_floating_point() and g.dtype != dtype_of(case.dtype) for g in got):
        message = f"output must be {case.dtype} like its input, got {[str(g.dtype) for g in got]}"
        yield differs(case, "promotes", message)
    if not trial.spec.own and (trial.full or case in promoting(trial)):  # a reference imposes no convention on others
        yield from _other_dtypes(trial, case)


def promoting(trial: Trial) -> list[Case]:
    """The rows on which other input dtypes are tried at the quick level: which are taken hangs little on arguments."""
    return list(some_rows(trial))[: 4 if trial.dtype == "float32" else 2]


def _other_dtypes(trial: Trial, case: Case) -> Iterator[Finding]:
    """Inputs in a dtype that is not the parameters'."""
    if any(0 in draw.shape for draw in case.draws()):
        return  # without numbers native looks at nothing
    for other in ("float64", "float32", "int64"):
        if other == case.dtype:
            continue
        said = []
        for operator in (trial.native, trial.subject):
            try:
                instance = operator.build(case, trial.initial(case), trial.device)
                inputs = [
                    t.detach().to(dtype_of(other)) if d.kind == "real" else t
                    for t, d in zip(trial.inputs(case), case.call.draws(), strict=True)
                ]
                with torch.no_grad():
                    said.append([str(o.dtype) for o in trial.call(instance, case, inputs)])
            except Exception as error:
                said.append([type(error).__name__])
        native, got = said
        refused = [not s or not s[0].startswith("torch.") for s in said]
        if refused == [True, False]:
            yield differs(case, f"accepts-{other}", f"{other} input is accepted, native refuses it ({native[0]})")
        elif refused == [False, True]:
            yield differs(case, f"refuses-{other}", f"{other} input is refused ({got[0]}), native takes it")
        elif not refused[0] and native != got:
            message = f"with {other} input native gives {', '.join(native)}, got {', '.join(got)}"
            yield differs(case, f"promotes-{other}", message)


def laid_out(trial: Trial) -> Iterator[Case]:
    """The first row in every memory layout, the second in every other one; all in all at the full level."""
    for i, row in enumerate(trial.certain if trial.full else trial.certain[:2]):
        told = [layout for layout in LAYOUTS if _is_other(row, layout)]
        yield from (row.but(layout=layout) for layout in (told if trial.full or not i else told[::2]))


def _is_other(row: Case, layout: str) -> bool:
    """Whether a layout lays any input of the row out otherwise than it is."""
    empty = [torch.empty(draw.shape) for draw in row.call.draws() if draw.kind == "real"]
    return any(layout == "shifted" or lay(t, layout).stride() != t.stride() for t in empty)


@check(cases=laid_out)
def layout(trial: Trial, case: Case) -> Iterator[Finding]:
    """Any memory layout of the inputs gives the same numbers: transposed, strided, expanded, overlapping ..."""
    if isinstance(shapes_or_error(trial, trial.native, case), Exception):
        return  # native refuses some: max_pool3d takes no channels_last without a batch
    expected = trial.expected(case)
    subject = trial.build_subject(case)
    directions = trial.cotangents(case, [b.truth.to(b.dtype) if not b.exact else b.truth for b in expected.outputs])
    outputs, gradients = trial.run(subject, case, trial.inputs(case), directions)
    yield from trial.judge(case, outputs, gradients)


@check(cases=some(6))
def inputs(trial: Trial, case: Case) -> Iterator[Finding]:
    """Inputs and parameters change only where native changes them, and outputs share memory only where native's do."""
    native, subject = trial.build_native(case), trial.build_subject(case)
    seen = []
    for instance in (native, subject):
        given = [t.detach() for t in trial.inputs(case)]
        parameters = instance.parameters()
        before = [t.clone() for t in (*given, *parameters.values())]
        outputs = trial.call(instance, case, given)
        for o in outputs:
            if o.requires_grad and o.is_floating_point():
                o.sum().backward(retain_graph=True)
        after = [*given, *(p.detach() for p in parameters.values())]
        changed = [not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, after, strict=True)]
        storage = {o.untyped_storage().data_ptr() for o in outputs if o.numel()}
        shared = [t.numel() > 0 and t.untyped_storage().data_ptr() in storage for t in after]
        seen.append((changed, shared, after))
    (changed, shared, theirs), (changed_too, shared_too, ours) = seen
    if trial.spec.own:  # an operator torch lacks is to leave alone what it is given
        changed, shared = [False] * len(changed), [False] * len(shared)
    labels = [f"input {i}" for i in range(len(list(case.call.draws())))] + list(native.parameters())
    for i, label in enumerate(labels[: len(changed_too)]):
        if i < len(changed) and changed_too[i] != changed[i]:
            wanted = "be changed in place" if changed[i] else "be left as it is"
            yield Finding(repr(case), f"{label} must {wanted}, as by {trial.them}")
        elif i < len(changed) and changed[i] and not _rounded_alike(theirs[i], ours[i]):
            yield Finding(repr(case), f"{label} must be changed to native's values")
        if i < len(shared) and shared_too[i] and not shared[i]:
            yield differs(case, "shares-memory", f"the output must not share memory with {label}")


def _rounded_alike(theirs: Tensor, ours: Tensor) -> bool:
    """Whether two updates of a buffer differ by no more than a few roundings of its largest element."""
    if not theirs.is_floating_point() or not theirs.numel():
        return torch.equal(theirs, ours)
    allowed = SLACK * ulp(theirs.double().abs().max().cpu(), theirs.dtype)
    return bool(((theirs.double() - ours.double()).abs().nan_to_num().cpu() <= allowed).all())


def first_row(trial: Trial) -> Iterator[Case]:
    """The first rows."""
    yield from list(trial.rows(None))[:3]


@check(cases=first_row)
def determinism(trial: Trial, case: Case) -> Iterator[Finding]:
    """The same call gives the same bits again, also after other inputs of the same shape."""
    subject = trial.build_subject(case)
    held = {k: v.detach().clone() for k, v in subject.state().items()}
    other = case.but(seed=case.seed + 1)

    def once(at: Case) -> list[Tensor]:
        subject.load(held)
        return [
            o.detach().clone()
            for o in trial.call(subject, at.but(seed=case.seed) if at is not case else at, trial.inputs(at))
        ]

    first, different, again = once(case), once(other), once(case)
    del different
    for i, (a, b) in enumerate(zip(first, again, strict=True)):
        if not torch.equal(a.nan_to_num(), b.nan_to_num()):
            yield Finding(repr(case), f"output[{i}] must be the same in a second call, got another after other inputs")
