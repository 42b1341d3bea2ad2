"""Records to pages: the matrix, the HTML page, the Markdown summary, the terminal, and runs that were cut short."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import pytest

from refops.parity.record import Finding, Record, write_records
from refops.parity.running.matrix import exit_code, failures, matrices, matrix, totals, worst
from refops.parity.running.report import Run, html, markdown, read_run, write
from refops.parity.running.terminal import Progress, conclude

SCRIPT = "import torch\nprint(1 < 2)"
RECORDS = (
    Record("Linear", "value", "float32", "cpu", cases=12, evidence=11, ulp_max=1.5, ratio_max=1.2, worst_case="b(2)"),
    Record("Linear", "value", "float64", "cpu", cases=12, evidence=12, ulp_max=0.5, ratio_max=0.9),
    Record("Linear", "gradient", "float16", "cpu", outcome="skipped", reason="native has no float16 here"),
    Record(
        "LayerNorm", "value", "float32", "cpu", subject="mine:<Norm>", outcome="failed", cases=3, evidence=3,
        ulp_max=900.0, ratio_max=float("inf"), worst_case="built(10).on(real(4, 10))",
        findings=[
            Finding("built(10, eps=0.1).on(real(4, 10))", "the larger case"),
            Finding("built(2).on(real(1, 2))", "eps | is outside", index="[0]", expected="1", got="<2>", script=SCRIPT),
        ],
    ),
    Record("optim.LAMB", "zebra", "float32", "cpu", outcome="error", reason="the process died with signal 11"),
)  # fmt: skip
ABOUT = {"torch": "2.13.0", "device": "cpu", "date": "2026-01-02"}
RUN = Run(RECORDS, ABOUT)


class Balanced(HTMLParser):
    """Collects tags that are not closed, and addresses of other files."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_matrix_sorts_columns_by_the_kits_order_and_keeps_unknown_checks() -> None:
    view = matrix(RECORDS)
    assert view.rows == ("Linear", "mine:<Norm> as LayerNorm", "optim.LAMB")
    assert view.columns == ("value", "gradient", "zebra")
    assert view.cells["Linear", "value"].cases == 24
    assert view.cells["Linear", "value"].outcome == "passed"
    assert ("Linear", "zebra") not in view.cells


def test_optimizers_have_a_matrix_of_their_own() -> None:
    layers, optimizers = matrices(RECORDS)
    assert layers.rows == ("Linear", "mine:<Norm> as LayerNorm")
    assert optimizers.rows == ("optim.LAMB",)
    assert matrices([]) == []


def test_a_cell_shows_its_worst_record() -> None:
    records = [
        Record("A", "value", d, "cpu", outcome=o) for d, o in zip("xyz", ("passed", "skipped", "failed"), strict=True)
    ]
    assert matrix(records).cells["A", "value"].outcome == "failed"
    assert matrix(records[:2]).cells["A", "value"].outcome == "passed"


def test_totals_and_exit_codes() -> None:
    assert str(totals(RECORDS)) == "5 checks of 3 specs on 27 cases: 1 failed, 1 error, 2 passed, 1 skipped"
    assert exit_code(RECORDS) == 1
    assert exit_code(RECORDS[:3]) == 0
    assert exit_code(RECORDS[2:3]) == 5
    assert exit_code([]) == 5


def test_failures_come_smallest_case_first() -> None:
    (_, findings), (died, none) = failures(RECORDS)
    assert [f.message for f in findings] == ["eps | is outside", "the larger case"]
    assert died.check == "zebra"
    assert none == []
    assert [r.ratio_max for r in worst(RECORDS)] == [float("inf"), 1.2, 0.9]


def test_the_page_is_whole_and_needs_no_other_file() -> None:
    text = html(RUN)
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.links == []
    for part in (
        "2.13.0",
        "mine:&lt;Norm&gt;",
        "signal 11",
        "print(1 &lt; 2)",
        "native has no float16 here",
        "2026-01-02",
    ):
        assert part in text
    assert "<Norm>" not in text


def test_the_page_of_an_empty_and_of_a_clean_run() -> None:
    assert "Nothing failed" in html(Run(RECORDS[:2]))
    assert "0 checks" in html(Run(()))


def test_markdown_names_what_failed_with_its_script() -> None:
    text = markdown(RUN)
    assert "5 checks of 3 specs" in text
    assert "| value | 2 | **1** | 0 | 27 |" in text
    assert "```python\n" + SCRIPT in text
    assert "mine:<Norm>" not in text.replace("```", "")
    assert text.endswith("\n")
    assert "### Failing" not in markdown(Run(RECORDS[:2]))


def test_markdown_of_many_failures_stays_short() -> None:
    bad = [
        Record(f"S{i}", "value", "float32", "cpu", outcome="failed", findings=[Finding("c", "m")]) for i in range(500)
    ]
    text = markdown(Run(tuple(bad)))
    assert "and 480 more" in text
    assert len(text) < 10_000


def test_a_finished_run_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_records(file, RECORDS, **ABOUT, workers=2)
    run = read_run(file)
    assert run.records == RECORDS
    assert run.about == {**ABOUT, "workers": "2"}
    write(run, html_file=tmp_path / "a.html", markdown_file=tmp_path / "a.md")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("## ")


@pytest.mark.parametrize("header", ["", '{"torch": "2.13.0"}\n'])
@pytest.mark.parametrize("torn", ["", '{"spec": "Conv2d", "che'])
@pytest.mark.parametrize("count", [1, 4])
def test_an_interrupted_run_is_read_as_far_as_it_got(tmp_path: Path, header: str, torn: str, count: int) -> None:
    file = tmp_path / "run.json"
    file.write_text(header + "".join(r.to_json() + "\n" for r in RECORDS[:count]) + torn, encoding="utf-8")
    run = read_run(file)
    assert run.records == RECORDS[:count]
    assert ("torch" in run.about) is bool(header)
    assert html(run)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "null", "[1, 2]", "nonsense", '{"records": 3}', '{"spec": "Con'])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="records of a refops run"):
        read_run(file)


def test_the_terminal_shows_failures_table_and_closing_line() -> None:
    out = io.StringIO()
    assert conclude(RECORDS, seconds=12.3, file=out) == 1
    text = out.getvalue()
    assert "eps | is outside" in text
    assert "print(1 < 2)" in text
    assert "and 1 more failing cases" in text
    assert text.rstrip().splitlines()[-1] == f"{totals(RECORDS)} in 12 s"


def test_the_terminals_table_fits_all_checks_into_80_columns() -> None:
    from refops.parity.running.matrix import COLUMNS

    name = "functional.cross_entropy"
    checks = COLUMNS[: COLUMNS.index("trajectory")]
    records = [Record(name, check, "float32", "cpu") for check in checks]
    out = io.StringIO()
    conclude(records, seconds=0, file=out)
    row = next(line for line in out.getvalue().splitlines() if line.startswith(name))
    assert len(row.rstrip()) <= 80
    assert row.removeprefix(name).replace(" ", "") == "✓" * len(checks)


def test_progress_counts() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.start(len(RECORDS))
    for record in RECORDS:
        progress.update(record)
    progress.finish()
    assert progress.counts == "2 passed  2 failed  1 skipped"
    assert out.getvalue().splitlines()[-1] == "5/5 checks  2 passed  2 failed  1 skipped"
    Progress(out).finish()
    empty = Progress(out)
    empty.start(0)
    empty.finish()
