"""How fast a reference is: reference and native timed turn by turn, so that a busy machine slows both.

One sample is as many calls as last about a millisecond. Samples of the two sides alternate, and so does who is first;
the ratio is the median over the ratios of neighbours, its spread their middle half.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from refops.parity.case import Draw
from refops.parity.spec import Spec
from refops.parity.specs import find
from refops.parity.timing.sizes import SIZES, Row

MODES = ("forward", "forward+backward", "step")
COMPILED = "compiled "  # the reference compiled, against native eager
SAMPLE_SECONDS = 1e-3


@dataclass(frozen=True)
class Timing:
    """One measured line: seconds per call and their ratio, reference over native; `low` to `high` is its spread."""

    spec: str
    label: str
    mode: str
    realistic: bool
    mark: float
    reference: float
    native: float
    ratio: float
    low: float
    high: float
    failed: str = ""


Call = Callable[[], Any]


def select(names: Sequence[str] = ()) -> list[Row]:
    """The rows of these specs, or all.

    Raises:
        LookupError: for an unknown spec.
        ValueError: for a spec without a row.
    """
    wholes = {row.spec for row in SIZES if row.whole}
    wanted = [name if name in wholes else find(name).name for name in names]
    for name in wanted:
        if all(row.spec != name for row in SIZES):
            raise ValueError(f"{name} has no size to be timed at")
    return [row for row in SIZES if not wanted or row.spec in wanted]


def pair(row: Row, mode: str, device: str = "cpu") -> tuple[Call, Call]:
    """Two calls that do the same work: the reference's and native's."""
    if row.whole:
        from refops.parity.timing import whole

        calls: tuple[Call, Call] = getattr(whole, row.whole)(device)
        return calls
    spec = find(row.spec)
    if spec.kind == "optimizer":
        return _steps(row, device)
    native: Any = spec.native if not row.against else find(row.against).native
    compiled = mode.startswith(COMPILED)
    backward = mode.endswith("backward")
    made = []
    for target in (spec.reference, native):
        torch.manual_seed(0)
        operator = _build(target, row, device)
        if compiled and target is spec.reference:
            operator = torch.compile(operator, fullgraph=True)
        made.append(_call(operator, row, device, backward))
    return made[0], made[1]


def _build(target: Callable[..., Any], row: Row, device: str) -> Callable[..., Any]:
    if row.case.init is None:
        return target
    operator = target(*row.case.init.args, **row.case.init.keywords)
    return operator.to(device) if isinstance(operator, nn.Module) else operator


def _call(operator: Callable[..., Any], row: Row, device: str, backward: bool) -> Call:
    generator = torch.Generator().manual_seed(1)
    args = [_numbers(a, generator, device) for a in row.case.call.args]
    kwargs = {k: _numbers(v, generator, device) for k, v in row.case.call.keywords.items()}
    leaves = [t for t in (*args, *kwargs.values()) if isinstance(t, Tensor) and t.is_floating_point()]
    if isinstance(operator, nn.Module):
        leaves += list(operator.parameters())
    if not backward:

        def forward() -> Any:
            with torch.no_grad():
                return operator(*args, **kwargs)

        return forward
    for leaf in leaves:
        leaf.requires_grad_()
    output = _first(operator(*args, **kwargs))
    cotangent = torch.ones_like(output)

    def both() -> Any:
        return torch.autograd.grad(_first(operator(*args, **kwargs)), leaves, cotangent, allow_unused=True)

    return both


def _first(output: Any) -> Tensor:
    result: Tensor = output[0] if isinstance(output, tuple) else output
    return result


def _numbers(value: Any, generator: torch.Generator, device: str) -> Any:
    """Ordinary numbers for a draw; anything else stays as it is."""
    if not isinstance(value, Draw):
        return value
    if value.kind == "index":
        return torch.randint(value.low, value.high, value.shape, generator=generator).to(device)
    return torch.randn(value.shape, generator=generator).to(device)


def _steps(row: Row, device: str) -> tuple[Call, Call]:
    """One step of the reference's optimizer and of native's, each on parameters and gradients of its own."""
    spec = find(row.spec)
    native: Any = find(row.against or row.spec).native
    keywords = row.case.init.keywords if row.case.init is not None else {}
    calls = []
    for make in (_optimizer_factory(spec, native), native):
        generator = torch.Generator().manual_seed(0)
        parameters = [nn.Parameter(_numbers(d, generator, device)) for d in row.case.call.draws()]
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(device)
        calls.append(make(parameters, **keywords).step)
    return calls[0], calls[1]


def _optimizer_factory(spec: Spec, native: Callable[..., Any]) -> Callable[..., Any]:
    """The reference; a wrapper such as Lookahead is put around the optimizer it is compared with."""
    from refops.optim import Lookahead

    if spec.name != "optim.Lookahead":
        return spec.reference
    return lambda parameters, **keywords: Lookahead(native(parameters, **keywords))


def measure(row: Row, mode: str, *, device: str = "cpu", seconds: float = 1.0) -> Timing:
    """Time one row in one mode for about this long."""
    try:
        reference, native = pair(row, mode, device)
        times = _interleaved(reference, native, device, seconds)
    except Exception as error:
        nan = math.nan
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return Timing(row.spec, row.label, mode, row.realistic, row.mark, nan, nan, nan, nan, nan, reason)
    ours, theirs = ([pair[i] for pair in times] for i in (0, 1))
    low, ratio, high = statistics.quantiles([a / b for a, b in times], n=4, method="inclusive")
    a, b = statistics.median(ours), statistics.median(theirs)
    mark = row.mark if mode in ("forward+backward", "step") else 0.0
    return Timing(row.spec, row.label, mode, row.realistic, mark, a, b, ratio, low, high)


def _interleaved(reference: Call, native: Call, device: str, seconds: float) -> list[tuple[float, float]]:
    once = []
    for call in (reference, native):
        call()  # warm up: allocations, autotuning, compilation
        once.append(max(_timed(call, 1, device), 1e-7))
    counts = [max(1, round(SAMPLE_SECONDS / t)) for t in once]
    deadline = time.perf_counter() + seconds
    samples: list[tuple[float, float]] = []
    while len(samples) < 5 or (time.perf_counter() < deadline and len(samples) < 500):
        if len(samples) % 2:
            ours, theirs = _timed(reference, counts[0], device), _timed(native, counts[1], device)
        else:
            theirs, ours = _timed(native, counts[1], device), _timed(reference, counts[0], device)
        samples.append((ours, theirs))
    return samples


def _timed(call: Call, count: int, device: str) -> float:
    """Seconds per call over `count` calls."""
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(count):
        call()
    if cuda:
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / count


def measure_all(
    rows: Iterable[Row], *, device: str = "cpu", seconds: float = 1.0, compiled: bool = False
) -> Iterator[Timing]:
    """Time every row in every mode it has; one thread, as the marks were taken."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for row in rows:
            modes = list(row.modes)
            if compiled and not row.whole and "step" not in modes:
                modes += [COMPILED + mode for mode in modes]
            for mode in modes:
                yield measure(row, mode, device=device, seconds=seconds)
                if mode.startswith(COMPILED):
                    torch.compiler.reset()
    finally:
        torch.set_num_threads(threads)


def geometric_mean(results: Iterable[Timing], mode: str = "forward+backward") -> float:
    """Geometric mean of the ratios over the realistic sizes; nan where there is none.

    Example:
        >>> line = Timing("Linear", "", "forward", True, 0, 2.0, 1.0, 2.0, 2.0, 2.0)
        >>> geometric_mean([line, line], "forward")
        2.0
    """
    ratios = [r.ratio for r in results if r.realistic and r.mode == mode and not r.failed]
    return statistics.geometric_mean(ratios) if ratios else math.nan


def table(results: Sequence[Timing]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and rows of the printed table."""
    heads = ("spec", "size", "mode", "reference", "native", "ratio", "spread", "mark")
    return heads, [_row(r) for r in results]


def _row(r: Timing) -> tuple[str, ...]:
    if r.failed:
        return (r.spec, r.label, r.mode, "", "", "failed", r.failed, "")
    spread = f"{r.low:.2f} to {r.high:.2f}"
    mark = f"{r.mark:.2f}" if r.mark else ""
    return (r.spec, r.label, r.mode, duration(r.reference), duration(r.native), f"{r.ratio:.2f}", spread, mark)


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    Example:
        >>> duration(0.0012), duration(3.4e-6)
        ('1.20 ms', '3.40 us')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.2f} {unit}"
    return f"{seconds * 1e6:.2f} us"


def closing_line(results: Sequence[Timing]) -> str:
    """The geometric means, in one line."""
    modes = dict.fromkeys(r.mode for r in results)
    means = [(mode, geometric_mean(results, mode)) for mode in modes]
    parts = [f"{mode} {mean:.2f}" for mode, mean in means if not math.isnan(mean)]
    failed = sum(bool(r.failed) for r in results)
    line = "geometric mean of reference / native over the realistic sizes: " + (", ".join(parts) or "none timed")
    return line + (f"; {failed} could not be timed" if failed else "")


def draw(results: Sequence[Timing], file: Path) -> None:
    """Plot the ratios, one line per size, a dot with its spread for each mode; 1 is as fast as native.

    Raises:
        ValueError: if nothing was timed, or the file's ending names no picture format.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FormatStrFormatter

    timed = [r for r in results if not r.failed]
    if not timed:
        raise ValueError("there is nothing to plot: nothing could be timed")
    names = list(dict.fromkeys(f"{r.spec}  {r.label}" for r in timed))[::-1]
    figure = Figure(figsize=(9, 1.5 + 0.22 * len(names)), layout="constrained")
    axes = figure.subplots()
    for i, mode in enumerate(dict.fromkeys(r.mode for r in timed)):
        lines = [r for r in timed if r.mode == mode]
        places = [names.index(f"{r.spec}  {r.label}") - 0.12 * i for r in lines]
        spread = [[max(0.0, r.ratio - r.low) for r in lines], [max(0.0, r.high - r.ratio) for r in lines]]
        axes.errorbar([r.ratio for r in lines], places, xerr=spread, fmt="o", markersize=4, linewidth=0.8, label=mode)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(-1, len(names))
    axes.set_xlabel("time of the reference / time of native torch (log scale)")
    figure.legend(fontsize=7, loc="outside upper center", ncols=5)
    figure.savefig(file, dpi=150)
