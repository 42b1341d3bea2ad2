"""The commands of `refops`. Each reads its arguments, calls one function of the package, prints what that returns."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from refops.training.command import train
from refops.usage import UsageError

if TYPE_CHECKING:
    from refops.parity.spec import Spec

app = typer.Typer(
    help="Readable PyTorch operators, and the conformance kit that proves them and yours.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)
app.add_typer(train, name="train")

Device = Annotated[str, typer.Option(help="A torch device string: cpu, cuda, cuda:1, mps ...")]
Names = Annotated[list[str] | None, typer.Argument(help="Specs; none means all.", show_default=False)]


def run(argv: Sequence[str]) -> int:
    """Run the command line and return the exit code.

    Raises:
        UsageError: if the arguments cannot be understood.
    """
    try:
        result = app(args=list(argv), prog_name="refops", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what the parser says; its class differs between releases of typer
            raise
        raise UsageError(error.format_message().rstrip(".")) from error
    return result if isinstance(result, int) else 0


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn an error of these kinds into a refusal with the error's own message."""
    try:
        yield
    except kinds as error:
        raise UsageError(str(error.args[0] if isinstance(error, LookupError) and error.args else error)) from error


def _spec(name: str) -> Spec:
    from refops.parity.specs import find

    if not name.strip():
        raise UsageError("the spec's name must not be empty; `refops list` shows all names")
    with refusing(LookupError):
        return find(name)


def _version(wanted: bool) -> None:
    if wanted:
        import torch

        typer.echo(f"refops {version_of('refops')} with torch {torch.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Versions.")] = False,
) -> None:
    """Readable PyTorch operators, and the conformance kit that proves them and yours."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Specs, or module:Name of your own with --like; none means every spec.", show_default=False
        ),
    ] = None,
    like: Annotated[str | None, typer.Option(help="The spec, or your own module:reference.")] = None,
    device: Device = "cpu",
    dtype: Annotated[list[str] | None, typer.Option(help="Only this dtype; may be given again.")] = None,
    check: Annotated[list[str] | None, typer.Option(help="Only this check; may be given again.")] = None,
    case: Annotated[list[str] | None, typer.Option(help="A call of the eager reference in --like.")] = None,
    level: Annotated[str, typer.Option(help="quick, or full: more cases and the full Jacobian.")] = "quick",
    workers: Annotated[str, typer.Option("-n", "--workers", help="Processes: a number, or auto.")] = "auto",
    timeout: Annotated[float | None, typer.Option(help="Seconds one check may take.")] = None,
    drop_in: Annotated[bool, typer.Option("--drop-in", help="Judge by the drop-in contract too.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for differences too.")] = False,
    by_hand: Annotated[bool, typer.Option("--by-hand", help="Fail if it calls the operator it stands for.")] = False,
    argument: Annotated[list[str] | None, typer.Option(help="Native's name of an argument = yours.")] = None,
    default: Annotated[list[str] | None, typer.Option(help="An argument whose default is yours: eps=1e-6.")] = None,
    fixed: Annotated[list[str] | None, typer.Option(help="An argument that is preset: foreach=True.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="An argument that you do not offer.")] = None,
    accept: Annotated[list[str] | None, typer.Option(help="A kind of finding you accept = the reason.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Native's name of a parameter = yours.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the records here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report's page here.")] = None,
    last_failed: Annotated[bool, typer.Option("--lf", help="Only what failed last time.")] = False,
    keyword: Annotated[str | None, typer.Option("-k", help="pytest's -k expression.")] = None,
) -> int:
    """Prove the references against native torch, or judge an implementation of your own.

    Exit code: 0 all passed, 1 something failed, 2 the arguments cannot be obeyed, 5 nothing ran.
    """
    from refops.parity.running.declared import pairs
    from refops.parity.running.options import CheckOptions

    for name in names or ():
        if ":" not in name:
            _spec(name)
    if like is not None and ":" not in like:
        _spec(like)
    _usable(device)
    for file in (json, html):
        if file is not None and not file.resolve().parent.is_dir():
            raise UsageError(f"{file} cannot be written: its folder does not exist")
    with refusing(ValueError):
        domain = {
            "arguments": pairs("--argument", argument or ()),
            "defaults": pairs("--default", default or (), literal=True),
            "fixed": pairs("--fixed", fixed or (), literal=True),
            "without": list(without or ()),
            "accepts": pairs("--accept", accept or ()),
            "state": pairs("--state", state or ()),
        }
        options = CheckOptions(
            names=tuple(names or ()), like=like, device=device, dtypes=tuple(dtype or ()), checks=tuple(check or ()),
            cases=tuple(case or ()), level=level, workers=workers, timeout=timeout, drop_in=drop_in, strict=strict,
            by_hand=by_hand,
            domain={k: v for k, v in domain.items() if v}, json=json, html=html, last_failed=last_failed,
            keyword=keyword,
        )  # fmt: skip
    from refops.parity.running.command import main_check

    with refusing(LookupError, ValueError, TypeError):
        return main_check(options)


def _usable(device: str) -> None:
    import torch

    with refusing(RuntimeError, AssertionError):
        torch.empty(0, device=device)


@app.command(name="list")
def list_(
    primitives: Annotated[bool, typer.Option("--primitives", help="The operations references may use.")] = False,
    family: Annotated[str, typer.Option(help="Only this family.")] = "",
) -> None:
    """Show all specs, or the primitive operations they are made of."""
    if primitives:
        _primitives()
        return
    from refops.parity.running.describe import native_name
    from refops.parity.specs import all_specs

    specs = sorted(all_specs(), key=lambda s: (s.family, s.kind != "module", s.name))
    families = sorted({s.family for s in specs})
    if family and family not in families:
        raise UsageError(f"--family must be one of {', '.join(families)}, got {family!r}")
    rows = [s for s in specs if family in ("", s.family)]
    natives = {s.name: native_name(s) if s.native is not None else "none" for s in rows}
    _print_table(
        ("name", "family", "kind", "native", "cases"),
        [(s.name, s.family, s.kind, natives[s.name], str(len(s.cases))) for s in rows],
    )
    typer.echo(
        f"{len(rows)} specs in {len({s.family for s in rows})} families, {sum(len(s.cases) for s in rows)} cases"
    )


def _primitives() -> None:
    from refops.parity.judging.primitives import PRIMITIVES
    from refops.parity.proving.primitives_needed import needed
    from refops.parity.specs import all_specs

    used = needed(all_specs())
    rows = [
        (name, ", ".join(used.get(name, ())), ", ".join(o for o in allowed if o not in used.get(name, ())))
        for name, allowed in PRIMITIVES.items()
    ]
    _print_table(("primitive", "aten operations the references use", "allowed as well"), rows)
    count = sum(map(len, used.values()))
    typer.echo(f"The references need {len(used)} of these {len(PRIMITIVES)} primitives: {count} aten operations.")


def _print_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from refops.parity.running.terminal import console

    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A spec: BatchNorm2d, functional.gelu, optim.AdamW.")]) -> None:
    """Show one spec: signature, docstring with the formula, cases, laws, refusals, differences, file."""
    from refops.parity.running.describe import page

    typer.echo(page(_spec(name)))


@app.command(context_settings={"ignore_unknown_options": True})
def shape(
    name: Annotated[str, typer.Argument(help="A spec: Conv2d.")],
    words: Annotated[list[str], typer.Argument(metavar="SHAPE... [--ARGUMENT VALUE]...", help="3x224x224 --stride 2")],
) -> None:
    """Print the output shape: `refops shape Conv2d 3x224x224 --out-channels 64 --kernel-size 7 --stride 2`."""
    from refops.parity.running.describe import output_shape, parse_words, shape_text

    spec = _spec(name)
    with refusing(ValueError, RuntimeError):
        shapes, keywords = parse_words(words)
        if not shapes:
            raise ValueError(f"{name} needs an input shape, written like 3x224x224")
        for result in output_shape(spec, shapes, keywords):
            typer.echo(shape_text(result))


@app.command()
def bench(
    names: Names = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the ratios here (.png, .svg, .pdf).")] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Also time them under torch.compile.")] = False,
    device: Device = "cpu",
    seconds: Annotated[float, typer.Option(help="Time for one row of the table.")] = 1.0,
) -> None:
    """Time references against native, interleaved: median ratios of forward and forward + backward."""
    from refops.parity.timing import bench as timing

    _usable(device)
    with refusing(LookupError, ValueError):
        rows = timing.select(names or ())
    results = []
    for result in timing.measure_all(rows, device=device, seconds=seconds, compiled=compile):
        results.append(result)
        if not json and sys.stderr.isatty():
            typer.echo(f"\r{result.spec} {result.label} {result.mode}\x1b[K", err=True, nl=False)
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", err=True, nl=False)
    if json:
        typer.echo(json_format.dumps([asdict(r) for r in results], indent=1))
    else:
        heads, table = timing.table(results)
        _print_table(heads, table)
        typer.echo(timing.closing_line(results))
    if plot is not None:
        with refusing(ValueError, OSError):
            timing.draw(results, plot)


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="What `refops check --json FILE` wrote.")],
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the summary here.")] = None,
) -> None:
    """Turn a run into one HTML page and a Markdown summary; without either, print the summary."""
    from refops.parity.running import report as views

    if not file.is_file():
        raise UsageError(f"FILE must hold what `refops check --json FILE` wrote, got {file}: there is no such file")
    with refusing(ValueError, OSError):
        records = views.read_run(file)
        views.write(records, html_file=html, markdown_file=markdown)
    if html is None and markdown is None:
        typer.echo(views.markdown(records), nl=False)


@app.command()
def coverage() -> int:
    """Print every row of the documents the package was made from, and what in the package holds it."""
    from refops import coverage as covering

    rows = covering.inventory()
    for row in rows:
        typer.echo(f"{row.number:>3}  {row.kind:<28}  {row.what}\n{'':5}{'  '.join(row.discharged_by)}")
    gaps = list(covering.gaps(rows))
    for row, missing in gaps:
        typer.echo(f"MISSING  row {row.number}: {', '.join(missing) or 'it names nothing'}")
    left = "" if covering.in_checkout() else "; tests and pages are looked for in a checkout only"
    typer.echo(f"{len(rows)} rows, {len(rows) - len(gaps)} held, {len(gaps)} with something missing{left}")
    return 1 if gaps else 0


@app.command()
def rates(
    folder: Annotated[Path, typer.Argument(help="Holds wrong/ and honest/ implementations.")] = Path("tests/kit"),
    workers: Annotated[int | None, typer.Option("-n", "--workers", min=1, help="Processes; one per processor.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the verdicts here.")] = None,
) -> None:
    """Measure the kit: share of known-wrong implementations caught, share of honest ones accused."""
    from refops.parity.proving import rates as measuring

    if not folder.is_dir():
        raise UsageError(f"FOLDER must hold wrong/ and honest/ implementations, got {folder}")
    with refusing(ValueError, LookupError):
        found = measuring.measure(folder, workers=workers)
    if json is not None:
        with refusing(OSError):
            measuring.save(found, json)
    typer.echo(found)
