"""The command line: what it prints, and that what it cannot do is said in one line with exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from refops.cli import INSTALL, main
from refops.parity.record import Record, write_records
from refops.parity.running.declared import pairs
from refops.parity.running.options import CheckOptions
from refops.parity.specs import all_specs

SHAPE = ["shape", "Conv2d", "3x224x224", "--out-channels", "64"]
MINE = "mypkg.norms:Mine"


def output(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["show", "LayerNrom"], "LayerNorm"),
        (["show", "functional.layer_nrom"], "functional.layer_norm"),
        (["show", ""], "must not be empty"),
        (["show"], "Missing argument"),
        (["shape", "Cnov2d", "3x8x8"], "Conv2d"),
        (["shape", "Conv2d"], "Missing argument"),
        (["shape", "Conv2d", "--stride", "2"], "needs an input shape"),
        (["shape", "Conv2d", "three"], "3x224x224"),
        (["shape", "Conv2d", "3x8x8"], "out_channels"),
        ([*SHAPE, "--kernel-size", "7", "--strid", "2"], "did you mean stride?"),
        ([*SHAPE, "--kernel-size", "7", "--stride", "0"], "stride"),
        ([*SHAPE, "--kernel-size", "300"], "kernel"),
        ([*SHAPE, "--kernel-size", "seven"], ""),
        (["check", "LayerNrom"], "LayerNorm"),
        (["check", ""], "must not be empty"),
        (["check", MINE], "--like"),
        (["check", MINE, "--like", "LayerNrom"], "LayerNorm"),
        (["check", "LayerNorm", "--like", "LayerNorm"], "module:Name"),
        (["check", MINE, "LayerNorm", "--like", "LayerNorm"], "module:Name"),
        (["check", ":Mine", "--like", "LayerNorm"], "module:Name"),
        (["check", "--dtype", "float12"], "float32"),
        (["check", "--dtype", ""], "--dtype"),
        (["check", "--level", "slow"], "quick"),
        (["check", "-n", "many"], "-n"),
        (["check", "--timeout", "0"], "--timeout"),
        (["check", "--timeout", "soon"], "timeout"),
        (["check", "--device", "toaster"], "toaster"),
        (["check", "--device", ""], ""),
        (["check", MINE, "--like", "LayerNorm", "--state", "scale"], "name=value"),
        (["check", "LayerNorm", "--strict"], "module:Name"),
        (["check", MINE, "--like", "LayerNorm", "--accept", "wrong:value="], "name=value"),
        (["check", "--state", "weight=scale"], "module:Name"),
        (["check", "--json", "no/such/folder/run.json"], "folder does not exist"),
        (["check", "--colour"], "--colour"),
        (["chekc"], "chekc"),
        (["list", "--family", "normalisation"], "normalization"),
        (["bench", "LayerNrom"], "LayerNorm"),
        (["bench", "--device", "toaster"], "toaster"),
        (["report", "no-such-run.json"], "no-such-run.json"),
        (["report"], "Missing argument"),
        (["rates", "no-such-folder"], "no-such-folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refusals_are_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], argv: list[str], says: str) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("refops: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "--version").startswith("refops ")
    assert "check" in output(capsys)
    assert "--drop-in" in output(capsys, "check", "--help")


def test_list_has_one_line_per_spec(capsys: pytest.CaptureFixture[str]) -> None:
    specs = list(all_specs())
    text = output(capsys, "list")
    lines = [line.split() for line in text.splitlines()]
    assert {spec.name for spec in specs} <= {line[0] for line in lines if line}
    assert lines[-1][:2] == [str(len(specs)), "specs"]
    only = output(capsys, "list", "--family", "linear").splitlines()
    assert all(line.split()[1] == "linear" for line in only[1:-1])


def test_list_primitives_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    from refops.parity.judging.primitives import PRIMITIVES

    text = output(capsys, "list", "--primitives")
    assert all(name in text for name in PRIMITIVES)
    last = text.splitlines()[-1].split()
    assert last[:3] == ["The", "references", "need"]
    assert 5 <= int(last[3]) <= int(last[6]) == len(PRIMITIVES)


@pytest.mark.parametrize("name", [spec.name for spec in all_specs()])
def test_show_tells_the_file_the_cases_and_the_docstring(capsys: pytest.CaptureFixture[str], name: str) -> None:
    text = output(capsys, "show", name)
    assert text.startswith(name.rpartition(".")[2] + "(")
    assert "Cases (" in text
    assert ".py" in text


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("Conv2d 3x224x224 --out-channels 64 --kernel-size 7 --stride 2", "64x109x109"),
        ("Conv2d 3x224x224 --out-channels 64 --kernel-size 7 --stride 2 --padding 3", "64x112x112"),
        ("Conv2d 8x3x32x32 --out-channels=16 --kernel-size=3,5 --padding=same --bias False", "8x16x32x32"),
        ("Linear 4x7x20 --out-features 30", "4x7x30"),
        ("MaxPool2d 1x5x5 --kernel-size 2 --ceil-mode", "1x3x3"),
        ("Flatten 2x3x4", "2x12"),
        ("functional.linear 4x20 30x20", "4x30"),
        ("LayerNorm 4x10 --normalized-shape 10", "4x10"),
    ],
)
def test_shape(capsys: pytest.CaptureFixture[str], words: str, shape: str) -> None:
    assert output(capsys, "shape", *words.split()) == shape + "\n"


def test_check_hands_its_options_to_the_runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import refops.parity.running.command

    seen: list[CheckOptions] = []

    def main_check(options: CheckOptions) -> int:
        seen.append(options)
        return 1

    monkeypatch.setattr(refops.parity.running.command, "main_check", main_check)
    file = tmp_path / "run.json"
    argv = [MINE, "--like", "LayerNorm", "--dtype", "float32", "--dtype", "float64", "--check", "value", "-n", "2"]
    argv += ["--timeout", "9", "--drop-in", "--state", "weight=a,bias=b", "--json", str(file), "--lf", "-k", "x"]
    assert main(["check", *argv]) == 1
    assert main(["check"]) == 1
    assert seen[0] == CheckOptions(
        names=(MINE,), like="LayerNorm", dtypes=("float32", "float64"), checks=("value",), workers="2", timeout=9.0,
        drop_in=True, domain={"state": {"weight": "a", "bias": "b"}}, json=file, last_failed=True, keyword="x",
    )  # fmt: skip
    assert seen[1] == CheckOptions()


def test_pairs() -> None:
    assert pairs("--state", ["weight=a,bias = b"]) == {"weight": "a", "bias": "b"}
    assert pairs("--default", ["eps=1e-6"], literal=True) == {"eps": 1e-6}
    for text in ("", "a", "a=", "=b", "a=b,c"):
        with pytest.raises(ValueError, match="name=value"):
            pairs("--state", [text])


def test_report_writes_both_views_or_prints_the_summary(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run, page, summary = tmp_path / "run.json", tmp_path / "out.html", tmp_path / "out.md"
    write_records(run, [Record("Linear", "value", "float32", "cpu", cases=3)], torch="2.13.0")
    assert output(capsys, "report", str(run), "--html", str(page), "--markdown", str(summary)) == ""
    assert "Linear" in page.read_text(encoding="utf-8")
    assert output(capsys, "report", str(run)) == summary.read_text(encoding="utf-8")
    page.write_text("nonsense", encoding="utf-8")
    assert main(["report", str(page)]) == 2


def test_bench_prints_json_and_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plot = tmp_path / "ratios.svg"
    results: list[dict[str, Any]] = json.loads(
        output(capsys, "bench", "Flatten", "Identity", "--json", "--seconds", "0.01", "--plot", str(plot))
    )
    modes = ["forward", "forward+backward"]
    assert [(r["spec"], r["mode"]) for r in results] == [(s, m) for s in ("Identity", "Flatten") for m in modes]
    assert all(r["ratio"] > 0 and not r["failed"] for r in results)
    assert plot.read_text(encoding="utf-8").startswith("<?xml")
    assert "none timed" in output(capsys, "bench", "Identity", "--seconds", "0.01")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_explains_itself(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from refops.cli import main; sys.exit(main(['list']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert INSTALL in done.stderr
    assert done.stderr.count("\n") == 1
